"""What is special about MEXC, as values: hosts, windows, rate limits, client ids.

Sources: MEXC spot v3 and contract v1 documentation (2025), ccxt 4.5.90. There is no test environment. A request about
perps is taken within ten seconds of its stamp, whatever it says: `fixed_window_ms`.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.durations import SECOND_MS
from bot.domain.instrument import Kind
from bot.ports import ForcedClose
from bot.venues.ccxt.profile import WEIGHT, BucketSpec, EnvironmentSpec, Profile, SandboxMode
from bot.venues.mexc.errors import MEXC_ERRORS
from bot.venues.mexc.markets import PERP, SPOT, MexcMarkets, mark_closed
from bot.venues.mexc.parse import FORCED

_HOSTS = frozenset({"api.mexc.com", "contract.mexc.com", "www.mexc.com"})  # ccxt names the last one and never asks it
_CHECKS = frozenset({"spot_wallet", "futures_wallet", "position_mode"})
_Endpoint = tuple[str, str, str]
SPOT_LIMIT = 300  # weight of one endpoint in ten seconds; the documents say 500, accounts have met 300
_SPOT_COSTS: Mapping[str, tuple[int, _Endpoint]] = {
    "create": (1, ("POST", "spot", "order")),
    "cancel": (1, ("DELETE", "spot", "order")),
    "query": (2, ("GET", "spot", "order")),
    "open": (3, ("GET", "spot", "openOrders")),
    "history": (10, ("GET", "spot", "allOrders")),
    "fills": (10, ("GET", "spot", "myTrades")),
    "account": (10, ("GET", "spot", "account")),
    "transfer": (1, ("POST", "spot", "capital/transfer")),
    "time": (1, ("GET", "spot", "time")),
    "markets": (25, ("GET", "spot", "exchangeInfo")),
    "tickers": (40, ("GET", "spot", "ticker/24hr")),
    "depth": (3, ("GET", "spot", "depth")),
    "candles": (1, ("GET", "spot", "klines")),
    "pairs of the key": (1, ("GET", "spot", "selfSymbols")),
}
_PERP_LIMIT = 20  # requests of one endpoint in two seconds
_PERP_PATHS: Mapping[str, _Endpoint] = {
    "create": ("POST", "contract", "order/create"),
    "cancel": ("POST", "contract", "order/cancel_with_external"),
    "stop": ("POST", "contract", "planorder/place"),
    "stop cancel": ("POST", "contract", "planorder/cancel"),
    "query": ("GET", "contract", "order/external/{symbol}/{external_oid}"),
    "query by id": ("GET", "contract", "order/get/{order_id}"),
    "open": ("GET", "contract", "order/list/open_orders"),
    "history": ("GET", "contract", "order/list/history_orders"),
    "stops": ("GET", "contract", "planorder/list/orders"),
    "fills": ("GET", "contract", "order/list/order_deals"),
    "assets": ("GET", "contract", "account/assets"),
    "positions": ("GET", "contract", "position/open_positions"),
    "mode": ("GET", "contract", "position/position_mode"),
    "funding paid": ("GET", "contract", "position/funding_records"),
    "transfers": ("GET", "contract", "account/transfer_record"),
    "leverage": ("POST", "contract", "position/change_leverage"),
    "margin": ("POST", "contract", "position/change_margin"),
    "tickers": ("GET", "contract", "ticker"),
    "depth": ("GET", "contract", "depth/{symbol}"),
    "candles": ("GET", "contract", "kline/{symbol}"),
    "funding": ("GET", "contract", "funding_rate/{symbol}"),
    "funding past": ("GET", "contract", "funding_rate/history"),
}
_MARKETS: _Endpoint = ("GET", "contract", "detail")

MEXC = Profile(
    id="mexc",
    ccxt_id="mexc",
    environments={
        name: EnvironmentSpec(
            name,
            SandboxMode.NONE,
            _HOSTS,
            has_transfers=True,
            needs_session=name == "sim",
            keys_from="mexc.com, API management",
            checks=_CHECKS,
        )
        for name in ("sim", "mainnet")
    },
    quotes=("USDT", "USDC"),
    forced_ids={
        FORCED["2"]: ForcedClose.LIQUIDATION,
        FORCED["4"]: ForcedClose.DELEVERAGING,
    },
    client_id_pattern=r"[a-z0-9]{1,32}",  # of spot no rule is published, of perps the length
    receive_window_ms=5_000,
    receive_window_max_ms=60_000,
    fixed_window_ms=10_000,
    visibility_lag_ms=5_000,
    buckets={
        SPOT: (
            BucketSpec(WEIGHT, SPOT_LIMIT, 10 * SECOND_MS),
            *(BucketSpec(name, SPOT_LIMIT, 10 * SECOND_MS) for name in _SPOT_COSTS),
        ),
        PERP: (
            BucketSpec(WEIGHT, _PERP_LIMIT, 2 * SECOND_MS),
            BucketSpec("markets", 1, 5 * SECOND_MS),
            *(BucketSpec(name, _PERP_LIMIT, 2 * SECOND_MS) for name in _PERP_PATHS),
        ),
    },
    sections={"spot": SPOT, "contract": PERP},
    weight_scale={SPOT: Decimal(1), PERP: Decimal(0)},  # of endpoints that are not named below, and not asked
    weights={
        **{endpoint: {name: cost} for name, (cost, endpoint) in _SPOT_COSTS.items()},
        **{endpoint: {name: 1} for name, endpoint in _PERP_PATHS.items()},
        _MARKETS: {"markets": 1},
    },
    order_paths=frozenset(
        {"order", "order/create", "order/cancel_with_external", "planorder/place", "planorder/cancel"}
    ),
    # one admission serves an order or a cancel, of whichever kind
    order_costs={SPOT: {"create": 1, "cancel": 1}, PERP: {"create": 1, "cancel": 1, "stop": 1, "stop cancel": 1}},
    path_markets=(("/api/v3/", SPOT), ("/api/v1/", PERP)),
    errors=MEXC_ERRORS,
    markets=MexcMarkets(),
    mark_closed=mark_closed,
    market_types={Kind.SPOT: "spot", Kind.PERP: "swap"},
    options={"fetchCurrencies": False, "adjustForTimeDifference": False},
    notes=(
        "There is no test environment.",
        "Spot has no conditional orders.",
        "Perps count contracts; their conditional orders have no client id and end after seven days.",
    ),
)
