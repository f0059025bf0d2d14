"""Bybit's streams."""
