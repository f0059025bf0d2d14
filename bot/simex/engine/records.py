"""Reads of what happened: orders, trades, statement, funding, the last day. Windows are closed: [start, end]."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.symbol import is_perp
from bot.simex.engine.state import AccountState, State, on_grid, rate_of
from bot.simex.engine.types import DayStats, FundingEvent, Income, IncomeKind, SimOrder, SimTrade

QUOTE_PER_TRADE = 500
T = TypeVar("T")


def orders_of(
    account: AccountState, symbol: str, start_ms: int | None, end_ms: int | None, limit: int
) -> tuple[SimOrder, ...]:
    result = tuple(account.orders.get(symbol, {}).values())
    return _cut(_within(result, start_ms, end_ms, lambda order: order.created_ms), limit, is_newest=start_ms is None)


def trades_of(
    account: AccountState,
    symbol: str,
    start_ms: int | None,
    end_ms: int | None,
    order_id: int | None,
    limit: int,
    from_id: int | None,
) -> tuple[SimTrade, ...]:
    result = _within(account.trades.get(symbol, ()), start_ms, end_ms, lambda trade: trade.at_ms)
    if order_id is not None:
        result = [trade for trade in result if trade.order_id == order_id]
    if from_id is not None:
        result = result[bisect_left(result, from_id, key=lambda trade: trade.id) :]
    return _cut(result, limit, is_newest=start_ms is None and from_id is None)


def income_of(
    account: AccountState,
    start_ms: int | None,
    end_ms: int | None,
    kind: IncomeKind | None,
    symbol: str | None,
    limit: int,
) -> tuple[Income, ...]:
    result = _within(account.income, start_ms, end_ms, lambda row: row.at_ms)
    if kind is not None or symbol is not None:
        result = [r for r in result if (kind is None or r.kind is kind) and (symbol is None or r.symbol == symbol)]
    return _cut(result, limit, is_newest=start_ms is None)


def find_order(
    account: AccountState, symbol: str, order_id: int | None, client_id: str | None, is_trigger: bool | None
) -> SimOrder | None:
    """By id, else by client id the newest one."""
    orders = account.orders.get(symbol, {})
    numbers = [order_id] if order_id is not None else account.ids.get((symbol, client_id or ""), ())
    for number in reversed(numbers):
        order = orders.get(number)
        if order is not None and (is_trigger is None or is_perp_trigger(order) is is_trigger):
            return order
    return None


def is_perp_trigger(order: SimOrder) -> bool:
    """Whether an order is kept apart as a trigger order; on spot there is only one kind."""
    return order.type.is_trigger and is_perp(order.symbol)


def funding_of(state: State, symbol: str, start_ms: int, end_ms: int, limit: int) -> tuple[FundingEvent, ...]:
    listing = state.perp(symbol)
    result = _cut(state.funding_events(symbol, start_ms - 1, min(end_ms, state.now_ms)), limit, is_newest=start_ms <= 0)
    return tuple(
        FundingEvent(
            symbol,
            rate_of(rate),
            at_ms,
            on_grid(state.market.at(symbol, at_ms).mark, listing.mark_tick, listing.mark_quantum),
        )
        for at_ms, rate in result
    )


def day_of(state: State, symbol: str) -> DayStats:
    listing = state.listing(symbol)
    tick, step = listing.tick, listing.instrument.price_tick
    start_ms = max(state.now_ms - DAY_MS, state.market.listed(symbol)[0])
    low, high = state.market.extremes(symbol, start_ms, state.now_ms, "last")
    first = state.market.at(symbol, start_ms).mid
    last = state.market.at(symbol, state.now_ms).mid
    hours = state.market.candles(symbol, HOUR_MS, start_ms, state.now_ms, 25, "last", state.now_ms)
    lot = listing.instrument.size_step * listing.instrument.contract_size
    volume = sum(hours.volumes_quote)
    volume_base = sum(part / close for part, close in zip(hours.volumes_quote, hours.closes, strict=True) if close)
    return DayStats(
        symbol=symbol,
        open=on_grid(first, tick, step),
        high=on_grid(high, tick, step),
        low=on_grid(low, tick, step),
        last=on_grid(last, tick, step),
        volume_base=round(Decimal(repr(volume_base)) / lot) * lot,
        volume_quote=round(volume * 100) * Decimal("0.01"),
        count=int(volume / QUOTE_PER_TRADE),
        start_ms=start_ms,
        end_ms=state.now_ms,
    )


def _within(rows: Sequence[T], start_ms: int | None, end_ms: int | None, time_of: Callable[[T], int]) -> Sequence[T]:
    low = 0 if start_ms is None else bisect_left(rows, start_ms, key=time_of)
    high = len(rows) if end_ms is None else bisect_right(rows, end_ms, key=time_of)
    return rows[low:high]


def _cut(rows: Sequence[T], limit: int, *, is_newest: bool) -> tuple[T, ...]:
    return tuple(rows[max(0, len(rows) - limit) :] if is_newest else rows[:limit])
