"""The made-up market: anchors, history, scenarios, independence from how it is asked."""

import itertools
from decimal import Decimal

import pytest

from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import check_brackets
from bot.simex.market.catalogue import (
    TOKENS,
    default_instruments,
    perp_symbol,
    recorded_bands,
    recorded_price_bounds,
    recorded_price_digits,
    spot_symbol,
    traits_of,
)
from bot.simex.market.scenarios import SCENARIOS
from bot.simex.market.synthetic import DEFAULT_TOKENS, SyntheticMarket

D = Decimal
START = 1_767_225_600_000
HOUR, DAY = 3_600_000, 86_400_000
ANCHORS = {"UNI": Decimal(10), "AAVE": Decimal(100), "ETH": Decimal(2_500), "CRV": Decimal("0.5")}
TOKEN_LIST = ("ETH", "SOL", "AVAX", "LINK", "NEAR", "UNI", "AAVE", "LDO", "CRV", "COMP")
DEFI = [t for t in TOKEN_LIST if traits_of(t).sector == "defi"]
INFRA = [t for t in TOKEN_LIST if traits_of(t).sector == "infra"]


def floor_of(market: SyntheticMarket, start_ms: int = START) -> Exchange:
    tokens = dict.fromkeys(symbol.partition("/")[0] for symbol in market.symbols)
    return Exchange(instruments=default_instruments(tokens), market=market, start_ms=start_ms)


