"""What the rule on hedge mode leaves out, beside its neighbours that it finds."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order_ids import ClientOrderId
from bot.simex.engine.types import EventKind, PositionSide
from tests.sim.rules_modes import NoSideIsOpened
from tests.sim.world import ACCOUNT, Seam

PERP = "ETH/USDT:USDT"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


@pytest.mark.parametrize(
    ("tells_mode", "seam", "held", "side", "is_found"),
    [
        (False, Seam.WIRE, (SHORT,), Side.SELL, False),  # the mode is not there to be seen
        (False, Seam.WIRE, (LONG, SHORT), Side.SELL, True),
        (False, Seam.PORT, (SHORT,), Side.SELL, True),
        (True, Seam.WIRE, (SHORT,), Side.SELL, True),
        (True, Seam.WIRE, (SHORT,), Side.BUY, False),  # it closes
    ],
)
def test_a_side_is_opened_alone_only_where_no_mode_is_told(
    tells_mode: bool, seam: Seam, held: tuple[PositionSide, ...], side: Side, is_found: bool
) -> None:
    found: list[str] = []
    positions = [SimpleNamespace(symbol=PERP, side=one) for one in held]
    world: Any = SimpleNamespace(
        seam=seam,
        spoken_at=lambda kind: SimpleNamespace(tells_mode=tells_mode),
        exchange=SimpleNamespace(positions=lambda account: [*positions, SimpleNamespace(symbol="OTHER", side=LONG)]),
        violate=lambda rule, words: found.append(rule),
    )
    rule = NoSideIsOpened.__new__(NoSideIsOpened)
    rule.world = world
    order = SimpleNamespace(
        client_id=ClientOrderId(ACCOUNT, 1, 1, 1, 0, 0).text, symbol=PERP, side=side, position_side=SHORT
    )
    event: Any = SimpleNamespace(kind=EventKind.ORDER_FILLED, order=order)
    rule.on_event(event)
    assert bool(found) is is_found
