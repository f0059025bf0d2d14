"""The venues that the bot knows, the folder of each, what is offered there and what is known without asking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

FOLDERS: Mapping[str, str] = {"binance": "bot.venues.binance", "bybit": "bot.venues.bybit"}
"""Venue id, as the settings name it, to the folder whose `adapter` module holds an `ADAPTER`."""


WATCHED_ONLY = frozenset({"bybit"})
"""Venues at which a dry-run is offered and trading is not: the simulator has not tried the bot on them."""

SPOT_TESTNETS = frozenset({"binance"})
"""Venues with a test network for spot alone."""


DEMOS = frozenset({"bybit"})
"""Venues with demo trading beside a test network."""


@dataclass(frozen=True, slots=True)
class LeastOrders:
    """Least value of an order, quote: on spot, of a perp, and of the perps, by base, that have another."""

    spot: Decimal
    perp: Decimal
    perps: Mapping[str, Decimal] = field(default_factory=dict)


LEAST_ORDERS: Mapping[str, LeastOrders] = {
    "binance": LeastOrders(Decimal(5), Decimal(5), {"BTC": Decimal(100), "ETH": Decimal(20)}),
    "bybit": LeastOrders(Decimal(5), Decimal(5)),
}
"""For advice before the first connection; what the venue itself reports decides afterwards."""


def problem_of(venue_id: str, *, environment: str, mode: str, spot_testnet: bool, demo: bool) -> str:
    """Why the venue cannot be used like that and what to set instead; empty when it can."""
    others = ", ".join(sorted(FOLDERS.keys() - WATCHED_ONLY))
    if venue_id in WATCHED_ONLY and mode == "trade":
        return f'mode = "trade" at {venue_id} is not offered yet: use mode = "dry-run", or venue.id = {others}'
    if venue_id in WATCHED_ONLY and environment == "sim":
        return (
            f'environment = "sim" is not offered at {venue_id} yet: use "testnet" or "mainnet" with mode = "dry-run", '
            f"or venue.id = {others}"
        )
    if spot_testnet and venue_id not in SPOT_TESTNETS:
        return f"venue.spot_testnet: {venue_id} has no test network for spot alone; leave it out"
    if demo and venue_id not in DEMOS:
        return f"venue.demo: {venue_id} has no demo trading beside its test network; leave it out"
    if demo and environment != "testnet":
        return f'venue.demo: demo trading is a test environment; use environment = "testnet", not {environment!r}'
    return ""
