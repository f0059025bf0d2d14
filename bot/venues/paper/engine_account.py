"""An account in the embedded exchange's engine, in the words of the port: what every venue without a network shares."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from bot.domain.order import Fill
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import is_perp
from bot.ports import ForcedClose, NotListed, OrderReport, OrderRequest, Payment, Rejection, ReportState, VenueRejected
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.margin.liquidation import DELEVERAGED_ID, LIQUIDATED_ID, SETTLED_ID
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, NewOrder, OrderStatus, PositionSide, SimOrder, SimTrade

P = ParamSpec("P")
T = TypeVar("T")

FORCED_IDS: Mapping[str, ForcedClose] = {
    SETTLED_ID: ForcedClose.SETTLEMENT,
    DELEVERAGED_ID: ForcedClose.DELEVERAGING,
    LIQUIDATED_ID: ForcedClose.LIQUIDATION,
}
_ALL = 1_000_000
_R, _K = RefusalReason, Rejection
_REJECTIONS: Mapping[RefusalReason, Rejection] = {
    _R.UNKNOWN_SYMBOL: _K.OTHER,
    _R.MARKET_CLOSED: _K.MARKET_CLOSED,
    _R.SYMBOL_CLOSED: _K.MARKET_CLOSED,
    _R.BAD_REQUEST: _K.OTHER,
    _R.PRECISION: _K.FILTER,
    _R.PRICE_FILTER: _K.FILTER,
    _R.PRICE_TICK: _K.FILTER,
    _R.PERCENT_PRICE_HIGH: _K.FILTER,
    _R.PERCENT_PRICE_LOW: _K.FILTER,
    _R.LOT_SIZE: _K.FILTER,
    _R.LOT_STEP: _K.FILTER,
    _R.MARKET_LOT_SIZE: _K.FILTER,
    _R.MIN_NOTIONAL: _K.FILTER,
    _R.MAX_ORDERS: _K.OTHER,
    _R.MAX_TRIGGERS: _K.OTHER,
    _R.MAX_LISTS: _K.OTHER,
    _R.INSUFFICIENT_BALANCE: _K.FUNDS,
    _R.INSUFFICIENT_MARGIN: _K.FUNDS,
    _R.LEVERAGE_BRACKET: _K.LEVERAGE,
    _R.DUPLICATE_CLIENT_ID: _K.DUPLICATE_ID,
    _R.BAD_CLIENT_ID: _K.OTHER,
    _R.WOULD_TAKE: _K.WOULD_TAKE,
    _R.FOK_UNFILLED: _K.OTHER,
    _R.REDUCE_ONLY: _K.REDUCE_ONLY,
    _R.TRIGGER_IMMEDIATE: _K.OTHER,
    _R.NO_BOOK: _K.OTHER,
    _R.UNKNOWN_ORDER: _K.NOT_FOUND,
    _R.MARGIN_TYPE_SAME: _K.NO_CHANGE,
    _R.OPEN_ORDERS_EXIST: _K.OTHER,
    _R.POSITION_EXISTS: _K.OTHER,
    _R.POSITION_MISSING: _K.OTHER,
    _R.LEVERAGE_INVALID: _K.LEVERAGE,
    _R.LEVERAGE_REDUCTION: _K.LEVERAGE,
    _R.MARGIN_INSUFFICIENT: _K.FUNDS,
    _R.ACCOUNT_UNKNOWN: _K.OTHER,
    _R.REDUCE_ONLY_TAKEN: _K.REDUCE_ONLY,
    _R.POSITION_SIDE: _K.OTHER,
    _R.POSITION_MODE_SAME: _K.NO_CHANGE,
    _R.POSITION_MODE_ORDERS: _K.OTHER,
    _R.POSITION_MODE_POSITION: _K.OTHER,
    _R.MULTI_ASSETS_SAME: _K.NO_CHANGE,
    _R.MULTI_ASSETS_ISOLATED: _K.OTHER,
    _R.MULTI_ASSETS_ORDERS: _K.OTHER,
    _R.ISOLATED_UNDER_MULTI_ASSETS: _K.OTHER,
    _R.TRADING_DISABLED: _K.AUTHENTICATION,
    _R.LIST_PRICES: _K.FILTER,
}
_STATES = {
    OrderStatus.NEW: ReportState.OPEN,
    OrderStatus.PARTIALLY_FILLED: ReportState.OPEN,
    OrderStatus.UNTRIGGERED: ReportState.OPEN,
    OrderStatus.TRIGGERED: ReportState.OPEN,
    OrderStatus.FILLED: ReportState.FILLED,
    OrderStatus.CANCELED: ReportState.CANCELED,
    OrderStatus.EXPIRED: ReportState.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: ReportState.EXPIRED,
    OrderStatus.PENDING_NEW: ReportState.OPEN,
    OrderStatus.PENDING_CANCEL: ReportState.OPEN,
    OrderStatus.REJECTED: ReportState.REJECTED,
}
_PAYMENTS = {
    IncomeKind.FUNDING_FEE: "funding",
    IncomeKind.INSURANCE_CLEAR: "liquidation_clearance",
    IncomeKind.TRANSFER: "transfer",
}


def verdict(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The engine's refusals in the port's words."""

    @functools.wraps(method)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except Refusal as refusal:
            raise VenueRejected(str(refusal.reason), refusal.detail, _REJECTIONS[refusal.reason]) from refusal

    return wrapped


