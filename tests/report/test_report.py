"""Reports: what is printed at 120 columns, that no number is ever cut, and that mappings are plain JSON.

`python -m tests.report.test_report` writes the screens again after a wanted change.
"""

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console, RenderableType

from bot.domain.campaign import Condition, Memory, Phase, RegimeMemory, Stance
from bot.domain.codec import decode, encode
from bot.domain.instrument import Side
from bot.domain.order import Fill, Intent, OrderType, Purpose
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel, OrderState
from bot.domain.turn.decision import Decision, Signal
from bot.execution.executor import Outcome
from bot.execution.reconcile import Truth
from bot.journal.reader import JournalReader
from bot.playbook.policy.numbers import Policy
from bot.ports import Payment
from bot.report import console as report
from bot.report import rows as report_rows
from bot.report import tables as report_tables
from bot.report.demo_text import summary_lines
from bot.report.format import age, amount, money, percent, utc
from bot.report.views import intents as intents_view
from bot.report.views import orders as orders_view
from bot.report.views import parts
from bot.report.views import positions as positions_view
from bot.risk import Limits, review
from bot.runtime.cycle import CycleResult
from bot.runtime.turn import verdict_of
from tests.risk.worlds import (
    NOW,
    D,
    buy,
    context,
    exits,
    hedge,
    portfolio,
    position,
    sell,
    snapshot,
    tactical,
    working,
)

SCREENS = Path(__file__).parent / "screens"
TARGET = {"defi.spot": "0.48", "defi.futures": "0.07", "infra.spot": "0.35", "infra.futures": "0.10", "cash": "0"}
HEDGES = {"ETH/USDT:USDT": "infra"}
LEGS = (
    hedge(5_000, words="hedge what stays unsold after this tranche"),
    sell(7_500, words="sell 13.6 % of infra spot"),
    buy(18_000, words="buy with the proceeds and the reserve"),
    tactical(20_000, leverage=D(10), exits=exits(), words="tactical long on the leader, condition is breakout"),
)
SIGNALS = (
    Signal("relative_strength", 0.0612, 0.71, "DeFi gained 6.1 % on infrastructure in 14 days", 3_600_000, 1.9),
    Signal("trend", 0.034, 0.42, "the market is 3.4 % above its 50-day average", 3_600_000),
    Signal("crowding", 0.0004, -0.35, "funding pays 43.8 % a year: longs are crowded", 600_000),
)
NOTES = (
    Note(Reason.CONDITION_CHANGED, "neutral → breakout", "breakout"),
    Note(Reason.SIGNAL_MISSING, "tvl: no source is configured", "tvl"),
    Note(Reason.LEVERAGE_CUT, "the long was cut from 10x to 5x by max_leverage", "UNI/USDT:USDT"),
)


def decision(**changes: Any) -> Decision:
    base = Decision(
        at_ms=NOW,
        signals=SIGNALS,
        condition=Condition.BREAKOUT,
        confidence=D("0.640"),
        phases={"defi": Phase.LEADING, "infra": Phase.LAGGING},
        stance=Stance.INTO_DEFI,
        target={name: D(part) for name, part in TARGET.items()},
        intents=LEGS,
        transfers=(),
        notes=NOTES,
        memory=Memory(RegimeMemory(Condition.BREAKOUT, NOW - 7_200_000, Condition.EUPHORIA, NOW), hedges=HEDGES),
    )
    return replace(base, **changes)


def held() -> Any:
    return portfolio((position("ETH/USDT:USDT", D("-2.5")), position("UNI/USDT:USDT", D(1000), D(3))))


def outcome(intent: Intent, part: str = "1", state: OrderState = OrderState.FILLED, words: str = "") -> Outcome:
    filled = intent.size * D(part)
    notes = (Note(Reason.ORDER_REJECTED, words, intent.id),) if words else ()
    return Outcome(intent, intent.size, state, filled, filled * intent.reference_price, notes=notes)


def result(**changes: Any) -> CycleResult:
    world = context()
    made = decision()
    base = CycleResult(
        7,
        "cycle",
        snapshot(),
        held(),
        made,
        review(LEGS, world, Limits(order_share_max=D(1))),
        (outcome(LEGS[0]), outcome(LEGS[1], "0.4", OrderState.CANCELED, "the rest found no buyer inside the limit")),
        Truth(held().account, (), True, frozenset()),
        KillLevel.OFF,
    )
    return replace(base, **changes)


