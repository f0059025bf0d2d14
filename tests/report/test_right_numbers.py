"""Numbers of `status` and `positions`: all orders counted, parts that add up, no equity without prices, 80 columns."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bot.domain.campaign import Memory
from bot.domain.market import Cost
from bot.domain.order import Fill, OrderType, Purpose, TimeInForce
from bot.domain.portfolio import Balance, Holding, Portfolio
from bot.domain.states import KillLevel, OrderState
from bot.journal.journal import Journal
from bot.report import holdings, queries, rows, tables
from bot.report.profit import views as profit_views
from bot.report.views import orders as orders_view
from bot.report.views import positions as positions_view
from bot.report.views import sleeves as sleeves_view
from bot.report.views.venues import with_venue
from bot.runtime.exit_codes import ExitCode
from tests.commands import sectorbot
from tests.report.test_report import held, orders, standing, why_row
from tests.report.test_report import result as cycle_result
from tests.risk.worlds import NOW, D, snapshot, working


def shown(row: rows.Row) -> str:
    return str(tables.status_lines(row))


def line(text: str, name: str) -> str:
    return next(row for row in text.splitlines() if row.startswith(name))


async def test_orders_are_counted_beyond_any_list_of_the_newest(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: NOW, threaded=False)
    (sample,) = (working(intent, OrderState.SUBMITTING) for intent in cycle_result().decision.intents[:1])
    for number in range(203):
        order = replace(sample, client_id=f"tsbabc{number:014d}", intent_id=f"1.1.{number}", sent_ms=NOW)
        await journal.record_submitting(replace(order, order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC))
    counts = journal.reader.count_orders_by_state()
    await journal.close()
    assert counts == {OrderState.SUBMITTING: 203}
    assert orders_view.counts_by_state(counts)["sent"] == 203


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_value_that_is_wider_than_the_screen_goes_on_below_its_beginning(width: int) -> None:
    lines = tables.status_lines(rows.status(standing(locks={"UNI/USDT": "position differs " * 12})))
    shown = str(tables.hanging(lines, width)).splitlines()
    assert max(map(len, shown)) <= width
    column = shown[0].index("trade on")
    names = [row[:column].rstrip() for row in shown]
    assert names.count("locked") == 1
    assert names[-1] == ""
    assert all(row[column] != " " for row in shown), "each line begins in the same column"
    assert " ".join(" ".join(shown).split()) == " ".join(str(lines).split()), "nothing is lost"


def test_status_shows_all_orders_and_those_of_today() -> None:
    assert line(shown(rows.status(standing())), "orders") == (
        "orders       429 sent (12 today), 426 filled, 1 canceled or expired, 1 rejected, 0 at the venue, 1 in doubt"
    )


@given(cash=st.integers(0, 10**7), reserve=st.integers(0, 10**6), outside=st.integers(0, 10**6))
def test_book_reserve_and_what_is_outside_add_up_to_equity(cash: int, reserve: int, outside: int) -> None:
    portfolio = held()
    balances = {**portfolio.account.balances, "USDT": Balance("USDT", D(cash))}
    equity = portfolio.equity - portfolio.account.cash + cash + outside - sleeves_view.outside_of(portfolio)
    changed = replace(
        portfolio,
        account=replace(portfolio.account, balances=balances),
        equity=equity,
        book=max(D(0), equity - reserve - outside),
    )
    row = rows.status(standing(portfolio=changed))
    parts = ("book_quote", "reserve_quote", "outside_quote")
    assert sum(Decimal(row[name]) for name in parts) == Decimal(row["equity_quote"])
    assert Decimal(row["outside_quote"]) == outside
    assert Decimal(row["cash_quote"]) == cash


def test_the_reserve_has_a_row_of_its_own_and_the_sum_stays() -> None:
    target = {"defi.spot": D("0.57"), "cash": D("0.43")}
    before = sleeves_view.sleeve_rows(held(), target)
    after = sleeves_view.with_reserve(before, D(5000))
    cash, reserve = (next(row for row in after if row["sleeve"] == name) for name in ("cash", "reserve"))
    assert (reserve["value_quote"], reserve["target_quote"], reserve["left_quote"]) == ("5000", "5000", "0")
    assert Decimal(cash["target_quote"]) == D("0.43") * held().book
    for name in ("value_quote", "target_quote", "left_quote"):
        assert sum(Decimal(row[name] or 0) for row in after) == sum(Decimal(row[name] or 0) for row in before)


def test_a_missing_price_is_never_an_equity() -> None:
    row = rows.status(standing(portfolio=replace(held(), unpriced=("UNI", "AAVE"))))
    assert (row["equity_quote"], row["drawdown"], row["fall_today"]) == (None, None, None)
    assert "not known: no price of UNI, AAVE" in shown(row)


def test_the_switch_in_force_is_the_first_line_of_positions() -> None:
    line_of = tables.switch_line({"kill_switch": KillLevel.FLATTEN.value})
    assert line_of is not None
    assert str(line_of).startswith("flatten is in force: nothing will be bought")
    assert tables.switch_line({"kill_switch": KillLevel.OFF.value}) is None


def holder() -> Portfolio:
    """A portfolio of two tokens, of which one is in the journal whole."""
    return replace(
        held(),
        holdings=(
            Holding("UNI/USDT", "defi", D(1000), D(12), D(12_000)),
            Holding("AAVE/USDT", "defi", D(60), D(300), D(18_000)),
        ),
    )


def test_every_holding_has_size_price_value_share_cost_and_gain() -> None:
    costs = {"UNI/USDT": Cost("UNI/USDT", D(1000), D(10_000)), "AAVE/USDT": Cost("AAVE/USDT", D(1), D(250))}
    aave, uni = holdings.holding_rows(holder(), costs)
    assert (uni["size"], uni["price"], uni["value_quote"], uni["share_of_sector"]) == ("1000", "12", "12000", "0.4")
    assert (uni["cost_quote"], uni["unrealised_quote"]) == ("10", "2000")
    assert (aave["cost_quote"], aave["unrealised_quote"]) == (None, None), "a part of it came from elsewhere"


def test_a_holding_without_a_price_is_shown_and_counts_for_nothing() -> None:
    portfolio = replace(holder(), unpriced=("UNI",))
    account = replace(portfolio.account, balances={**portfolio.account.balances, "UNI": Balance("UNI", D(7))})
    found = holdings.holding_rows(replace(portfolio, account=account), {})
    assert (found[-1]["symbol"], found[-1]["size"], found[-1]["value_quote"]) == ("UNI", "7", None)
    assert "no price" in screen(holdings.holdings_table(found, "USDT"), 120)


def screen(view: Any, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(view)
    return out.getvalue()


# Rows as the bot makes them, with the longest texts and numbers of each.
SLEEVES = {"value_quote": "103048.09", "share": "0.48", "target_share": "0.48", "target_quote": "100000.00"} | {
    "left_quote": "-48123.45",
    "net_exposure_quote": "-48123.45",
}
ORDER = {"client_id": "tsbabc00000000000000", "sent_ms": NOW - 99_000, "symbol": "1INCH/USDT", "state": "in_doubt"} | {
    "size": "17985.61",
    "filled_size": "17985.61",
    "filled_quote": "12345.67",
}
POSITION = {"symbol": "UNI/USDT:USDT", "side": "short", "size": "-1998.4", "unit": "UNI", "entry": "10.00525635"} | {
    "mark": "10.0002",
    "margin_quote": "1999.45",
    "leverage": "10",
    "liquidation_distance": "0.0922",
    "unrealised_pnl_quote": "-1210.10",
    "covers": None,
    "role": "tactical long",
}


def sleeves() -> list[dict[str, Any]]:
    return [row | SLEEVES | {"sleeve": "infra.futures"} for row in sleeves_view.sleeve_rows(held(), {})[:1]]


def positions() -> list[dict[str, Any]]:
    return [row | POSITION for row in positions_view.position_rows(held().account, snapshot().instruments, Memory())]


def sent() -> list[dict[str, Any]]:
    return [orders_view.order_rows(orders())[0] | ORDER]


def apart(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return with_venue(found, "some-exchange+other")


PROFIT = dict.fromkeys(
    [f"{part}_quote" for part in ("net", "realised", "unrealised", "funding", "fees", "other", "slippage")],
    "-1210345.67",
) | {
    "name": "start",
    "begin_ms": NOW,
    "return": "-0.1234",
    "flows_quote": {"deposit": "1210345.67"},
    "equity_end_quote": "12103450.67",
}
STANCE = {"span_ms": 864_000_000} | dict.fromkeys(
    [
        f"{part}_quote"
        for part in ("neutral", "timing", "selection", "hedges", "longs", "other", "funding", "fees", "slippage")
    ]
    + ["net_quote", "covered_quote"],
    "-1210345.67",
)
TABLES: dict[str, Callable[[], Any]] = {
    "sleeves": lambda: sleeves_view.sleeves_table(sleeves(), "USDT"),
    "orders": lambda: orders_view.orders_table(sent(), "USDT", NOW),
    "positions": lambda: positions_view.positions_table(positions(), "USDT"),
    "holdings": lambda: holdings.holdings_table(holdings.holding_rows(holder(), {}), "USDT"),
    "why": lambda: tables.why_view(why_row(), NOW),
    "sleeves of two venues": lambda: sleeves_view.sleeves_table(apart(sleeves()), "USDT", with_venue=True),
    "orders of two venues": lambda: orders_view.orders_table(apart(sent()), "USDT", NOW + 86_400_000, with_venue=True),
    "periods": lambda: profit_views.periods_table([PROFIT], "USDT"),
    "groups": lambda: profit_views.groups_table("sleeve", {"infra.hedge": PROFIT, "defi.spot": PROFIT}, "USDT"),
    "stances": lambda: profit_views.stances_table({"into_defi": STANCE, "neutral": STANCE}, "USDT"),
    "legs": lambda: orders_view.legs_table([row | {"orders": 12} for row in sent()], "USDT"),
}


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", TABLES)
def test_no_table_turns_into_records(name: str, width: int) -> None:
    text = screen(TABLES[name](), width)
    assert "─" * 20 in text, text
    assert max(len(row.rstrip()) for row in text.splitlines()) <= width


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("name", ["periods", "groups", "stances", "positions"])
def test_a_narrow_table_names_the_columns_that_it_leaves_out(name: str, width: int) -> None:
    table = TABLES[name]()
    head, _, rest = screen(table, width).partition("─" * 20)
    below = " ".join(rest.partition("the screen is too narrow for: ")[2].partition("\n\n")[0].split())
    titles, shown = [column.title for column in table.columns], set(" ".join(head.splitlines()[-3:-1]).split())
    assert below == ", ".join(title for title in titles if not set(title.split()) <= shown)
    assert bool(below) == (width < 200)


def test_a_token_that_the_venue_does_not_list_is_named_with_what_may_be_meant(finished_run: Path) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    arguments = ("status", "--journal", journal, "--set", "universe.tokens.UNII={ defi = 1 }")
    done = sectorbot(*arguments, cwd=finished_run)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "UNII/USDT is not listed on binance: left out; did you mean UNI?" in done.stdout
    document = json.loads(sectorbot(*arguments, "--json", cwd=finished_run).stdout)
    assert [text for text in document["unlisted"] if "UNII" in text]


def test_positions_show_the_tokens_of_a_run(finished_run: Path) -> None:
    done = sectorbot("positions", "-e", "sim", cwd=finished_run)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Spot holdings" in done.stdout
    document = json.loads(sectorbot("positions", "-e", "sim", "--json", cwd=finished_run).stdout)
    spot = sum(Decimal(row["value_quote"]) for row in document["holdings"])
    sleeves = sum(Decimal(row["value_quote"]) for row in document["sleeves"] if row["sleeve"].endswith(".spot"))
    assert abs(spot - sleeves) < Decimal("0.01")


def test_ages_count_on_after_the_daemon_has_ended(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def age_ms() -> int:
        done = sectorbot("status", "-e", "sim", "--json", cwd=finished_run)
        assert done.returncode == ExitCode.NOT_RUNNING
        return int(json.loads(done.stdout)["last_cycle_age_ms"])

    before, now = age_ms(), time.time_ns
    monkeypatch.setattr(queries.time, "time_ns", lambda: now() + 300 * 10**9)
    assert 300_000 <= age_ms() - before < 360_000


def test_ages_of_a_simulated_run_that_is_named_count_from_its_last_event(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, now = str(finished_run / "var" / "sim-dry-run" / "journal.db"), time.time_ns
    monkeypatch.setattr(queries.time, "time_ns", lambda: now() + 300 * 86_400 * 10**9)
    done = sectorbot("status", "--journal", journal, cwd=finished_run)
    assert "not asked whether a daemon runs; ages count from the journal's last event" in done.stdout
    row = json.loads(sectorbot("status", "--journal", journal, "--json", cwd=finished_run).stdout)
    assert row["last_cycle_age_ms"] < 60_000
    assert "today" in row["profit"]
    past = json.loads(sectorbot("history", "--journal", journal, "--json", cwd=finished_run).stdout)
    assert any("dry-run on binance sim started" in event["text"] for event in past["events"])


async def test_what_a_flatten_executes_trips_no_limit_of_executions(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: NOW, threaded=False)
    (sample,) = (working(intent, OrderState.SUBMITTING) for intent in cycle_result().decision.intents[:1])
    for number, purpose in enumerate((Purpose.FLATTEN, Purpose.REDUCE)):
        name = f"tsbabc{number:014d}"
        order = replace(sample, client_id=name, intent_id=f"1.1.{number}", sent_ms=NOW, purpose=purpose)
        await journal.record_submitting(order)
        fill = Fill("sim", name, order.symbol, name, name, order.side, D(2000), D(1), D(2), "USDT", False, NOW)
        await journal.record_fills([fill])
    counted = journal.reader.count_fills(0), journal.reader.load_turnover(0)
    await journal.close()
    assert counted == (1, 2000)


def test_orders_are_listed_with_time_price_and_fee_and_by_token_and_time() -> None:
    every = orders()
    spot = next(order for order in every if order.symbol == "UNI/USDT")
    made = Fill("x", "1", spot.symbol, spot.client_id, "v", spot.side, D("2.5"), D(600), D("0.6"), "UNI", False, NOW)
    fills = (made, replace(made, trade_id="2", price=D("3.25"), size=D(300), fee=D("0.3")))
    reader = SimpleNamespace(
        load_orders=lambda limit: every[:limit],
        load_fills=lambda limit, since_ms: fills,
        load_facts=lambda kind, limit: [SimpleNamespace(payload={"venue": "one"})],
    )
    view: Any = SimpleNamespace(reader=reader)
    found = {row["client_id"]: row for row in queries.orders(view, 50)}
    assert list(found) == [order.client_id for order in every]
    row = found[spot.client_id]
    assert (row["average"], row["fees"]) == ("2.75", {"UNI": "0.9"})
    assert found[every[0].client_id]["average"] is None
    assert [row["symbol"] for row in queries.orders(view, 50, symbol="uni")] == ["UNI/USDT", "UNI/USDT:USDT"]
    assert [row["symbol"] for row in queries.orders(view, 50, symbol="UNI/USDT")] == ["UNI/USDT"]
    assert len(queries.orders(view, 1, symbol="uni")) == 1
    assert queries.orders(view, 50, since_ms=max(order.sent_ms for order in every) + 1) == []
    text = screen(orders_view.orders_table([row], "USDT", NOW), 160)
    assert "2.75" in text
    assert "0.9 UNI" in text
    assert datetime.fromtimestamp(spot.sent_ms / 1000, UTC).strftime("%H:%M:%S") in text
    assert spot.client_id in text
    assert "2023-11-14" in screen(orders_view.orders_table([row], "USDT", NOW + 86_400_000), 160), "of another day"


def test_orders_of_a_token_and_since_a_moment_are_asked_for_by_options(finished_run: Path) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    for options, code in (
        (("--since", "1h", "--symbol", "UNI"), ExitCode.OK),
        (("--since", "yesterday"), ExitCode.USAGE),
    ):
        assert sectorbot("orders", "--journal", journal, *options, cwd=finished_run).returncode == code
