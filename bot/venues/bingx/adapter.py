"""BingX, put together for the common code."""

from bot.venues.bingx.account_checks import BingxChecks
from bot.venues.bingx.fee_rates import BingxFees
from bot.venues.bingx.history import BingxHistory
from bot.venues.bingx.profiles import BINGX
from bot.venues.bingx.reads import BingxReads
from bot.venues.bingx.requests import BingxWrites
from bot.venues.ccxt.adapter import Adapter

ADAPTER = Adapter(BINGX, BingxReads, BingxWrites, BingxFees, BingxChecks, BingxHistory)