def payments() -> tuple[Payment, ...]:
    return (
        Payment("1", "funding", "USDT", D("1.25"), "ETH/USDT:USDT", NOW),
        Payment("2", "funding", "USDT", D("-3.5"), "UNI/USDT:USDT", NOW),
        Payment("3", "transfer", "USDT", D(3000), None, NOW),
    )


def fills() -> tuple[Fill, ...]:
    one = Fill("sim", "1", "ETH/USDT", "c", "v", LEGS[1].side, D(2000), D(1), D("2.0"), "USDT", False, NOW)
    return one, replace(one, trade_id="2", fee=D("-0.5")), replace(one, trade_id="3", fee=D("0.001"), fee_asset="BNB")


def orders() -> tuple[Any, ...]:
    states = (OrderState.FILLED, OrderState.REJECTED, OrderState.IN_DOUBT, OrderState.EXPIRED)
    return tuple(
        working(intent, state, client_id=f"tsbabc{n:014d}", filled_size=intent.size * n / 4, filled_quote=D(1234.5) * n)
        for n, (intent, state) in enumerate(zip(LEGS, states, strict=True))
    )


def standing(**changes: Any) -> report_rows.StatusInputs:
    base = report_rows.StatusInputs(
        mode="trade",
        environment="sim",
        venue="binance",
        kill=KillLevel.PAUSE,
        kill_reason="by the operator",
        kill_by="anna",
        kill_since_ms=NOW - 60_000,
        now_ms=NOW,
        last_cycle=7,
        last_cycle_ms=NOW - 95_000,
        portfolio=held(),
        equity_peak=D(110_000),
        day_start_equity=D(104_000),
        condition="breakout",
        stance="into_defi",
        locks={"UNI/USDT": "position differs by 1.5"},
        orders={OrderState.FILLED: 426, OrderState.REJECTED: 1, OrderState.IN_DOUBT: 1, OrderState.EXPIRED: 1},
        orders_today=12,
    )
    return replace(base, **changes)


def why_row() -> report_rows.Row:
    return report_rows.why(decision(), number=7, at_ms=NOW - 60_000, missing=["tvl defi: no source"])


class Ledger:
    """The part of a journal that a summary reads."""

    def load_orders(self, limit: int = 100) -> tuple[Any, ...]:
        return orders()

    def load_fills(self, limit: int = 100) -> tuple[Fill, ...]:
        return fills()

    def load_working(self) -> tuple[Any, ...]:
        return ()

    def load_payments(self, since_ms: int = 0) -> tuple[Payment, ...]:
        return payments()


def summary(*, agreed: bool = True) -> dict[str, Any]:
    truth = Truth(held().account, (), agreed, frozenset(), () if agreed else NOTES[1:2])
    return report.demo_summary(cast(JournalReader, Ledger()), [], result(), truth, Policy())


def print_summary(console: Console) -> None:
    report.print_summary(console, summary())


VIEWS: Mapping[str, Callable[[Console], None]] = {
    "cycle": lambda console: report.print_cycle(console, result()),
    "cycle-with-diagnosis": lambda console: report.print_cycle(console, result(), with_diagnosis=True),
    "summary": print_summary,
    "status": lambda console: console.print(report_tables.status_lines(report_rows.status(standing()))),
    "why": lambda console: console.print(report_tables.why_view(why_row(), NOW)),
    "orders": lambda console: console.print(orders_view.orders_table(orders_view.order_rows(orders()), "USDT", NOW)),
}


