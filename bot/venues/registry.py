"""The venues that the bot can trade at, the folder of each, and what is known of one without asking it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

FOLDERS: Mapping[str, str] = {"binance": "bot.venues.binance"}
"""Venue id, as the settings name it, to the folder whose `adapter` module holds an `ADAPTER`."""


@dataclass(frozen=True, slots=True)
class LeastOrders:
    """Least value of an order, quote: on spot, of a perp, and of the perps, by base, that have another."""

    spot: Decimal
    perp: Decimal
    perps: Mapping[str, Decimal] = field(default_factory=dict)


LEAST_ORDERS: Mapping[str, LeastOrders] = {
    "binance": LeastOrders(Decimal(5), Decimal(5), {"BTC": Decimal(100), "ETH": Decimal(20)})
}
"""For advice before the first connection; what the venue itself reports decides afterwards."""
