"""`sectorbot signals`: every signal of a journaled cycle, drawn; what is missing is named."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bot.cli.main import app
from bot.playbook.market.flow_signals import MACRO_READERS
from bot.playbook.market.signals import READERS
from bot.report.signals import bar, drawn, rank
from bot.runtime.exit_codes import ExitCode
from tests.commands import sectorbot_process

Invoke = Callable[..., Result]
DOCUMENT = {
    "cycle": 7,
    "at_ms": 1_760_000_000_000,
    "condition": "breakout",
    "since_ms": 0,
    "confidence": "0.640",
    "phases": {"defi": "leading", "infra": "lagging"},
    "signals": [
        {
            "name": "relative_strength",
            "value": 0.0612,
            "score": 0.71,
            "rank": 1.9,
            "rank_is": "z",
            "age_ms": 3_600_000,
            "words": "DeFi gained 6.1 % on infrastructure",
        },
        {
            "name": "liquidity",
            "value": 12.5,
            "score": -0.35,
            "rank": 0.675,
            "rank_is": "percentile",
            "age_ms": 60_000,
            "words": "a million moves a token by much",
        },
        {"name": "basis", "value": 0.0, "score": -0.0, "rank": None, "rank_is": "", "age_ms": 0, "words": "no premium"},
    ],
    "missing": [{"name": "open_interest", "why": "open_interest: not watched for 7 days"}],
    "unasked": ["rates", "usage"],
}


@pytest.fixture
def invoke(workplace: Path) -> Invoke:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1"})


def screen(width: int, document: Any = None) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(drawn(document or DOCUMENT, DOCUMENT["at_ms"], width))  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (1.0, "        │████████"),
        (-1.0, "████████│        "),
        (0.0, "        │        "),
        (-0.5, "    ████│        "),
        (0.26, "        │██      "),
        (7.0, "        │████████"),
    ],
)
def test_a_bar_grows_from_the_middle_and_never_changes_its_width(score: float, shown: str) -> None:
    assert bar(score) == shown


def test_a_rank_says_which_kind_it_is() -> None:
    shown = [rank(row) for row in DOCUMENT["signals"]]  # type: ignore[attr-defined]
    assert shown == ["z +1.90", "68%", "–"]
    assert rank({"rank": 0.4}) == "–", "journals of older versions do not say which"


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_screen_holds_every_signal_whole_and_names_what_is_missing(width: int) -> None:
    text = screen(width)
    assert max(map(len, text.splitlines())) <= width
    for row in DOCUMENT["signals"]:  # type: ignore[attr-defined]
        assert bar(row["score"]).rstrip() in text
        assert row["words"] in text
    assert "-0.00" not in text
    assert "open_interest: not watched for 7 days" in text
    assert "no part of the evidence: rates, usage" in text
    assert "breakout, confidence 64.00 %; defi is leading, infra is lagging" in text


def test_a_cycle_without_signals_is_told_as_such() -> None:
    text = screen(100, DOCUMENT | {"signals": [], "missing": [], "unasked": [], "phases": {}})
    assert "Signals: none" in text
    assert "· none" in text


def test_the_command_draws_what_a_run_has_left(invoke: Invoke, finished_run: Path) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    shown, told = invoke("signals", "--journal", journal), invoke("signals", "1", "--journal", journal, "--json")
    assert (shown.exit_code, shown.stderr, told.exit_code) == (0, "", 0)
    assert "\x1b" not in shown.stdout
    document = json.loads(told.stdout)
    assert document["cycle"] == 1
    found = {row["name"] for row in document["signals"]} | {row["name"] for row in document["missing"]}
    assert found | set(document["unasked"]) == set(READERS)
    without_source = {*MACRO_READERS, "calendar", "sector_trend"} - {"stablecoins"}  # which the simulator has
    assert document["unasked"] == [name for name in READERS if name in without_source]
    assert all(row["rank"] is None or row["rank_is"] in ("z", "percentile", "share") for row in document["signals"])
    assert all(re.search(rf"\b{name}\b", shown.stdout) for name in READERS)


def test_its_exit_codes_are_those_of_the_other_readers(invoke: Invoke, finished_run: Path) -> None:
    absent = invoke("signals", "99", "--journal", str(finished_run / "var" / "sim-dry-run" / "journal.db"))
    assert absent.exit_code == ExitCode.ERROR
    assert "there is no cycle 99; the last one is 2" in absent.stderr
    assert invoke("signals").exit_code == ExitCode.NOT_RUNNING
    assert invoke("signals", "--journal", "nowhere.db").exit_code == ExitCode.ERROR
    assert invoke("signals", "--set", "risk.gros_max=1").exit_code == ExitCode.CONFIGURATION
    assert invoke("signals", "x").exit_code == ExitCode.USAGE
    assert "--json" in invoke("signals", "--help").output


def test_it_loads_neither_ccxt_nor_a_network(finished_run: Path) -> None:
    done = sectorbot_process("signals", cwd=finished_run, python=(sys.executable, "-X", "importtime"))
    assert done.returncode == ExitCode.OK, done.stderr[-500:]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert loaded & {"ccxt", "aiohttp", "asyncio_throttle", "pyarrow"} == set()