def screen(view: Callable[[Console], None], width: int) -> str:
    out = io.StringIO()
    view(Console(file=out, width=width, color_system=None, legacy_windows=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", VIEWS)
def test_the_screen_is_as_recorded(name: str) -> None:
    assert screen(VIEWS[name], 120) == (SCREENS / f"{name}.txt").read_text(), "run: python -m tests.report.test_report"


@pytest.mark.parametrize("width", [100, 120, 140, 200])
@pytest.mark.parametrize("name", VIEWS)
def test_no_number_is_cut_and_no_line_is_longer_than_the_screen(name: str, width: int) -> None:
    text = screen(VIEWS[name], width)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    wide = set(screen(VIEWS[name], 400).split())
    numbers = {word for word in wide if word[0] in "+-0123456789" and any(c in word for c in ".,")}
    assert numbers <= set(text.split())


def huge_positions() -> RenderableType:
    """Sizes and prices as long as they get."""
    row = positions_view.position_rows(held().account, snapshot().instruments, Memory(hedges=HEDGES))[0]
    long = {"size": "-123456789.123", "unit": "1000000MOG", "entry": "0.000123456789", "mark": "0.000123456788"}
    long |= {"margin_quote": "1234567.89", "unrealised_pnl_quote": "-123456.78", "liquidation_distance": "0.1234"}
    return positions_view.positions_table([row | long], "USDT")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_table_too_wide_for_the_screen_leaves_columns_out_or_becomes_lines(width: int) -> None:
    text = screen(lambda console: console.print(huge_positions()), width)
    for number in ("-123,456,789.123", "0.000123456788", "-123,456.78", "12.34"):  # the others may be left out
        assert number in text
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [100, 140])
def test_words_stand_beside_the_table_or_below_it_but_are_always_there(width: int) -> None:
    text = " ".join(screen(VIEWS["cycle"], width).split())
    assert "sell 13.6 % of infra spot" in text or "sell 13.6" in text
    assert ("  1  hedge what stays" in screen(VIEWS["cycle"], width)) is (width < parts.WIDE)


def test_mappings_are_plain_json() -> None:
    everything = [
        summary(),
        why_row(),
        report_rows.status(standing()),
        orders_view.order_rows(orders()),
        report_rows.status(standing(portfolio=None, last_cycle_ms=0)),
    ]
    assert json.loads(json.dumps(everything)) == everything


def test_a_decision_survives_the_journal() -> None:
    assert decode(Decision, json.loads(json.dumps(encode(decision())))) == decision()


def test_margin_is_shown_for_entries_into_perps_only() -> None:
    rows = intents_view.intent_rows(LEGS, snapshot().instruments)
    assert [row["margin_quote"] for row in rows] == ["998", None, None, "2004"]


def test_a_refusal_is_told_with_its_reason_and_words() -> None:
    verdicts = [verdict_of(v) for v in review((LEGS[3],), context(), Limits())]
    (row,) = intents_view.verdict_rows(LEGS, verdicts)
    assert (row["verdict"], row["reason"], row["purpose"]) == ("refused", "order_notional", "tactical")
    assert "more than 10000 quote" in row["words"]


def test_orders_are_counted_by_what_became_of_them() -> None:
    assert orders_view.order_counts(orders()) == {
        "sent": 4,
        "filled": 1,
        "ended": 1,
        "rejected": 1,
        "working": 0,
        "in_doubt": 1,
    }


def test_an_order_that_was_not_filled_is_told_with_what_ended_it() -> None:
    close = working(
        LEGS[0],
        OrderState.FILLED,
        purpose=Purpose.RELEASE,
        side=Side.BUY,
        reduce_only=True,
        sent_ms=3,
        filled_size=D(1),
    )
    stop = replace(
        close,
        purpose=Purpose.EXIT,
        state=OrderState.CANCELED,
        order_type=OrderType.STOP,
        trigger_price=D("3533.41"),
        sent_ms=1,
        filled_size=D(0),
    )
    moved = replace(stop, state=OrderState.OPEN, trigger_price=D(3400), sent_ms=2)
    which = f"{stop.symbol} stop at 3,533.41 canceled"
    assert orders_view.not_filled((close, stop)) == [f"{which}: its hedge was closed"]
    assert orders_view.not_filled((close, moved, stop)) == [
        f"{which}: replaced by one of {amount(moved.size)} at 3,400"
    ]
    assert orders_view.not_filled((replace(close, purpose=Purpose.EXIT), stop)) == [f"{which}: its position was closed"]
    assert orders_view.not_filled((stop,)) == [which]
    assert orders_view.not_filled((replace(close, sent_ms=0), stop)) == [which], "what came before did not end it"
    assert orders_view.not_filled((replace(close, filled_size=D(0)), stop)) == [which]
    assert orders_view.not_filled((replace(close, side=Side.SELL), stop)) == [which]
    assert orders_view.not_filled((replace(stop, reason="no margin"), close)) == [f"{which}: no margin"]


def test_fees_add_up_by_asset_and_funding_by_perp() -> None:
    assert orders_view.fees(fills()) == {"BNB": "0.001", "USDT": "1.5"}
    assert orders_view.funding(payments()) == {"ETH/USDT:USDT": "1.25", "UNI/USDT:USDT": "-3.5"}


def test_what_would_change_its_mind_names_the_waiting_reading_the_dissent_and_the_missing() -> None:
    words = why_row()["would_change"]
    assert words[0].startswith("euphoria has been read instead of breakout")
    assert words[1].startswith("crowding speaks the other way (-0.35)")
    assert words[2].startswith("tvl is missing")
    quiet = decision(signals=SIGNALS[:1], notes=(), memory=Memory(), condition=Condition.NEUTRAL)
    assert report_rows.why(quiet, number=1, at_ms=1)["would_change"] == [report_rows.NO_CHANGE_WORDS]


def test_a_summary_is_not_reconciled_while_an_order_is_in_doubt() -> None:
    assert summary()["orders"]["in_doubt"] == 1
    assert summary()["reconciled"] is False
    assert "do NOT agree" in screen(lambda console: report.print_summary(console, summary(agreed=False)), 100)


def test_a_summary_without_an_order_has_compared_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "load_orders", lambda *_: ())
    idle, differing = summary(), summary(agreed=False)
    assert idle["reconciled"] is None
    words = "nothing was compared, because no order was sent"
    shown = screen(lambda console: report.print_summary(console, idle), 100)
    assert shown.splitlines()[-1] == summary_lines(idle | {"equity_start_quote": None, "profit": None})[-1] == words
    assert differing["reconciled"] is False, "holdings may differ without an order of ours"
    assert "do NOT agree" in screen(lambda console: report.print_summary(console, differing), 100)


