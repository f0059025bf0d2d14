"""MEXC, spot and USDT perps, as a dialect of the embedded exchange."""

CERTIFICATE_NAMES = ("mexc.com", "*.mexc.com")
