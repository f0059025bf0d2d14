"""Every endpoint that is served, in two tables: spot with the wallet endpoints, and USDⓈ-M futures."""

from bot.simex.dialects.binance.spot_account import SPOT_ACCOUNT_ROUTES
from bot.simex.dialects.binance.spot_market import SPOT_MARKET_ROUTES
from bot.simex.dialects.binance.spot_orders import SPOT_ORDER_ROUTES
from bot.simex.dialects.binance.usdm_account import USDM_ACCOUNT_ROUTES
from bot.simex.dialects.binance.usdm_algo import USDM_ALGO_ROUTES
from bot.simex.dialects.binance.usdm_market import USDM_MARKET_ROUTES
from bot.simex.dialects.binance.usdm_orders import USDM_ORDER_ROUTES
from bot.simex.dialects.binance.wallet.capital import CAPITAL_ROUTES

SPOT_ROUTES = (*SPOT_MARKET_ROUTES, *SPOT_ORDER_ROUTES, *SPOT_ACCOUNT_ROUTES, *CAPITAL_ROUTES)
USDM_ROUTES = (*USDM_MARKET_ROUTES, *USDM_ORDER_ROUTES, *USDM_ALGO_ROUTES, *USDM_ACCOUNT_ROUTES)
