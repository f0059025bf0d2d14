"""Somebody changes positions by hand: raises the leverage, takes margin out. Liquidation comes nearer."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bot.domain.order import OrderType
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

if TYPE_CHECKING:
    from tests.sim.chaos import Chaos
    from tests.sim.world import World

_PARTS = tuple(Decimal(part) for part in ("0.9", "0.85", "0.8", "0.7"))


class PositionsByHand(Disturbance):
    """One of the positions that stand now."""

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        super().__init__(world, chaos)
        self._leverage_before: dict[str, int] = {}

    def heal(self) -> None:
        put_leverage_back(self.exchange, self._leverage_before)

    async def act(self) -> None:
        if self.plan.strikes(Kind.LEVERAGE_BY_HAND):
            self._change(Kind.LEVERAGE_BY_HAND, lambda held: self.exchange.set_leverage(ACCOUNT, held.symbol, 20))
        if self.plan.strikes(Kind.MARGIN_TAKEN):
            self._change(Kind.MARGIN_TAKEN, self._take)
        if self.plan.strikes(Kind.STOP_WITHDRAWN):
            self._withdraw_stop()

    def _withdraw_stop(self) -> None:
        stops = [o for o in self.exchange.open_orders(ACCOUNT, is_trigger=True) if o.type is OrderType.STOP]
        if stops:
            stop = self.plan.choose(Kind.STOP_WITHDRAWN, stops)
            self.exchange.cancel(ACCOUNT, stop.symbol, order_id=stop.id)
            self.world.wire.withdrawn[stop.symbol] = self.world.loop.time()
            self.world.note(f"the stop {stop.client_id} of {stop.symbol} is withdrawn by hand")

    def _take(self, held: Any) -> None:
        """As much as the highest leverage sets free: liquidation comes nearer than any planned stop."""
        self.exchange.set_leverage(ACCOUNT, held.symbol, self.exchange.brackets(held.symbol)[0].leverage_max)
        for part in _PARTS[:-1]:
            try:
                self._move(held, part)
            except Refusal:
                continue
            return
        self._move(held, _PARTS[-1])

    def _move(self, held: Any, part: Decimal) -> None:
        amount = (held.isolated_wallet * -part).quantize(Decimal("0.01"))
        self.exchange.move_margin(ACCOUNT, held.symbol, amount, held.side)

    def _change(self, kind: Kind, change: Any) -> None:
        positions = sorted(self.exchange.positions(ACCOUNT), key=lambda held: held.symbol)
        positions = [held for held in positions if held.size > 0] or positions
        if not positions:
            return
        held = self.plan.choose(kind, positions)
        self._leverage_before.setdefault(held.symbol, held.leverage)
        try:
            change(held)
        except Refusal:
            return
        self.world.note(f"{kind.value}: {held.symbol}")


def put_leverage_back(exchange: Exchange, before: Mapping[str, int]) -> None:
    """A raised leverage is what it was: the venue lets nobody lower it while the position is open."""
    configs = exchange._state.account(ACCOUNT).configs
    for symbol, leverage in before.items():
        config = configs.get(symbol)
        if config is not None and config.leverage > leverage:
            configs[symbol] = replace(config, leverage=leverage)


WORLDS = (PositionsByHand,)
