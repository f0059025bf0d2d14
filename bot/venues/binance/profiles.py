"""What is special about a venue, as values: hosts, windows, rate limits, client ids.

A profile is the allow list that fail-closed checks compare against: hosts are spelled out, never derived from ccxt.
Sources: Binance spot and USDⓈ-M documentation (2026-07), ccxt 4.5.90.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Kind

SPOT, USDM, WALLET = "spot", "usdm", "wallet"
WEIGHT = "weight"


class SandboxMode(StrEnum):
    """How ccxt is told to leave production."""

    NONE = "none"
    DEMO = "enable_demo_trading"
    SANDBOX = "set_sandbox_mode"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One limit of the venue: `limit` units per `period_ms`; `header` is where it reports what it has counted."""

    name: str
    limit: int
    period_ms: int
    header: str | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One way to reach the venue. A ccxt instance with a URL outside `hosts` is refused. `checks` are the account
    checks (`account_checks.CHECKS`) that it can be asked. `has_flows`: it lists deposits and withdrawals;
    `has_fee_list`: it lists the fee rates of all spot symbols."""

    name: str
    switch: SandboxMode
    hosts: frozenset[str]
    kinds: frozenset[Kind] = frozenset({Kind.SPOT, Kind.PERP})
    has_transfers: bool = False
    has_flows: bool = False
    has_fee_list: bool = False
    needs_session: bool = False
    keys_from: str = ""
    checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Profile:
    """One venue.

    `sections` maps ccxt's API sections to our markets, `weight_scale` ccxt's cost to the venue's weight, and `weights`
    (method, section, path) corrects the costs ccxt has wrong. `visibility_lag_ms` is how long after the end of the
    receive window an accepted order may stay invisible to queries. `market_types` are ccxt's words for what to list.
    """

    id: str
    ccxt_id: str
    environments: Mapping[str, EnvironmentSpec]
    test_environment: str
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
    quotes: tuple[str, ...] = ()
    leverage_fallback: Decimal = Decimal(20)
    options: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def quiet_period_ms(self, receive_window_ms: int) -> int:
        """How long after an order's stamp "not found" may begin to count."""
        return receive_window_ms + self.visibility_lag_ms


_PRODUCTION = frozenset(
    f"{name}.binance.com" for name in ("api", "fapi", "dapi", "eapi", "papi")
)  # every host the class names; only api and fapi are called
_DEMO = frozenset({"demo-api.binance.com", "demo-fapi.binance.com", "demo-dapi.binance.com"})
_SPOT_TESTNET = frozenset({"testnet.binance.vision", "testnet.binancefuture.com"})

_SPOT_CHECKS = frozenset({"spot_account"})
_FUTURES_CHECKS = frozenset({"futures_account", "position_mode", "assets_mode"})
_TEST_CHECKS = (
    _SPOT_CHECKS | _FUTURES_CHECKS
)  # the test environments have no wallet endpoints, which tell a key's rights
_ALL_CHECKS = _TEST_CHECKS | {"key_rights"}

_SPOT_ORDER = {WEIGHT: 1, "orders_10s": 1, "raw": 1}
_USDM_ORDER = {"orders_10s": 1, "orders_1m": 1}

