"""What the book risks as it stands: by hand, and with no candle of later."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.domain.portfolio import Portfolio, Position
from bot.playbook.book.exposure import BookRisk, exposure_lines, exposure_row, read_exposure
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, World, neutral_world
from tests.profiles import examples

ETH_PERP = "ETH/USDT:USDT"
SYMBOLS = ("BTC/USDT", "UNI/USDT", "AAVE/USDT", "ETH/USDT", "SOL/USDT")


def series_of(symbol: str, slope: float, days: int = 80, at_ms: int = START_MS) -> CandleSeries:
    """Daily candles whose moves are those of the market times a slope."""
    first = at_ms - at_ms % DAY_MS - days * DAY_MS
    closes = [100.0]
    for day in range(1, days):
        closes.append(closes[-1] * (1 + slope * 0.02 * math.sin(day * 1.7)))
    starts = tuple(first + day * DAY_MS for day in range(days))
    line = tuple(closes)
    return CandleSeries(symbol, DAY_MS, starts, line, line, line, line, (1e6,) * days)


def world() -> World:
    return neutral_world(Policy())


def with_short(portfolio: Portfolio, size: str, *, liquidation: str | None) -> Portfolio:
    price = D(2500)
    short = Position(ETH_PERP, D(size), price, price, D(0), D(1000), D(5), D(liquidation) if liquidation else None)
    return replace(portfolio, account=replace(portfolio.account, positions={ETH_PERP: short}))


def seen(slope: float = 1.0) -> Snapshot:
    base = world().snapshot()
    candles = {
        symbol: series_of(symbol, 1.0 if symbol == "BTC/USDT" else slope, at_ms=base.at_ms) for symbol in SYMBOLS
    }
    return replace(base, candles=candles)


def exposure_of(portfolio: Portfolio, snapshot: Snapshot) -> BookRisk:
    return read_exposure(portfolio, snapshot, world().sectors, "defi")


def test_shocks_by_hand() -> None:
    """100,000: 30 % DeFi and 55 % infrastructure in spot."""
    found = exposure_of(world().portfolio(), seen())
    after = {stress.name: stress.equity_quote for stress in found.stresses}
    assert after == {
        "everything −30 %": pytest.approx(D(74_500)),
        "defi −50 %": pytest.approx(D(85_000)),
        "perps alone +25 %": pytest.approx(D(100_000)),
        "perps alone −25 %": pytest.approx(D(100_000)),
        "USDT −10 %": pytest.approx(D(98_500)),  # the 15,000 that are no tokens
        "venue dark, everything −20 %": pytest.approx(D(83_000)),
    }


def test_a_short_offsets_a_fall_and_a_wick_liquidates_it_at_its_margin() -> None:
    portfolio = with_short(world().portfolio(), "-4", liquidation="2900")
    found = {stress.name: stress for stress in exposure_of(portfolio, seen()).stresses}
    assert found["everything −30 %"].equity_quote == pytest.approx(D(77_500))
    assert found["defi −50 %"].equity_quote == pytest.approx(D(85_000)), "ETH is no DeFi"
    wick = found["perps alone +25 %"]
    assert wick.liquidated == (ETH_PERP,)
    assert wick.equity_quote == pytest.approx(D(99_000)), "no more than the margin of 1,000"
    far = with_short(world().portfolio(), "-4", liquidation="4000")
    assert exposure_of(far, seen()).stresses[2].equity_quote == pytest.approx(D(97_500))


def test_a_dark_venue_pays_nothing_for_a_short_and_a_quote_that_falls_costs_one() -> None:
    portfolio = with_short(world().portfolio(), "-4", liquidation="9000")
    found = {stress.name: stress for stress in exposure_of(portfolio, seen()).stresses}
    assert found["venue dark, everything −20 %"].equity_quote == pytest.approx(D(83_000)), "as without the short"
    assert found["USDT −10 %"].equity_quote == pytest.approx(D(97_500)), "0.9 x (100,000 + (85,000 − 10,000) / 9)"
    wallet = portfolio.account.perp_equity
    assert found["everything −30 %"].collateral_quote == pytest.approx(wallet + 3_000)
    assert exposure_of(portfolio, seen()).worst.name == "everything −30 %"


def test_a_perp_of_no_sector_falls_with_everything() -> None:
    sectors = world().sectors
    bare = sectors.model_copy(update={"tokens": {t: w for t, w in sectors.tokens.items() if t != "ETH"}})
    portfolio = with_short(world().portfolio(), "-4", liquidation=None)
    found = {stress.name: stress for stress in read_exposure(portfolio, seen(), bare, "defi").stresses}
    assert found["everything −30 %"].equity_quote == pytest.approx(D(77_500))


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_beta_is_that_of_the_book_and_a_short_lowers_it(slope: float) -> None:
    found = exposure_of(world().portfolio(), seen(slope))
    assert found.betas["BTC"] == pytest.approx(0.85 * slope, rel=1e-6)
    assert found.betas["ETH"] == pytest.approx(0.85, rel=1e-6)
    assert found.covered == 1
    hedged = exposure_of(with_short(world().portfolio(), "-4", liquidation=None), seen(slope))
    assert hedged.betas["BTC"] == pytest.approx(0.75 * slope, rel=1e-6)
    assert hedged.volatility == pytest.approx((found.volatility or 0) * 75 / 85)


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(1, 60), st.floats(0.2, 5.0))
def test_candles_that_are_not_closed_yet_change_nothing(back: int, bend: float) -> None:
    """No look-ahead: whatever the candles after the time of the snapshot say."""
    snapshot = replace(seen(), at_ms=seen().at_ms - back * DAY_MS)
    bent = {}
    for symbol, series in snapshot.candles.items():
        line = tuple(
            close if start + DAY_MS <= snapshot.at_ms else close * bend
            for start, close in zip(series.starts_ms, series.closes, strict=True)
        )
        bent[symbol] = replace(series, opens=line, highs=line, lows=line, closes=line)
    portfolio = world().portfolio()
    assert exposure_of(portfolio, snapshot) == exposure_of(portfolio, replace(snapshot, candles=bent))


def test_without_candles_it_says_so_and_the_shocks_stand() -> None:
    found = exposure_of(world().portfolio(), world().snapshot())
    assert (found.volatility, found.betas, found.covered) == (None, {}, 0)
    lines = exposure_lines(found, "USDT")
    assert lines[0] == "volatility and beta are not known: too few candles"
    assert "everything −30 %: equity 74,500.00 USDT (-25.5%)" in lines
    row = exposure_row(found)
    assert Decimal(row["stresses"][0]["equity_quote"]) == 74_500  # type: ignore[index]
