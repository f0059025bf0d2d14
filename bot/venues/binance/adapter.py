"""Binance, put together for the common code."""

from bot.venues.binance.account_checks import AccountChecks
from bot.venues.binance.fee_rates import FeeRates
from bot.venues.binance.history import BinanceHistory
from bot.venues.binance.profiles import BINANCE
from bot.venues.binance.reads import Reads
from bot.venues.binance.requests import Writes
from bot.venues.ccxt.adapter import Adapter

ADAPTER = Adapter(BINANCE, Reads, Writes, FeeRates, AccountChecks, BinanceHistory)