def index_of(venue: Exchange, tokens: list[str], days: int) -> list[float]:
    """Equal-weight index of hourly closes up to now, 1 at its beginning."""
    columns = []
    for token in tokens:
        closes = venue.candles(spot_symbol(token), HOUR, 0, venue.now_ms, days * 24).closes
        columns.append([close / closes[0] for close in closes])
    return [sum(row) / len(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("start_ms", [START, START + 1_234_567])
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_anchor_prices_are_met_exactly_by_spot_and_perp(scenario: str, start_ms: int) -> None:
    venue = floor_of(SyntheticMarket(5, start_ms, ANCHORS, scenario, anchor_prices=ANCHORS), start_ms)
    for token, price in ANCHORS.items():
        assert venue.quote(spot_symbol(token)).valuation == price
        assert venue.quote(perp_symbol(token)).valuation == price
        assert venue.quote(perp_symbol(token)).index == price


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("seed", range(4))
def test_golden_is_quiet_and_then_defi_breaks_out_of_its_range_in_a_rising_market(seed: int) -> None:
    venue = floor_of(SyntheticMarket(seed, START, TOKEN_LIST, "golden"))
    assert len(venue.candles("UNI/USDT", HOUR, 0, START, 10_000)) >= 120 * 24
    defi, infra = index_of(venue, DEFI, 36), index_of(venue, INFRA, 36)
    strength = [d / i for d, i in zip(defi, infra, strict=True)]
    before, last = strength[: 30 * 24], strength[-1]
    assert last > max(before) * 1.03
    market = [(d + i) / 2 for d, i in zip(defi, infra, strict=True)]
    assert market[-1] > max(market[: 25 * 24])
    above = 0
    for token in TOKEN_LIST:
        closes = venue.candles(spot_symbol(token), HOUR, 0, START, 50 * 24).closes
        above += closes[-1] > sum(closes) / len(closes)
    assert above >= 8
    tvl = SyntheticMarket(seed, START).tvl("defi", START - 30 * DAY, START).values_quote
    assert tvl[-1] > tvl[0] * Decimal("1.05")


def test_golden_moves_little_in_the_hours_after_the_start() -> None:
    market = SyntheticMarket(7, START, TOKEN_LIST, "golden", anchor_prices=ANCHORS)
    for symbol in market.symbols:
        minutes = [market.at(symbol, START + at * 60_000).mid for at in range(6 * 60)]
        assert max(abs(b / a - 1) for a, b in itertools.pairwise(minutes)) < 0.0010
        assert abs(minutes[-1] / minutes[0] - 1) < 0.02


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("seed", range(3))
def test_risk_off_weakens_defi_while_infra_is_steady(seed: int) -> None:
    venue = floor_of(SyntheticMarket(seed, START, TOKEN_LIST, "risk-off"))
    defi, infra = index_of(venue, DEFI, 10), index_of(venue, INFRA, 10)
    assert defi[-1] < 0.9
    assert infra[-1] > 0.9


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("seed", range(3))
def test_downtrend_is_broad_and_lively(seed: int) -> None:
    venue, calm = (floor_of(SyntheticMarket(seed, START, TOKEN_LIST, name)) for name in ("downtrend", "quiet"))
    assert index_of(venue, DEFI, 30)[-1] < 0.8
    assert index_of(venue, INFRA, 30)[-1] < 0.8

    def swing(of: Exchange) -> float:
        index = index_of(of, list(TOKEN_LIST), 10)
        return sum(abs(b / a - 1) for a, b in itertools.pairwise(index))

    assert swing(venue) > 2 * swing(calm)


def test_it_does_not_matter_in_which_order_and_for_what_it_is_asked() -> None:
    one = SyntheticMarket(1, START, ("UNI", "ETH"))
    other = SyntheticMarket(1, START, ("SOL", "ETH", "UNI"))
    far = other.at("ETH/USDT:USDT", START + 90 * DAY)
    other.at("SOL/USDT", START)
    assert other.at("UNI/USDT", START + DAY) == one.at("UNI/USDT", START + DAY)
    assert one.at("ETH/USDT:USDT", START + 90 * DAY) == far
    assert SyntheticMarket(2, START, ("UNI",)).at("UNI/USDT", START + DAY) != one.at("UNI/USDT", START + DAY)


def test_tokens_move_together() -> None:
    venue = floor_of(SyntheticMarket(1, START, ("BTC", *TOKEN_LIST), "quiet"))

    def returns(token: str) -> list[float]:
        closes = venue.candles(spot_symbol(token), HOUR, 0, START, 60 * 24).closes
        return [b / a - 1 for a, b in itertools.pairwise(closes)]

    def correlation(a: list[float], b: list[float]) -> float:
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return float(dot / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5)

    assert 0.2 < correlation(returns("UNI"), returns("AAVE")) < 0.9
    assert correlation(returns("BTC"), returns("ETH")) > 0.5


def test_funding_is_settled_every_eight_hours_at_the_rate_its_premiums_give() -> None:
    market = SyntheticMarket(1, START, ("UNI",), "golden")
    events = market.funding_events("UNI/USDT:USDT", START - DAY, START + DAY)
    assert [at for at, _ in events] == [START - DAY + n * 8 * HOUR for n in range(1, 7)]
    terms = market.funding("UNI/USDT:USDT", START + HOUR)
    assert terms is not None
    assert terms.next_ms == START + 8 * HOUR
    last = market.funding("UNI/USDT:USDT", START + 8 * HOUR - 1)
    assert last is not None
    assert abs(last.rate - dict(events)[START + 8 * HOUR]) < 0.0001
    assert market.funding("UNI/USDT", START) is None
    assert market.open_interest("UNI/USDT:USDT", START)


def test_symbols_are_listed_with_the_recorded_terms() -> None:
    """Values of the venue's own lists."""
    made = default_instruments()
    btc, spot, eth = made["BTC/USDT:USDT"], made["BTC/USDT"], made["ETH/USDT:USDT"]
    assert (btc.size_step, btc.notional_min, btc.price_tick) == (D("0.001"), 100, D("0.1"))
    assert (btc.size_max, btc.market_size_max, btc.leverage_max) == (1000, 120, 150)
    assert (spot.size_step, spot.notional_min, spot.size_max) == (D("0.00001"), 5, 9000)
    assert (eth.notional_min, eth.market_size_max) == (20, 2000)
    assert made["UNI/USDT:USDT"].size_step == 1
    far = default_instruments(["BTC"], {"BTC": 40.0})["BTC/USDT:USDT"]
    assert (far.notional_min, far.size_step) == (100, D("0.1")), "a grid that fits the price"
    assert recorded_bands(made)["BTC/USDT:USDT"] == D("0.05")
    bounds = recorded_price_bounds([*made.values(), far])
    assert bounds["BTC/USDT"] == (D("0.01"), 1_000_000)
    assert bounds["ETH/USDT:USDT"] == (D("39.86"), 306_177)
    assert "BTC/USDT:USDT" in bounds
    assert recorded_price_digits([*made.values(), far])["UNI/USDT:USDT"] == 4
    assert recorded_price_bounds([far]) == {}, "a grid that was made has no recorded bounds"
    assert all(low < D(repr(TOKENS[made[s].base].price)) < high for s, (low, high) in bounds.items())


@pytest.mark.parametrize(("token", "least", "most"), [("BTC", 5e6, 5e7), ("SOL", 1e6, 2e7), ("SUSHI", 2e5, 2e6)])
def test_books_are_as_deep_as_recorded(token: str, least: float, most: float) -> None:
    market = SyntheticMarket(1, START, (token,))
    spot, perp = (market.at(symbol(token), START) for symbol in (spot_symbol, perp_symbol))
    assert least < spot.depth_quote < perp.depth_quote < most
    assert spot.spread == perp.spread < 0.0006


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="golden"):
        SyntheticMarket(1, START, scenario="boom")


def test_instruments_of_every_known_token_are_fine_enough() -> None:
    made = default_instruments()
    assert len(made) == 2 * len(TOKENS)
    assert set(DEFAULT_TOKENS) <= set(TOKENS)
    for symbol, unit in made.items():
        price = Decimal(str(traits_of(unit.base).price))
        assert unit.price_tick / price <= Decimal("0.002"), symbol
        assert unit.size_min * price <= 100, symbol
        assert unit.market_size_max is not None
        assert unit.size_max is not None
        assert unit.size_min % unit.size_step == 0
        if unit.is_perp:
            assert unit.leverage_max == unit.brackets[0].leverage_max
            check_brackets(unit.brackets)
    assert made["UNI/USDT"].venue_symbol == made["UNI/USDT:USDT"].venue_symbol == "UNIUSDT"
    cheap = default_instruments(["NEW"], prices={"NEW": Decimal("0.00002")})["NEW/USDT"]
    assert cheap.price_tick == Decimal("0.00000001"), "as fine as venues write prices, no finer"
