"""Binance as a client sees it: spot and USD-M futures."""

CERTIFICATE_NAMES = (
    "binance.com",
    "*.binance.com",
    "binancefuture.com",
    "*.binancefuture.com",
    "binance.vision",
    "*.binance.vision",
    "*.testnet.binance.vision",
)
