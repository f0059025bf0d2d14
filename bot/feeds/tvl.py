"""Total value locked from DefiLlama's public endpoints, and a source with fixed values.

The series are daily and slow, so they are fetched rarely and kept; a series that has grown old counts as missing,
so that no signal uses an old value unnoticed (PLAYBOOK §3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.domain.market import Tvl
from bot.domain.money import dec
from bot.feeds.amounts import native_levels
from bot.feeds.daily_series import DailyRules, DailySeries, Days, load_rows, read_days
from bot.ports import Answered, Unavailable

DEFILLAMA = "https://api.llama.fi"


class DefiLlamaTvl:
    """Sums of protocols and chains, by name, one value per UTC day.

    `parts` maps a name (`defi`, `infra`, `total`) to what is summed: `protocol:<slug>`, `chain:<name>` or `all`.
    `base_url` and `session` are given, so that tests stay on loopback; the session is not closed here.
    """

    def __init__(
        self,
        parts: Mapping[str, Sequence[str]],
        session: Callable[[], aiohttp.ClientSession],
        now_ms: Callable[[], int],
        *,
        base_url: str = DEFILLAMA,
        rules: DailyRules | None = None,
    ) -> None:
        self._paths = {part: _path_of(part) for group in parts.values() for part in group}
        self._parts = {name: tuple(group) for name, group in parts.items()}
        self._days = DailySeries(session, now_ms, base_url, parse_tvl, rules)

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        """The series that are known and fresh, oldest first; names without one are left out.

        Raises:
            Unavailable: when none of the names has one.
        """
        required = list(dict.fromkeys(part for name in names for part in self._parts.get(name, ())))
        await self._days.refresh({part: self._paths[part] for part in required})
        result = {name: series for name in names if (series := self._series(name)) is not None}
        if names and not result:
            raise Unavailable(f"TVL of {', '.join(names)}: {self._why(required)}")
        notes = {name: note for name in names if (note := self._note(name, is_known=name in result))}
        return Answered(result, notes)

    def _series(self, name: str) -> Tvl | None:
        """Sum over the days that every usable part knows. A part that is not known or old is left out of the whole sum,
        which stays comparable from day to day; without more than half of its parts the whole is unknown."""
        parts = self._parts.get(name, ())
        groups = [self._days.known(part) for part in parts if self._is_usable(part)]
        if 2 * len(groups) <= len(parts):
            return None
        days = sorted(set.intersection(*(set(group) for group in groups)))
        if not days or self._days.is_old(days[-1]):
            return None
        usable = [part for part in parts if self._is_usable(part)]
        native = [part for part in usable if self._days.native(part).keys() >= set(days)]
        rest = [part for part in usable if part not in native]
        return Tvl(
            name,
            tuple(days),
            _summed([self._days.known(part) for part in usable], days),
            _summed([self._days.native(part) for part in native], days) if native else (),
            _summed([self._days.known(part) for part in rest], days) if native else (),
        )

    def _is_usable(self, part: str) -> bool:
        known = self._days.known(part)
        return bool(known) and not self._days.is_old(max(known))

    def _note(self, name: str, *, is_known: bool) -> str:
        """What the sum of a name is without."""
        parts = self._parts.get(name, ())
        absent = [part for part in parts if not self._is_usable(part)]
        said = [f"{part}: {self._days.failure(part) or 'the newest value is too old'}" for part in absent]
        if is_known:
            said = [f"without {text}" for text in said]
            said += [f"{part}: {why}" for part in parts if (why := self._days.left_out(part)) is not None]
        return "; ".join(said)

    def _why(self, parts: Sequence[str]) -> str:
        reasons = [why for part in parts if (why := self._days.failure(part)) is not None]
        return "; ".join(reasons) or ("no source is configured" if not parts else "the newest value is too old")


def _summed(groups: Sequence[Mapping[int, Decimal]], days: Sequence[int]) -> tuple[Decimal, ...]:
    return tuple(sum((group[day] for group in groups), Decimal(0)) for day in days)


def parse_tvl(text: str, days: int, now_ms: int) -> Days:
    """Value by UTC day (its start, ms), the newest `days` of them; see `read_days` for what is left out.

    Reads a list of `{date, tvl}` (chains, all) or an object whose `tvl` lists `{date, totalLiquidityUSD}` (protocols),
    and the amounts that stand beside it there.

    Raises:
        ValueError: when the text is neither, or no row can be read.
    """
    body = load_rows(text)
    rows = body.get("tvl") if isinstance(body, dict) else body
    if not isinstance(rows, list) or not rows:
        raise ValueError("no TVL series in the answer")
    result = read_days("TVL", rows, _reading, days, now_ms)
    return replace(result, native=native_levels(body, result.values)) if isinstance(body, dict) else result


def _reading(row: Any) -> tuple[int, Decimal]:
    value = dec(row["totalLiquidityUSD"] if "totalLiquidityUSD" in row else row["tvl"])
    if value < 0:
        raise ValueError(f"a TVL reading is {value}")
    return int(row["date"]) * 1000, value


def _path_of(part: str) -> str:
    kind, _, name = part.partition(":")
    if part == "all":
        return "/v2/historicalChainTvl"
    if kind == "chain" and name:
        return f"/v2/historicalChainTvl/{quote(name, safe='')}"
    if kind == "protocol" and name:
        return f"/protocol/{quote(name, safe='')}"
    raise ValueError(f"TVL part {part!r}: use protocol:<slug>, chain:<name> or all")
