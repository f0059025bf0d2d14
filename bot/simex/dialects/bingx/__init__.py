"""BingX, spot and USDT perps, as a dialect of the embedded exchange."""

CERTIFICATE_NAMES = ("bingx.com", "*.bingx.com")
