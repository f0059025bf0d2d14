"""In which order approved intents are carried out (DESIGN §3), and which entries are not sent again at once."""

from collections.abc import Collection, Sequence

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Intent, Purpose
from bot.domain.reason import Note, Reason
from bot.risk import Approved

HOLD_MS = HOUR_MS
_ENTRIES = (Purpose.HEDGE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.TACTICAL_SHORT, Purpose.SCALP)


def phase_of(intent: Intent, approved: Sequence[Approved], held_sales: Collection[str]) -> int:
    """When an intent's turn comes: that of its purpose, for the release of a hedge after the sale it follows.

    A sale that a hedge in doubt has held back once goes before the hedge: doubts on end do not hold it back for ever.
    """
    if intent.id in held_sales:
        return Purpose.RELEASE.phase
    sales = (item.intent for item in approved if item.intent.purpose is Purpose.REDUCE)
    if intent.purpose is Purpose.RELEASE and any(sale.sector == intent.sector for sale in sales):
        return Purpose.INCREASE.phase
    return intent.purpose.phase


class RefusedEntries:
    """Entries that the venue has refused for a reason that does not pass by itself are not sent again every cycle.

    Remembers refusals for an hour by instrument, direction and purpose. What only reduces is
    never held back.
    """

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
