"""Fills for tests."""

from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.order import Fill
from tests.execution.scripted_venue import SPOT, START_MS


def make_fill(number: int, venue_order_id: str | None, *, client_id: str | None = None, size: str = "1") -> Fill:
    return Fill(
        venue="scripted",
        trade_id=str(number),
        symbol=SPOT,
        client_id=client_id,
        venue_order_id=venue_order_id,
        side=Side.BUY,
        price=Decimal("10.0"),
        size=Decimal(size),
        fee=Decimal("0.010"),
        fee_asset="USDT",
        is_maker=False,
        at_ms=START_MS + number,
    )
