"""WEEX, spot and USDT perps, as a dialect of the embedded exchange."""

CERTIFICATE_NAMES = ("weex.com", "*.weex.com")
