"""Every row of `docs/controls.md` can be taken out of the code as it is now, and for a handful the tests are run."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controls.__main__ import problems
from tests.controls.removals import REMOVALS, WITHOUT_CONTROL, Body, Constant, Text, Unlisted
from tests.controls.tree import Copy, file_of, removals_of, without
from tests.test_controls import ROOT, ROWS, Row

# Rows of which each takes seconds; `make controls` runs all of them.
QUICK = (7, 21, 42)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_every_control_can_be_taken_out_of_the_code_as_it_is(row: Row) -> None:
    removals = removals_of(row)
    assert bool(removals) is (row.number not in WITHOUT_CONTROL)
    for removal in removals:
        source = (ROOT / file_of(removal)).read_text(encoding="utf-8")
        changed = without(removal, source)
        assert changed != source
        if not isinstance(removal, Text):
            ast.parse(changed)


def test_no_removal_belongs_to_a_row_that_is_not_there() -> None:
    assert set(REMOVALS) | set(WITHOUT_CONTROL) <= {row.number for row in ROWS}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("tree")
    yield Copy(folder / "copy")
    # Test files name the keys they use, so a copy of them that stays would be a leak to the secret watch.
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", QUICK)
def test_a_named_test_fails_without_its_control(number: int, copy: Copy) -> None:
    row = next(row for row in ROWS if row.number == number)
    assert problems(row, copy) == []


@pytest.mark.slow
def test_a_test_that_does_not_notice_is_named(copy: Copy) -> None:
    row = Row(
        7,
        "leverage",
        ("bot.risk.account_checks:check_account_leverage",),
        ("tests/risk/test_checks.py::test_a_limit_refuses_beyond_and_passes_inside[leverage]",),
        "",
    )
    found = problems(row, copy)
    assert any("no test notices" in words and "check_account_leverage" in words for words in found)


SOURCE = '''
LIMITS = (one.first, two.second)


class Thing:
    def act(self, size):
        """What it does."""
        size = size + 1
        return size
'''


@pytest.mark.parametrize(
    ("removal", "part"),
    [
        (Body("m:Thing.act", "return 0"), "    def act(self, size):\n        return 0\n"),
        (Body("m:Thing.act", "size = 7", keeps=True), '"""\n        size = 7\n        size = size + 1\n'),
        (Unlisted("m:LIMITS", "first"), "LIMITS = (two.second,)\n"),
        (Constant("m:LIMITS", "()"), "LIMITS = ()\n"),
        (Text("m", r"size \+ 1", "size"), "        size = size\n"),
    ],
)
def test_a_removal_changes_what_it_names_and_nothing_else(
    removal: Body | Unlisted | Constant | Text, part: str
) -> None:
    changed = without(removal, SOURCE)
    assert part in changed
    assert changed.count("\n") >= SOURCE.count("\n") - 4
    ast.parse(changed)


@pytest.mark.parametrize(
    "removal",
    [
        Body("m:Thing.gone", "pass"),
        Body("m:LIMITS", "pass"),
        Body("m:gone", "pass"),
        Unlisted("m:LIMITS", "third"),
        Unlisted("m:Thing", "act"),
        Constant("m:Thing.act", "1"),
        Text("m", "third", ""),
    ],
)
def test_a_removal_of_what_is_not_there_is_an_error(removal: Body | Unlisted | Constant | Text) -> None:
    with pytest.raises(LookupError):
        without(removal, SOURCE)


@pytest.mark.slow
def test_the_copy_is_as_it_was_after_a_removal(copy: Copy, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.number == 7)
    copy.failures(row.tests[:1], removals_of(row)[0])
    for removal in removals_of(row):
        name = file_of(removal)
        assert (copy._root / name).read_bytes() == (ROOT / name).read_bytes()
