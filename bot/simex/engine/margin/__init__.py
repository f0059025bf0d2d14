"""Margin: requirements, settings, funding, liquidation."""
