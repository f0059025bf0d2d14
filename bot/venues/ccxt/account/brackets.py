"""Leverage brackets of one account's perps, each with the time at which it was read."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.domain.brackets import Bracket, highest_leverage
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument
from bot.domain.money import ONE
from bot.ports import Unavailable
from bot.venues.ccxt.connection import FACTS_AGE_MAX_MS, Connection

BRACKETS_AGE_MAX_MS = HOUR_MS
"""How long brackets are used while the venue does not answer for them."""
_RETRY_MS = MINUTE_MS


class LeverageBrackets:
    """Knows the brackets of the loaded perps.

    They are asked for with the instruments and again after `FACTS_AGE_MAX_MS`. Without an answer the former ones hold
    for `BRACKETS_AGE_MAX_MS`; then, and before the first answer, a perp counts as leverage 1.

    Args:
        link: the connection whose instruments get the brackets.
        load: fetches the brackets of all perps.
    """

    def __init__(self, link: Connection, load: Callable[[], Awaitable[Mapping[str, tuple[Bracket, ...]]]]) -> None:
        self._link, self._load = link, load
        self._known: dict[str, tuple[int, tuple[Bracket, ...]]] = {}
        self._answered_ms: int | None = None
        self._tried_ms: int | None = None
        self._asked: frozenset[str] = frozenset()

    def are_due(self) -> bool:
        """Whether the brackets should be asked for again: perps are new, or the last answer is old."""
        perps = {symbol for symbol, result in self._link.instruments.items() if result.is_perp}
        if not perps:
            return False
        return not perps <= self._asked or self._age(self._answered_ms) >= FACTS_AGE_MAX_MS

    async def refresh(self, *, is_fresh: bool) -> None:
        """Ask for what is due; `is_fresh`: the instruments were just read from the venue. Failures are tried again
        after a minute."""
        has_perps = any(result.is_perp for result in self._link.instruments.values())
        is_due = (has_perps and is_fresh) or (self.are_due() and self._age(self._tried_ms) >= _RETRY_MS)
        if not is_due:
            return
        self._tried_ms = self._link.now_ms()
        try:
            result = await self._load()
        except Unavailable:
            return
        self._answered_ms = self._link.now_ms()
        self._known |= {symbol: (self._answered_ms, brackets) for symbol, brackets in result.items()}
        self._asked = frozenset(self._link.instruments)

    def applied(self, instrument: Instrument) -> Instrument:
        """The instrument with its brackets, or at leverage 1 without."""
        if not instrument.is_perp:
            return instrument
        read_ms, brackets = self._known.get(instrument.symbol, (None, ()))
        if not brackets or self._age(read_ms) >= BRACKETS_AGE_MAX_MS:
            return replace(instrument, leverage_max=ONE, brackets=())
        return replace(instrument, leverage_max=highest_leverage(brackets), brackets=brackets)

    def note(self, instrument: Instrument) -> str | None:
        """Why a perp counts as leverage 1; None when its brackets are known."""
        if not instrument.is_perp or instrument.brackets:
            return None
        if instrument.symbol not in self._known:
            return "its leverage brackets are not known; it counts as leverage 1"
        minutes = BRACKETS_AGE_MAX_MS // MINUTE_MS
        return f"its leverage brackets were last read more than {minutes} minutes ago; it counts as leverage 1"

    def _age(self, read_ms: int | None) -> int:
        return BRACKETS_AGE_MAX_MS if read_ms is None else abs(self._link.now_ms() - read_ms)
