"""State of the exchange, and the one way to publish a change: state first, then history, then listeners."""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.simex.engine.ledger import Ledger, perp_of, spot_of
from bot.simex.engine.margin.funding import FundingSchedule
from bot.simex.engine.market import FundingTerms, Market
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import DuplicateScope, Rules
from bot.simex.engine.types import (
    EventKind,
    ExchangeEvent,
    Income,
    IncomeKind,
    ListingStatus,
    OrderList,
    OrderStatus,
    PositionSide,
    SimOrder,
    SimTrade,
    SymbolConfig,
)

CENT = Decimal("0.00000001")
MARK_PARTS = 100

# A symbol and the side whose position it is: BOTH in one-way mode, LONG and SHORT in hedge mode.
PositionKey = tuple[str, PositionSide]


_OPEN_STATUSES = (ListingStatus.TRADING, ListingStatus.PRE_SETTLE)


@dataclass(slots=True)
class Listing:
    """A symbol's own counters and switches. `taken` is what we took from a side of the book: (size, when)."""

    instrument: Instrument
    last_order_id: int = 0
    last_trade_id: int = 0
    is_halted: bool = False
    is_delisted: bool = False
    is_removed: bool = False
    is_unlisted: bool = False
    are_prices_frozen: bool = False
    status: ListingStatus = ListingStatus.TRADING
    taken: dict[Side, tuple[Decimal, int]] = field(default_factory=dict)
    # floats once computed from the tick, because every quote needs them
    tick: float = 0.0
    mark_quantum: Decimal = ONE
    mark_tick: float = 0.0

    def __post_init__(self) -> None:
        self.set_instrument(self.instrument)

    def set_instrument(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick = float(instrument.price_tick)
        self.mark_quantum = instrument.price_tick / MARK_PARTS
        self.mark_tick = float(self.mark_quantum)


@dataclass(slots=True)
class PositionState:
    """A position of an account, as the engine changes it."""

    size: Decimal = ZERO
    entry: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    updated_ms: int = 0
    check_after_ms: int = 0


@dataclass(slots=True)
class AccountState:
    """Orders are kept by symbol and id, the open ones once more apart; `ids` are client ids, oldest use first; `ended`
    are the ids of ended orders, the oldest first, where only so many are kept."""

    name: str
    quote: str
    fee_asset: str | None
    locked: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[PositionKey, PositionState] = field(default_factory=dict)
    configs: dict[str, SymbolConfig] = field(default_factory=dict)
    open: dict[str, dict[int, SimOrder]] = field(default_factory=dict)
    orders: dict[str, dict[int, SimOrder]] = field(default_factory=dict)
    ids: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    trades: dict[str, list[SimTrade]] = field(default_factory=dict)
    income: list[Income] = field(default_factory=list)
    countdowns: dict[str, int] = field(default_factory=dict)
    retry_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    fee_rates: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    lists: dict[int, OrderList] = field(default_factory=dict)
    open_lists: dict[int, None] = field(default_factory=dict)
    ended: dict[str, deque[int]] = field(default_factory=dict)
    has_forgotten: bool = False
    is_hedge_mode: bool = False
    is_multi_assets: bool = False
    can_trade: bool = True
    can_withdraw: bool = True
    can_deposit: bool = True

    @property
    def spot(self) -> str:
        return spot_of(self.name)

    @property
    def perp(self) -> str:
        return perp_of(self.name)

    def open_of(self, symbol: str) -> tuple[SimOrder, ...]:
        return tuple(self.open.get(symbol, {}).values())

    def keep_list(self, one: OrderList) -> None:
        """Replace an order list's value."""
        self.lists[one.id] = one
        if one.is_done:
            self.open_lists.pop(one.id, None)
        else:
            self.open_lists[one.id] = None

    def size_of(self, symbol: str, side: PositionSide = PositionSide.BOTH) -> Decimal:
        """Signed size of one position."""
        position = self.positions.get((symbol, side))
        return position.size if position is not None else ZERO

    def sides_of(self, symbol: str) -> tuple[tuple[PositionSide, PositionState], ...]:
        """The positions of a symbol that have a size: one, or in hedge mode up to two."""
        result = ((side, self.positions.get((symbol, side))) for side in PositionSide)
        return tuple((side, position) for side, position in result if position is not None and position.size)


class State:
    """Everything at one moment."""

    def __init__(self, instruments: Mapping[str, Instrument], market: Market, now_ms: int, rules: Rules) -> None:
        self.market, self.now_ms, self.rules = market, now_ms, rules
        self.listings = {symbol: Listing(instrument) for symbol, instrument in instruments.items()}
        self.accounts: dict[str, AccountState] = {}
        self.ledger = Ledger()
        self._funding = FundingSchedule(market)
        self.history: deque[ExchangeEvent] = deque(maxlen=rules.history_limit)
        self.listeners: list[Callable[[ExchangeEvent], None]] = []
        self.client_id = re.compile(rules.client_id_pattern)
        self._events = 0
        self.has_trailing = False
        self._made_ids = 0
        self._incomes = 0
        self._lists = 0

    def account(self, name: str) -> AccountState:
        """The account of that name.

        Raises:
            Refusal: there is none of that name.
        """
        try:
            return self.accounts[name]
        except KeyError:
            raise Refusal(RefusalReason.ACCOUNT_UNKNOWN, f"no account {name!r}") from None

    def listing(self, symbol: str) -> Listing:
        """What is listed under a symbol.

        Raises:
            Refusal: there is none, or it has been removed.
        """
        listing = self.listings.get(symbol)
        if listing is None or listing.is_removed:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL, f"no symbol {symbol!r}")
        return listing

    def perp(self, symbol: str) -> Listing:
        """A listed perp.

        Raises:
            Refusal: there is none of that symbol.
        """
        listing = self.listing(symbol)
        if not listing.instrument.is_perp:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL, f"{symbol} is no perp")
        return listing

    def is_open(self, symbol: str) -> bool:
        """Whether orders are taken and filled; before a settlement (PRE_SETTLE) those that reduce.

        Raises:
            Refusal: there is no such symbol.
        """
        listing = self.listings.get(symbol)
        if listing is None:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL, f"no symbol {symbol!r}")
        if listing.is_halted or listing.is_delisted or listing.status not in _OPEN_STATUSES:
            return False
        start_ms, end_ms = self.market.listed(symbol)
        return start_ms <= self.now_ms and (end_ms is None or self.now_ms < end_ms)

    def replace_instrument(self, instrument: Instrument) -> None:
        listing = self.listings.get(instrument.symbol)
        if listing is None:
            self.listings[instrument.symbol] = Listing(instrument)
        else:
            listing.set_instrument(instrument)
        self.emit(EventKind.INSTRUMENT, symbol=instrument.symbol, reason="replaced")

    def funding(self, symbol: str) -> FundingTerms | None:
        """What the next settlement is expected to be."""
        return self._funding.terms(symbol, self.now_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        """(time, rate) of the settlements in (start, end], oldest first."""
        return self._funding.events(symbol, start_ms, end_ms)

    def set_funding_interval(self, symbol: str, hours: int) -> None:
        """From now on the symbol settles every so many hours, at the same rate for the time that passes."""
        self._funding.change(symbol, self.now_ms, hours)
        self.emit(EventKind.INSTRUMENT, symbol=symbol, reason="funding_interval")

    @property
    def event_count(self) -> int:
        return self._events

    def counters(self) -> dict[str, int]:
        """The numbers given out so far: of events, made-up client ids, statement rows."""
        return {
            "events": self._events,
            "made_ids": self._made_ids,
            "incomes": self._incomes,
            "lists": self._lists,
        }

    def set_counters(self, counters: Mapping[str, int]) -> None:
        """Go on after these, so that no number is given out twice."""
        self._events, self._made_ids = counters["events"], counters["made_ids"]
        self._incomes, self._lists = counters["incomes"], counters.get("lists", 0)

    def funding_changes(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """(from when, hours) of the changed intervals, by symbol."""
        return self._funding.changes

    def set_funding_changes(self, changes: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        for symbol, rows in changes.items():
            for from_ms, hours in rows:
                self._funding.change(symbol, from_ms, hours)

    def mark(self, symbol: str) -> Decimal:
        """Mark of a perp on its own finer grid, UTC now."""
        listing = self.listings[symbol]
        return on_grid(self.market.at(symbol, self.now_ms).mark, listing.mark_tick, listing.mark_quantum)

    def index(self, symbol: str) -> Decimal:
        listing = self.listings[symbol]
        return on_grid(self.market.at(symbol, self.now_ms).index, listing.mark_tick, listing.mark_quantum)

    def mid(self, symbol: str) -> Decimal:
        listing = self.listings[symbol]
        return on_grid(self.market.at(symbol, self.now_ms).mid, listing.tick, listing.instrument.price_tick)

    def price(self, symbol: str, *, by_mark: bool) -> Decimal:
        """What a trigger of the symbol waits for: its mark, or its last price."""
        is_perp = self.listings[symbol].instrument.is_perp
        return self.mark(symbol) if by_mark and is_perp else self.mid(symbol)

    def config(self, account: AccountState, symbol: str) -> SymbolConfig:
        config = account.configs.get(symbol)
        if config is None:
            most = int(self.listings[symbol].instrument.leverage_max)
            leverage = max(1, min(self.rules.leverage_default, most))
            config = account.configs[symbol] = SymbolConfig(leverage, self.rules.is_isolated_default)
        return config

    def fee_rates(self, account: AccountState, symbol: str) -> tuple[Decimal, Decimal]:
        """(maker, taker) rates that the account is charged."""
        instrument = self.listings[symbol].instrument
        return account.fee_rates.get(symbol) or (instrument.maker_fee, instrument.taker_fee)

    def fee_rate(self, account: AccountState, symbol: str, *, is_maker: bool) -> Decimal:
        maker, taker = self.fee_rates(account, symbol)
        return maker if is_maker else taker

    def free(self, account: AccountState, asset: str) -> Decimal:
        return self.ledger.held(account.spot, asset) - account.locked.get(asset, ZERO)

    def make_client_id(self) -> str:
        self._made_ids += 1
        return f"sx{self._made_ids:020d}"

    def make_list_id(self) -> int:
        self._lists += 1
        return self._lists

    def make_tran_id(self) -> int:
        self._incomes += 1
        return self._incomes

    def write_income(
        self,
        account: AccountState,
        kind: IncomeKind,
        amount: Decimal,
        symbol: str = "",
        trade_id: int | None = None,
        asset: str = "",
    ) -> int:
        """One row of the statement, at now; its id."""
        number = self.make_tran_id()
        account.income.append(Income(number, kind, asset or account.quote, amount, symbol, self.now_ms, trade_id))
        self.cut(account, account.income)
        return number

    def keep(self, account: AccountState, order: SimOrder) -> None:
        """Replace an order's value, and what it locks of the spot wallet."""
        orders = account.orders.setdefault(order.symbol, {})
        before = orders.get(order.id)
        self._lock(account, before, -ONE)
        self._lock(account, order, ONE)
        if before is None:
            account.ids.setdefault((order.symbol, order.client_id), []).append(order.id)
        stored = orders[order.id] = replace(order, trades=()) if order.trades else order
        if order.status.is_open:
            self.has_trailing = self.has_trailing or order.callback_rate is not None
            account.open.setdefault(order.symbol, {})[order.id] = stored
        else:
            account.open.get(order.symbol, {}).pop(order.id, None)
            account.retry_ms.pop((order.symbol, order.id), None)
            if self.rules.records_max and (before is None or before.is_open):
                self._forget_orders(account, order)

    def cut(self, account: AccountState, rows: list[Any]) -> None:
        """Forget the oldest rows of an account's trades or statement, where there are twice as many as are kept."""
        most = self.rules.records_max
        if most and len(rows) >= 2 * most:
            del rows[:-most]
            account.has_forgotten = True

    def _forget_orders(self, account: AccountState, ended: SimOrder) -> None:
        """Forget the oldest ended orders beyond the limit. Those of order lists stay: their lists name them."""
        if ended.list_id >= 0:
            return
        numbers = account.ended.setdefault(ended.symbol, deque())
        numbers.append(ended.id)
        while len(numbers) > self.rules.records_max:
            old = account.orders[ended.symbol].pop(numbers.popleft())
            account.has_forgotten = True
            if self.rules.duplicate_scope is DuplicateScope.OPEN:
                uses = account.ids[old.symbol, old.client_id]
                uses.remove(old.id)
                if not uses:
                    del account.ids[old.symbol, old.client_id]

    def emit(
        self,
        kind: EventKind,
        account: str = "",
        symbol: str = "",
        *,
        order: SimOrder | None = None,
        trade: SimTrade | None = None,
        reason: str = "",
        amount: Decimal = ZERO,
        order_list: OrderList | None = None,
        side: PositionSide = PositionSide.BOTH,
    ) -> None:
        self._events += 1
        event = ExchangeEvent(
            self._events, kind, self.now_ms, account, symbol, order, trade, reason, amount, order_list, side
        )
        self.history.append(event)
        for listener in self.listeners:
            listener(event)

    def _lock(self, account: AccountState, order: SimOrder | None, sign: Decimal) -> None:
        held = self.lock_of(order) if order is not None else None
        if held is not None:
            asset, amount = held
            account.locked[asset] = account.locked.get(asset, ZERO) + sign * amount

    def lock_of(self, order: SimOrder) -> tuple[str, Decimal] | None:
        """(asset, amount) of the spot wallet that an order holds."""
        instrument = self.listings[order.symbol].instrument
        if instrument.is_perp or not order.status.is_open:
            return None
        if order.is_lock_shared or order.status is OrderStatus.PENDING_NEW:
            return None
        if order.side is Side.SELL:
            return instrument.base, order.open_size
        price = order.price if order.price is not None else order.trigger_price
        return (instrument.quote, price * order.open_size) if price is not None else None


def on_grid(price: float, tick: float, quantum: Decimal) -> Decimal:
    """A float price as a whole number of ticks, at least one."""
    return max(1, round(price / tick)) * quantum


def rate_of(rate: float) -> Decimal:
    """A float rate on a grid of a hundredth of a millionth."""
    return round(rate * 1e8) * CENT
