"""What a person reads at a terminal: a sentence a line, each execution, start and stop, and no guard without news."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from bot.domain.instrument import Kind
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.execution.reconcile import Truth
from bot.runtime import logs
from bot.runtime.cycle import CycleResult
from bot.runtime.log_lines.turns import is_news, left_out, turn_text, unlisted
from bot.runtime.logs import log_cycle
from bot.runtime.settings.model import load_settings
from tests.commands import environment, sectorbot
from tests.report.test_report import held, result
from tests.venues.simex_bench import instrument

IDLE = Note(Reason.NOTHING_TO_DO, "nothing to do now")
RUN = ("run", "-e", "sim", "--set", "logs.format=console", "--set", "playbook.regime.override=breakout")


def quiet(**changes: Any) -> CycleResult:
    """A turn that sent nothing."""
    made = result()
    decision = replace(made.decision, intents=(), notes=(IDLE,))
    return replace(made, decision=decision, verdicts=(), outcomes=(), **changes)


def logged(turn: CycleResult, **options: Any) -> dict[str, Any]:
    with capture_logs() as said:
        log_cycle(turn, **options)
    return dict(said[-1])


def test_a_guard_without_news_is_for_debug_only() -> None:
    assert logged(quiet(kind="guard"))["log_level"] == "debug"
    assert logged(quiet())["log_level"] == "info", "a cycle is always written"
    assert logged(replace(result(), kind="guard"))["log_level"] == "info"
    disagreed = quiet(kind="guard", truth=Truth(held().account, (), False, frozenset()))
    assert is_news(disagreed)


def test_confidence_is_that_of_a_cycle() -> None:
    assert "confidence" in logged(quiet())
    assert "confidence" not in logged(quiet(kind="guard"))


def test_a_turn_that_sends_orders_does_not_say_that_there_is_nothing_to_do() -> None:
    made = result()
    turn = replace(made, decision=replace(made.decision, notes=(IDLE,)))
    assert logged(turn)["notes"] == []
    assert "nothing to do" not in logged(turn)["text"]


def test_a_flatten_is_named_with_who_asked_and_why() -> None:
    text = turn_text(quiet(kill=KillLevel.FLATTEN), ("anna@host", "a test"))
    assert "flatten (anna@host: a test)" in text


def test_an_equity_without_all_prices_is_not_logged() -> None:
    line = logged(quiet(portfolio=replace(held(), unpriced=("UNI",))))
    assert (line["equity_quote"], line["unpriced"]) == (None, ["UNI"])
    assert "equity not known: no price of UNI" in line["text"]


def test_a_person_reads_time_and_sentence_and_no_colour_in_a_file() -> None:
    stream = io.StringIO()
    logs.configure(style="console", stream=stream)
    structlog.get_logger().info("cycle", text="cycle 2  neutral", number=2, notes=["x"])
    structlog.get_logger().critical("breakers", tripped=["equity fell"], what="entries stop")
    structlog.get_logger().warning("venue_unreachable", why="no connection to host", retry_in_seconds=5)
    first, second, third = (line[8:] for line in stream.getvalue().splitlines())
    assert first == "  cycle 2  neutral"
    assert second == "  CRITICAL: breakers: entries stop; tripped ['equity fell']"
    assert third == "  venue unreachable: no connection to host; retry_in_seconds 5"


def test_tokens_that_are_not_listed_are_named() -> None:
    universe = load_settings((), ("universe.tokens.UNII={ defi = 1 }",)).universe
    listed = dict.fromkeys((symbol for symbol in universe.spot_symbols if symbol != "UNII/USDT"), None)
    assert unlisted(universe, listed, "binance") == [  # type: ignore[arg-type]
        "UNII/USDT is not listed on binance: left out; did you mean UNI?"
    ]


def test_tokens_that_are_not_open_to_orders_are_named() -> None:
    """A venue may list a pair that its API may not trade: every order there is refused, a hedge after its spot."""
    universe = load_settings().universe
    listed = {universe.spot(token): instrument(universe.spot(token), kind=Kind.SPOT) for token in universe.tokens}
    listed |= {universe.perp(token): instrument(universe.perp(token), kind=Kind.PERP) for token in universe.tokens}
    assert left_out(universe, listed, "binance") == []
    for symbol in ("UNI/USDT", "AAVE/USDT:USDT"):
        listed[symbol] = replace(listed[symbol], active=False)
    assert sorted(left_out(universe, listed, "binance")) == [
        "AAVE/USDT:USDT is listed on binance, but not open to orders: not hedged",
        "UNI/USDT is listed on binance, but not open to orders: left out",
    ]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a run prints that is stopped by SIGTERM after it has traded."""
    folder = tmp_path_factory.mktemp("lines")
    command = [sys.executable, "-m", "bot", *RUN]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=log)
        try:
            deadline = time.monotonic() + 60
            while "cycle 2" not in (folder / "log").read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    # The dashboard is another process: where its line stands among these is a matter of luck.
    return [line for line in (folder / "log").read_text().splitlines() if "dashboard at" not in line]


def test_a_run_says_start_executions_and_stop_in_lines_of_a_screen(lines: list[str]) -> None:
    assert "sectorbot 0.1.0 started: dry-run on binance sim, no real money" in lines[0]
    hedge = r"  sold [\d.]+ ETH/USDT:USDT at [\d,.]+ \([\d,.]+ USDT, fee [\d.]+ USDT\): hedge infra"
    assert any(re.search(hedge, line) for line in lines), lines
    assert "stopped by SIGTERM, last turn" in lines[-1]
    assert "journal var/sim-dry-run/journal.db is closed" in lines[-1]
    assert max(map(len, lines)) < 200
    assert not any(line.startswith("{") for line in lines)


def test_why_names_the_switch_that_a_turn_obeyed(tmp_path: Path) -> None:
    (tmp_path / "sectorbot.toml").write_text('environment = "sim"\n')
    command = [sys.executable, "-m", "bot", *RUN, "--once", "--set", "kill_switch=pause", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode in (0, 10), done.stderr
    assert "stopped" in [json.loads(line)["event"] for line in done.stderr.splitlines()]
    why = sectorbot("why", cwd=tmp_path)
    assert "kill switch  pause" in why.stdout
    assert "the kill switch: pause" in why.stdout
