"""The two ways to run the tests: which leaves out what, and that both are named where somebody looks for them."""

import gc
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from bot.runtime import logs
from tests import profiles
from tests.commands import kept_logging
from tests.conftest import ROOT, pytest_collection_modifyitems


def recipe(target: str) -> str:
    """What the Makefile does for a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    (runner,) = re.findall(r"^PYTEST = (.*)", makefile, re.MULTILINE)
    return str(lines).replace("$(PYTEST)", runner)


def test_both_commands_share_the_tests_among_workers_and_one_leaves_the_slow_ones_out() -> None:
    quick, everything = recipe("test"), recipe("test-all")
    assert "--dist worksteal" in quick
    assert "--dist worksteal" in everything
    assert "-n $(JOBS)" in quick
    assert "-n $(JOBS)" in everything
    assert '-m "not slow"' in quick
    assert "slow" not in everything
    assert "HYPOTHESIS_PROFILE=quick" in quick
    assert "HYPOTHESIS_PROFILE=gate" in everything


@pytest.mark.parametrize(("given", "workers"), [((), len(os.sched_getaffinity(0)) + 1), (("JOBS=7",), 7)])
def test_there_is_one_worker_more_than_cores_unless_a_number_is_given(given: tuple[str, ...], workers: int) -> None:
    """Some tests wait for clocks and other processes; what the others do meanwhile would leave a core idle."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    command = ["make", "--dry-run", "test", *given]
    shown = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=True).stdout
    assert f" -m pytest -n {workers} --dist" in shown


@pytest.mark.parametrize("command", ["test", "test-all"])
def test_both_commands_say_something_before_they_work(command: str) -> None:
    assert recipe(command).startswith("\t@echo ")


def test_the_gate_runs_everything_and_the_readme_names_both() -> None:
    gate, readme = ((ROOT / name).read_text(encoding="utf-8") for name in (".ci/run", "README.md"))
    assert re.search(r"^make test-all ", gate, re.MULTILINE)
    assert re.search(r"^\$ make test ", readme, re.MULTILINE)
    assert "`make test-all`" in readme


def test_the_marks_are_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    marks = [line.partition(":")[0] for line in project["tool"]["pytest"]["ini_options"]["markers"]]
    assert marks == ["slow", "sweep(keep)"]


class Case:
    """A collected case of a table, as far as the hook asks for it."""

    def __init__(self, name: str, *marks: pytest.MarkDecorator) -> None:
        self.nodeid, self.marks = f"test_a.py::{name}", {mark.name: mark.mark for mark in marks}

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self.marks.get(name)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks[mark.name] = mark.mark


@pytest.mark.parametrize(("keep", "kept"), [(1, [0]), (2, [0, 3]), (3, [0, 2, 4]), (7, [0, 1, 2, 3, 4, 5, 6])])
def test_the_quick_run_keeps_cases_spread_over_a_sweep_and_leaves_no_other_test_out(keep: int, kept: list[int]) -> None:
    table = [Case(f"test_table[{number}]", pytest.mark.sweep(keep=keep)) for number in range(7)]
    others = [Case(f"test_other[{number}]") for number in range(3)]
    pytest_collection_modifyitems([*others, *table])  # type: ignore[list-item]
    assert [number for number, case in enumerate(table) if "slow" not in case.marks] == kept
    assert not any(case.marks for case in others)


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "soak").glob("test_*.py")), ids=lambda path: path.stem)
def test_every_test_of_the_soak_is_slow(path: Path) -> None:
    assert "\npytestmark = pytest.mark.slow\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("profile", "count", "expected"),
    [("quick", 300, 75), ("quick", 40, 10), ("quick", 25, 10), ("quick", 5, 5), ("gate", 300, 300), ("here", 40, 40)],
)
def test_only_the_quick_run_tries_fewer_examples(
    profile: str, count: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "PROFILE", profile)
    assert profiles.examples(count) == expected


def test_a_command_of_one_test_hides_no_log_line_from_the_next() -> None:
    """Once a test failed whenever its worker had run a command before: that had left only warnings to be seen."""
    with kept_logging():
        logs.configure(level="error")
    with capture_logs() as lines:
        structlog.get_logger().info("started")
    assert [line["event"] for line in lines] == ["started"]


def test_what_has_been_collected_is_not_looked_at_again_for_each_test() -> None:
    assert gc.get_freeze_count() > 100_000
    assert gc.get_threshold()[0] >= 50_000


def test_no_test_loads_all_exchanges_of_ccxt() -> None:
    loaded = [name for name in sys.modules if re.fullmatch(r"ccxt\.(async_support\.|pro\.)?[a-z0-9]+", name)]
    assert "ccxt.async_support.binance" in loaded
    assert len(loaded) < 40, loaded
