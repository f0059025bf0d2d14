"""Venues: exchanges through ccxt, and the paper account. Imports ports and domain; paper also simex."""
