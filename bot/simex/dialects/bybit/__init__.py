"""Bybit v5, unified account, as a dialect of the embedded exchange."""

CERTIFICATE_NAMES = ("bybit.com", "*.bybit.com")