BINANCE = Profile(
    id="binance",
    ccxt_id="binance",
    environments={
        "sim": EnvironmentSpec(
            "sim",
            SandboxMode.NONE,
            _PRODUCTION,
            has_transfers=True,
            has_flows=True,
            has_fee_list=True,
            needs_session=True,
            checks=_ALL_CHECKS,
        ),
        "testnet": EnvironmentSpec(
            "testnet", SandboxMode.DEMO, _DEMO, keys_from="demo.binance.com", checks=_TEST_CHECKS
        ),
        "spot-testnet": EnvironmentSpec(
            "spot-testnet",
            SandboxMode.SANDBOX,
            _SPOT_TESTNET,
            kinds=frozenset({Kind.SPOT}),
            keys_from="testnet.binance.vision",
            checks=_SPOT_CHECKS,
        ),
        "mainnet": EnvironmentSpec(
            "mainnet",
            SandboxMode.NONE,
            _PRODUCTION,
            has_transfers=True,
            has_flows=True,
            has_fee_list=True,
            keys_from="www.binance.com, API management",
            checks=_ALL_CHECKS,
        ),
    },
    test_environment="testnet",
    quotes=("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD1", "USDE", "BFUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "JPY"),
    client_id_pattern=r"[A-Za-z0-9_-]{1,36}",
    receive_window_ms=5_000,
    receive_window_max_ms=60_000,
    visibility_lag_ms=5_000,
    buckets={
        SPOT: (
            BucketSpec(WEIGHT, 6_000, 60_000, "x-mbx-used-weight-1m"),
            BucketSpec("orders_10s", 100, 10_000, "x-mbx-order-count-10s"),
            BucketSpec("raw", 300_000, 300_000),
        ),
        USDM: (
            BucketSpec(WEIGHT, 2_400, 60_000, "x-mbx-used-weight-1m"),
            BucketSpec("orders_10s", 300, 10_000, "x-mbx-order-count-10s"),
            BucketSpec("orders_1m", 1_200, 60_000, "x-mbx-order-count-1m"),
            BucketSpec("funding", 500, 300_000),
        ),
        WALLET: (
            BucketSpec(WEIGHT, 12_000, 60_000, "x-sapi-used-ip-weight-1m"),
            BucketSpec("withdrawals", 10, 60_000),
        ),
    },
    sections={
        "public": SPOT,
        "private": SPOT,
        "fapiPublic": USDM,
        "fapiPublicV2": USDM,
        "fapiPublicV3": USDM,
        "fapiPrivate": USDM,
        "fapiPrivateV2": USDM,
        "fapiPrivateV3": USDM,
        "fapiData": USDM,
        "sapi": WALLET,
        "sapiV2": WALLET,
        "sapiV3": WALLET,
    },
    weight_scale={SPOT: Decimal(5), USDM: Decimal(1), WALLET: Decimal(10)},
    weights={
        ("POST", "private", "order"): _SPOT_ORDER,
        ("DELETE", "private", "order"): {WEIGHT: 1, "raw": 1},
        ("POST", "fapiPrivate", "order"): _USDM_ORDER,
        ("POST", "fapiPrivate", "algoOrder"): _USDM_ORDER,
        ("GET", "public", "ticker/24hr"): {WEIGHT: 2},  # at most 20 symbols are asked for at once
        ("GET", "fapiPrivateV3", "account"): {WEIGHT: 5},
        ("GET", "fapiPrivate", "positionSide/dual"): {WEIGHT: 30},
        ("GET", "fapiPrivate", "multiAssetsMargin"): {WEIGHT: 30},
        ("GET", "fapiPrivateV3", "positionRisk"): {WEIGHT: 5},
        ("GET", "sapi", "capital/withdraw/history"): {WEIGHT: 1, "withdrawals": 1},
        ("GET", "fapiPublic", "fundingInfo"): {WEIGHT: 1, "funding": 1},
        ("GET", "fapiPublic", "fundingRate"): {WEIGHT: 1, "funding": 1},
    },
    order_paths=frozenset({"order", "algoOrder"}),
    order_costs={SPOT: _SPOT_ORDER, USDM: {WEIGHT: 1, **_USDM_ORDER}},
    path_markets=(("/fapi/", USDM), ("/futures/", USDM), ("/sapi/", WALLET), ("/api/", SPOT)),
    market_types={Kind.SPOT: "spot", Kind.PERP: "linear"},
    options={
        "fetchCurrencies": False,
        "fetchMargins": False,
        "adjustForTimeDifference": False,
        "setMarginMode": {"throwMarginModeAlreadySet": True},
    },
    notes=(
        "Client ids are unique among open orders only: a used id is accepted again once its order is closed.",
        "testnet is demo trading, because ccxt refuses Binance's old futures test network; keys come from "
        "demo.binance.com and neither mainnet nor spot-testnet keys work there.",
        "The test networks have no lists of deposits and withdrawals: a withdrawal beyond execution.unexplained_max "
        "needs `sectorbot resume --accept-mismatch` there.",
        "Conditional perp orders live at the algo endpoints and do not appear among ordinary open orders.",
        "Orders of USDⓈ-M cost no request weight; they count against the order limits.",
    ),
)

PROFILES: Mapping[str, Profile] = {BINANCE.id: BINANCE}
