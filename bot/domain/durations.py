"""Lengths of time in milliseconds, and hours in a year of 365 days."""

from decimal import Decimal

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
YEAR_MS = 365 * DAY_MS
HOURS_PER_YEAR = Decimal(24 * 365)
