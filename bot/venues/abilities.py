"""What a venue can do, as values that each venue's folder states: known without a connection, without loading it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Kind


class OrderForm(StrEnum):
    """A kind of order, in the words of a message."""

    AT_ONCE = "limit orders that execute at once or end"
    RESTING = "limit orders that rest"
    POST_ONLY = "post-only orders"
    STOP_BY_MARK = "stops by the mark price"


@dataclass(frozen=True, slots=True)
class LeastOrders:
    """Least value of an order, quote: on spot, of a perp, and of the perps, by base, that have another. For advice
    before the first connection; what the venue itself reports decides afterwards."""

    spot: Decimal
    perp: Decimal
    perps: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BaseFees:
    """Fee rates of an account without volume, as shares: for a back-test. What the account really pays is asked for."""

    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a venue can do, as far as anything is decided by it.

    Args:
        orders: the forms of orders it takes, by kind of market; a kind that is missing is not traded.
        is_unified: one wallet pays for spot and perps, and nothing is moved between them.
        has_spot_testnet: there is a test network for spot alone.
        has_demo: there is demo trading beside a test network.
        has_streams: its streams are understood.
        has_passphrase: its API keys have one beside key and secret.
        reports_maintenance: it says what maintenance margin its perps ask for.
        candles_max: how many candles of a kind of market it has at most, the newest; a kind that is missing has all.
        test_kinds: the kinds of markets that its test network has; none: there is no test network.
        named_kinds: the kinds that are traded only where the settings name the venue for them (`venue.perp.id`).
        kinds_listed_by_symbol: the kinds of which it lists resting orders of one instrument in each request, never of
            all.
        cautions: what `config check` shows to those who trade a kind there, outside of the embedded exchange.
        fees: by kind of market; of one that is missing the embedded exchange's own.
    """

    orders: Mapping[Kind, frozenset[OrderForm]]
    least_orders: LeastOrders
    is_unified: bool = False
    has_spot_testnet: bool = False
    has_demo: bool = False
    has_streams: bool = False
    has_passphrase: bool = False
    reports_maintenance: bool = True
    candles_max: Mapping[Kind, int] = field(default_factory=dict)
    test_kinds: frozenset[Kind] = frozenset(Kind)
    fees: Mapping[Kind, BaseFees] = field(default_factory=dict)
    named_kinds: frozenset[Kind] = frozenset()
    kinds_listed_by_symbol: frozenset[Kind] = frozenset()
    cautions: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)

    def takes(self, kind: Kind, form: OrderForm) -> bool:
        return form in self.orders.get(kind, frozenset())
