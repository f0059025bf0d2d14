"""Market data: one snapshot of prices, histories and outside series."""
