"""A market fed from outside: orders meet the venue's own book and are filled by the moves it shows."""

from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.order import OrderType
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.types import IncomeKind, NewOrder, OrderStatus
from bot.simex.market.pushed import PushedMarket
from tests.simex.engine.floor import HOUR, PERP, SPOT, D, instrument


def quote(symbol: str, at_ms: int, bid: str, ask: str) -> Quote:
    mark = (D(bid) + D(ask)) / 2 if ":" in symbol else None
    return Quote(symbol, D(bid), D(ask), at_ms, mark=mark, index=mark)


def floor_of(market: PushedMarket) -> Exchange:
    venue = Exchange(instruments={s: instrument(s) for s in (SPOT, PERP)}, market=market, start_ms=0)
    venue.create_account("a", spot={"USDT": D(10_000)}, perp=D(10_000))
    return venue


def test_orders_meet_the_book_that_was_pushed() -> None:
    market = PushedMarket()
    book = Book(SPOT, bids=((D("9.99"), D(50)),), asks=((D("10.003"), D(20)), (D("10.01"), D(30))), at_ms=0)
    market.push(quote(SPOT, 0, "9.99", "10.003"), book)
    market.push(quote(PERP, 0, "9.99", "10.01"))
    venue = floor_of(market)
    assert (venue.quote(SPOT).bid, venue.quote(SPOT).ask) == (D("9.99"), D("10.003"))
    assert venue.quote(PERP).mark == 10
    order = venue.place("a", NewOrder(SPOT, Side.BUY, OrderType.MARKET, size=D(40)))
    assert [(t.price, t.size) for t in order.trades] == [(D("10.003"), 20), (D("10.01"), 20)]
    assert venue.book(SPOT, 5).asks == ((D("10.01"), D(10)),)


def test_a_move_between_two_quotes_fills_what_it_crosses() -> None:
    market = PushedMarket()
    for symbol in (SPOT, PERP):
        market.push(quote(symbol, 0, "9.99", "10.01"))
    venue = floor_of(market)
    order = venue.place("a", NewOrder(SPOT, Side.BUY, OrderType.LIMIT, size=D(10), price=D("9.5")))
    market.push(quote(SPOT, 10_000, "8.99", "9.01"))
    venue.advance(10_000)
    done = venue.order("a", SPOT, order_id=order.id)
    assert done is not None
    assert (done.status, done.updated_ms, done.average_price) == (OrderStatus.FILLED, 5_000, D("9.5"))


def test_funding_that_passes_is_paid() -> None:
    market = PushedMarket()
    for symbol in (SPOT, PERP):
        market.push(quote(symbol, 0, "9.99", "10.01"))
    market.push_funding(Funding(PERP, D("0.001"), 8, 8 * HOUR, 0))
    venue = floor_of(market)
    venue.place("a", NewOrder(PERP, Side.BUY, OrderType.MARKET, size=D(100)))
    venue.advance(8 * HOUR)
    market.push_funding(Funding(PERP, D("0.002"), 8, 16 * HOUR, 8 * HOUR))
    venue.advance(9 * HOUR)
    assert [row.amount for row in venue.income("a", kind=IncomeKind.FUNDING_FEE)] == [D(-1)]


def test_bad_and_late_quotes_are_refused() -> None:
    market = PushedMarket()
    with pytest.raises(ValueError, match="above ask"):
        market.push(quote(SPOT, 0, "11", "10"))
    market.push(quote(SPOT, 5, "9", "10"))
    with pytest.raises(ValueError, match="cannot follow"):
        market.push(quote(SPOT, 4, "9", "10"))
    assert market.has([SPOT])
    assert not market.has([SPOT, PERP])
    assert Decimal(str(market.at(SPOT, 9).mid)) == D("9.5")
