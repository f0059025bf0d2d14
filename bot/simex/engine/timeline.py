"""Time moves from event to event: what happens next is found on the market's paths, nothing is stepped over.

At one instant the order is: countdowns, ends of symbols, funding, liquidations, orders; then by account, symbol, id.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.simex.engine.margin.liquidation import Liquidation
from bot.simex.engine.margin.requirements import CrossMargin, Margin
from bot.simex.engine.orders.admission import is_rising
from bot.simex.engine.orders.lists import Lists
from bot.simex.engine.orders.matching import Matching
from bot.simex.engine.orders.trailing import trail, trigger_time
from bot.simex.engine.settlement import Settlement
from bot.simex.engine.state import AccountState, PositionKey, State, rate_of
from bot.simex.engine.types import EventKind, ExpiryReason, ListingStatus, OrderStatus, PositionSide, SimOrder

RECHECK_MS = 1_000


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """One thing that will happen; ordered by time, rank and name."""

    at_ms: int
    rank: int
    account: str
    symbol: str
    number: int
    act: Callable[[], None] = field(compare=False)


class Timeline:
    """Advances the exchange from event to event."""

    def __init__(
        self,
        state: State,
        margin: Margin,
        settlement: Settlement,
        matching: Matching,
        liquidation: Liquidation,
        lists: Lists,
    ) -> None:
        self._state, self._margin, self._settlement = state, margin, settlement
        self._matching, self._liquidation, self._lists = matching, liquidation, lists

    def advance(self, to_ms: int) -> None:
        """In stretches, so that searches stay short, and what carries cross positions is looked at every hour."""
        state = self._state
        while state.now_ms < to_ms:
            is_holding = any(p.size for a in state.accounts.values() for p in a.positions.values())
            is_waiting = any(a.countdowns or any(a.open.values()) for a in state.accounts.values())
            longest = HOUR_MS if is_holding else DAY_MS if is_waiting else to_ms - state.now_ms
            self._run(min(to_ms, state.now_ms + longest))

    def _run(self, to_ms: int) -> None:
        state = self._state
        while (due := min(self._dues(to_ms), default=None)) is not None:
            if state.has_trailing:
                trail(state, due.at_ms)
            state.now_ms = due.at_ms
            due.act()
            self._lists.follow()
        if state.has_trailing:
            trail(state, to_ms)
        state.now_ms = to_ms
        for account in state.accounts.values():
            if account.positions:
                self._liquidation.check(account)

    def delist(self, symbol: str, at: Decimal | None = None) -> None:
        """Orders expire, positions are settled at the settlement price, mark if none is given."""
        listing = self._state.listings[symbol]
        for account in self._state.accounts.values():
            for order in account.open_of(symbol):
                self._matching.expire(account, order, ExpiryReason.DELISTED)
            if listing.instrument.is_perp:
                self._liquidation.settle_delisted(account, symbol, at)
        listing.is_delisted = True
        listing.status = ListingStatus.CLOSE if listing.instrument.is_perp else ListingStatus.BREAK
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="delisted")

    def _dues(self, to_ms: int) -> Iterator[Due]:
        state = self._state
        in_use: dict[str, None] = {}
        held: dict[str, None] = {}
        for account in state.accounts.values():
            for symbol, at_ms in account.countdowns.items():
                if at_ms <= to_ms:
                    act = partial(self._run_out, account, symbol)
                    yield Due(max(at_ms, state.now_ms), 0, account.name, symbol, 0, act)
            for symbol, orders in account.open.items():
                if orders:
                    in_use[symbol] = None
                    if self._is_moving(symbol):
                        yield from self._order_dues(account, symbol, to_ms)
            held.update((symbol, None) for (symbol, _), position in account.positions.items() if position.size)
            yield from self._liquidation_dues(account, to_ms)
        for symbol in dict.fromkeys((*in_use, *held)):
            _, end_ms = state.market.listed(symbol)
            if end_ms is not None and end_ms <= to_ms and not state.listings[symbol].is_delisted:
                yield Due(max(end_ms, state.now_ms), 1, "", symbol, 0, partial(self.delist, symbol))
        for symbol in held:
            events = state.funding_events(symbol, state.now_ms, to_ms)
            if events and not state.listings[symbol].is_delisted:
                at_ms, rate = events[0]
                yield Due(at_ms, 2, "", symbol, 0, partial(self._fund, symbol, rate))

    def _order_dues(self, account: AccountState, symbol: str, to_ms: int) -> Iterator[Due]:
        state = self._state
        for order in account.open[symbol].values():
            if order.good_till_ms and order.good_till_ms <= to_ms:
                at_ms = max(order.good_till_ms, state.now_ms)
                yield Due(at_ms, 0, account.name, symbol, order.id, partial(self._end, account, order))
            start_ms = max(state.now_ms + 1, account.retry_ms.get((symbol, order.id), 0))
            if start_ms > to_ms or order.status is OrderStatus.PENDING_NEW:
                continue
            if order.status is OrderStatus.UNTRIGGERED:
                if order.trigger_price is None:
                    continue
                if order.callback_rate is not None:
                    fired_ms = trigger_time(state, order, to_ms)
                    if fired_ms is not None:
                        yield Due(fired_ms, 4, account.name, symbol, order.id, partial(self._fire, account, order))
                    continue
                price, rising = order.trigger_price, is_rising(order.type, order.side)
                is_perp = state.listings[symbol].instrument.is_perp
                kind, act = ("mark" if order.trigger_by_mark and is_perp else "last"), self._fire
            else:
                if order.price is None:
                    continue
                price, rising, kind, act = order.price, order.side is Side.SELL, "last", self._fill
            crossed_ms = state.market.crossing(
                symbol, start_ms, to_ms, float(price), rising=rising, kind="mark" if kind == "mark" else "last"
            )
            if crossed_ms is not None:
                yield Due(crossed_ms, 4, account.name, symbol, order.id, partial(act, account, order))

    def _liquidation_dues(self, account: AccountState, to_ms: int) -> Iterator[Due]:
        state = self._state
        cross: CrossMargin | None = None
        for key, position in account.positions.items():
            symbol, side = key
            if not position.size or not self._is_moving(symbol):
                continue
            start_ms = max(state.now_ms + 1, position.check_after_ms)
            if start_ms > to_ms:
                continue
            if cross is None and not state.config(account, symbol).is_isolated:
                cross = self._margin.cross(account)
            price = self._margin.liquidation(account, key, cross)
            if price is None:
                continue
            rising = self._margin.is_liquidated_above(account, key, price)
            at_ms = state.market.crossing(symbol, start_ms, to_ms, float(price), rising=rising, kind="mark")
            if at_ms is not None:
                act = partial(self._liquidate, account, key)
                yield Due(at_ms, 3, account.name, symbol, int(side is PositionSide.SHORT), act)

    def _is_moving(self, symbol: str) -> bool:
        listing = self._state.listings[symbol]
        return not listing.is_halted and not listing.is_delisted

    def _end(self, account: AccountState, order: SimOrder) -> None:
        self._matching.expire(account, order, ExpiryReason.GOOD_TILL)

    def _fire(self, account: AccountState, order: SimOrder) -> None:
        # A trailing order's trigger may have moved since the event was found.
        self._matching.fire(account, account.open[order.symbol].get(order.id, order))
        self._liquidation.check(account)

    def _fill(self, account: AccountState, order: SimOrder) -> None:
        self._matching.fill_resting(account, order)
        self._liquidation.check(account)

    def _fund(self, symbol: str, rate: float) -> None:
        self._settlement.pay_funding(symbol, rate_of(rate))
        for account in self._state.accounts.values():
            if account.positions:
                self._liquidation.check(account)

    def _liquidate(self, account: AccountState, key: PositionKey) -> None:
        position = account.positions[key]
        # The grid of the mark may keep the price a hair on the safe side; then it is looked at again a little later.
        position.check_after_ms = self._state.now_ms + RECHECK_MS
        self._liquidation.check(account)

    def _run_out(self, account: AccountState, symbol: str) -> None:
        del account.countdowns[symbol]
        for order in account.open_of(symbol):
            self._matching.cancel(account, order)
