"""Value locked without its price part."""

import math
import random
from dataclasses import replace

import pytest

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot, Tvl
from bot.playbook.market.tvl_price import PAIRS_MIN, without_price
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, make_sectors
from tests.playbook.reading import read_signals

FIRST = START_MS - START_MS % DAY_MS - 120 * DAY_MS
DAYS = 121
POLICY = Policy.model_validate({"signals": {"tvl_without_price": True, "candle_minutes": 1440}})
SECTORS = make_sectors()


def market(seed: int = 1) -> CandleSeries:
    rng, level, closes = random.Random(seed), math.log(50_000), []
    for _ in range(DAYS):
        level += rng.gauss(0.004, 0.03)
        closes.append(math.exp(level))
    starts = tuple(FIRST - DAY_MS + n * DAY_MS for n in range(DAYS))
    prices = tuple(closes)
    return CandleSeries("BTC/USDT", DAY_MS, starts, prices, prices, prices, prices, (1e9,) * DAYS)


def locked(candles: CandleSeries, *, beta: float, own: float = 0.0, days: int = DAYS) -> Tvl:
    """Value whose price part has this beta, and which grows by `own` a day beside it."""
    first = candles.closes[0]
    values = [1e9 * (close / first) ** beta * math.exp(own * n) for n, close in enumerate(candles.closes)]
    times = tuple(FIRST + n * DAY_MS for n in range(DAYS))
    return Tvl("defi", times[-days:], tuple(D(round(value)) for value in values)[-days:])


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_what_is_price_alone_does_not_grow(beta: float) -> None:
    candles = market()
    found = without_price(locked(candles, beta=beta), candles)
    assert found is not None
    assert found.beta == pytest.approx(beta, abs=1e-4)
    assert found.levels[-1] / found.levels[-31] - 1 == pytest.approx(0, abs=1e-3)


def test_what_grows_beside_the_price_is_kept() -> None:
    candles = market()
    found = without_price(locked(candles, beta=0.8, own=0.002), candles)
    assert found is not None
    assert found.levels[-1] / found.levels[-31] - 1 == pytest.approx(math.expm1(0.06), abs=0.01)


def test_prices_of_after_a_day_change_nothing_of_it() -> None:
    candles = market()
    tvl = locked(candles, beta=0.8)
    cut = replace(tvl, at_ms=tvl.at_ms[:-5], values_quote=tvl.values_quote[:-5])
    bent = replace(candles, closes=(*candles.closes[:-5], *(1.0,) * 5))
    assert without_price(cut, candles) == without_price(cut, bent)


@pytest.mark.parametrize("candles", [None, market()], ids=["no candles", "few days"])
def test_without_enough_of_both_there_is_none(candles: CandleSeries | None) -> None:
    assert without_price(locked(market(), beta=1, days=PAIRS_MIN), candles) is None


def test_the_signal_says_both_figures_and_is_missing_without_candles() -> None:
    candles = market()
    seen = Snapshot(START_MS, {}, {}, candles={"BTC/USDT": candles}, tvl={"defi": locked(candles, beta=1.0)})
    (plain,) = [s for s in read_signals(seen, Policy(), SECTORS)[0] if s.name == "tvl_growth"]
    (found,) = [s for s in read_signals(seen, POLICY, SECTORS)[0] if s.name == "tvl_growth"]
    assert abs(plain.value) > 0.02
    assert found.value == pytest.approx(0, abs=1e-3)
    assert f"without its price part (beta 1.00 to BTC/USDT; {plain.value:+.1%} with it)" in found.words
    assert found.rank_is == "z"
    signals, notes = read_signals(replace(seen, candles={}), POLICY, SECTORS)
    assert "tvl_growth" not in {s.name for s in signals}
    assert "or the market's candles do not" in next(n.words for n in notes if n.subject == "tvl_growth")


def test_amounts_of_tokens_need_no_estimate_and_what_is_in_dollars_is_adjusted_beside_them() -> None:
    candles = market()
    dollars = locked(candles, beta=1.0)
    native = tuple(D(1_000_000 * (100 + n)) for n in range(DAYS))
    alone = replace(dollars, native_quote=native, rest_quote=(D(0),) * DAYS)
    found = without_price(alone, None)
    assert found is not None
    assert (found.levels, found.beta, found.native) == (tuple(map(float, native)), None, 1.0)
    both = without_price(replace(dollars, native_quote=native, rest_quote=dollars.values_quote), candles)
    only = without_price(dollars, candles)
    assert both is not None
    assert only is not None
    assert both.levels == pytest.approx([a + b for a, b in zip(map(float, native), only.levels, strict=True)])
    assert both.native == pytest.approx(float(native[-1]) / both.levels[-1])
    assert without_price(replace(dollars, native_quote=native, rest_quote=dollars.values_quote), None) is None


@pytest.mark.parametrize("has_rest", [False, True])
def test_the_signal_says_which_part_is_read_by_amounts(has_rest: bool) -> None:
    candles, native = market(), tuple(D(1_000_000 * (100 + n)) for n in range(DAYS))
    dollars = locked(candles, beta=1.0)
    rest = dollars.values_quote if has_rest else (D(0),) * DAYS
    seen = Snapshot(START_MS, {}, {}, candles={"BTC/USDT": candles})
    seen = replace(seen, tvl={"defi": replace(dollars, native_quote=native, rest_quote=rest)})
    (found,) = [s for s in read_signals(seen, POLICY, SECTORS)[0] if s.name == "tvl_growth"]
    assert ("of it by amounts of tokens" in found.words, "beta 1.00" in found.words) == (True, has_rest)
    if not has_rest:
        assert found.value == pytest.approx(220 / 190 - 1)
        assert "100% of it by amounts of tokens; " in found.words
