"""WEEX: spot and USDT perps, each with a wallet of its own and no way between them."""

from decimal import Decimal

from bot.domain.instrument import Kind
from bot.venues.abilities import Abilities, LeastOrders, OrderForm

ABILITIES = Abilities(
    orders={Kind.SPOT: frozenset(OrderForm) - {OrderForm.STOP_BY_MARK}, Kind.PERP: frozenset(OrderForm)},
    least_orders=LeastOrders(Decimal(5), Decimal(5)),
    has_passphrase=True,
    reports_maintenance=False,
    candles_max={Kind.SPOT: 300},
    test_kinds=frozenset(),
)
