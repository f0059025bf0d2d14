"""The supply of stablecoins from DefiLlama's public interface (PLAYBOOK §3).

One value per UTC day, fetched rarely and kept; a series that has grown old is missing, never carried on.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import aiohttp

from bot.domain.market import Macro
from bot.domain.money import dec
from bot.feeds.daily_series import DailyRules, DailySeries, Days, load_rows, read_days
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
        self.notes: Mapping[str, str] = {}
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
        note = self._days.left_out(name)
        self.notes = {name: note} if note else {}
        return Macro(name, "stablecoin supply", "USD", tuple(known), tuple(known.values()))


def parse_supply(text: str, days: int, now_ms: int) -> Days:
    """Supply by UTC day (its start, ms), the newest `days` of them; see `read_days` for what is left out.

    Reads a list of `{date, totalCirculatingUSD: {peggedUSD, peggedEUR, …}}`.

    Raises:
        ValueError: when the text is something else, or no row can be read.
    """
    rows = load_rows(text)
    if not isinstance(rows, list) or not rows:
        raise ValueError("no stablecoin series in the answer")
    return read_days("stablecoins", rows, _reading, days, now_ms)


def _reading(row: Any) -> tuple[int, Decimal]:
    value = sum((dec(part) for part in row["totalCirculatingUSD"].values()), Decimal(0))
    if value <= 0:
        raise ValueError(f"a reading of stablecoins is {value}")
    return int(row["date"]) * 1000, value
