"""WEEX, put together for the common code."""

from bot.venues.ccxt.adapter import Adapter
from bot.venues.weex.account_checks import WeexChecks
from bot.venues.weex.fee_rates import WeexFees
from bot.venues.weex.history import WeexHistory
from bot.venues.weex.profiles import WEEX
from bot.venues.weex.reads import WeexReads
from bot.venues.weex.requests import WeexWrites

ADAPTER = Adapter(WEEX, WeexReads, WeexWrites, WeexFees, WeexChecks, WeexHistory)
