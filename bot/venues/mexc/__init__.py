"""MEXC: spot, and USDT perps where the settings name the venue for them."""

from decimal import Decimal

from bot.domain.instrument import Kind
from bot.venues.abilities import Abilities, LeastOrders, OrderForm

ABILITIES = Abilities(
    orders={Kind.SPOT: frozenset(OrderForm) - {OrderForm.STOP_BY_MARK}, Kind.PERP: frozenset(OrderForm)},
    least_orders=LeastOrders(Decimal(1), Decimal(1)),
    test_kinds=frozenset(),
    named_kinds=frozenset({Kind.PERP}),
    kinds_listed_by_symbol=frozenset({Kind.SPOT}),
    cautions={
        Kind.PERP: (
            "perps are open by API to accounts only that the venue has admitted, and it freezes others: venue.perp.id "
            "says that yours is",
            "stops of perps end after seven days, whether the bot runs or not: while it runs it replaces them",
        )
    },
)
