"""Bybit, put together for the common code."""

from bot.venues.bybit.account_checks import BybitChecks
from bot.venues.bybit.fee_rates import BybitFees
from bot.venues.bybit.history import BybitHistory
from bot.venues.bybit.profiles import BYBIT
from bot.venues.bybit.reads import BybitReads
from bot.venues.bybit.requests import BybitWrites
from bot.venues.ccxt.adapter import Adapter

ADAPTER = Adapter(BYBIT, BybitReads, BybitWrites, BybitFees, BybitChecks, BybitHistory)
