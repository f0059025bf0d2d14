"""Binance orders in several and changed orders: batches, amendments, cancel-and-replace, order lists."""
