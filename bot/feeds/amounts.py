"""Value locked in amounts of tokens, at one price for all days, from DefiLlama's answer about a protocol.

Its `tokens` are the amounts of each day, `tokensInUsd` what they were worth. A token counts at the price of the newest
day that has both, so that a level moves when amounts do. A day of which anything cannot be read has no level: a token
left out would read as a withdrawal.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO, dec
from bot.feeds.series.rows import DIGITS_MAX

WORTH_TOLERANCE = Decimal("0.1")  # of the newest value, either way: beyond, the amounts are those of something else

Amounts = dict[int, dict[str, Decimal]]


def native_levels(body: Mapping[str, Any], values: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """The level of each day whose amounts can be read; empty where they do not make up the newest value.

    Args:
        body: the answer about a protocol.
        values: its value by day, as far as that could be read.
    """
    amounts, worth = _by_day(body.get("tokens")), _by_day(body.get("tokensInUsd"))
    prices: dict[str, Decimal] = {}
    for day in sorted(amounts.keys() & worth.keys()):
        for token, amount in amounts[day].items():
            if amount > 0 and worth[day].get(token, ZERO) > 0:
                prices[token] = worth[day][token] / amount
    newest = max(values)
    value = values[newest]
    differs = abs(sum(worth.get(newest, {}).values(), ZERO) - value) > WORTH_TOLERANCE * value
    if newest not in amounts or differs:
        return {}
    return {
        day: sum((amount * prices[token] for token, amount in held.items() if token in prices), ZERO)
        for day, held in amounts.items()
        if day in values
    }


def _by_day(rows: Any) -> Amounts:
    """Amounts by day and token; the latest row of a day counts, and one that cannot be read takes its day along."""
    found: dict[int, tuple[int, dict[str, Decimal] | None]] = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping) or isinstance(row.get("date"), bool) or not isinstance(row.get("date"), int):
            return {}  # a row without a time: nobody knows whose day it spoils
        at_ms = row["date"] * 1000
        day = at_ms - at_ms % DAY_MS
        if day not in found or found[day][0] <= at_ms:
            found[day] = at_ms, _amounts(row.get("tokens"))
    return {day: tokens for day, (_, tokens) in found.items() if tokens is not None}


def _amounts(tokens: Any) -> dict[str, Decimal] | None:
    if not isinstance(tokens, Mapping) or not tokens:
        return None
    try:
        result = {str(token): dec(amount) for token, amount in tokens.items()}
    except (TypeError, ValueError):
        return None
    is_sound = all(amount >= 0 and (not amount or abs(amount.adjusted()) <= DIGITS_MAX) for amount in result.values())
    return result if is_sound else None
