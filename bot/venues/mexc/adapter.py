"""MEXC, put together for the common code."""

from bot.venues.ccxt.adapter import Adapter
from bot.venues.mexc.account_checks import MexcChecks
from bot.venues.mexc.fee_rates import MexcFees
from bot.venues.mexc.history import MexcHistory
from bot.venues.mexc.profiles import MEXC
from bot.venues.mexc.reads import MexcReads
from bot.venues.mexc.requests import MexcWrites

ADAPTER = Adapter(MEXC, MexcReads, MexcWrites, MexcFees, MexcChecks, MexcHistory)
