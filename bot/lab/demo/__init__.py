"""The demo: one rotation on the embedded exchange."""
