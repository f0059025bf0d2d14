"""Proof and play: demo, back-test, sweep, data."""
