"""Two back-tests side by side: differences, what is not comparable, and files that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.lab.backtest.record import Record, document_of
from bot.runtime.exit_codes import ExitCode
from tests.commands import sectorbot
from tests.lab.test_page import record_of


def written(folder: Path, name: str, record: Record, **changes: Any) -> Path:
    page = folder / f"{name}.html"
    page.with_suffix(".json").write_text(json.dumps(document_of(record) | changes))
    return page


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    tokens = {"UNI": {"net_quote": "20"}, "ETH": {"net_quote": "-5"}}
    first = written(tmp_path, "a", record_of(70), by_token={"UNI": {"net_quote": "12.5"}})
    return first, written(tmp_path, "b", record_of(90), by_token=tokens, equity_end_quote="1100")


def test_figures_and_tokens_have_both_values_and_their_difference(two: tuple[Path, Path], workplace: Path) -> None:
    done = sectorbot("report", "compare", *map(str, two), "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["figure"]: row for row in found["figures"]}
    a, b = (json.loads(page.with_suffix(".json").read_text()) for page in two)
    end = rows["equity at the end"]
    assert (end["a"], end["b"]) == (float(a["equity_end_quote"]), 1100)
    assert end["difference"] == pytest.approx(1100 - float(a["equity_end_quote"]))
    assert rows["deepest drawdown"]["b"] == b["figures"]["sectorbot"]["drawdown_max"]
    assert found["tokens_quote"]["UNI"] == {"a": 12.5, "b": 20, "difference": 7.5}
    assert found["tokens_quote"]["ETH"] == {"a": 0, "b": -5, "difference": -5}
    assert set(found["set_up_differs"]) == {"to"}


def curve(page: Path, daily: list[float]) -> None:
    level, rows = 100.0, ["date,equity,hold"]
    for day, move in enumerate((0.0, *daily)):
        level *= 1 + move
        rows.append(f"day {day},{level:.6f},1")
    page.with_suffix(".csv").write_text("\n".join(rows) + "\n")


def test_curves_of_the_same_days_are_compared_in_pairs(two: tuple[Path, Path], workplace: Path) -> None:
    """B moves half as much as A and loses half as much of it: shallower in every history."""
    moves = [0.03 if day % 7 < 4 else -0.03 for day in range(200)]
    curve(two[0], moves)
    curve(two[1], [move / 2 for move in moves])
    done = sectorbot("report", "compare", *map(str, two), "--json", cwd=workplace)
    paired = json.loads(done.stdout)["paired"]
    assert paired["drawdown_shallower"] == 1.0
    assert 0 < paired["drawdown_interval"]["low"] < paired["drawdown_interval"]["high"]
    assert paired["growth_year"] < 0
    assert paired["growth_interval"]["low"] < paired["growth_year"] < paired["growth_interval"]["high"]
    shown = sectorbot("report", "compare", *map(str, two), cwd=workplace).stdout
    assert "deepest drawdown shallower in 100.0% of them" in shown
    curve(two[1], moves[:150])
    assert json.loads(sectorbot("report", "compare", *map(str, two), "--json", cwd=workplace).stdout)["paired"] is None


def test_a_person_is_told_what_cannot_be_compared(two: tuple[Path, Path], workplace: Path) -> None:
    shown = sectorbot("report", "compare", *map(str, two), cwd=workplace).stdout
    assert "to differs: 2024-03-10 and 2024-03-30; the figures cannot be compared as they stand" in shown
    assert [line.split()[-1] for line in shown.splitlines() if line.strip().startswith("UNI")] == ["+8"]


def test_a_run_that_is_too_short_has_no_yearly_figure(tmp_path: Path, workplace: Path) -> None:
    pages = [str(written(tmp_path, name, record_of(days))) for name, days in (("a", 20), ("b", 70))]
    shown = sectorbot("report", "compare", *pages, cwd=workplace).stdout
    for name in ("return a year", "turnover a year", "changes of condition a year"):
        (line,) = [line for line in shown.splitlines() if line.startswith(name)]
        assert line.count("too short") == 2, "of the short run, and of the difference"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there.json: No such file or directory; write one with"),
        ("<html>", "there.json: no JSON"),
        ("[1]", "there.json: no document of a back-test"),
        ('{"figures": {}, "contributions": {}, "schema": 0}', "schema 0, this version reads 1"),
    ],
)
def test_what_is_no_report_is_one_sentence(text: str | None, message: str, workplace: Path) -> None:
    if text is not None:
        (workplace / "there.json").write_text(text)
    done = sectorbot("report", "compare", "there.html", "there.json", cwd=workplace)
    assert done.returncode == ExitCode.ERROR
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
