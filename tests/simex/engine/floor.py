"""A small exchange for tests: one token as spot and perp, and a fee token, on a market that does what it is told."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.order import OrderType, TimeInForce
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import Rules
from bot.simex.engine.types import NewOrder, SimOrder
from tests.simex.scripted_market import ScriptedMarket

D = Decimal
SPOT, PERP, FEE = "UNI/USDT", "UNI/USDT:USDT", "BNB/USDT"
MINUTE, HOUR = 60_000, 3_600_000
BUY, SELL = Side.BUY, Side.SELL
Points = Sequence[tuple[int, float]]


def instrument(symbol: str, **changes: Any) -> Instrument:
    is_perp = ":" in symbol
    values: dict[str, Any] = {
        "venue": "binance",
        "symbol": symbol,
        "kind": Kind.PERP if is_perp else Kind.SPOT,
        "base": symbol.partition("/")[0],
        "quote": "USDT",
        "price_tick": D("0.001"),
        "size_step": D("0.1") if is_perp else D("0.01"),
        "size_min": D("0.1") if is_perp else D("0.01"),
        "notional_min": D(5),
        "size_max": D(1_000_000),
        "market_size_max": D(500_000),
        "maker_fee": D("0.0002") if is_perp else D("0.001"),
        "taker_fee": D("0.0005") if is_perp else D("0.001"),
        "leverage_max": D(50) if is_perp else D(1),
    }
    return Instrument(**(values | changes))


def exchange(
    points: Points = ((0, 10.0),),
    *,
    rules: Rules | None = None,
    spot: Mapping[str, str] | None = None,
    perp: str = "10000",
    fee_asset: str | None = None,
    **market: Any,
) -> Exchange:
    """Account `a` with 100,000 USDT and 1,000 UNI in spot, 10,000 USDT for perps, at time 0 and price 10."""
    made = ScriptedMarket({SPOT: points, FEE: [(0, 500.0)]}, perps=[PERP], **market)
    instruments = {symbol: instrument(symbol) for symbol in (SPOT, PERP, FEE)}
    venue = Exchange(instruments=instruments, market=made, start_ms=0, rules=rules)
    held = {asset: D(amount) for asset, amount in (spot or {"USDT": "100000", "UNI": "1000"}).items()}
    venue.create_account("a", spot=held, perp=D(perp), fee_asset=fee_asset)
    return venue


def limit(symbol: str, side: Side, size: str, price: str, tif: TimeInForce = TimeInForce.GTC, **more: Any) -> NewOrder:
    return NewOrder(symbol, side, OrderType.LIMIT, size=D(size), price=D(price), time_in_force=tif, **more)


def market(symbol: str, side: Side, size: str, **more: Any) -> NewOrder:
    return NewOrder(symbol, side, OrderType.MARKET, size=D(size), **more)


def trigger(kind: OrderType, symbol: str, side: Side, size: str | None, at: str, **more: Any) -> NewOrder:
    return NewOrder(symbol, side, kind, size=None if size is None else D(size), trigger_price=D(at), **more)


def isolated(venue: Exchange, leverage: int = 10, account: str = "a") -> None:
    venue.set_margin_type(account, PERP, isolated=True)
    venue.set_leverage(account, PERP, leverage)


def refused(venue: Exchange, order: NewOrder) -> RefusalReason:
    """The reason; and that nothing changed."""
    before = (len(venue.history), venue.balances("a"), venue.wallet("a"), venue.open_orders("a"))
    with pytest.raises(Refusal) as caught:
        venue.place("a", order)
    assert before == (len(venue.history), venue.balances("a"), venue.wallet("a"), venue.open_orders("a"))
    return caught.value.reason


def again(venue: Exchange, order: SimOrder) -> SimOrder:
    """The order as it is now."""
    found = venue.order("a", order.symbol, order_id=order.id)
    assert found is not None
    return found
