"""The port of a venue with one wallet and asynchronous creation, over the engine: what Bybit does, without its wire.

An order is acknowledged before it is known: for a moment no question shows it and no cancel finds it. What only the
matching refuses of a perp ends as an order that never rested. Client ids are used up for ever, on every symbol.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Account, Balance
from bot.ports import (
    Clock,
    OrderReport,
    OrderRequest,
    Payment,
    Rejection,
    ReportState,
    VenueRejected,
    acknowledged,
)
from bot.simex.dialects.bybit.common import VISIBLE_AFTER_MS, BybitDesk
from bot.simex.engine.exchange import Exchange
from bot.venues.paper.engine_venue import EngineVenue


class UnifiedEngine(EngineVenue):
    """One account of the engine whose two wallets are one."""

    def __init__(self, exchange: Exchange, clock: Clock, *, account: str) -> None:
        super().__init__(exchange, clock, account=account, venue="bybit")
        self.has_transfers = False
        self._desk = BybitDesk(exchange)
        self._ended: dict[str, OrderReport] = {}  # acknowledged, and refused by the matching

    async def fetch_account(self) -> Account:
        account = await super().fetch_account()
        quote, balances = account.quote, dict(account.balances)
        cash = balances.get(quote, Balance(quote, ZERO))
        free = cash.free + max(ZERO, account.perp_free)
        total = cash.total + account.perp_wallet
        balances[quote] = Balance(quote, min(free, total), total - min(free, total))
        return replace(account, balances=balances, perp_wallet=ZERO, perp_free=ZERO, is_unified=True)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        await self._knowing(symbol)
        found = [report for report in await self._known(symbol) if report.client_id == client_id]
        return found[-1] if found else None

    async def fetch_open_orders(self, symbols: Any) -> tuple[OrderReport, ...]:
        shown = {(one.symbol, one.venue_id) for symbol in symbols for one in await self._known(symbol)}
        return tuple(
            report for report in await super().fetch_open_orders(symbols) if (report.symbol, report.venue_id) in shown
        )

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        await self._knowing(symbol)
        return tuple(report for report in await self._known(symbol, since_ms))

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        hidden = self._hidden(await self._knowing(symbol), symbol)
        return tuple(fill for fill in await super().fetch_fills(symbol, since_ms) if fill.client_id not in hidden)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Without the moves between the engine's two wallets."""
        own = {f"{self._session}:{number}" for number in self._desk.own_moves}
        return tuple(payment for payment in await super().fetch_payments(since_ms) if payment.id not in own)

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        exchange = await self._at_market(request.symbol)
        is_used = request.client_id in self._ended or any(
            exchange.order(self.account_name, symbol, client_id=request.client_id) is not None
            for symbol in exchange.instruments
        )
        if is_used:
            raise VenueRejected("110072", "OrderLinkedID is duplicate", Rejection.DUPLICATE_ID)
        is_perp = exchange.instruments[request.symbol].is_perp
        (self._desk.gather if is_perp else self._desk.spread)(self.account_name)
        try:
            report = await super().submit_order(request)
        except VenueRejected as rejected:
            if not is_perp or rejected.kind is not Rejection.WOULD_TAKE:
                raise
            report = acknowledged(request, f"later:{len(self._ended)}", exchange.now_ms)
            self._ended[request.client_id] = replace(report, state=ReportState.EXPIRED)
        finally:
            self._desk.gather(self.account_name)
        return acknowledged(request, report.venue_id, report.at_ms)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        if client_id in self._hidden(await self._at_market(symbol), symbol):
            raise VenueRejected("110001", "order not exists or too late to cancel", Rejection.NOT_FOUND)
        try:
            await super().cancel_order(symbol, client_id, is_trigger=is_trigger)
        finally:
            self._desk.gather(self.account_name)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._desk.gather(self.account_name)
        await super().set_leverage(symbol, leverage)

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        self._desk.gather(self.account_name)
        await super().move_margin(symbol, amount)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        raise VenueRejected("not sent", "there is one wallet", Rejection.OTHER)

    async def _known(self, symbol: str, since_ms: int = 0) -> list[OrderReport]:
        """The orders of a symbol that questions show, oldest first."""
        exchange = await self._current()
        if not exchange.is_listed(symbol):
            return []
        hidden = self._hidden(exchange, symbol)
        shown = [r for r in await super().fetch_order_history(symbol, since_ms) if r.client_id not in hidden]
        now_ms = exchange.now_ms - VISIBLE_AFTER_MS
        late = [r for r in self._ended.values() if r.symbol == symbol and since_ms <= r.at_ms <= now_ms]
        return [*shown, *late]

    def _hidden(self, exchange: Exchange, symbol: str) -> set[str]:
        return {
            order.client_id
            for order in exchange.orders(self.account_name, symbol, limit=1_000_000)
            if order.parent_id is None and exchange.now_ms - order.created_ms < VISIBLE_AFTER_MS
        }
