"""`history`: what a run did, with times and values that add up to the journal's own fills."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.money import ZERO
from bot.journal.reader import JournalReader
from bot.report.history import since_ms
from bot.runtime.exit_codes import CommandFailed, ExitCode
from tests.commands import sectorbot

ALL = 1_000_000


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a dry-run has traded, and was halted before it ended."""
    folder = tmp_path_factory.mktemp("traded")
    options = ("--cycles", "2", "--set", "cadence.cycle_seconds=0.2", "--set", "playbook.regime.override=breakout")
    done = sectorbot("run", "-e", "sim", *options, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    halted = sectorbot("run", "-e", "sim", "--once", "--set", "kill_switch=pause", "--json", cwd=folder)
    assert halted.returncode == ExitCode.KILLED, halted.stderr
    return folder


@pytest.fixture(scope="module")
def document(traded: Path) -> Any:
    return json.loads(sectorbot("history", "--since", "1h", "--json", cwd=traded).stdout)


def test_every_execution_is_in_the_history(traded: Path, document: Any) -> None:
    reader = JournalReader(traded / "var" / "sim-dry-run" / "journal.db")
    fills = reader.load_fills_after(0, 0)
    reader.close()
    rows = [row for row in document["events"] if row["kind"] == "orders"]
    assert sum(Decimal(row["quote"]) for row in rows) == sum(quote for _, quote in fills) > 0
    assert sum(row["count"] for row in rows) == len(fills)


def test_starts_and_the_switch_are_named_in_the_order_of_time(document: Any) -> None:
    events = document["events"]
    assert [row["at_ms"] for row in events] == sorted(row["at_ms"] for row in events)
    texts = [row["text"] for row in events]
    assert sum("dry-run on binance sim started" in text for text in texts) == 2
    assert any(text.startswith("kill switch pause, by configuration") for text in texts)


def test_the_paragraph_says_what_was_traded_and_what_holds_it(traded: Path) -> None:
    shown = " ".join(sectorbot("history", "--since", "1h", cwd=traded).stdout.split())
    assert "it sold " in shown
    assert "fees " in shown
    assert "kill switch pause, by configuration" in shown.partition("Since ")[2]


def test_profit_is_the_change_of_equity_over_restarts(traded: Path) -> None:
    reader = JournalReader(traded / "var" / "sim-dry-run" / "journal.db")
    fees = sum((fill.fee * (1 if fill.fee_asset == "USDT" else fill.price) for fill in reader.load_fills(ALL)), ZERO)
    assert all(reader.load_order(fill.client_id or "") for fill in reader.load_fills(ALL))
    reader.close()
    period = json.loads(sectorbot("pnl", "--since", "1h", "--json", cwd=traded).stdout)["periods"]["start"]
    status = json.loads(sectorbot("status", "--json", cwd=traded).stdout)
    assert Decimal(period["fees_quote"]) == fees > 0
    assert (period["unexplained_quote"], period["flows_quote"]) == ("0", {})
    change = Decimal(status["equity_quote"]) - Decimal(period["equity_begin_quote"])
    assert abs(Decimal(period["net_quote"]) - change) < Decimal("0.01")
    for name in ("by_sleeve", "by_token", "by_campaign"):
        assert sum(Decimal(row["net_quote"]) for row in period[name].values()) == Decimal(period["net_quote"])


def test_pnl_shows_the_parts_and_where_they_came_from(traded: Path) -> None:
    shown = sectorbot("pnl", cwd=traded).stdout
    assert "Profit and loss, USDT" in shown
    assert "By campaign, USDT" in shown
    assert "0.00 unexplained" in shown
    line = next(row for row in sectorbot("status", cwd=traded).stdout.splitlines() if row.startswith("profit "))
    assert "today -" in line
    assert f"profit: {line.removeprefix('profit').strip()[:20]}" in sectorbot("positions", cwd=traded).stdout


def test_nothing_before_the_span_is_shown(traded: Path) -> None:
    later = json.loads(sectorbot("history", "--since", "2999-01-01", "--json", cwd=traded).stdout)
    assert (later["events"], later["turns"]) == ([], 0)
    assert "nothing was traded" in later["summary"]


def test_pnl_since_a_moment_without_a_valuation_shows_no_other_period(traded: Path) -> None:
    done = sectorbot("pnl", "--since", "2999-01-01", cwd=traded)
    assert (done.returncode, done.stdout) == (ExitCode.ERROR, "")
    assert "no cycle has valued the account since 2999-01-01 00:00:00 UTC, the last one did at 20" in done.stderr


def test_a_span_or_a_date_is_understood_and_nothing_else() -> None:
    now_ms = 20 * DAY_MS
    assert since_ms("12h", now_ms) == now_ms - 12 * HOUR_MS
    assert since_ms("3d", now_ms) == 17 * DAY_MS
    assert since_ms("1970-01-02", now_ms) == DAY_MS
    with pytest.raises(CommandFailed, match="--since yesterday: give a span such as 90min, 12h or 3d"):
        since_ms("yesterday", now_ms)
