"""The venues that the bot can trade at, and the folder of each."""

from collections.abc import Mapping

FOLDERS: Mapping[str, str] = {"binance": "bot.venues.binance"}
"""Venue id, as the settings name it, to the folder whose `adapter` module holds an `ADAPTER`."""
