"""Every endpoint that is served, in two tables: spot with the wallet endpoints, and USDⓈ-M futures."""

from dataclasses import replace

from bot.simex.dialects.binance.public.futures_data import FUTURES_DATA_ROUTES
from bot.simex.dialects.binance.public.rules import RULE_ROUTES
from bot.simex.dialects.binance.public.trades import TRADE_ROUTES_SPOT, TRADE_ROUTES_USDM
from bot.simex.dialects.binance.public.windows import WINDOW_ROUTES
from bot.simex.dialects.binance.spot_account import SPOT_ACCOUNT_ROUTES
from bot.simex.dialects.binance.spot_market import SPOT_MARKET_ROUTES
from bot.simex.dialects.binance.spot_orders import SPOT_ORDER_ROUTES
from bot.simex.dialects.binance.streams.key_routes import SPOT_KEY_ROUTES, USDM_KEY_ROUTES
from bot.simex.dialects.binance.trade.order_lists import ORDER_LIST_ROUTES
from bot.simex.dialects.binance.trade.spot_cancels import SPOT_CANCEL_ROUTES
from bot.simex.dialects.binance.trade.spot_changes import SPOT_CHANGE_ROUTES
from bot.simex.dialects.binance.trade.usdm_batch import USDM_BATCH_ROUTES
from bot.simex.dialects.binance.usdm_account import USDM_ACCOUNT_ROUTES
from bot.simex.dialects.binance.usdm_algo import USDM_ALGO_ROUTES
from bot.simex.dialects.binance.usdm_market import USDM_MARKET_ROUTES
from bot.simex.dialects.binance.usdm_orders import USDM_ORDER_ROUTES
from bot.simex.dialects.binance.wallet.capital import CAPITAL_ROUTES
from bot.simex.dialects.binance.wallet.futures_reads import FUTURES_READ_ROUTES
from bot.simex.dialects.binance.wallet.history import WALLET_ROUTES

_FIRST_VERSION = frozenset(
    f"/api/v3/{name}"
    for name in (
        *("exchangeInfo", "depth", "trades", "historicalTrades", "aggTrades", "klines"),
        *("ticker/24hr", "ticker/price", "ticker/bookTicker"),
    )
)
# market data of the first version, which older clients still ask for
V1_ROUTES = tuple(
    replace(route, path=route.path.replace("/v3/", "/v1/"))
    for route in (*SPOT_MARKET_ROUTES, *TRADE_ROUTES_SPOT)
    if route.path in _FIRST_VERSION
)
SPOT_ROUTES = (
    *SPOT_MARKET_ROUTES,
    *V1_ROUTES,
    *TRADE_ROUTES_SPOT,
    *WINDOW_ROUTES,
    *RULE_ROUTES,
    *SPOT_KEY_ROUTES,
    *SPOT_ORDER_ROUTES,
    *SPOT_CANCEL_ROUTES,
    *SPOT_CHANGE_ROUTES,
    *ORDER_LIST_ROUTES,
    *SPOT_ACCOUNT_ROUTES,
    *CAPITAL_ROUTES,
    *WALLET_ROUTES,
)
USDM_ROUTES = (
    *USDM_MARKET_ROUTES,
    *TRADE_ROUTES_USDM,
    *USDM_KEY_ROUTES,
    *FUTURES_DATA_ROUTES,
    *USDM_ORDER_ROUTES,
    *USDM_BATCH_ROUTES,
    *USDM_ALGO_ROUTES,
    *USDM_ACCOUNT_ROUTES,
    *FUTURES_READ_ROUTES,
)
