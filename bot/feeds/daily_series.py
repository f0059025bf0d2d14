"""Daily series from a public web interface: fetched rarely, cached, with one request of a series at a time.

What fails is not asked for again at once, and what was known stays until it is too old for whoever uses it.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.feeds.concurrent_fetch import parsed
from bot.feeds.series.body import read_body
from bot.feeds.series.rows import DIGITS_MAX, number_of

BODY_BYTES_MAX = 64 * 1024 * 1024
ZERO_DAYS = 7  # so long a zero lasts before it is believed


@dataclass(frozen=True, slots=True)
class DailyRules:
    """When to ask again, what is too old, how much is kept."""

    refresh_ms: int = HOUR_MS
    retry_ms: int = 300_000
    age_max_ms: int = 2 * DAY_MS
    days: int = 400
    timeout_seconds: float = 15
    at_once: int = 4


class DailySeries:
    """Values by UTC day, by path below `base_url`. `parse` reads a body: its text, how many days are wanted and the
    time → the days that can be read. The session is given and not closed here.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        now_ms: Callable[[], int],
        base_url: str,
        parse: Callable[[str, int, int], "Days"],
        rules: DailyRules | None = None,
    ) -> None:
        self._session, self.now_ms, self._base_url, self._parse = session, now_ms, base_url.rstrip("/"), parse
        self.rules = rules or DailyRules()
        self._known: dict[str, Days] = {}
        self._asked_ms: dict[str, int] = {}
        self._failed: dict[str, tuple[int, str]] = {}

    async def refresh(self, paths: Mapping[str, str]) -> None:
        """Ask for the named paths that are due. Raises nothing: `known` and `failure` hold the result."""
        gate = asyncio.Semaphore(self.rules.at_once)
        async with asyncio.TaskGroup() as tasks:
            for name, path in paths.items():
                if self._is_due(name):
                    tasks.create_task(self._fetch(name, path, gate))

    def known(self, name: str) -> Mapping[int, Decimal]:
        """Value by day's start, ms; empty while none came."""
        return self._known[name].values if name in self._known else {}

    def native(self, name: str) -> Mapping[int, Decimal]:
        """The same at the newest prices; without the days of which the amounts are not known."""
        return self._known[name].native if name in self._known else {}

    def left_out(self, name: str) -> str | None:
        """Which days of the series could not be read, None when all could."""
        return self._known[name].left_out if name in self._known else None

    def failure(self, name: str) -> str | None:
        """Why the last question went wrong, None when it did not."""
        return self._failed[name][1] if name in self._failed else None

    def is_old(self, day_ms: int) -> bool:
        """Whether a newest value of that day is too old to speak of now."""
        return self.now_ms() - day_ms > self.rules.age_max_ms

    def _is_due(self, name: str) -> bool:
        now, rules = self.now_ms(), self.rules
        if name in self._failed and now - self._failed[name][0] < rules.retry_ms:
            return False
        return name not in self._asked_ms or now - self._asked_ms[name] >= rules.refresh_ms

    async def _fetch(self, name: str, path: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                text = await self._get(path)
                self._known[name] = await parsed(lambda text: self._parse(text, self.rules.days, self.now_ms()), text)
            except (aiohttp.ClientError, TimeoutError, ValueError, ArithmeticError, RecursionError) as error:
                self._failed[name] = (self.now_ms(), f"{name}: {str(error) or type(error).__name__}")
            else:
                self._asked_ms[name] = self.now_ms()
                self._failed.pop(name, None)

    async def _get(self, path: str) -> str:
        timeout = aiohttp.ClientTimeout(total=self.rules.timeout_seconds)
        async with self._session().get(self._base_url + path, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = await read_body(response, BODY_BYTES_MAX)
        return body.decode()


@dataclass(frozen=True, slots=True)
class Days:
    """A daily series as far as it could be read: `values` by day's start, ms; `left_out` says of the rest why. `native`
    is the same at the newest prices of what it counts, of days whose amounts the source has."""

    values: dict[int, Decimal]
    left_out: str | None = None
    native: Mapping[int, Decimal] = field(default_factory=dict)


def load_rows(text: str) -> Any:
    """JSON whose numbers keep their digits. NaN and Infinity stay what they are: only their own row is spoiled."""
    return json.loads(text, parse_float=number_of, parse_constant=Decimal)


def read_days(
    what: str, rows: Iterable[Any], read: Callable[[Any], tuple[int, Decimal]], days: int, now_ms: int
) -> Days:
    """The newest `days` of the rows that can be read, each by itself; of several of one day the latest counts.

    `read` gives a row's time, ms, and value. A row that it cannot read is left out and counted, and so are a time after
    tomorrow, and a zero between values: a source that fails writes zero, and value that is gone stays gone.

    Raises:
        ValueError: no row can be read.
    """
    readings, problems = [], []
    for row in rows:
        try:
            at_ms, value = read(row)
            if not 0 < at_ms <= now_ms + DAY_MS:
                raise ValueError(f"its time {at_ms} is not in the past")
            if value and abs(value.adjusted()) > DIGITS_MAX:
                raise ValueError(f"its value {str(value)[:40]} is no amount")
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            problems.append(f"{str(error) or type(error).__name__} in {str(row)[:80]}")
        else:
            readings.append((at_ms, value))
    readings.sort(key=lambda reading: reading[0])
    result = {at_ms - at_ms % DAY_MS: value for at_ms, value in readings}
    for day in _passing_zeros(result):
        problems.append(f"the value of day {day} is 0 between others")
        del result[day]
    if not result:
        raise ValueError(f"{what}: no row can be read" + (f"; {problems[0]}" if problems else ""))
    said = f"{len(problems)} of its rows left out: {problems[0]}" if problems else None
    return Days({day: result[day] for day in sorted(result)[-days:]}, said)


def _passing_zeros(found: Mapping[int, Decimal]) -> list[int]:
    """Days of zero with a value before and after, and those at the end that have not lasted for `ZERO_DAYS`."""
    ordered = sorted(found)
    valued = [day for day in ordered if found[day] != 0]
    if not valued:
        return []
    is_over = ordered[-1] - valued[-1] >= ZERO_DAYS * DAY_MS
    return [d for d in ordered if found[d] == 0 and valued[0] < d and (d < valued[-1] or not is_over)]
