"""Bybit v5, unified account: spot and linear perps."""

from decimal import Decimal

from bot.domain.instrument import Kind
from bot.venues.abilities import Abilities, BaseFees, LeastOrders, OrderForm

ABILITIES = Abilities(
    orders={Kind.SPOT: frozenset(OrderForm) - {OrderForm.STOP_BY_MARK}, Kind.PERP: frozenset(OrderForm)},
    least_orders=LeastOrders(Decimal(5), Decimal(5)),
    is_unified=True,
    has_demo=True,
    has_streams=True,
    fees={
        Kind.SPOT: BaseFees(Decimal("0.001"), Decimal("0.001")),
        Kind.PERP: BaseFees(Decimal("0.0002"), Decimal("0.00055")),
    },
)
