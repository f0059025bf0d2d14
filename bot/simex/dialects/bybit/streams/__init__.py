"""Bybit's WebSockets: prices of a category, and what happens in an account."""
