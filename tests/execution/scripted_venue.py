"""A small venue in memory whose every answer can be scripted: what happens to a request, and what its sender hears.

The truth (`orders`, `fills`, balances) is always consistent; replies are truthful or absent, as DESIGN §7 demands.
Time stands still unless a test moves it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.order import Fill, OrderType, TimeInForce
from bot.domain.portfolio import Account, Balance, Position
from bot.ports import (
    AccountReview,
    ForcedClose,
    Lane,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    Payment,
    Rejection,
    ReportState,
    Unavailable,
    VenueRejected,
)
from bot.venues.paper.engine_account import FORCED_IDS

START_MS = 1_800_000_000_000
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
FEE_RATE = Decimal("0.001")


@dataclass
class VenueOrder:
    request: OrderRequest
    venue_id: str
    state: ReportState
    created_ms: int
    filled_size: Decimal = Decimal(0)
    filled_quote: Decimal = Decimal(0)


@dataclass
class ScriptedVenue:
    """`submits` and `cancels` hold one word per coming request; the last default is `fill` and `ok`.

    Words for submits: fill, partial, rest, expire, lost_request, lost_reply, reject:<kind>, duplicate, late:<ms>,
    late_fill:<ms>, hang, garbage. Words for cancels: ok, filled_first, lost_request, lost_reply, refuse, not_found.
    """

    submits: deque[str] = field(default_factory=deque)
    cancels: deque[str] = field(default_factory=deque)
    clock_ms: int = START_MS
    lag_ms: int = 0
    price: Decimal = Decimal(10)
    id: str = "scripted"
    environment: str = "sim"
    account_name: str = "main"
    has_transfers: bool = True
    receive_window_ms: int = 5_000
    quiet_period_ms: int = 8_000
    clock_skew_ms: int = 0
    forced_ids: Mapping[str, ForcedClose] = field(default_factory=lambda: FORCED_IDS)
    orders: list[VenueOrder] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    balances: dict[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000), "UNI": Decimal(100)})
    wallet: Decimal = Decimal(5_000)
    positions: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    late: list[tuple[int, OrderRequest, str]] = field(default_factory=list)
    posts: list[OrderRequest] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    is_down: bool = False
    session: str = ""
    on_admit: Any = None
    posted: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    # what tests do to it

    def advance(self, milliseconds: int) -> None:
        """Let time pass; requests that were under way arrive, and are accepted inside their receive window only."""
        until = self.clock_ms + milliseconds
        for at_ms, request, word in sorted(self.late, key=lambda entry: entry[0]):
            if at_ms <= until:
                self.late.remove((at_ms, request, word))
                self.clock_ms = max(self.clock_ms, at_ms)
                if at_ms <= request.stamp_ms + request.receive_window_ms:
                    self._accept(request, word)
        self.clock_ms = until

    def execute(self, symbol: str, side: Side, size: Decimal, *, client_id: str | None, price: Decimal) -> None:
        """A foreign order that fills at once: a trade by hand, or a liquidation."""
        request = _request_like(client_id or f"hand{len(self.orders)}", symbol, side, size, price, self.clock_ms)
        order = self._new(request)
        self._fill(order, size, price)

    def rest_foreign(self, client_id: str, side: Side = Side.BUY) -> VenueOrder:
        request = _request_like(client_id, SPOT, side, Decimal(3), Decimal(9), self.clock_ms)
        return self._new(request)

    def fill_resting(self, order: VenueOrder, size: Decimal) -> None:
        self._fill(order, size, self.price)

    def of_client(self, client_id: str) -> list[VenueOrder]:
        return [order for order in self.orders if order.request.client_id == client_id]

    # the port

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def now_ms(self) -> int:
        return self.clock_ms

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        step = Decimal("0.01")
        return {
            symbol: Instrument(
                "scripted",
                symbol,
                Kind.PERP if ":" in symbol else Kind.SPOT,
                "UNI",
                "USDT",
                step,
                step,
                step,
                Decimal(5),
            )
            for symbol in symbols or (SPOT, PERP)
        }

    async def fetch_clock_skew(self) -> int:
        self.calls.append("fetch_clock_skew")
        return 0

    def held_seconds(self) -> dict[str, float]:
        return {}

    def requests_used(self) -> dict[str, float]:
        return {}

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        del max_age_ms
        return AccountReview()

    async def fetch_account(self) -> Account:
        self._reachable("fetch_account")
        balances = {asset: Balance(asset, amount) for asset, amount in self.balances.items()}
        positions = {
            symbol: Position(symbol, size, entry, self.price, (self.price - entry) * size, Decimal(0))
            for symbol, (size, entry) in self.positions.items()
            if size
        }
        return Account(self.clock_ms, "USDT", balances, self.wallet, self.wallet, positions)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        self._reachable("fetch_order")
        found = [order for order in self._visible() if order.request.client_id == client_id]
        return _report(found[-1]) if found else None

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        self._reachable("fetch_open_orders")
        return tuple(_report(o) for o in self._visible() if o.state is ReportState.OPEN and o.request.symbol in symbols)

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        self._reachable("fetch_order_history")
        return tuple(_report(o) for o in self._visible() if o.request.symbol == symbol and o.created_ms >= since_ms)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        self._reachable("fetch_fills")
        until_ms = self.clock_ms - self.lag_ms
        return tuple(f for f in self.fills if f.symbol == symbol and since_ms <= f.at_ms <= until_ms)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        self._reachable("fetch_payments")
        return tuple(payment for payment in self.payments if payment.at_ms >= since_ms)

    async def admit(self, symbol: str, lane: Lane) -> None:
        self.calls.append(f"admit {lane}")
        if self.on_admit is not None:
            self.on_admit()

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        self.posts.append(request)
        self.posted.set()
        self.calls.append(f"submit_order {request.symbol}")
        word = self.submits.popleft() if self.submits else "fill"
        if word.startswith("reject:"):
            raise VenueRejected("-1", word, Rejection(word.removeprefix("reject:")))
        if word == "lost_request":
            raise OutcomeUnknown("connection reset")
        if word.startswith("late"):
            kind, delay = word.split(":")
            self.late.append((self.clock_ms + int(delay), request, "fill" if kind == "late_fill" else "rest"))
            raise OutcomeUnknown("timed out")
        order = self._accept(request, "fill" if word in ("lost_reply", "duplicate", "hang", "garbage") else word)
        if word == "hang":
            await self.released.wait()
        if word == "lost_reply":
            raise OutcomeUnknown("timed out")
        if word == "duplicate":
            raise VenueRejected("-4116", "client order id is duplicated", Rejection.DUPLICATE_ID)
        if word == "garbage":
            return replace(_report(order), venue_id="")
        return _report(order)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        self.calls.append(f"cancel_order {client_id}")
        word = self.cancels.popleft() if self.cancels else "ok"
        order = next((o for o in self.of_client(client_id) if o.state is ReportState.OPEN), None)
        if word == "lost_request":
            raise OutcomeUnknown("connection reset")
        if word == "refuse":
            raise VenueRejected("-1", "too many requests", Rejection.RATE_LIMIT)
        if word == "filled_first" and order is not None:
            self._fill(order, order.request.size - order.filled_size, self.price)
            order = None
        if order is None or word == "not_found":
            raise VenueRejected("-2011", "unknown order", Rejection.NOT_FOUND)
        order.state = ReportState.CANCELED
        if word == "lost_reply":
            raise OutcomeUnknown("timed out")

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        raise NotImplementedError

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        raise NotImplementedError

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        raise NotImplementedError

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        raise NotImplementedError

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        raise NotImplementedError

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        raise NotImplementedError

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        raise NotImplementedError

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self.calls.append(f"set_leverage {symbol} {leverage}")

    # how it works

    def _reachable(self, what: str) -> None:
        self.calls.append(what)
        if self.is_down:
            raise Unavailable("the venue does not answer")

    def _visible(self) -> list[VenueOrder]:
        return [order for order in self.orders if order.created_ms + self.lag_ms <= self.clock_ms]

    def _new(self, request: OrderRequest) -> VenueOrder:
        order = VenueOrder(request, f"{self.session}v{len(self.orders) + 1}", ReportState.OPEN, self.clock_ms)
        self.orders.append(order)
        return order

    def _accept(self, request: OrderRequest, word: str) -> VenueOrder:
        assert self.clock_ms <= request.stamp_ms + request.receive_window_ms, "outside of the receive window"
        order = self._new(request)
        if word == "fill":
            self._fill(order, request.size, self.price)
        elif word == "partial":
            self._fill(order, request.size / 2, self.price)
            if request.time_in_force is TimeInForce.IOC:
                order.state = ReportState.EXPIRED
        elif word == "expire":
            order.state = ReportState.EXPIRED
        return order

    def _fill(self, order: VenueOrder, size: Decimal, price: Decimal) -> None:
        request, quote = order.request, size * price
        order.filled_size += size
        order.filled_quote += quote
        if order.filled_size >= request.size:
            order.state = ReportState.FILLED
        fee = quote * FEE_RATE
        self.fills.append(
            Fill(
                "scripted",
                f"{self.session}{len(self.fills) + 1}",
                request.symbol,
                None,
                order.venue_id,
                request.side,
                price,
                size,
                fee,
                "USDT",
                False,
                self.clock_ms,
            )
        )
        if ":" in request.symbol:
            self._move_position(request.symbol, size * request.side.sign, price, fee)
        else:
            base = request.symbol.split("/")[0]
            self.balances[base] = self.balances.get(base, Decimal(0)) + size * request.side.sign
            self.balances["USDT"] -= quote * request.side.sign + fee

    def _move_position(self, symbol: str, signed: Decimal, price: Decimal, fee: Decimal) -> None:
        size, entry = self.positions.get(symbol, (Decimal(0), Decimal(0)))
        after = size + signed
        if size * signed < 0:
            closed = min(abs(size), abs(signed))
            self.wallet += (price - entry) * closed * (1 if size > 0 else -1)
            entry = price if size * after < 0 else entry
        else:
            entry = (entry * abs(size) + price * abs(signed)) / abs(after)
        self.positions[symbol] = (after, entry)
        self.wallet -= fee


def _report(order: VenueOrder) -> OrderReport:
    request = order.request
    return OrderReport(
        symbol=request.symbol,
        client_id=request.client_id,
        venue_id=order.venue_id,
        state=order.state,
        side=request.side,
        size=request.size,
        filled_size=order.filled_size,
        filled_quote=order.filled_quote,
        price=request.price,
        reduce_only=request.reduce_only,
        is_trigger=request.order_type.is_trigger,
        at_ms=order.created_ms,
    )


def _request_like(
    client_id: str, symbol: str, side: Side, size: Decimal, price: Decimal, stamp_ms: int
) -> OrderRequest:
    return OrderRequest(client_id, symbol, side, size, OrderType.LIMIT, TimeInForce.GTC, stamp_ms, 5_000, price)
