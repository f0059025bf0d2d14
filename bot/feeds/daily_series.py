"""Daily series from a public web interface: asked for rarely, kept, and never waited for twice at once.

What fails is not asked for again at once, and what was known stays until it is too old for whoever uses it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

DAY_MS = 86_400_000
BODY_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DailyRules:
    """When to ask again, what is too old, how much is kept."""

    refresh_ms: int = 3_600_000
    retry_ms: int = 300_000
    age_max_ms: int = 2 * DAY_MS
    days: int = 400
    timeout_seconds: float = 15
    at_once: int = 4


class DailySeries:
    """Values by UTC day, by path below `base_url`. `parse` reads a body: its text and how many days are wanted → value
    by day's start. The session is given and not closed here.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        now_ms: Callable[[], int],
        base_url: str,
        parse: Callable[[str, int], dict[int, Decimal]],
        rules: DailyRules | None = None,
    ) -> None:
        self._session, self.now_ms, self._base_url, self._parse = session, now_ms, base_url.rstrip("/"), parse
        self.rules = rules or DailyRules()
        self._known: dict[str, dict[int, Decimal]] = {}
        self._asked_ms: dict[str, int] = {}
        self._failed: dict[str, tuple[int, str]] = {}

    async def refresh(self, paths: Mapping[str, str]) -> None:
        """Ask for the named paths that are due. Raises nothing: `known` and `failure` tell what came of it."""
        gate = asyncio.Semaphore(self.rules.at_once)
        async with asyncio.TaskGroup() as tasks:
            for name, path in paths.items():
                if self._is_due(name):
                    tasks.create_task(self._ask(name, path, gate))

    def known(self, name: str) -> Mapping[int, Decimal]:
        """Value by day's start, ms; empty while none came."""
        return self._known.get(name, {})

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

    async def _ask(self, name: str, path: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                self._known[name] = self._parse(await self._get(path), self.rules.days)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                self._failed[name] = (self.now_ms(), f"{name}: {str(error) or type(error).__name__}")
            else:
                self._asked_ms[name] = self.now_ms()
                self._failed.pop(name, None)

    async def _get(self, path: str) -> str:
        timeout = aiohttp.ClientTimeout(total=self.rules.timeout_seconds)
        async with self._session().get(self._base_url + path, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise ValueError(f"the answer is longer than {BODY_BYTES_MAX} bytes")
        return body.decode()


def refuse_constant(name: str) -> Decimal:
    """For `json.loads`: NaN and Infinity are no readings."""
    raise ValueError(f"a reading is {name}")
