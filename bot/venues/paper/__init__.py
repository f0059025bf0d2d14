"""Venues without a network: the paper account and the engine."""
