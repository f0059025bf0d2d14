"""Open interest, liquidity and ranks: what they measure, what they leave out, and that nothing is made up."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Funding, OpenInterest, Premium, Quote, SignalMarket, Snapshot, Tvl
from bot.domain.reason import Reason
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.signals import exit_signs
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, make_sectors
from tests.playbook.reading import read_signals

POLICY = Policy(candle_minutes=1440)
SECTORS = make_sectors()
TOKENS = ("UNI", "AAVE", "ETH", "SOL")
PERPS = ("UNI/USDT:USDT", "AAVE/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
DAYS = 120


def candles(symbol: str, *, price_growth: float = 0.0, volume: float = 1e6, late_volume: float = 1e6) -> CandleSeries:
    """Daily closes with a wave; `price_growth` over the last week; the volume of the last five days may differ."""
    closes = [100 * (1 + 0.01 * math.sin(day)) * (1 + price_growth * max(0, day - DAYS + 8) / 7) for day in range(DAYS)]
    volumes = tuple(late_volume if day >= DAYS - 5 else volume * (1 + 0.1 * math.sin(day * 0.9)) for day in range(DAYS))
    starts = tuple(START_MS - (DAYS - day) * DAY_MS for day in range(DAYS))
    return CandleSeries(symbol, DAY_MS, starts, *(tuple(closes),) * 4, volumes)  # type: ignore[arg-type]


def interest(symbol: str, growth: float, *, watched_days: int = 40, prices: CandleSeries | None = None) -> OpenInterest:
    """Readings every eight hours; in contracts nothing changes but in the last week, by `growth`."""
    series = prices or candles(symbol)

    def value(at_ms: int) -> D:
        close = [c for s, c in zip(series.starts_ms, series.closes, strict=True) if s + DAY_MS <= at_ms][-1]
        return D(round(1e6 * close * (1 + growth * max(0.0, 1 - (START_MS - at_ms) / (7 * DAY_MS)))))

    times = range(START_MS - watched_days * DAY_MS, START_MS, 8 * HOUR_MS)
    return OpenInterest(symbol, value(START_MS), START_MS, tuple((at, value(at)) for at in times))


def market(growth: float = 0.0, *, watched_days: int = 40, price_growth: float = 0.0, **volumes: float) -> Snapshot:
    series = {f"{t}/USDT": candles(f"{t}/USDT", price_growth=price_growth, **volumes) for t in TOKENS}
    found = {
        perp: interest(perp, growth, watched_days=watched_days, prices=series[perp.split(":")[0]]) for perp in PERPS
    }
    return Snapshot(START_MS, {}, {}, candles=series, open_interest=found)


def signal(name: str, snapshot: Snapshot) -> Signal | None:
    return {s.name: s for s in read_signals(snapshot, POLICY, SECTORS)[0]}.get(name)


@given(growth=st.floats(-0.6, 3.0), price_growth=st.floats(-0.4, 0.8))
def test_open_interest_counts_new_positions_whatever_the_price_does(growth: float, price_growth: float) -> None:
    found = signal("open_interest", market(growth, price_growth=price_growth))
    assert found is not None
    assert found.value == pytest.approx(growth, abs=0.002)
    assert found.score == pytest.approx(max(-1.0, min(1.0, -growth)), abs=0.002)


def test_growing_open_interest_is_a_sign_of_crowding_and_says_how_rare_it_is() -> None:
    found = signal("open_interest", market(0.9))
    assert found is not None
    assert found.rank_is == "z"
    assert found.rank is not None
    assert found.rank > 2
    assert "+90.0%" in found.words
    assert exit_signs([found], POLICY) == ("crowding",)
    calm = signal("open_interest", market(0.1))
    assert calm is not None
    assert exit_signs([calm], POLICY) == ()


@pytest.mark.parametrize("days", [0, 3, 6])
def test_open_interest_that_was_not_watched_long_enough_is_missing(days: int) -> None:
    _, notes = read_signals(market(0.5, watched_days=days), POLICY, SECTORS)
    missing = {note.subject: note for note in notes if note.reason is Reason.SIGNAL_MISSING}
    assert "watched for 7 days" in missing["open_interest"].words


def test_stale_open_interest_and_open_interest_without_a_price_are_missing() -> None:
    fresh = market(0.5)
    old = {s: replace(found, at_ms=found.at_ms - 2 * DAY_MS) for s, found in fresh.open_interest.items()}
    assert signal("open_interest", replace(fresh, open_interest=old)) is None
    assert signal("open_interest", replace(fresh, candles={})) is None


def test_a_hole_in_the_past_is_not_bridged() -> None:
    whole = market(0.5)
    holed = {
        s: replace(found, earlier=tuple(p for p in found.earlier if not 6 < (START_MS - p[0]) / DAY_MS < 9))
        for s, found in whole.open_interest.items()
    }
    assert signal("open_interest", replace(whole, open_interest=holed)) is None


def test_one_leader_with_a_past_speaks_for_itself() -> None:
    whole = market(0.5)
    bare = {s: found if "UNI" in s else replace(found, earlier=()) for s, found in whole.open_interest.items()}
    found = signal("open_interest", replace(whole, open_interest=bare))
    assert found is not None
    assert found.value == pytest.approx(0.5, abs=0.01)


def test_liquidity_falls_when_the_same_moves_take_less_money() -> None:
    thin, deep = signal("liquidity", market(late_volume=1e5)), signal("liquidity", market(late_volume=1e7))
    assert thin is not None
    assert deep is not None
    assert (thin.score, deep.score) == (-1.0, 1.0)
    assert (thin.rank, deep.rank, thin.rank_is) == (1.0, 0.0, "percentile")
    assert thin.value > 50 * deep.value


@given(scale=st.floats(0.01, 1000))
def test_the_rank_of_liquidity_does_not_depend_on_the_size_of_the_market(scale: float) -> None:
    one = signal("liquidity", market(late_volume=5e5))
    other = signal("liquidity", market(volume=1e6 * scale, late_volume=5e5 * scale))
    assert one is not None
    assert other is not None
    assert other.rank == one.rank
    assert other.value * scale == pytest.approx(one.value)


def test_liquidity_needs_fresh_candles_of_half_of_the_tokens() -> None:
    whole = market()
    few = {s: c for s, c in whole.candles.items() if s == "UNI/USDT"}
    assert signal("liquidity", replace(whole, candles=few)) is None
    assert signal("liquidity", replace(whole, at_ms=START_MS + 3 * DAY_MS)) is None
    without_trades = {s: replace(c, volumes_quote=(0.0,) * DAYS) for s, c in whole.candles.items()}
    assert signal("liquidity", replace(whole, candles=without_trades)) is None


def test_liquidity_is_the_path_of_prices_over_the_money_traded() -> None:
    found = signal("liquidity", market())
    assert found is not None
    series = candles("UNI/USDT")
    path = sum(abs(series.closes[-k] - series.closes[-k - 1]) for k in range(1, 6))
    assert found.value == pytest.approx(path / series.closes[-1] / sum(series.volumes_quote[-5:]) * 1e6)


def test_funding_and_tvl_are_ranked_in_what_was_seen_before() -> None:
    past = tuple((START_MS - k * 8 * HOUR_MS, D("0.0001")) for k in range(20, 0, -1))
    funding = {PERPS[0]: Funding(PERPS[0], D("0.0004"), 8, START_MS + 1, START_MS, past)}
    days = tuple(START_MS - (80 - day) * DAY_MS for day in range(81))
    tvl = Tvl("defi", days, tuple(D(1000 + day + (400 if day == 80 else 0)) for day in range(81)))
    snapshot = Snapshot(START_MS, {}, {}, funding=funding, tvl={"defi": tvl})
    crowding, growth = signal("crowding", snapshot), signal("tvl_growth", snapshot)
    assert crowding is not None
    assert (crowding.rank, crowding.rank_is) == (1.0, "percentile")
    assert growth is not None
    assert growth.rank_is == "z"
    assert growth.rank is not None
    assert growth.rank > 3
    young = {PERPS[0]: replace(funding[PERPS[0]], earlier=past[:3])}
    unranked = signal("crowding", replace(snapshot, funding=young))
    assert unranked is not None
    assert (unranked.rank, unranked.rank_is) == (None, "")


def premium(symbol: str, shares: list[str]) -> Premium:
    times = range(START_MS - len(shares) * 8 * HOUR_MS, START_MS, 8 * HOUR_MS)
    return Premium(symbol, D(0), START_MS, tuple(zip(times, map(D, shares), strict=True)))


def marked(share: str) -> dict[str, Quote]:
    mark = D(100) * (1 + D(share))
    return {perp: Quote(perp, mark, mark, START_MS, mark, mark, D(100)) for perp in PERPS}


def test_basis_is_ranked_among_the_mean_premiums_of_the_looks_before() -> None:
    """Two perps that stand apart: the mean of each look counts, not their single premiums."""
    rising = [f"0.000{n}" for n in range(10)]
    seen = {"UNI/USDT:USDT": premium("UNI/USDT:USDT", rising), "ETH/USDT:USDT": premium("ETH/USDT:USDT", ["0"] * 10)}
    found = signal("basis", replace(market(), quotes=marked("0.00012"), premiums=seen))
    assert found is not None
    assert (found.rank, found.rank_is) == (pytest.approx(0.3), "percentile")
    assert found.value == pytest.approx(0.00012 * 365 * 3)


def test_basis_without_enough_of_a_watched_past_has_no_rank() -> None:
    seen = {PERPS[0]: premium(PERPS[0], ["0.0001"] * 7)}
    found = signal("basis", replace(market(), quotes=marked("0.0001"), premiums=seen))
    assert found is not None
    assert (found.rank, found.rank_is) == (None, "")


def test_basis_is_of_the_market_that_signals_are_read_from() -> None:
    """A test network's quotes stood 2 % from spot, and were ranked among the main network's premiums."""
    calm = [f"0.000{n}" for n in range(10)]
    seen = {perp: replace(premium(perp, calm), share=D("0.00035"), at_ms=START_MS - 60_000) for perp in PERPS[:2]}
    traded = replace(market(), quotes=marked("0.02"))
    found = signal("basis", replace(traded, signal_market=SignalMarket("mainnet", START_MS, premiums=seen)))
    assert found is not None
    assert found.value == pytest.approx(0.00035 * 365 * 3)
    assert (found.rank, found.rank_is, found.age_ms) == (pytest.approx(0.4), "percentile", 60_000)
    assert signal("basis", replace(traded, signal_market=SignalMarket("mainnet", START_MS))) is None


def test_volume_is_ranked_in_its_own_history() -> None:
    """The history is a wave: three times the usual is more than all of it, a third is less than all of it."""
    ranks = []
    for late in (3e6, 3e5):
        found = signal("volume", market(late_volume=late))
        assert found is not None
        assert found.rank_is == "percentile"
        ranks.append(found.rank)
    assert ranks == [1.0, 0.0]


def test_the_rank_of_volume_compares_what_was_read_then() -> None:
    """What the signal said five and ten days ago is in its history: the median of them lies in the middle."""
    whole = market()
    values = []
    for back in range(5, 90, 5):
        at_ms = START_MS - back * DAY_MS
        cut = {
            symbol: replace(
                series,
                starts_ms=series.starts_ms[:-back],
                opens=series.opens[:-back],
                highs=series.highs[:-back],
                lows=series.lows[:-back],
                closes=series.closes[:-back],
                volumes_quote=series.volumes_quote[:-back],
            )
            for symbol, series in whole.candles.items()
        }
        found = signal("volume", replace(whole, at_ms=at_ms, candles=cut))
        assert found is not None
        values.append(found.value)
    now = signal("volume", whole)
    assert now is not None
    assert now.rank == pytest.approx(indicators.percentile(now.value, values), abs=1 / len(values))
