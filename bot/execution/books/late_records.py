"""What was adjusted before the venue listed it, and would count twice with the record beside the adjustment.

A deposit may be in the wallet before the venue's list has it, and a small withdrawal may be gone: the record takes the
place of the adjustment. What a trade moved may be accepted by an operator while its executions cannot be read: the
adjustment stays, and the trade moves the books no more. Orders whose executions are late are found here as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import BPS, ZERO
from bot.domain.order import Fill, Order
from bot.domain.symbol import holding_of
from bot.execution.books.ledger import WALLET, Baseline, Difference
from bot.execution.books.unexplained import ADJUSTMENT, COUNTED
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.ports import FLOWS, PERP_FLOWS, Payment

_FACTS_MAX = 10_000
_EARLIER_MS = DAY_MS  # the venue may write a later time than that of the money
_LATE_MS = 7 * DAY_MS
_LISTED = "the venue lists it now as"


def unfilled_orders(reader: JournalReader, baseline: Baseline | None, age_ms: int) -> tuple[Order, ...]:
    """Orders that executed more than is recorded, sent since so long before the books last agreed."""
    return reader.load_unfilled_reports(0 if baseline is None else baseline.agreed_ms - age_ms)


def replaced_adjustments(reader: JournalReader, now_ms: int, origin_ms: int) -> tuple[dict[str, Any], ...]:
    """Adjustments that take back those which payments explain that were recorded after them, to the last digit, each
    once. A process may have recorded a payment and ended before it took the adjustment back, so what is new is no
    matter. Adjustments of the account before, which ended at `origin_ms`, explain nothing of this one."""
    facts = _adjustments(reader, now_ms, origin_ms)
    if not facts:
        return ()
    taken = {fact.payload["replaces"] for fact in facts if "replaces" in fact.payload}
    result = []
    for payment, seq in reader.load_payments_after(min(fact.seq for fact in facts)):
        if payment.at_ms <= origin_ms or _is_taken_back(payment, facts):
            continue
        for fact in (one for one in facts if one.seq < seq and one.seq not in taken):
            is_of_it = fact.payload["key"] == _key_of(payment) and Decimal(fact.payload["amount"]) == payment.amount
            if is_of_it and fact.at_ms >= payment.at_ms - _EARLIER_MS and "replaces" not in fact.payload:
                taken.add(fact.seq)
                lost = min(_lost(fact), max(ZERO, -payment.amount))
                result.append(_taking_back(fact, [payment], lost))
                break
    return tuple(result)


def payments_counted_before(
    reader: JournalReader, found: Mapping[Difference, int], now_ms: int, origin_ms: int
) -> tuple[dict[str, Any], ...]:
    """Adjustments that take back what the newest adjustment of a holding counts of payments which were recorded after
    it: several of them, or one beside what passed for rounding. They are known by their sum, which is that of the
    adjustment, or all by which the holding differs; either may be off by so many bps. The venue's time shows that they
    came before it."""
    result = []
    facts = _adjustments(reader, now_ms, origin_ms) if found else []
    for difference, bps in found.items():
        of_key = (fact for fact in facts if fact.payload["key"] == difference.key and "replaces" not in fact.payload)
        newest = next(of_key, None)
        if newest is None:
            continue
        late = [
            payment
            for payment, _ in reader.load_payments_after(newest.seq)
            if _key_of(payment) == difference.key
            and origin_ms < payment.at_ms <= _account_ms(newest)
            and not _is_taken_back(payment, facts)
        ]
        moved = sum((payment.amount for payment in late), ZERO)
        tolerance = max(abs(difference.expected), abs(difference.actual)) * bps * BPS
        sums = (-difference.amount, Decimal(newest.payload["amount"]))
        if late and any(abs(moved - amount) <= tolerance for amount in sums):
            result.append(_taking_back(newest, late, _explained(facts, late, moved)))
    return tuple(result)


def _adjustments(reader: JournalReader, now_ms: int, origin_ms: int) -> list[Fact]:
    """Those of the last seven days and of this account, the newest first."""
    known = (fact for fact in reader.load_facts(ADJUSTMENT, _FACTS_MAX) if fact.at_ms > now_ms - _LATE_MS)
    return [fact for fact in known if _account_ms(fact) >= origin_ms]


def _key_of(payment: Payment) -> str:
    """The holding that a deposit or withdrawal moves; empty for other payments."""
    if payment.kind in PERP_FLOWS:
        return WALLET
    return f"spot:{payment.asset}" if payment.kind in FLOWS else ""


def _is_taken_back(payment: Payment, facts: Iterable[Fact]) -> bool:
    """Whether an adjustment names the payment as what it takes another back for; older ones say so in words alone."""
    named = [payment.kind, payment.id]
    return any(
        named in fact.payload.get("payments", ()) or fact.payload["reason"] == f"{_LISTED} {payment.id}"
        for fact in facts
        if "replaces" in fact.payload
    )


def _lost(fact: Fact) -> Decimal:
    return Decimal(fact.payload.get("lost", "0"))


def _explained(facts: Iterable[Fact], payments: Sequence[Payment], moved: Decimal) -> Decimal:
    """What counts as lost since the first of these payments and is none of it, now that they are listed: each may have
    been in several adjustments, with one sign or the other."""
    key, since_ms = _key_of(payments[0]), min(payment.at_ms for payment in payments)
    beside = [fact for fact in facts if fact.payload["key"] == key and _account_ms(fact) >= since_ms]
    left = sum((Decimal(fact.payload["amount"]) for fact in beside), ZERO) - moved
    return max(ZERO, sum(map(_lost, beside), ZERO) - max(ZERO, -left))


def _taking_back(fact: Fact, payments: Sequence[Payment], lost: Decimal) -> dict[str, Any]:
    moved = sum((payment.amount for payment in payments), ZERO)
    back = {
        "key": fact.payload["key"],
        "amount": str(ZERO - moved),
        "by": "bot",
        "replaces": fact.seq,
        "payments": [[payment.kind, payment.id] for payment in payments],
        "reason": f"{_LISTED} {', '.join(payment.id for payment in payments)}",
        "venue_ms": _account_ms(fact),
    }
    return back | ({"lost": str(ZERO - lost)} if lost else {})


def trades_counted_before(
    reader: JournalReader, found: Iterable[Difference], size_bps: int, now_ms: int, origin_ms: int
) -> tuple[dict[str, Any], ...]:
    """Trades recorded after an adjustment of the last seven days that counts what they moved, as they are journaled.

    The difference of the holding shows them: it is all that they moved, taken back. Any other difference stays a
    mismatch. Trades have the venue's times, and so has the account that was compared, from before it was asked for; the
    machine's clock may be off, and a trade of after that account was not accepted. A trade of others up to `origin_ms`,
    where the books begin, moves nothing in them, so there is nothing to take back.

    Only the newest adjustment of a holding counts: it has taken all that was recorded before it. Its direction says
    nothing of a trade, because it is the sum of all that had moved the holding, what nobody lists included.
    """
    counted = {(fact.payload["symbol"], fact.payload["trade_id"]) for fact in reader.load_facts(COUNTED, _FACTS_MAX)}
    newest: dict[str, Fact] = {}
    for fact in reader.load_facts(ADJUSTMENT, _FACTS_MAX):
        if fact.at_ms > now_ms - _LATE_MS and Decimal(fact.payload["amount"]) and "replaces" not in fact.payload:
            newest.setdefault(fact.payload["key"], fact)
    result: list[dict[str, Any]] = []
    for difference in (one for one in found if one.key in newest):
        adjustment = newest[difference.key]
        late = [
            fill
            for fill, _ in reader.load_fills_after(adjustment.seq, origin_ms)
            if fill.at_ms <= _account_ms(adjustment)
            and (fill.symbol, fill.trade_id) not in counted
            and _moved(fill, difference.key)
        ]
        moved = sum((_moved(fill, difference.key) for fill in late), ZERO)
        tolerance = max(abs(difference.expected), abs(difference.actual)) * size_bps * BPS
        if late and abs(moved + difference.amount) <= tolerance:
            result += [
                {
                    "symbol": fill.symbol,
                    "trade_id": fill.trade_id,
                    "key": difference.key,
                    "adjustment": adjustment.seq,
                    "reason": f"trade {fill.trade_id} of {fill.symbol} is recorded now; what it moved was adjusted",
                }
                for fill in late
            ]
    return tuple(result)


def _account_ms(adjustment: Fact) -> int:
    """The venue's time of the account that was compared. Adjustments of earlier versions have the time of their writing
    by the machine's clock, or by the venue's."""
    return int(adjustment.payload.get("venue_ms", adjustment.at_ms))


def _moved(fill: Fill, key: str) -> Decimal:
    """What a trade moves of a holding; 0 of another one's."""
    if holding_of(fill.symbol) != key:
        return ZERO
    in_kind = fill.fee if key == f"spot:{fill.fee_asset}" else ZERO
    return fill.size * fill.side.sign - in_kind
