"""Binance wallet endpoints (/sapi): deposits, withdrawals, transfers."""
