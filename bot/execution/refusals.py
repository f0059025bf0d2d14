"""Entries that the venue has refused for a reason that does not pass by itself are not sent again every cycle."""

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Intent, Purpose
from bot.domain.reason import Note, Reason

HOLD_MS = HOUR_MS
_ENTRIES = (Purpose.HEDGE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.TACTICAL_SHORT, Purpose.SCALP)


class RefusedEntries:
    """Remembers refusals for an hour by instrument, direction and purpose. What only reduces is never held back."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Side, Purpose], tuple[int, str]] = {}

    def record(self, intent: Intent, message: str, now_ms: int) -> None:
        if intent.purpose in _ENTRIES and not intent.reduce_only:
            self._known[intent.symbol, intent.side, intent.purpose] = (now_ms, message)

    def find(self, intent: Intent, now_ms: int) -> Note | None:
        """Why the intent is not sent; None where it may be."""
        at_ms, message = self._known.get((intent.symbol, intent.side, intent.purpose), (now_ms - HOLD_MS, ""))
        if intent.reduce_only or not 0 <= now_ms - at_ms < HOLD_MS:
            return None
        minutes = (now_ms - at_ms) // 60_000
        return Note(Reason.LEG_REFUSED, f"{message}, {minutes} min ago: not asked again yet", intent.symbol)
