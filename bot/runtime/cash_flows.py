"""Money that came in or went out, so that a withdrawal is no loss and a deposit hides none.

The reconciler journals deposits and withdrawals that the venue lists, and what nothing else explains as an adjustment;
the peak of equity and the day's opening equity move along with both. Cash that is missing without a record of the venue
moves neither: the breakers see it as a loss. Nor does the adjustment of a first comparison: its amount is since the
books began, and the equity that was marked since has it. What is held of a token that the settings take into the
sectors, or out of them, moves both. An operator may let the peak begin anew (`resume --rebase-peak`): after a
long fall nothing else ends the breaker that goes by it. Funding counts for the exits that it was paid for.
"""

from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.codec import decode
from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.portfolio import Portfolio
from bot.domain.turn.valuation import VALUATION, Valuation
from bot.execution.books.ledger import WALLET
from bot.execution.books.unexplained import ADJUSTMENT, is_first_comparison
from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.playbook.book.portfolio import asset_price
from bot.playbook.policy.membership import Sectors
from bot.playbook.positions.exits import with_funding
from bot.ports import FLOWS, PERP_FLOWS, Payment
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
    found = reader.load_facts_after(ADJUSTMENT, since)
    facts = [fact for fact in found if not is_first_comparison(fact.payload)]
    moved = sum((_value(fact.payload["key"], fact.payload["amount"], snapshot, quote) for fact in facts), ZERO)
    moved += _deposited(reader, since, snapshot, quote)
    moved += sum((Decimal(fact.payload.get("lost", "0")) for fact in facts), ZERO)  # a loss until somebody accepts it
    return _moved(memory, moved)


def _moved(memory: Memory, amount: Decimal) -> Memory:
    if amount == ZERO:
        return memory
    return replace(
        memory,
        equity_peak=max(ZERO, memory.equity_peak + amount) if memory.equity_peak else ZERO,
        day_start_equity=max(ZERO, memory.day_start_equity + amount) if memory.day_start_equity else ZERO,
    )


def count_universe(
    memory: Memory, reader: JournalReader, snapshot: Snapshot, portfolio: Portfolio, sectors: Sectors
) -> Memory:
    """Peak and opening equity moved by what was held of tokens that have come into the sectors since equity was last
    marked, and by what is held of those that have left them: neither is a gain or a loss. Raises JournalError.

    Nothing moves, and nothing is remembered, by an account that cannot be priced or read whole. What was bought or sold
    by hand in between is in the cash, and what came in or went out is counted as a flow where it has a price. What has
    left counts at the price of the last valuation, or at the one with which it came. A token that is of a sector and
    has no price for the moment has not left.
    """
    if portfolio.unpriced or portfolio.unread:
        return memory
    held = {asset: one.total for asset, one in portfolio.account.balances.items() if one.total > 0}
    held.pop(portfolio.account.quote, None)
    counted: dict[str, Decimal] = {}
    uncounted: dict[str, Decimal] = {}
    moved = ZERO
    for asset in sorted(held.keys() | memory.counted.keys() | memory.uncounted.keys()):
        price, token = asset_price(asset, snapshot, sectors)
        size, is_waited_for = held.get(asset, ZERO), asset in memory.price_waits or token in sectors.tokens
        if price is not None:
            moved += memory.uncounted.get(asset, ZERO) * price
            counted[asset] = memory.counted.get(asset, price)
        elif is_waited_for:
            counted |= {asset: memory.counted[asset]} if asset in memory.counted else {}
            uncounted |= {asset: memory.uncounted[asset]} if asset in memory.uncounted else {}
        else:
            if asset in memory.counted:
                moved -= (size - _paid_of(asset, reader)) * _last_price(asset, reader, memory.counted[asset])
            uncounted[asset] = size
    counted = {asset: price for asset, price in counted.items() if asset in held}
    uncounted = {asset: size for asset, size in uncounted.items() if asset in held}
    if counted == memory.counted and uncounted == memory.uncounted:
        return memory
    return replace(_moved(memory, moved), counted=counted, uncounted=uncounted)


def _last_price(asset: str, reader: JournalReader, first: Decimal) -> Decimal:
    last = reader.load_facts(VALUATION, limit=1)
    known = decode(Valuation, last[0].payload).spot.get(asset) if last else None
    return known.price if known is not None else first


def _paid_of(asset: str, reader: JournalReader) -> Decimal:
    """What has come in of an asset since the memory was written, less what went out; without a price no flow has it."""
    paid = _paid(reader, reader.load_memory_seq())
    return sum((payment.amount for payment in paid if payment.kind in FLOWS and payment.asset == asset), ZERO)


async def record_rebased(journal: Journal, request: ResumeRequest) -> None:
    """Write down that the peak begins anew, who said so and why. Raises JournalError."""
    await journal.record_fact(PEAK_REBASED, {"by": request.by, "reason": request.reason})


def _deposited(reader: JournalReader, since: int, snapshot: Snapshot, quote: str) -> Decimal:
    """Deposits less withdrawals journaled since, those from before the books began aside."""
    paid = _paid(reader, since)
    spot = (_value(f"spot:{p.asset}", str(p.amount), snapshot, quote) for p in paid if p.kind in FLOWS)
    perp = (payment.amount for payment in paid if payment.kind in PERP_FLOWS and payment.asset == quote)
    return sum((*spot, *perp), ZERO)


def _paid(reader: JournalReader, since: int) -> list[Payment]:
    baseline = reader.load_facts(BASELINE, limit=1)
    origin_ms = int(baseline[0].payload["origin_ms"]) if baseline else 0
    return [payment for payment, _ in reader.load_payments_after(since) if payment.at_ms > origin_ms]


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
