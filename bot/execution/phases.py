"""In which order approved intents are carried out (DESIGN §3)."""

from collections.abc import Collection, Sequence

from bot.domain.order import Intent, Purpose
from bot.risk import Approved


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
