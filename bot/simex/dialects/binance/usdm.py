"""Every USDⓈ-M futures endpoint that is served, in one table."""

from bot.simex.dialects.binance.usdm_account import USDM_ACCOUNT_ROUTES
from bot.simex.dialects.binance.usdm_algo import USDM_ALGO_ROUTES
from bot.simex.dialects.binance.usdm_market import USDM_MARKET_ROUTES
from bot.simex.dialects.binance.usdm_orders import USDM_ORDER_ROUTES

USDM_ROUTES = (*USDM_MARKET_ROUTES, *USDM_ORDER_ROUTES, *USDM_ALGO_ROUTES, *USDM_ACCOUNT_ROUTES)
