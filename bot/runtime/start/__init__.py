"""The start of a run: tried again, reported, and gone on with where the account checks refuse it."""
