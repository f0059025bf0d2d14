"""While one of two venues is dark nothing is opened at either, and a rotation leaves a hedge and its spot together."""

from bot.domain.instrument import Kind, Side
from bot.domain.order import Purpose
from bot.domain.symbol import is_perp
from bot.ports import OrderRequest
from tests.sim.hooks import Rule

TURN_SECONDS = 180.0
"""Longer than a turn takes from its reads to its last order."""


class NothingOpensBesideADarkVenue(Rule):
    """Judged of what is sent a whole turn after the darkness began."""

    def on_submit(self, request: OrderRequest) -> None:
        world = self.world
        dark = {kind for kind in Kind if world.darkness.seconds(kind) > TURN_SECONDS}
        if not dark or world.life is None:
            return
        perp = is_perp(request.symbol)
        opens = not request.reduce_only if perp else request.side is Side.BUY
        words = f"{request.side} {request.size} {request.symbol}, dark: {', '.join(sorted(dark))}"
        if opens:
            world.violate("nothing is opened while one of two venues is dark", words)
        order = world.life.app.journal.reader.load_order(request.client_id)
        if order is None:
            return
        is_alone = (order.purpose is Purpose.REDUCE and not perp and Kind.PERP in dark) or (
            order.purpose is Purpose.RELEASE and perp and Kind.SPOT in dark
        )
        if is_alone:
            world.violate("a rotation leaves a hedge and its spot together", words)


RULES = (NothingOpensBesideADarkVenue,)