def test_a_rebalancing_is_told_by_what_it_trades_and_not_as_a_shift_of_nothing() -> None:
    tranche = {"legs": [{"value_quote": "1200.50"}, {"value_quote": "800"}]}
    drift = {
        "number": 2,
        "from": "into_defi",
        "to": "into_defi",
        "state": "done",
        "shift_quote": "0",
        "tranches": [tranche],
    }
    rotation = {**drift, "number": 1, "from": "neutral", "shift_quote": "20000"}
    told = {**summary(), "campaigns": [rotation, drift]}
    lines = screen(lambda console: report.print_summary(console, told), 140).splitlines()
    assert "rotation 1: neutral → into_defi, done, shift 20,000.00 USDT in 1 tranches" in lines
    assert "rebalancing 2: drift within into_defi, done, 2,000.50 USDT to trade in 1 tranches" in lines


def test_markup_in_words_is_printed_as_it_is() -> None:
    odd = replace(LEGS[1], words="[red]sell[/red] [/]")
    view = intents_view.intents_table(intents_view.intent_rows([odd], snapshot().instruments), "USDT", 100)
    assert "[red]sell[/red] [/]" in screen(lambda console: console.print(view), 100)


def test_an_empty_table_says_so() -> None:
    view: RenderableType = positions_view.positions_table([], "USDT")
    assert "none" in screen(lambda console: console.print(view), 100)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (money(D("1234567.891")), "1,234,567.89"),
        (money(None), "–"),
        (money(D("-0.004")), "0.00"),
        (money(D("-0.006")), "-0.01"),
        (money("NaN"), "–"),
        (amount(D("-1234.5000")), "-1,234.5"),
        (amount(D("0.00001")), "0.00001"),
        (amount(D("1E+3")), "1,000"),
        (percent(D("0.48125")), "48.12 %"),
        (percent(D("-0.00001")), "0.00 %"),
        (utc(1_700_000_000_000, 1_700_000_095_000), "2023-11-14 22:13:20 UTC (1 min 35 s ago)"),
        (utc(0), "never"),
        (age(-5_000), "in 5 s"),
        (age(90_061_000), "1 d 1 h ago"),
        (age(0), "0 s ago"),
    ],
)
def test_numbers_and_times_are_written_alike_everywhere(written: str, wanted: str) -> None:
    assert written == wanted


if __name__ == "__main__":
    for view_name, view_of in VIEWS.items():
        length = (SCREENS / f"{view_name}.txt").write_text(screen(view_of, 120))
        sys.stdout.write(f"{view_name}: {length} characters\n")
