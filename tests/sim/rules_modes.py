"""In hedge mode, where a position has two sides, the bot closes and guards; it opens neither side."""

from bot.domain.order_ids import is_ours
from bot.simex.engine.types import EventKind, ExchangeEvent, PositionSide
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT


class NoSideIsOpened(Rule):
    """Judged of what the exchange executes."""

    def on_event(self, event: ExchangeEvent) -> None:
        order = event.order
        if event.kind is not EventKind.ORDER_FILLED or order is None or order.position_side is PositionSide.BOTH:
            return
        is_closing = order.position_side is PositionSide.closed_by(order.side)
        if is_ours(order.client_id, ACCOUNT) and not is_closing:
            words = f"{order.client_id} {order.side}s {order.symbol} {order.position_side}"
            self.world.violate("no side is opened in hedge mode", words)


RULES = (NoSideIsOpened,)
