"""Binance as a client sees it: spot and USD-M futures."""
