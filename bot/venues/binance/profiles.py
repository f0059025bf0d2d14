"""What is special about Binance, as values: hosts, windows, rate limits, client ids.

Sources: Binance spot and USDⓈ-M documentation (2026-07), ccxt 4.5.90.
"""

from decimal import Decimal

from bot.domain.instrument import Kind
from bot.ports import ForcedClose
from bot.venues.binance.errors import BINANCE_ERRORS
from bot.venues.binance.markets import SPOT, USDM, BinanceMarkets
from bot.venues.ccxt.profile import WEIGHT, BucketSpec, EnvironmentSpec, Profile, SandboxMode

WALLET = "wallet"

_PRODUCTION = frozenset(
    f"{name}.binance.com" for name in ("api", "fapi", "dapi", "eapi", "papi")
)  # every host the class names; only api and fapi are called
_DEMO = frozenset({"demo-api.binance.com", "demo-fapi.binance.com", "demo-dapi.binance.com"})
_SPOT_TESTNET = frozenset({"testnet.binance.vision", "testnet.binancefuture.com"})

_SPOT_CHECKS = frozenset({"spot_account"})
_FUTURES_CHECKS = frozenset({"futures_account", "position_mode", "assets_mode"})
_TEST_CHECKS = (
    _SPOT_CHECKS | _FUTURES_CHECKS
)  # the test environments have no wallet endpoints, which report a key's rights
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
    quotes=("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD1", "USDE", "BFUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "JPY"),
    forced_ids={  # USDⓈ-M, "special client order id"
        "settlement_autoclose": ForcedClose.SETTLEMENT,
        "adl_autoclose": ForcedClose.DELEVERAGING,
        "autoclose": ForcedClose.LIQUIDATION,
    },
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
    errors=BINANCE_ERRORS,
    markets=BinanceMarkets(),
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
