"""Binance market data beside books, candles and day tickers: the tape of trades, windows, ratios."""
