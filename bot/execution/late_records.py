"""Cash that was adjusted before the venue listed what it was: the record takes the place of the adjustment.

A deposit may be in the wallet before the venue's list has it, and a small withdrawal may be gone. Both are adjusted
then; with the record beside the adjustment the money would count twice.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.execution.ledger import WALLET
from bot.execution.unexplained import ADJUSTMENT
from bot.journal.reader import JournalReader
from bot.ports import FLOWS, PERP_FLOWS, Payment

_FACTS_MAX = 10_000
_EARLIER_MS = DAY_MS  # the venue may write a later time than that of the money


def replaced_adjustments(
    reader: JournalReader, recorded: Sequence[Payment], after_seq: int
) -> tuple[dict[str, Any], ...]:
    """Adjustments that take back those which the payments explain, to the last digit, each once."""
    facts = [fact for fact in reader.load_facts(ADJUSTMENT, _FACTS_MAX) if fact.seq > after_seq]
    taken = {fact.payload["replaces"] for fact in facts if "replaces" in fact.payload}
    result = []
    for payment in recorded:
        key = WALLET if payment.kind in PERP_FLOWS else f"spot:{payment.asset}"
        for fact in facts if payment.kind in FLOWS | PERP_FLOWS else ():
            amount = Decimal(fact.payload["amount"])
            is_it = (
                fact.payload["key"] == key and amount == payment.amount and fact.at_ms >= payment.at_ms - _EARLIER_MS
            )
            if not is_it or fact.seq in taken or "replaces" in fact.payload:
                continue
            taken.add(fact.seq)
            lost = Decimal(fact.payload.get("lost", "0"))
            undone = {
                "key": key,
                "amount": str(ZERO - amount),
                "by": "bot",
                "replaces": fact.seq,
                "reason": f"the venue lists it now as {payment.id}",
            }
            result.append(undone | ({"lost": str(ZERO - lost)} if lost else {}))
            break
    return tuple(result)
