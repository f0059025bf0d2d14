"""Every spot and wallet endpoint that is served, in one table."""

from bot.simex.dialects.binance.capital import CAPITAL_ROUTES
from bot.simex.dialects.binance.spot_account import SPOT_ACCOUNT_ROUTES
from bot.simex.dialects.binance.spot_market import SPOT_MARKET_ROUTES
from bot.simex.dialects.binance.spot_orders import SPOT_ORDER_ROUTES

SPOT_ROUTES = (*SPOT_MARKET_ROUTES, *SPOT_ORDER_ROUTES, *SPOT_ACCOUNT_ROUTES, *CAPITAL_ROUTES)
