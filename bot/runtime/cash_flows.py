"""Money that came in or went out, so that a withdrawal is no loss and a deposit hides none.

The reconciler journals deposits and withdrawals that the venue lists, and what nothing else explains as an adjustment;
the peak of equity and the day's opening equity move along with both. Cash that is missing without a record of the venue
moves neither: the breakers see it as a loss. An operator may let the peak begin anew (`resume --rebase-peak`): after a
long fall nothing else ends the breaker that goes by it. Funding counts for the exits that it was paid for.
"""

from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.execution.books.ledger import WALLET
from bot.execution.books.unexplained import ADJUSTMENT
from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.playbook.positions.exits import with_funding
from bot.ports import FLOWS, PERP_FLOWS
from bot.runtime.kill.switch import ResumeRequest

PEAK_REBASED, BASELINE, FUNDING = "peak_rebased", "baseline", "funding"


def count_flows(memory: Memory, reader: JournalReader, snapshot: Snapshot, quote: str) -> Memory:
    """Peak and opening equity moved by the adjustments journaled since this memory was, the peak forgotten where an
    operator has said so. Raises JournalError.

    Tokens count at present prices, those without a price and perp contracts not at all.
    """
    since = reader.load_memory_seq()
    if reader.load_facts_after(PEAK_REBASED, since):
        memory = replace(memory, equity_peak=ZERO, peak_since_ms=snapshot.at_ms)
    facts = reader.load_facts_after(ADJUSTMENT, since)
    moved = sum((_value(fact.payload["key"], fact.payload["amount"], snapshot, quote) for fact in facts), ZERO)
    moved += _deposited(reader, since, snapshot, quote)
    moved += sum((Decimal(fact.payload.get("lost", "0")) for fact in facts), ZERO)  # a loss until somebody accepts it
    if moved == ZERO:
        return memory
    return replace(
        memory,
        equity_peak=max(ZERO, memory.equity_peak + moved) if memory.equity_peak else ZERO,
        day_start_equity=max(ZERO, memory.day_start_equity + moved) if memory.day_start_equity else ZERO,
    )


async def record_rebased(journal: Journal, request: ResumeRequest) -> None:
    """Write down that the peak begins anew, who said so and why. Raises JournalError."""
    await journal.record_fact(PEAK_REBASED, {"by": request.by, "reason": request.reason})


def _deposited(reader: JournalReader, since: int, snapshot: Snapshot, quote: str) -> Decimal:
    """Deposits less withdrawals journaled since, those from before the books began aside."""
    baseline = reader.load_facts(BASELINE, limit=1)
    origin_ms = int(baseline[0].payload["origin_ms"]) if baseline else 0
    paid = [payment for payment, _ in reader.load_payments_after(since) if payment.at_ms > origin_ms]
    spot = (_value(f"spot:{p.asset}", str(p.amount), snapshot, quote) for p in paid if p.kind in FLOWS)
    perp = (payment.amount for payment in paid if payment.kind in PERP_FLOWS and payment.asset == quote)
    return sum((*spot, *perp), ZERO)


def _value(key: str, amount: str, snapshot: Snapshot, quote: str) -> Decimal:
    asset = key.removeprefix("spot:")
    if key == WALLET or asset == quote:
        return Decimal(amount)
    price = snapshot.price(f"{asset}/{quote}") if key.startswith("spot:") else None
    return Decimal(amount) * (price or ZERO)


def count_funding(memory: Memory, reader: JournalReader) -> Memory:
    """Add the funding journaled since the last turn to the open exits, each payment once."""
    paid: dict[str, Decimal] = {}
    last = memory.payments_seq
    for payment, seq in reader.load_payments_after(last):
        last = max(last, seq)
        if payment.kind == FUNDING and payment.symbol is not None:
            paid[payment.symbol] = paid.get(payment.symbol, ZERO) - payment.amount
    return replace(with_funding(memory, paid), payments_seq=last)
