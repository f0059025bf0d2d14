"""What is special about Bybit, as values: hosts, windows, rate limits, client ids.

Sources: Bybit v5 documentation (2026-07), ccxt 4.5.90.
"""

from decimal import Decimal

from bot.domain.durations import SECOND_MS
from bot.domain.instrument import Kind
from bot.ports import ForcedClose
from bot.venues.bybit.errors import BYBIT_ERRORS
from bot.venues.bybit.markets import V5, BybitMarkets
from bot.venues.ccxt.profile import WEIGHT, BucketSpec, EnvironmentSpec, Profile, SandboxMode

_LEFT, _LIMIT = "x-bapi-limit-status", "x-bapi-limit"
_CHECKS = frozenset({"wallet", "margin_mode", "position_mode"})
_ALL_CHECKS = _CHECKS | {"key_rights"}
_HOST = frozenset({"api.bybit.com"})


def _endpoint(name: str, limit: int, *paths: str) -> BucketSpec:
    """A limit of an account on single endpoints, per rolling second; the venue reports what is left of it."""
    return BucketSpec(name, limit, SECOND_MS, _LEFT, _LIMIT, frozenset(paths))


BYBIT = Profile(
    id="bybit",
    ccxt_id="bybit",
    environments={
        "sim": EnvironmentSpec(
            "sim", SandboxMode.NONE, _HOST, has_fee_list=True, needs_session=True, checks=_ALL_CHECKS
        ),
        "testnet": EnvironmentSpec(
            "testnet",
            SandboxMode.SANDBOX,
            frozenset({"api-testnet.bybit.com"}),
            has_fee_list=True,
            keys_from="testnet.bybit.com",
            checks=_ALL_CHECKS,
        ),
        "demo": EnvironmentSpec(
            "demo",
            SandboxMode.DEMO,
            frozenset({"api-demo.bybit.com"}),
            keys_from="www.bybit.com, demo trading, API management",
            checks=_CHECKS,
        ),
        "mainnet": EnvironmentSpec(
            "mainnet",
            SandboxMode.NONE,
            _HOST,
            has_fee_list=True,
            keys_from="www.bybit.com, API management",
            checks=_ALL_CHECKS,
        ),
    },
    quotes=("USDT", "USDC", "USDE", "USD1", "BTC", "ETH", "EUR", "BRL", "TRY"),
    forced_ids={  # such an order has no client id: `parse.py` gives it the name of its kind
        "createbysettle": ForcedClose.SETTLEMENT,
        "createbyadl": ForcedClose.DELEVERAGING,
        "createbyliq": ForcedClose.LIQUIDATION,
        "createbytakeover": ForcedClose.LIQUIDATION,
    },
    client_id_pattern=r"[A-Za-z0-9_-]{1,36}",
    receive_window_ms=5_000,
    receive_window_max_ms=60_000,
    visibility_lag_ms=5_000,
    buckets={
        V5: (
            BucketSpec(WEIGHT, 600, 5_000),
            _endpoint("create", 10, "/v5/order/create"),
            _endpoint("cancel", 10, "/v5/order/cancel"),
            _endpoint("leverage", 10, "/v5/position/set-leverage"),
            _endpoint("margin", 10, "/v5/position/add-margin"),
            _endpoint("realtime", 50, "/v5/order/realtime"),
            _endpoint("history", 50, "/v5/order/history"),
            _endpoint("executions", 50, "/v5/execution/list"),
            _endpoint("positions", 50, "/v5/position/list"),
            _endpoint("wallet", 50, "/v5/account/wallet-balance"),
            _endpoint("log", 30, "/v5/account/transaction-log"),
            _endpoint("fees", 5, "/v5/account/fee-rate"),
        ),
    },
    sections={"public": V5, "private": V5},
    weight_scale={V5: Decimal(0)},  # every request counts one against the address
    weights={
        ("POST", "private", "v5/order/create"): {WEIGHT: 1, "create": 1},
        ("POST", "private", "v5/order/cancel"): {WEIGHT: 1, "cancel": 1},
        ("POST", "private", "v5/position/set-leverage"): {WEIGHT: 1, "leverage": 1},
        ("POST", "private", "v5/position/add-margin"): {WEIGHT: 1, "margin": 1},
        ("GET", "private", "v5/order/realtime"): {WEIGHT: 1, "realtime": 1},
        ("GET", "private", "v5/order/history"): {WEIGHT: 1, "history": 1},
        ("GET", "private", "v5/execution/list"): {WEIGHT: 1, "executions": 1},
        ("GET", "private", "v5/position/list"): {WEIGHT: 1, "positions": 1},
        ("GET", "private", "v5/account/wallet-balance"): {WEIGHT: 1, "wallet": 1},
        ("GET", "private", "v5/account/transaction-log"): {WEIGHT: 1, "log": 1},
        ("GET", "private", "v5/account/fee-rate"): {WEIGHT: 1, "fees": 1},
    },
    order_paths=frozenset({"v5/order/create", "v5/order/cancel"}),
    order_costs={V5: {WEIGHT: 1, "create": 1, "cancel": 1}},
    path_markets=(("/v5/", V5),),
    errors=BYBIT_ERRORS,
    markets=BybitMarkets(),
    market_types={Kind.SPOT: "spot", Kind.PERP: "linear"},
    options={
        "fetchCurrencies": False,
        "adjustForTimeDifference": False,
        # without these two ccxt asks for the kind of account before the first private call, an order included
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    },
    notes=(
        "One wallet: spot and perps share the money, and nothing is moved between them.",
        "Isolated margin is a setting of the whole account; the bot never switches it.",
        "Client ids are unique for ever, and conditional orders share them with plain ones.",
        "An order is acknowledged before it is matched: what became of it is asked for.",
    ),
)
