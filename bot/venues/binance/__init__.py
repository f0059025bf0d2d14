"""What is special about Binance."""
