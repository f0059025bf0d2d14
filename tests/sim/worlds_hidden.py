"""Trades by hand that no holding shows."""

import asyncio
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.domain.symbol import base_of, is_perp
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import ExchangeEvent, NewOrder
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT
from tests.sim.worlds_facts import OneBadRow

BEHIND = ("executions", "order history", "instruments")  # whose row keeps a trade from being read


class TradesHidden(Disturbance):
    """The owner trades by hand and trades it back at once; or as many tokens come in or go out beside it, by a way that
    the venue does not list. He does so while no process runs as well: when one starts hours later, a row that the trade
    depends on cannot be read for minutes."""

    async def act(self) -> None:
        if self.plan.strikes(Kind.TRADE_HIDDEN) and self.chaos.traded:
            self._trade(Kind.TRADE_HIDDEN)

    async def between_lives(self) -> None:
        kind = Kind.TRADE_UNREADABLE
        if not self.plan.strikes(kind) or not self.chaos.traded:  # the exchange may have removed every symbol
            return
        self.exchange.advance(self.world.now_ms())
        symbol = self._trade(kind)
        await asyncio.sleep(self.plan.between(kind, 3_900, 5_400))
        rows = next(one for one in self.world.hooks.disturbances if isinstance(one, OneBadRow))
        rows.spoil_row(self.plan.choose(kind, BEHIND), symbol, kind)

    def _trade(self, kind: Kind) -> str:
        """The symbol, traded or not."""
        plan, exchange = self.plan, self.exchange
        symbol, side = self.chaos._any_symbol(kind), plan.choose(kind, list(Side))
        is_traded_back = plan.choose(kind, [True, False]) or is_perp(symbol)
        if not exchange.is_open(symbol):
            return symbol
        instrument = exchange.instruments[symbol]
        worth = Decimal(plan.count(kind, 20, 400))
        size = max(instrument.size_min, instrument.size_for(worth, exchange.quote(symbol).mid))
        before = self._held(symbol)
        try:
            done = exchange.place(ACCOUNT, NewOrder(symbol, side, OrderType.MARKET, size)).filled_size
            if is_traded_back and done:
                back = Side.SELL if side is Side.BUY else Side.BUY
                exchange.place(ACCOUNT, NewOrder(symbol, back, OrderType.MARKET, done))
        except Refusal as refusal:
            self.world.note(f"the owner is refused {symbol}: {refusal.reason}")
        if self._held(symbol) != before and not is_perp(symbol):
            spot = exchange._state.account(ACCOUNT).spot
            exchange._state.ledger.move(base_of(symbol), DEPOSITS, spot, before - self._held(symbol))
        self.chaos._strange(symbol)
        self.world.note(f"the owner {side}s {size} {symbol} unseen")
        return symbol

    def _held(self, symbol: str) -> Decimal:
        account = self.exchange._state.account(ACCOUNT)
        if is_perp(symbol):
            return account.size_of(symbol)
        return self.exchange._state.ledger.held(account.spot, base_of(symbol))


class RestingTradesHidden(Disturbance):
    """The owner has placed limit orders by hand, hours before the bot starts or while it is off. Each rests near the
    price, and as many tokens come in or go out when it executes: no order history of that hour shows it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._orders: set[tuple[str, int]] = set()
        self.exchange.listeners.append(self._hide)

    async def between_lives(self) -> None:
        plan = self.plan
        if not plan.strikes(Kind.ORDER_HIDDEN):
            return
        self.exchange.advance(self.world.now_ms())
        for symbol in sorted(self.exchange.instruments):
            if not is_perp(symbol) and not symbol.startswith("BTC") and self.exchange.is_open(symbol):
                self._place(symbol)
        await asyncio.sleep(plan.between(Kind.ORDER_HIDDEN, 3_900, 5_400))

    def _place(self, symbol: str) -> None:
        plan, exchange = self.plan, self.exchange
        side, instrument = plan.choose(Kind.ORDER_HIDDEN, list(Side)), exchange.instruments[symbol]
        mid, away = exchange.quote(symbol).mid, Decimal(plan.count(Kind.ORDER_HIDDEN, 30, 200)) / 10_000
        price = instrument.nearest_price(mid * (1 - away * side.sign))
        size = max(instrument.size_min, instrument.size_for(Decimal(plan.count(Kind.ORDER_HIDDEN, 20, 200)), price))
        try:
            placed = exchange.place(ACCOUNT, NewOrder(symbol, side, OrderType.LIMIT, size, price))
        except Refusal as refusal:
            self.world.note(f"the owner is refused {symbol}: {refusal.reason}")
            return
        self._orders.add((symbol, placed.id))
        self.chaos._strange(symbol)
        self.world.note(f"the owner {side}s {size} {symbol} at {price}, which rests")

    def _hide(self, event: ExchangeEvent) -> None:
        trade = event.trade
        if trade is None or (trade.symbol, trade.order_id) not in self._orders:
            return
        token, state = base_of(trade.symbol), self.exchange._state
        moved = trade.size * trade.side.sign - (trade.fee if trade.fee_asset == token else 0)
        state.ledger.move(token, DEPOSITS, state.account(ACCOUNT).spot, -moved)
        self.world.note(f"the owner's order of {trade.symbol} executes unseen: {trade.side} {trade.size}")

    def heal(self) -> None:
        for symbol, number in sorted(self._orders):
            order = self.exchange.order(ACCOUNT, symbol, order_id=number) if self.exchange.is_listed(symbol) else None
            if order is not None and order.is_open:
                self.exchange.cancel(ACCOUNT, symbol, order_id=number)


WORLDS = (TradesHidden, RestingTradesHidden)
