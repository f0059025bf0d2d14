"""The embedded exchange: a program of its own that knows nothing of the bot but its domain values."""
