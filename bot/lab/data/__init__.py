"""Tables of recorded market data: download, check, shape."""
