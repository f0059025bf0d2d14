"""What is special about a venue, as values: hosts, windows, rate limits, client ids, errors.

A profile is the allow list that fail-closed checks compare against: hosts are spelled out, never derived from ccxt.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ONE
from bot.ports import ForcedClose
from bot.venues.ccxt.error_table import ErrorTable

WEIGHT = "weight"


class MarketRules(Protocol):
    """How a venue names and describes its markets. Pure, but for the question for the time."""

    async def fetch_time(self, exchange: Any) -> int:
        """The venue's clock, ms, in one unsigned request."""
        ...

    def instrument(self, market: Mapping[str, Any], *, venue: str, leverage_max: Decimal = ONE) -> Instrument:
        """An instrument of a ccxt market. Raises ValueError and the like where the market lacks a grid."""
        ...

    def limited_market(self, symbol: str) -> str:
        """The rate-limited market of the profile that orders in the symbol count against."""
        ...

    def venue_symbol(self, symbol: str) -> str:
        """The venue's name of a symbol that is not loaded, built from its parts."""
        ...

    def symbol_of(self, venue_symbol: str, kind: Kind, quotes: Sequence[str]) -> str:
        """The unified symbol of a venue's name that is not loaded, settled in one of `quotes`, else in `?`."""
        ...

    def check_row(self, row: Any) -> None:
        """Raises TypeError, KeyError where a row of the list of markets does not name its market by texts."""
        ...

    def names_in(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """(unified symbol, venue's name) of a row that cannot be read, as far as it has them."""
        ...

    def bare_info(self, venue_symbol: str) -> Mapping[str, Any]:
        """A row of the list of markets of which only the name is known, in the venue's form."""
        ...


class SandboxMode(StrEnum):
    """How ccxt is configured for a test environment."""

    NONE = "none"
    DEMO = "enable_demo_trading"
    SANDBOX = "set_sandbox_mode"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One limit of the venue: `limit` units per `period_ms`.

    `header` is where it reports what it has counted; with a `limit_header` it reports what is left of the limit that
    stands there. A limit of single endpoints names their `paths`: the headers of other answers are not about it.
    """

    name: str
    limit: int
    period_ms: int
    header: str | None = None
    limit_header: str | None = None
    paths: frozenset[str] = frozenset()

    def used_in(self, path: str, headers: Mapping[str, str]) -> int | None:
        """Units that an answer to a request for `path` says are used; None where it does not say."""
        if self.paths and not path.endswith(tuple(self.paths)):
            return None
        counted = headers.get(self.header or "", "")
        if not counted.isdigit():
            return None
        if self.limit_header is None:
            return int(counted)
        limit = headers.get(self.limit_header, "")
        return max(0, int(limit) - int(counted)) if limit.isdigit() else None


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One way to reach the venue. A ccxt instance with a URL outside `hosts` is refused. `checks` are the account
    checks (`account_checks.CHECKS`) that it can be asked. `has_flows`: it lists deposits and withdrawals;
    `has_fee_list`: it lists the fee rates of all spot symbols. `maintenance_rate`: of perps, where the venue reports
    none and this environment's is known."""

    name: str
    switch: SandboxMode
    hosts: frozenset[str]
    kinds: frozenset[Kind] = frozenset({Kind.SPOT, Kind.PERP})
    has_transfers: bool = False
    has_flows: bool = False
    has_fee_list: bool = False
    maintenance_rate: Decimal | None = None
    needs_session: bool = False
    keys_from: str = ""
    checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Profile:
    """One venue.

    `fixed_window_ms`: how long the venue takes a request after its stamp, where no request can say it.
    `sections` maps ccxt's API sections to our markets, `weight_scale` ccxt's cost to the venue's weight, and `weights`
    (method, section, path) corrects the costs ccxt has wrong. `visibility_lag_ms` is how long after the end of the
    receive window an accepted order may stay invisible to queries. `market_types` are ccxt's words for what to list.
    `has_passphrase`: its API keys have one beside key and secret.
    `mark_closed`, given the connection and its markets by symbol, makes those inactive that the API may not trade,
    where the venue lists them apart.
    `spot_order_costs` are the `order_costs` of spot, where one market has limits of its own for them.
    `forced_ids`: how the client id of an order begins, in lower case, by which the venue itself closes a position.
    """

    id: str
    ccxt_id: str
    environments: Mapping[str, EnvironmentSpec]
    client_id_pattern: str
    receive_window_ms: int
    receive_window_max_ms: int
    visibility_lag_ms: int
    buckets: Mapping[str, tuple[BucketSpec, ...]]
    sections: Mapping[str, str]
    weight_scale: Mapping[str, Decimal]
    weights: Mapping[tuple[str, str, str], Mapping[str, int]]
    order_costs: Mapping[str, Mapping[str, int]]
    order_paths: frozenset[str]
    path_markets: tuple[tuple[str, str], ...]
    market_types: Mapping[Kind, str]
    errors: ErrorTable
    markets: MarketRules
    forced_ids: Mapping[str, ForcedClose]
    quotes: tuple[str, ...] = ()
    leverage_fallback: Decimal = Decimal(20)
    has_passphrase: bool = False
    fixed_window_ms: int = 0
    mark_closed: Callable[[Any, Mapping[str, Any]], Awaitable[None]] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spot_order_costs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def order_cost(self, market: str, *, is_spot: bool) -> Mapping[str, int]:
        """What an order or a cancel of one kind of market counts against the limits of `market`."""
        usual = self.order_costs[market]
        return self.spot_order_costs.get(market, usual) if is_spot else usual

    def quiet_period_ms(self, receive_window_ms: int) -> int:
        """How long after an order's stamp "not found" may begin to count."""
        return max(receive_window_ms, self.fixed_window_ms) + self.visibility_lag_ms
