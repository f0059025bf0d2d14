"""`docs/controls.md` speaks of code and tests that exist, of every control, and leaves none without test or reason."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "controls.md"
COUNT = 51
REASON_LENGTH = 40


@dataclass(frozen=True)
class Row:
    """One line of the tables. `places` are module:name or paths, `tests` are pytest node ids."""

    number: int
    control: str
    places: tuple[str, ...]
    tests: tuple[str, ...]
    reason: str


def rows(text: str) -> list[Row]:
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            number, control, places, tests, reason = cells
            quoted = re.compile(r"`([^`]+)`")
            found.append(Row(int(number), control, tuple(quoted.findall(places)), tuple(quoted.findall(tests)), reason))
    return found


ROWS = rows(PAGE.read_text(encoding="utf-8"))


def problems(row: Row) -> Iterator[str]:
    """What is wrong with a row."""
    if not row.control:
        yield "it says no control"
    for place in row.places:
        if not exists(place):
            yield f"{place} does not exist"
    for test in row.tests:
        if not is_test(test):
            yield f"there is no test {test}"
    if not row.tests and len(row.reason) < REASON_LENGTH:
        yield "it has neither a test nor a reason"
    if row.tests and not row.places:
        yield "it names a test and no place"


def exists(place: str) -> bool:
    """A path, a module, or a name in one: a function, class, method or constant."""
    if "/" in place:
        return (ROOT / place).is_file()
    module, _, name = place.partition(":")
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.is_file() and (not name or name in names_of(file))


def is_test(node: str) -> bool:
    """A node id, or a whole file; a case in brackets has to be spelled out somewhere in the file."""
    path, _, name = node.partition("::")
    file = ROOT / path
    if not file.is_file() or not path.startswith("tests/"):
        return False
    name, _, case = name.partition("[")
    if case and f'"{case.removesuffix("]")}"' not in file.read_text(encoding="utf-8"):
        return False
    return not name or (name.startswith("test_") and name in names_of(file))


@cache
def names_of(file: Path) -> frozenset[str]:
    """Names defined at the top of a module, and `Class.method` for those of its classes."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in inner}
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)


def test_all_controls_are_listed_once() -> None:
    assert [row.number for row in ROWS] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_a_control_has_a_test_that_exists_or_a_reason(row: Row) -> None:
    assert list(problems(row)) == []


GOOD = Row(1, "a cap", ("bot.risk.gate:review",), ("tests/test_controls.py::test_all_controls_are_listed_once",), "")
WHY = "it cannot be done here, and this says in enough words why"


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (Row(1, "", GOOD.places, GOOD.tests, ""), "no control"),
        (Row(1, "a", ("bot.risk.gone:review",), GOOD.tests, ""), "bot.risk.gone:review"),
        (Row(1, "a", ("bot.risk.gate:gone",), GOOD.tests, ""), "bot.risk.gate:gone"),
        (Row(1, "a", ("bot.runtime.kill.switch:KillSwitch.gone",), GOOD.tests, ""), "KillSwitch.gone"),
        (Row(1, "a", ("docs/gone.md",), GOOD.tests, ""), "docs/gone.md"),
        (Row(1, "a", GOOD.places, ("tests/test_controls.py::test_gone",), ""), "test_gone"),
        (Row(1, "a", GOOD.places, ("tests/gone.py::test_gone",), ""), "gone.py"),
        (Row(1, "a", GOOD.places, ("tests/test_controls.py::rows",), ""), "rows"),
        (Row(1, "a", GOOD.places, (f"{GOOD.tests[0]}[no such case]",), ""), "no such"),
        (Row(1, "a", GOOD.places, ("bot/risk/gate.py::review",), ""), "gate.py"),
        (Row(1, "a", GOOD.places, (), "no"), "neither"),
        (Row(1, "a", (), GOOD.tests, WHY), "no place"),
    ],
)
def test_a_row_that_promises_too_much_is_found(row: Row, word: str) -> None:
    assert any(word in problem for problem in problems(row))


def test_rows_that_keep_their_promise_pass() -> None:
    assert list(problems(GOOD)) == []
    assert list(problems(Row(1, "a", (), (), WHY))) == []


def test_a_table_is_read_with_its_empty_cells() -> None:
    text = "| # | control |\n|---|---|\n| 7 | x | `a:b` `c` | `t::u` | |\n| 8 | y | | | because |\nprose\n"
    assert rows(text) == [Row(7, "x", ("a:b", "c"), ("t::u",), ""), Row(8, "y", (), (), "because")]
