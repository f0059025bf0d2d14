"""Frozen values and tables. Imports no other package of the bot."""
