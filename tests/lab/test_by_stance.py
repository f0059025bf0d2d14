"""What stances earned: by hand, and adding up whatever was traded."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.lab.backtest.attribution import Ending, PartLedger, attribute
from bot.lab.tear_sheet.by_stance import (
    RunDays,
    by_stance,
    count_whipsaws,
    market_line,
    variance_removed,
)
from bot.report.profit.parts import StanceProfit
from bot.simex.engine.types import Income, IncomeKind, SimTrade
from tests.lab.test_attribution import PERP, SPOT, trade

D = Decimal
OTHER = "AAVE/USDT"
SECTOR_OF = {SPOT: "defi", OTHER: "defi"}


def days_of(prices: Sequence[Mapping[str, Decimal]], stances: Sequence[str], equity: Sequence[int]) -> RunDays:
    times = [number * 10_000 for number in range(len(prices))]
    table = dict(zip(times, prices, strict=True))
    return RunDays(
        times, [D(value) for value in equity], stances, table.__getitem__, {"defi": (SPOT, OTHER)}, {"defi": D("0.5")}
    )


def results(
    days: RunDays, trades: Sequence[SimTrade], mids: Sequence[Decimal], paid: Sequence[Income] = ()
) -> tuple[dict[str, StanceProfit], list[tuple[Decimal, Decimal]]]:
    covers = {"hedge": "defi"}
    return by_stance(days, zip(trades, mids, strict=True), PartLedger(paid, SECTOR_OF, "USDT", covers))


def test_a_day_by_hand() -> None:
    """1,000 of equity; 600 of UNI are held where 500 are neutral. UNI rises by 10 %, AAVE by 30 %."""
    prices = [{SPOT: D(10), OTHER: D(10)}, {SPOT: D(11), OTHER: D(13)}]
    bought = trade(0, SPOT, 60, 10, "0")
    found, hedged = results(days_of(prices, ["neutral", "neutral"], [1_000, 1_060]), [bought], [D(10)])
    day = found["neutral"]
    assert (day.span_ms, day.net) == (DAY_MS, D(60))
    assert day.neutral == D(500) * D("0.2"), "the sector rises by 20 %"
    assert day.timing == D(100) * D("0.2")
    assert day.selection == D(60) - D(120)
    assert hedged == []


def test_a_hedge_stands_with_the_spot_that_it_covers() -> None:
    prices = [{SPOT: D(10), OTHER: D(10), PERP: D(10)}, {SPOT: D(8), OTHER: D(8), PERP: D(8)}]
    trades = [trade(0, SPOT, 60, 10, "0"), trade(0, PERP, -30, 10, "0")]
    trades[1] = SimTrade(**{name: getattr(trades[1], name) for name in trades[1].__slots__} | {"client_id": "hedge"})
    paid = [Income(1, IncomeKind.FUNDING_FEE, "USDT", D(2), PERP, 5_000)]
    found, hedged = results(days_of(prices, ["de_risk"] * 2, [1_000, 942]), trades, [D(10)] * 2, paid)
    day = found["de_risk"]
    assert (day.hedges, day.funding, day.covered) == (D(60), D(2), D(-60))
    assert day.net == D(-120) + 60 + 2
    assert hedged == [(D("0.06"), D("-0.06"))]


moves = st.lists(
    st.tuples(
        st.sampled_from([SPOT, OTHER, PERP]), st.integers(-50, 50).filter(bool), st.integers(1, 500), st.integers(0, 4)
    ),
    max_size=30,
)
levels = st.lists(st.tuples(*[st.integers(1, 500)] * 3), min_size=5, max_size=5)


@given(moves, levels, st.lists(st.sampled_from(["neutral", "into_defi", "de_risk"]), min_size=5, max_size=5))
def test_the_parts_add_up_to_the_profit_whatever_was_traded(
    traded: list[tuple[str, int, int, int]], level: list[tuple[int, ...]], stances: list[str]
) -> None:
    ordered = sorted(traded, key=lambda row: row[3])
    trades = [trade(n, symbol, size, price, "0.5") for n, (symbol, size, price, _) in enumerate(ordered)]
    trades = [
        SimTrade(**{name: getattr(t, name) for name in t.__slots__} | {"at_ms": place * 9_000})
        for t, (*_, place) in zip(trades, ordered, strict=True)
    ]
    mids = [t.price + 1 for t in trades]
    paid = [Income(n, IncomeKind.FUNDING_FEE, "USDT", D(n - 2), PERP, n * 8_000) for n in range(1, 5)]
    prices = [dict(zip((SPOT, OTHER, PERP), map(D, row), strict=True)) for row in level]
    found, _ = results(days_of(prices, stances, [1_000] * 5), trades, mids, paid)
    parts = attribute(trades, mids, paid, Ending({}, prices[-1]), SECTOR_OF, "USDT", {"hedge": "defi"})
    net = sum((part.net_quote for part in parts.values()), ZERO)
    assert abs(sum((one.net for one in found.values()), ZERO) - net) < D("1e-12")
    for name, sign in (("fees", -1), ("slippage", -1), ("funding", 1)):
        whole = sum((getattr(one, name) for one in found.values()), ZERO)
        assert abs(whole - sign * sum((getattr(p, f"{name}_quote") for p in parts.values()), ZERO)) < D("1e-12")


def test_a_token_that_does_not_trade_yet_is_no_part_of_the_sector() -> None:
    prices = [{SPOT: D(10)}, {SPOT: D(11), OTHER: D(13)}]
    found, _ = results(days_of(prices, ["neutral"] * 2, [1_000, 1_050]), [trade(0, SPOT, 50, 10, "0")], [D(10)])
    assert (found["neutral"].neutral, found["neutral"].selection) == (D(50), ZERO)


def test_variance_removed_beta_and_whipsaws_by_hand() -> None:
    assert variance_removed([(D(-1), D(1)), (D(1), D(-1)), (D(0), D(0))]) == 1.0
    assert variance_removed([(D(0), D(1)), (D(0), D(-1)), (D(0), D(0))]) == 0.0
    assert variance_removed([(D(1), D(1))] * 2) is None
    market = [0.01, -0.02, 0.03, 0.0]
    assert market_line([2 * move + 0.001 for move in market], market) == pytest.approx((2.0, 0.365))
    assert market_line(market, [0.0] * 4) is None
    week = 7 * DAY_MS
    stances = [(0, "neutral"), (week, "de_risk"), (2 * week, "neutral"), (5 * week, "de_risk"), (6 * week, "into_defi")]
    assert count_whipsaws(stances, 10 * DAY_MS) == 1
    assert count_whipsaws([(0, "a"), (1, "a"), (2, "b"), (3, "b"), (4, "a")], 10) == 1
