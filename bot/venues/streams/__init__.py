"""Streams: what every venue shares of them."""
