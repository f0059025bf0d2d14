"""What is special about BingX, as values: hosts, windows, rate limits, client ids.

Sources: BingX API documentation (2026-04), ccxt 4.5.90. Limits that the documents do not name are marked.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.durations import SECOND_MS
from bot.domain.instrument import Kind
from bot.ports import ForcedClose
from bot.venues.bingx.errors import BINGX_ERRORS
from bot.venues.bingx.markets import ALL, BingxMarkets
from bot.venues.bingx.parse import FORCED
from bot.venues.ccxt.profile import WEIGHT, BucketSpec, EnvironmentSpec, Profile, SandboxMode

_HOST = frozenset({"open-api.bingx.com"})
_CHECKS = frozenset({"spot_wallet", "futures_wallet", "position_mode"})
_ALL_CHECKS = _CHECKS | {"key_rights"}
_Endpoint = tuple[str, str, str]
_LIMITS: Mapping[str, tuple[int, tuple[_Endpoint, ...]]] = {  # requests of an account in a second, by what is asked
    "create": (10, (("POST", "swap", "trade/order"),)),
    "cancel": (10, (("DELETE", "swap", "trade/order"),)),
    "spot create": (5, (("POST", "spot", "trade/order"),)),
    "spot cancel": (5, (("POST", "spot", "trade/cancel"),)),
    "spot query": (10, (("GET", "spot", "trade/query"),)),  # not documented
    "spot open": (5, (("GET", "spot", "trade/openOrders"),)),
    "spot history": (5, (("GET", "spot", "trade/historyOrders"),)),  # not documented
    "spot fills": (5, (("GET", "spot", "trade/myTrades"),)),
    "spot balance": (5, (("GET", "spot", "account/balance"),)),
    "spot fees": (5, (("GET", "spot", "user/commissionRate"),)),  # not documented
    "query": (30, (("GET", "swap", "trade/order"),)),
    "open": (5, (("GET", "swap", "trade/openOrders"),)),
    "history": (5, (("GET", "swap", "trade/allOrders"),)),  # not documented
    "forced": (5, (("GET", "swap", "trade/forceOrders"),)),  # not documented
    "fills": (5, (("GET", "swap", "trade/fillHistory"),)),
    "positions": (10, (("GET", "swap", "user/positions"),)),
    "balance": (5, (("GET", "swap", "user/balance"),)),
    "mode": (2, (("GET", "swap", "positionSide/dual"),)),
    "leverage": (5, (("POST", "swap", "trade/leverage"),)),
    "margin type": (2, (("POST", "swap", "trade/marginType"),)),
    "margin": (5, (("POST", "swap", "trade/positionMargin"),)),  # not documented
    "income": (5, (("GET", "swap", "user/income"),)),
    "brackets": (10, (("GET", "swap", "maintMarginRatio"),)),  # not documented
    "fees": (5, (("GET", "swap", "user/commissionRate"),)),  # not documented
}

BINGX = Profile(
    id="bingx",
    ccxt_id="bingx",
    environments={
        "sim": EnvironmentSpec(
            "sim",
            SandboxMode.NONE,
            _HOST,
            has_transfers=True,
            has_fee_list=True,
            needs_session=True,
            checks=_ALL_CHECKS,
        ),
        "testnet": EnvironmentSpec(
            "testnet",
            SandboxMode.SANDBOX,
            frozenset({"open-api-vst.bingx.com"}),
            kinds=frozenset({Kind.PERP}),
            keys_from="bingx.com, API management; the key of the real account serves here",
            checks=_CHECKS,
        ),
        "mainnet": EnvironmentSpec(
            "mainnet",
            SandboxMode.NONE,
            _HOST,
            has_transfers=True,
            has_fee_list=True,
            keys_from="bingx.com, API management",
            checks=_ALL_CHECKS,
        ),
    },
    quotes=("USDT", "USDC"),
    forced_ids={  # such an order has no client id: `parse.py` gives it the name of its kind
        FORCED["LIQUIDATION"]: ForcedClose.LIQUIDATION,
        FORCED["ADL"]: ForcedClose.DELEVERAGING,
        FORCED["SETTLEMENT"]: ForcedClose.SETTLEMENT,
    },
    client_id_pattern=r"[a-z0-9]{1,40}",  # the venue writes all letters small, and spot takes no other signs
    receive_window_ms=5_000,
    receive_window_max_ms=5_000,
    visibility_lag_ms=5_000,
    buckets={
        ALL: (
            BucketSpec(WEIGHT, 500, 10 * SECOND_MS),  # of an address
            *(BucketSpec(name, limit[0], SECOND_MS) for name, limit in _LIMITS.items()),
        ),
    },
    sections=dict.fromkeys(("spot", "swap", "cswap", "api", "account"), ALL),
    weight_scale={ALL: Decimal(0)},  # every request counts one against the address
    weights={endpoint: {WEIGHT: 1, name: 1} for name, (_, endpoints) in _LIMITS.items() for endpoint in endpoints},
    order_paths=frozenset({"trade/order", "trade/cancel"}),
    # one admission serves an order or a cancel, of which the venue takes as many
    order_costs={ALL: {WEIGHT: 1, "create": 1}},
    spot_order_costs={ALL: {WEIGHT: 1, "spot create": 1}},
    path_markets=(("/openApi/", ALL),),
    errors=BINGX_ERRORS,
    markets=BingxMarkets(),
    market_types={Kind.SPOT: "spot", Kind.PERP: "swap"},
    options={"fetchCurrencies": False, "adjustForTimeDifference": False},
    notes=(
        "Spot and perps have wallets of their own; both can be moved between.",
        "Conditional orders of perps have no client id: they are found by symbol, side, size, trigger and time.",
        "The test environment (VST) has perps only, at the prices of the market.",
    ),
)
