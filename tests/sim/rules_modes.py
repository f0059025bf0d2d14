"""In hedge mode, where a position has two sides, the bot closes and guards; it opens neither side.

Where every order names a side and no mode is told, it is not there to be seen before both sides are held: the bot opens
no side beside the other.
"""

from bot.domain.instrument import Kind as MarketKind
from bot.domain.order_ids import is_ours
from bot.simex.engine.types import EventKind, ExchangeEvent, PositionSide
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Seam


class NoSideIsOpened(Rule):
    """Judged of what the exchange executes."""

    def on_event(self, event: ExchangeEvent) -> None:
        order = event.order
        if event.kind is not EventKind.ORDER_FILLED or order is None or order.position_side is PositionSide.BOTH:
            return
        is_closing = order.position_side is PositionSide.closed_by(order.side)
        if (
            is_ours(order.client_id, ACCOUNT)
            and not is_closing
            and not self._is_alone(order.symbol, order.position_side)
        ):
            words = f"{order.client_id} {order.side}s {order.symbol} {order.position_side}"
            self.world.violate("no side is opened in hedge mode", words)

    def _is_alone(self, symbol: str, side: PositionSide) -> bool:
        """Whether the venue tells no mode, and this side of a perp is the only one held."""
        tells = self.world.seam is Seam.PORT or self.world.spoken_at(MarketKind.PERP).tells_mode
        return not tells and all(
            held.side is side for held in self.world.exchange.positions(ACCOUNT) if held.symbol == symbol
        )


RULES = (NoSideIsOpened,)
