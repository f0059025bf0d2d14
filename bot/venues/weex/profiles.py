"""What is special about WEEX, as values: hosts, windows, rate limits, client ids.

Sources: WEEX API documentation v3 (2026-04), ccxt 4.5.90. The venue's simulated environment is other paths of the live
hosts, without cancels: it is no environment here.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.durations import MINUTE_MS, SECOND_MS
from bot.domain.instrument import Kind
from bot.venues.ccxt.profile import WEIGHT, BucketSpec, EnvironmentSpec, Profile, SandboxMode
from bot.venues.weex.errors import WEEX_ERRORS
from bot.venues.weex.markets import ALL, WeexMarkets, mark_closed

_HOSTS = frozenset({"api-spot.weex.com", "api-contract.weex.com"})
_CHECKS = frozenset({"spot_wallet", "futures_wallet"})
ORDERS = "orders"
LEVERAGE_MAX = Decimal(3)
"""No position has more: the venue does not report when it would liquidate one."""
_SIM_MAINTENANCE = Decimal("0.05")  # no position of the embedded exchange below three million asks for more
_ORDER_WEIGHTS: Mapping[tuple[str, str, str], int] = {
    ("POST", "private", "api/v3/order"): 5,
    ("DELETE", "private", "api/v3/order"): 1,
    ("POST", "contractPrivate", "capi/v3/order"): 5,
    ("DELETE", "contractPrivate", "capi/v3/order"): 3,
    ("POST", "contractPrivate", "capi/v3/algoOrder"): 5,
    ("DELETE", "contractPrivate", "capi/v3/algoOrder"): 3,
}
_PUBLIC_WEIGHTS: Mapping[tuple[str, str, str], int] = {  # ccxt counts five times as much of public endpoints
    ("GET", "public", "api/v3/time"): 1,
    ("GET", "public", "api/v3/exchangeInfo"): 20,
    ("GET", "public", "api/v3/apiTradingSymbols"): 5,
    ("GET", "public", "api/v3/market/klines"): 2,
    ("GET", "public", "api/v3/market/depth"): 5,
    ("GET", "public", "api/v3/market/ticker/bookTicker"): 4,
    ("GET", "contract", "capi/v3/market/exchangeInfo"): 1,
    ("GET", "contract", "capi/v3/market/apiTradingSymbols"): 5,
    ("GET", "contract", "capi/v3/market/depth"): 1,
    ("GET", "contract", "capi/v3/market/ticker/bookTicker"): 1,
    ("GET", "contract", "capi/v3/market/klines"): 1,
    ("GET", "contract", "capi/v3/market/historyKlines"): 5,
    ("GET", "contract", "capi/v3/market/openInterest"): 2,
    ("GET", "contract", "capi/v3/market/premiumIndex"): 1,
    ("GET", "contract", "capi/v3/market/fundingRate"): 5,
}

WEEX = Profile(
    id="weex",
    ccxt_id="weex",
    environments={
        "sim": EnvironmentSpec(
            "sim", SandboxMode.NONE, _HOSTS, needs_session=True, maintenance_rate=_SIM_MAINTENANCE, checks=_CHECKS
        ),
        "mainnet": EnvironmentSpec(
            "mainnet", SandboxMode.NONE, _HOSTS, keys_from="weex.com, API management", checks=_CHECKS
        ),
    },
    quotes=("USDT", "USDC"),
    forced_ids={},  # the venue's own closing orders have no documented name
    client_id_pattern=r"[.A-Za-z:/0-9_-]{1,36}",
    receive_window_ms=5_000,
    receive_window_max_ms=30_000,
    fixed_window_ms=30_000,
    visibility_lag_ms=5_000,
    buckets={
        # Weight of an address over both hosts. Of orders the venue takes fifty of perps and a hundred of spot in a
        # minute, and cancels besides: all of them share the smallest of these.
        ALL: (BucketSpec(WEIGHT, 500, 10 * SECOND_MS), BucketSpec(ORDERS, 50, MINUTE_MS)),
    },
    sections=dict.fromkeys(("public", "private", "contract", "contractPrivate"), ALL),
    weight_scale={ALL: Decimal(1)},
    weights={endpoint: {WEIGHT: weight} for endpoint, weight in _PUBLIC_WEIGHTS.items()}
    | {endpoint: {WEIGHT: weight, ORDERS: 1} for endpoint, weight in _ORDER_WEIGHTS.items()},
    order_paths=frozenset(path for _, _, path in _ORDER_WEIGHTS),
    order_costs={ALL: {WEIGHT: 5, ORDERS: 1}},
    path_markets=(("/capi/v3/", ALL), ("/api/v3/", ALL)),
    errors=WEEX_ERRORS,
    markets=WeexMarkets(),
    market_types={Kind.SPOT: "spot", Kind.PERP: "swap"},
    leverage_fallback=LEVERAGE_MAX,
    has_passphrase=True,
    mark_closed=mark_closed,
    options={"fetchCurrencies": False, "adjustForTimeDifference": False},
    notes=(
        "Spot and perps have wallets of their own; nothing can be moved between them by the API.",
        "The venue reports no maintenance margin: risk.maintenance_rate stands for it, and leverage is 3 at most.",
        "Of spot it has the newest 300 candles.",
    ),
)
