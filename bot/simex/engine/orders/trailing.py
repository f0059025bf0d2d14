"""Trailing orders: a trigger that follows the best price since the order became active, at a fixed distance.

The path of a market is continuous, so a stretch in which no low is that far below the best price before it, or in it,
has no trigger; every other stretch is halved until one millisecond is left.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ceil_to, floor_to
from bot.simex.engine.market import Market, PriceKind
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import AccountState, State
from bot.simex.engine.types import NewOrder, SimOrder


def with_first_trigger(order: NewOrder, instrument: Instrument, price: Decimal) -> NewOrder:
    """The order with the trigger that it starts with, as it is at its activation or at `price` now.

    Raises:
        Refusal: TRIGGER_IMMEDIATE where the price has passed the activation price already.
    """
    rate, activation = order.callback_rate, order.activation_price
    if rate is None:
        return order
    if activation is not None and (price - activation) * order.side.sign < 0:
        raise Refusal(RefusalReason.TRIGGER_IMMEDIATE, f"activation {activation} has been passed: the price is {price}")
    return replace(order, trigger_price=_trigger(order.side, activation or price, rate, instrument))


def trail_start(order: NewOrder, price: Decimal) -> Decimal | None:
    """The best price of a new trailing order: that of now when it is active at once."""
    return price if order.callback_rate is not None and order.activation_price is None else None


def trigger_time(state: State, order: SimOrder, to_ms: int) -> int | None:
    """When a trailing order fires, in (now, to]; None when it does not."""
    return _follow(state, order, to_ms)[0]


def trail(state: State, to_ms: int) -> None:
    """Move the triggers of all trailing orders along the path in (now, to]."""
    for account, order in tuple(_trailing(state)):
        _, best = _follow(state, order, to_ms)
        if best is None or order.callback_rate is None:
            continue
        instrument = state.listings[order.symbol].instrument
        tick = instrument.price_tick
        price = max(tick, round(Decimal(repr(best)) / tick) * tick)
        trigger = _trigger(order.side, price, order.callback_rate, instrument)
        if price != order.trail_price:
            state.keep(account, replace(order, trail_price=price, trigger_price=trigger))


def _trailing(state: State) -> Iterator[tuple[AccountState, SimOrder]]:
    for account in state.accounts.values():
        for orders in account.open.values():
            for order in orders.values():
                if order.callback_rate is not None and order.triggered_ms == 0:
                    yield account, order


def _follow(state: State, order: SimOrder, to_ms: int) -> tuple[int | None, float | None]:
    """(when it fires, the best price until then or the end); the best price is None while it is not active."""
    start_ms, market = state.now_ms + 1, state.market
    if start_ms > to_ms or order.callback_rate is None:
        return None, None
    kind: PriceKind = "mark" if order.trigger_by_mark and state.listings[order.symbol].instrument.is_perp else "last"
    is_sell = order.side is Side.SELL
    if order.trail_price is not None:
        best = float(order.trail_price)
    else:
        best = float(order.activation_price or 0)
        active_ms = market.crossing(order.symbol, start_ms, to_ms, best, rising=is_sell, kind=kind)
        if active_ms is None:
            return None, None
        start_ms = active_ms
    return _first(market, order.symbol, start_ms, to_ms, best, float(order.callback_rate), is_sell, kind)


def _first(
    market: Market, symbol: str, start_ms: int, end_ms: int, best: float, rate: float, is_sell: bool, kind: PriceKind
) -> tuple[int | None, float]:
    low, high = market.extremes(symbol, start_ms, end_ms, kind)
    reached = max(best, high) if is_sell else min(best, low)
    is_safe = low > reached * (1 - rate) if is_sell else high < reached * (1 + rate)
    if is_safe:
        return None, reached
    if start_ms >= end_ms:
        return start_ms, reached
    middle_ms = (start_ms + end_ms) // 2
    at_ms, best = _first(market, symbol, start_ms, middle_ms, best, rate, is_sell, kind)
    if at_ms is not None:
        return at_ms, best
    return _first(market, symbol, middle_ms + 1, end_ms, best, rate, is_sell, kind)


def _trigger(side: Side, best: Decimal, rate: Decimal, instrument: Instrument) -> Decimal:
    if side is Side.SELL:
        return max(instrument.price_tick, floor_to(best * (ONE - rate), instrument.price_tick))
    return ceil_to(best * (ONE + rate), instrument.price_tick)
