"""Binance's WebSockets: market streams, user data, the WebSocket API. Sessions are functions of messages and time."""
