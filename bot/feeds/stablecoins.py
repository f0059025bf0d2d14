"""The supply of stablecoins from DefiLlama's public interface: money that waits beside the market (PLAYBOOK §3).

One value per UTC day, fetched rarely and kept; a series that has grown old is missing, never carried on.
"""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import aiohttp

from bot.domain.market import Macro
from bot.domain.money import dec
from bot.feeds.daily_series import DAY_MS, DailyRules, DailySeries, refuse_constant
from bot.ports import Unavailable

DEFILLAMA = "https://stablecoins.llama.fi"
STABLECOINS = "stablecoins"
PATH = "/stablecoincharts/all"


class DefiLlamaStablecoins:
    """Circulating stablecoins of every chain and peg, in US dollars. A `MacroSource` of one name."""

    names = (STABLECOINS,)

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        now_ms: Callable[[], int],
        *,
        base_url: str = DEFILLAMA,
        rules: DailyRules | None = None,
    ) -> None:
        self._days = DailySeries(session, now_ms, base_url, parse_supply, rules)

    async def fetch_macro(self, name: str) -> Macro:
        """The series as far as it is known and fresh.

        Raises:
            Unavailable: there is none, with the reason.
        """
        await self._days.refresh({name: PATH})
        known = self._days.known(name)
        if not known or self._days.is_old(max(known)):
            raise Unavailable(self._days.failure(name) or "the newest value is too old")
        return Macro(name, "stablecoin supply", "USD", tuple(known), tuple(known.values()))


def parse_supply(text: str, days: int) -> dict[int, Decimal]:
    """Supply by UTC day (its start, ms), the newest `days` of them; the last reading of a day counts.

    Reads a list of `{date, totalCirculatingUSD: {peggedUSD, peggedEUR, …}}`.

    Raises:
        ValueError: when the text is something else.
    """
    rows = json.loads(text, parse_float=Decimal, parse_constant=refuse_constant)
    if not isinstance(rows, list) or not rows:
        raise ValueError("no stablecoin series in the answer")
    result = dict(_reading(row) for row in rows)
    return {day: result[day] for day in sorted(result)[-days:]}


def _reading(row: Any) -> tuple[int, Decimal]:
    try:
        at_ms = int(row["date"]) * 1000
        value = sum((dec(part) for part in row["totalCirculatingUSD"].values()), Decimal(0))
    except (AttributeError, KeyError, TypeError, InvalidOperation) as error:
        raise ValueError(f"a reading of stablecoins cannot be understood: {error!r}") from error
    if value <= 0:
        raise ValueError(f"a reading of stablecoins is {value}")
    return at_ms - at_ms % DAY_MS, value
