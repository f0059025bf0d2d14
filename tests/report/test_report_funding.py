"""Expected funding of a perp leg keeps sign, interval and planned end; actual funding finds the leg that opened it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.campaign import Campaign, Leg, Stance, Tranche
from bot.domain.durations import HOURS_PER_YEAR
from bot.domain.instrument import Side
from bot.domain.market import Funding, Snapshot
from bot.domain.order import ExitPlan, Fill, Order, OrderType, Purpose, TimeInForce
from bot.domain.states import CampaignState, LegState, OrderState, TrancheState
from bot.playbook.positions.funding import expected_funding
from bot.ports import Payment
from bot.report.funding import expected_row, funding_by_intent, planned_rows

D = Decimal
NOW, HOUR = 1_700_000_000_000, 3_600_000
ETH, UNI = "ETH/USDT:USDT", "UNI/USDT:USDT"
HEDGE = Leg(1, Purpose.HEDGE, "infra", ETH, D(0), D("-2.5"), D(2000), D(5000), D(1000), D(5))
EXITS = ExitPlan(D(9), (), D("0.05"), NOW + 168 * HOUR, D(20))
LONG = Leg(2, Purpose.TACTICAL, "defi", UNI, D(0), D(2000), D(10), D(20_000), D(2000), D(10), EXITS)
RELEASE = replace(HEDGE, index=3, purpose=Purpose.RELEASE, size_from=D("-2.5"), size_to=D(0))


def funding(symbol: str, rate: str, *earlier: str, interval: int = 8) -> Funding:
    next_ms = NOW + HOUR
    past = [(next_ms - interval * HOUR * (len(earlier) - n), D(old)) for n, old in enumerate(earlier)]
    return Funding(symbol, D(rate), interval, next_ms, NOW, tuple(past))


def snapshot(*seen: Funding) -> Snapshot:
    return Snapshot(NOW, {}, {}, funding={found.symbol: found for found in seen})


def campaign(*legs: Leg) -> tuple[Campaign, Tranche]:
    first = Tranche(1, TrancheState.RUNNING, NOW, legs, started_ms=NOW)
    last = Tranche(2, TrancheState.WAITING, NOW + 12 * HOUR)
    states = Stance.NEUTRAL, Stance.INTO_DEFI, "infra", "defi", CampaignState.RUNNING
    return Campaign(1, *states, NOW, D(100_000), D("0.2"), tranches=(first, last)), first


def expected(leg: Leg, seen: Funding, hours: int = 72) -> dict[str, Any]:
    whole, tranche = campaign(leg)
    row = expected_row(expected_funding(leg, tranche, whole, snapshot(seen), hours), hours)
    assert row is not None
    return row


def test_a_short_earns_what_a_long_pays_until_each_ones_planned_end() -> None:
    short, long = expected(HEDGE, funding(ETH, "0.0001")), expected(LONG, funding(UNI, "0.0001"))
    assert (short["day_quote"], short["quote"], short["hours"]) == ("1.5", "0.75", "12")
    assert (long["day_quote"], long["quote"], long["hours"]) == ("-6", "-42", "168")
    assert (short["yield_annual"], long["yield_annual"]) == ("0.1095", "-0.1095")


@pytest.mark.parametrize("interval", [8, 4, 2, 1])
def test_the_interval_of_the_perp_is_respected(interval: int) -> None:
    row = expected(HEDGE, funding(ETH, "0.0001", interval=interval))
    assert D(row["day_quote"]) == 5000 * D("0.0001") * 24 / interval
    assert D(row["yield_annual"]) == D("0.0001") * HOURS_PER_YEAR / interval


def test_the_mean_is_of_the_rates_inside_the_window_only_and_says_of_how_many() -> None:
    row = expected(HEDGE, funding(ETH, "0.0001", "0.9", "0.0003", "-0.0001"), hours=16)
    assert (row["rates"], row["day_quote"]) == (3, "1.5")


def test_the_funding_of_a_flip_keeps_the_sign_of_the_mean() -> None:
    assert D(expected(HEDGE, funding(ETH, "-0.0001", "0.0004", "0.0003"))["day_quote"]) == 3


def test_spot_and_what_closes_a_position_have_no_funding_and_an_unknown_rate_is_said_so() -> None:
    spot = replace(LONG, purpose=Purpose.INCREASE, symbol="UNI/USDT", exits=None)
    whole, tranche = campaign(HEDGE, RELEASE, spot, replace(LONG, state=LegState.SKIPPED))
    assert [(row["id"], row["expected"]) for row in planned_rows(tranche, whole, snapshot(), 72)] == [("1.1.1", None)]


def opened(name: str, intent: str, at_ms: int, *, reduce_only: bool = False) -> tuple[Order, Fill]:
    order = Order(
        name,
        intent,
        Purpose.HEDGE,
        "infra",
        ETH,
        Side.SELL,
        D(1),
        D(2000),
        OrderType.LIMIT,
        TimeInForce.IOC,
        reduce_only,
        OrderState.FILLED,
        at_ms,
        5000,
    )
    return order, Fill("sim", name, ETH, name, "v", Side.SELL, D(2000), D(1), D(0), "USDT", False, at_ms)


def test_a_payment_belongs_to_the_leg_that_last_opened_the_perp_before_it() -> None:
    first, second = opened("a", "1.1.1", NOW), opened("c", "2.1.1", NOW + 20 * HOUR)
    closing = opened("b", "1.2.4", NOW + 10 * HOUR, reduce_only=True)
    done = (second, closing, first)
    paid = [
        Payment(str(hour), kind, "USDT", D(amount), ETH, NOW + hour * HOUR)
        for hour, kind, amount in [
            (-1, "funding", "9"),
            (8, "funding", "0.5"),
            (9, "transfer", "7"),
            (16, "funding", "0.25"),
            (24, "funding", "-2"),
        ]
    ]
    assert funding_by_intent(paid, [fill for _, fill in done], [order for order, _ in done]) == {
        "1.1.1": D("0.75"),
        "2.1.1": D(-2),
    }
