"""The engine as a venue: what a back-test sees is what the exchange would have answered, and nothing of the future."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, Rejection, ReportState, Unavailable, Venue, VenueRejected
from bot.simex.engine.exchange import Exchange
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.synthetic import SyntheticMarket
from bot.venues.paper.engine_venue import EngineVenue

D = Decimal
START_MS, HOUR_MS = 1_700_000_000_000, 3_600_000
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"


class HandClock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


def make() -> tuple[EngineVenue, Exchange, HandClock]:
    prices = {"UNI": D(10), "BTC": D(90_000)}
    market = SyntheticMarket(seed=1, start_ms=START_MS, tokens=tuple(prices), scenario="golden", anchor_prices=prices)
    exchange = Exchange(instruments=default_instruments(tuple(prices), prices), market=market, start_ms=START_MS)
    exchange.create_account("main", spot={"USDT": D(10_000), "UNI": D(100)}, perp=D(1_000))
    clock = HandClock()
    return EngineVenue(exchange, clock, account="main"), exchange, clock


def buy(symbol: str = SPOT, *, client_id: str = "a-1", at_ms: int = START_MS) -> OrderRequest:
    return OrderRequest(
        client_id, symbol, Side.BUY, D(10), OrderType.LIMIT, TimeInForce.IOC, at_ms, 5_000, price=D("10.5")
    )


async def test_an_order_fills_and_the_books_of_the_engine_stay_balanced() -> None:
    venue, exchange, _ = make()
    port: Venue = venue
    report = await port.submit_order(buy())
    assert (report.state, report.filled_size) == (ReportState.FILLED, D(10))
    account = await port.fetch_account()
    bought = sum(fill.size - (fill.fee if fill.fee_asset == "UNI" else 0) for fill in report.fills)
    assert account.balances["UNI"].total == D(100) + bought
    assert await port.fetch_order(SPOT, "a-1") is not None
    exchange.audit()


async def test_candles_are_closed_and_end_before_now() -> None:
    venue, _, clock = make()
    clock.ms += 90 * 60_000
    now_ms = clock.ms
    series = await venue.fetch_candles(SPOT, HOUR_MS, now_ms - 10 * HOUR_MS, 50)
    assert len(series) in (9, 10)
    assert series.end_ms <= now_ms < series.end_ms + HOUR_MS


async def test_time_moves_the_engine_and_funding_is_paid_on_the_way() -> None:
    venue, exchange, clock = make()
    await venue.set_leverage(PERP, D(2))
    await venue.submit_order(buy(PERP))
    clock.ms += 9 * HOUR_MS
    assert [payment.kind for payment in await venue.fetch_payments(START_MS + 1)] == ["funding"]
    assert exchange.now_ms == clock.ms


async def test_a_delisted_symbol_has_no_price_and_takes_no_order() -> None:
    venue, exchange, _ = make()
    exchange.delist(SPOT)
    assert await venue.fetch_quotes([SPOT, "BTC/USDT"]) == {"BTC/USDT": exchange.quote("BTC/USDT")}
    assert not (await venue.fetch_instruments([SPOT]))[SPOT].active
    with pytest.raises(Unavailable):
        await venue.fetch_book(SPOT, 10)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(buy())
    assert caught.value.kind is Rejection.MARKET_CLOSED


async def test_an_order_stamped_too_long_ago_is_refused_as_the_venue_would() -> None:
    venue, _, clock = make()
    clock.ms += 5_001
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(buy(at_ms=START_MS))
    assert caught.value.kind is Rejection.CLOCK


async def test_an_instrument_is_the_same_object_until_something_of_it_changes() -> None:
    venue, exchange, _ = make()
    first = await venue.fetch_instruments()
    again = await venue.fetch_instruments([SPOT, PERP])
    assert again[SPOT] is first[SPOT]
    assert again[PERP] is first[PERP]
    exchange.set_fee_rates("main", PERP, maker=D("0.0003"), taker=D("0.0007"))
    exchange.replace_instrument(replace(exchange.instruments[SPOT], price_tick=D("0.5")))
    changed = await venue.fetch_instruments()
    assert (changed[PERP].maker_fee, changed[PERP].taker_fee) == (D("0.0003"), D("0.0007"))
    assert changed[PERP].brackets == first[PERP].brackets
    assert changed[SPOT].price_tick == D("0.5")
