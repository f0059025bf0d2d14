"""Cash that is missing without a record of the venue: up to which amount it is booked as an unlisted payment.

Up to `unexplained_max` of equity within a day the books are adjusted, and the loss breakers count it as a loss. Beyond
that it is a mismatch: entries stop until the venue lists what happened or an operator accepts it. Cash that came in is
adjusted whatever its size; it is no gain, because peak and opening equity move along.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.execution.books.ledger import Booked, Difference
from bot.journal.reader import MAX_SEQ, JournalReader

ADJUSTMENT = "adjustment"
COUNTED = "trade_counted"
"""An adjustment counts what this trade moved: it was recorded later, and moves the books no more."""
FIRST_COMPARED = "first compared now"
"""The reason of an adjustment that takes a spot asset as the account has it, because nobody has compared it before."""
_FACTS_MAX = 10_000


def booked_after(
    reader: JournalReader, seq: int, origin_ms: int, upto_seq: int = MAX_SEQ
) -> tuple[tuple[Booked, ...], tuple[Mapping[str, Any], ...]]:
    """Fills after an event, up to another, with the positions that were restated meanwhile, each after the fills that
    were recorded before it; and the other adjustments. Trades that an adjustment counts are left out."""
    counted = counted_trades(reader, seq)
    booked: list[Booked] = []
    others: list[Mapping[str, Any]] = []
    for fact in reader.load_facts_after(ADJUSTMENT, seq):
        if fact.seq > upto_seq:
            break
        if "entry" not in fact.payload:
            others.append(fact.payload)
            continue
        booked += [*_uncounted(reader.load_fills_after(seq, origin_ms, fact.seq), counted), fact.payload]
        seq = fact.seq
    return (*booked, *_uncounted(reader.load_fills_after(seq, origin_ms, upto_seq), counted)), tuple(others)


def counted_trades(reader: JournalReader, seq: int) -> set[tuple[str, str]]:
    """Symbols and numbers of the trades of which an event after `seq` says that an adjustment counts them."""
    facts = reader.load_facts_after(COUNTED, seq)
    return {(fact.payload["symbol"], fact.payload["trade_id"]) for fact in facts}


def is_first_comparison(adjustment: Mapping[str, Any]) -> bool:
    """Whether its amount is all that has moved a spot asset, without a record, since the books began."""
    return adjustment.get("by") == "bot" and adjustment.get("reason") == FIRST_COMPARED


def _uncounted(fills: Sequence[tuple[Fill, Decimal]], counted: set[tuple[str, str]]) -> list[tuple[Fill, Decimal]]:
    return [(fill, value) for fill, value in fills if (fill.symbol, fill.trade_id) not in counted]


def net_loss(cash: Sequence[Difference]) -> Decimal:
    """How much of the cash of both wallets together is missing; what moved between them is not."""
    return max(ZERO, -sum((difference.amount for difference in cash), ZERO))


def why_beyond(
    reader: JournalReader, cash: Sequence[Difference], account: Account, share_max: Decimal, now_ms: int
) -> Note | None:
    """Why the missing cash must not be adjusted, with what was adjusted within a day before; None while it may be."""
    lost = net_loss(cash)
    if lost == ZERO:
        return None
    before = adjusted_losses(reader, now_ms - DAY_MS)
    equity = reader.load_memory().day_start_equity or _cash_of(account) + lost
    bound = equity * share_max
    if lost + before <= bound:
        return None
    message = (
        f"{lost} {account.quote} are missing and the venue lists no payment for them; with {before} before within a day"
        f" that is more than {share_max} of the equity {equity:.2f}; entries stop until it is explained, or"
        " `sectorbot resume --accept-mismatch --reason …` accepts it"
    )
    numbers = {"missing": str(lost), "before": str(before), "bound": str(bound)}
    return Note(Reason.CASH_UNEXPLAINED, message, cash[0].key, numbers)


def _cash_of(account: Account) -> Decimal:
    return account.cash + (ZERO if account.is_unified else account.perp_wallet)


def adjusted_losses(reader: JournalReader, since_ms: int) -> Decimal:
    """Missing cash that the bot itself has adjusted since."""
    facts = reader.load_facts(ADJUSTMENT, _FACTS_MAX)
    return sum((Decimal(fact.payload.get("lost", "0")) for fact in facts if fact.at_ms > since_ms), ZERO)
