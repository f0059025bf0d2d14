"""Trades by hand that no holding shows."""

from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.domain.symbol import base_of, is_perp
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT


class TradesHidden(Disturbance):
    """The owner trades by hand and trades it back at once; or as many tokens come in or go out beside it, by a way that
    the venue does not list."""

    async def act(self) -> None:
        if self.plan.strikes(Kind.TRADE_HIDDEN):
            self._trade()

    def _trade(self) -> None:
        plan, exchange = self.plan, self.exchange
        symbol, side = self.chaos._any_symbol(Kind.TRADE_HIDDEN), plan.choose(Kind.TRADE_HIDDEN, list(Side))
        is_traded_back = plan.choose(Kind.TRADE_HIDDEN, [True, False]) or is_perp(symbol)
        if not exchange.is_open(symbol):
            return
        instrument = exchange.instruments[symbol]
        worth = Decimal(plan.count(Kind.TRADE_HIDDEN, 20, 400))
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

    def _held(self, symbol: str) -> Decimal:
        account = self.exchange._state.account(ACCOUNT)
        if is_perp(symbol):
            return account.size_of(symbol)
        return self.exchange._state.ledger.held(account.spot, base_of(symbol))


WORLDS = (TradesHidden,)