class EngineAccount(ABC):
    """Orders, balances and positions of one account in an `Exchange`.

    Args:
        name: our name of the account; the engine knows it by the same.
        venue: the id fills carry.
        session: a prefix of every id the engine gives. It counts from one at each start, and the journal must never
            take a new fill for an old one.
    """

    def __init__(self, *, name: str, venue: str, session: str) -> None:
        self.account_name, self.id, self._session = name, venue, session
        self.forced_ids = FORCED_IDS

    @abstractmethod
    def now_ms(self) -> int: ...

    @property
    @abstractmethod
    def _quote(self) -> str: ...

    @abstractmethod
    async def _current(self) -> Exchange:
        """The engine at the present time and prices."""

    @abstractmethod
    async def _at_market(self, symbol: str) -> Exchange:
        """The engine with the present quote and book of one symbol. Raises VenueRejected when there is no market."""

    async def _knowing(self, symbol: str) -> Exchange:
        """The engine, for a question about one symbol. Raises Unavailable where it is not, or no longer, listed."""
        engine = await self._current()
        if not engine.is_listed(symbol):
            raise NotListed(f"{symbol} is not listed")
        return engine

    async def fetch_account(self) -> Account:
        """The account at present prices."""
        engine = await self._current()
        wallet = engine.wallet(self.account_name)
        every = engine.positions(self.account_name)
        every = tuple(sorted(every, key=lambda held: (held.symbol, abs(held.size))))  # of two sides the larger counts
        positions = {
            held.symbol: Position(
                symbol=held.symbol,
                size=held.size,
                entry_price=held.entry_price,
                mark_price=held.mark,
                unrealised_pnl=held.unrealised_pnl,
                margin=held.isolated_wallet,
                leverage=Decimal(held.leverage),
                liquidation_price=held.liquidation_price,
                is_isolated=held.is_isolated,
            )
            for held in every
        }
        balances = {name: held for name, held in engine.balances(self.account_name).items() if held.total}
        sided = {
            f"perp:{held.symbol}": f"{held.symbol} is held in hedge mode; set the account to one-way mode"
            for held in every
            if held.side is not PositionSide.BOTH
        }
        return Account(
            engine.now_ms, self._quote, balances, wallet.balance, wallet.available, positions, unreadable=sided
        )

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        engine = await self._knowing(symbol)
        order = engine.order(self.account_name, symbol, client_id=client_id, is_trigger=is_trigger and is_perp(symbol))
        return None if order is None else self._report(engine, order)

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        engine = await self._current()
        known = [symbol for symbol in symbols if engine.is_listed(symbol)]
        return tuple(self._report(engine, order) for s in known for order in engine.open_orders(self.account_name, s))

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        engine = await self._knowing(symbol)
        orders = engine.orders(self.account_name, symbol, start_ms=since_ms, limit=_ALL)
        return tuple(self._report(engine, order) for order in orders if order.parent_id is None)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        engine = await self._knowing(symbol)
        return tuple(
            self._fill(trade) for trade in engine.trades(self.account_name, symbol, start_ms=since_ms, limit=_ALL)
        )

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        engine = await self._current()
        rows = engine.income(self.account_name, start_ms=since_ms, limit=_ALL)
        return tuple(
            Payment(
                f"{self._session}:{row.id}", _PAYMENTS[row.kind], row.asset, row.amount, row.symbol or None, row.at_ms
            )
            for row in rows
            if row.kind in _PAYMENTS
        )

    @verdict
    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """Fill against the book as it is now."""
        engine = await self._at_market(request.symbol)
        if self.now_ms() > request.stamp_ms + request.receive_window_ms:
            raise VenueRejected("stamp", "the stamp is older than the receive window", Rejection.CLOCK)
        is_sided = request.reduce_only and engine.modes(self.account_name).is_hedge_mode
        order = engine.place(
            self.account_name,
            NewOrder(
                symbol=request.symbol,
                side=request.side,
                type=request.order_type,
                size=request.size,
                price=request.price,
                time_in_force=request.time_in_force,
                trigger_price=request.trigger_price,
                reduce_only=request.reduce_only and not is_sided,
                client_id=request.client_id,
                position_side=PositionSide.closed_by(request.side) if is_sided else PositionSide.BOTH,
            ),
        )
        return replace(self._report(engine, order), fills=tuple(self._fill(trade) for trade in order.trades))

    @verdict
    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        engine = await self._at_market(symbol)
        engine.cancel(self.account_name, symbol, client_id=client_id, is_trigger=is_trigger and is_perp(symbol))

    @verdict
    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        engine = await self._current()
        isolate(engine, self.account_name, symbol, leverage)

    @verdict
    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        (await self._current()).transfer(self.account_name, amount, to_perp=to_perp)

    @verdict
    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        (await self._at_market(symbol)).move_margin(self.account_name, symbol, amount)

    def _report(self, engine: Exchange, order: SimOrder) -> OrderReport:
        became = order
        if order.child_id is not None:
            became = engine.order(self.account_name, order.symbol, order_id=order.child_id) or order
        return OrderReport(
            symbol=order.symbol,
            client_id=order.client_id,
            venue_id=self._id(order.symbol, order.id),
            state=_STATES[became.status],
            side=order.side,
            size=order.size,
            filled_size=became.filled_size,
            filled_quote=became.filled_quote,
            price=order.price,
            reduce_only=order.reduce_only,
            is_trigger=order.type.is_trigger,
            trigger_price=order.trigger_price,
            at_ms=became.updated_ms,
        )

    def _fill(self, trade: SimTrade) -> Fill:
        return Fill(
            venue=self.id,
            trade_id=self._id(trade.symbol, trade.id),
            symbol=trade.symbol,
            client_id=trade.client_id or None,
            venue_order_id=self._id(trade.symbol, trade.order_id),
            side=trade.side,
            price=trade.price,
            size=trade.size,
            fee=trade.fee,
            fee_asset=trade.fee_asset,
            is_maker=trade.is_maker,
            at_ms=trade.at_ms,
        )

    def _id(self, symbol: str, number: int) -> str:
        return f"{self._session}:{symbol}:{number}"


def isolate(engine: Exchange, account: str, symbol: str, leverage: Decimal) -> None:
    """Isolated margin at this leverage; already isolated is fine. Raises Refusal."""
    try:
        engine.set_margin_type(account, symbol, isolated=True)
    except Refusal as refusal:
        if refusal.reason is not RefusalReason.MARGIN_TYPE_SAME:
            raise
    engine.set_leverage(account, symbol, int(leverage))
