"""The owner puts the account into hedge mode while the bot runs, and holds both sides of one symbol for a while."""

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.domain.symbol import base_of, is_perp
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder, PositionSide
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

if TYPE_CHECKING:
    from tests.sim.chaos import Chaos
    from tests.sim.world import World

_OPENING = ((Side.BUY, PositionSide.LONG), (Side.SELL, PositionSide.SHORT))


class HedgeModeByOwner(Disturbance):
    """As the venue asks it: all perp orders are withdrawn and all positions closed before the mode is changed."""

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        super().__init__(world, chaos)
        self._is_held = False

    async def act(self) -> None:
        if not self.plan.strikes(Kind.HEDGE_MODE_HELD) or self.exchange.modes(ACCOUNT).is_hedge_mode:
            return
        perps = [symbol for symbol in sorted(self.exchange.instruments) if is_perp(symbol)]
        symbol = self.plan.choose(Kind.HEDGE_MODE_HELD, perps)
        quote = [Decimal(self.plan.count(Kind.HEDGE_MODE_HELD, 50, 600)) for _ in _OPENING]
        if not self.exchange.is_open(symbol):
            return
        self._clear()
        self.exchange.set_position_mode(ACCOUNT, hedge=True)
        self.world.is_strange.add(base_of(symbol))
        self.world.held_on_both_sides.add(symbol)
        instrument, price = self.exchange.instruments[symbol], self.exchange.quote(symbol).mid
        opened = Counter[str]()
        for (side, position_side), value in zip(_OPENING, quote, strict=True):
            size = max(instrument.size_min, instrument.size_for(value, price))
            order = NewOrder(symbol, side, OrderType.MARKET, size, position_side=position_side)
            try:
                opened[position_side] += int(self.exchange.place(ACCOUNT, order).filled_size > 0)
            except Refusal as refusal:
                self.world.note(f"the owner opens no {position_side} of {symbol}: {refusal.reason}")
        self._is_held = True
        self.world.note(f"the owner holds {', '.join(opened)} of {symbol} in hedge mode")
        self.world.loop.call_later(self.plan.between(Kind.HEDGE_MODE_HELD, 60, 7_200), self._end)

    def heal(self) -> None:
        self._end()

    def _end(self) -> None:
        """The owner closes what is held and goes back to one-way mode."""
        self.exchange.advance(self.world.now_ms())
        if not self._is_held or not self.exchange.modes(ACCOUNT).is_hedge_mode:
            return
        self._is_held = False
        self._clear()
        self.exchange.set_position_mode(ACCOUNT, hedge=False)
        self.world.note("the owner is back in one-way mode")

    def _clear(self) -> None:
        """No perp order rests and no perp is held; the tokens of both are not only the bot's from now on."""
        for order in self.exchange.open_orders(ACCOUNT):
            if is_perp(order.symbol):
                self.exchange.cancel(ACCOUNT, order.symbol, order_id=order.id)
        for held in self.exchange.positions(ACCOUNT):
            self.world.is_strange.add(base_of(held.symbol))
            self.exchange.deleverage(ACCOUNT, held.symbol, abs(held.size), held.side)


WORLDS = (HedgeModeByOwner,)
