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
    taken = {fact.payload["replaces"] for fact in facts if "replaces" in fact.payload} | _of_trades(reader)
    result = []
    for payment, seq in _flows_after(reader, min(fact.seq for fact in facts), facts):
        if payment.at_ms <= origin_ms:
            continue
        for fact in (one for one in facts if one.seq < seq and one.seq not in taken):
            is_of_it = fact.payload["key"] == _key_of(payment) and Decimal(fact.payload["amount"]) == payment.amount
            if is_of_it and payment.at_ms <= _account_ms(fact) and "replaces" not in fact.payload:
                taken.add(fact.seq)
                lost = min(_lost(fact), max(ZERO, -payment.amount))
                result.append(_taking_back(fact, [payment], lost))
                break
    return tuple(result)


def counted_before(
    reader: JournalReader, found: Mapping[Difference, int], now_ms: int, origin_ms: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(trades, adjustments that take back payments): what was recorded after an adjustment of the last seven days that
    counts it, as it is journaled.

    The difference of the holding, which may be off by so many bps, shows them: it is all that the late trades moved,
    the late payments or both, taken back. Payments are known by the sum of their adjustment as well. Any other
    difference stays a mismatch. Trades and payments have the venue's times, and so has the account that was compared,
    from before it was asked for; the machine's clock may be off, and what came after that account was not accepted. A
    venue may write a later time than that of the money: such a payment is known by both amounts. A trade of others up
    to `origin_ms`, where the books begin, moves nothing in them, so there is nothing to take back.

    Only the newest adjustment of a holding counts: it has taken all that was recorded before it. Its direction says
    nothing of a trade, because it is the sum of all that had moved the holding, what nobody lists included.
    """
    trades: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    facts = _adjustments(reader, now_ms, origin_ms) if found else []
    for difference, bps in found.items():
        of_key = (fact for fact in facts if fact.payload["key"] == difference.key and "replaces" not in fact.payload)
        newest = next((fact for fact in of_key if Decimal(fact.payload["amount"])), None)
        if newest is None:
            continue
        tolerance = max(abs(difference.expected), abs(difference.actual)) * bps * BPS
        fills = _late_fills(reader, newest, origin_ms)
        paid, later = _late_payments(reader, newest, facts, origin_ms)
        amount = ZERO if newest.seq in _of_trades(reader) else Decimal(newest.payload["amount"])
        moved = sum((payment.amount for payment in paid), ZERO)
        by_fills = sum((_moved(fill, difference.key) for fill in fills), ZERO)
        if fills and abs(by_fills + difference.amount) <= tolerance:
            trades += [_counting(fill, difference.key, newest) for fill in fills]
        elif paid and (abs(moved + difference.amount) <= tolerance or (amount and abs(moved - amount) <= tolerance)):
            payments.append(_taking_back(newest, paid, _explained(facts, paid, moved)))
        elif fills and paid and abs(by_fills + moved + difference.amount) <= tolerance:
            trades += [_counting(fill, difference.key, newest) for fill in fills]
            payments.append(_taking_back(newest, paid, _explained(facts, paid, moved)))
        elif one := next(
            (p for p in later if p.amount == amount and abs(amount + difference.amount) <= tolerance), None
        ):
            payments.append(_taking_back(newest, [one], min(_lost(newest), max(ZERO, -one.amount))))
    return trades, payments


def _late_fills(reader: JournalReader, adjustment: Fact, origin_ms: int) -> list[Fill]:
    counted = {(fact.payload["symbol"], fact.payload["trade_id"]) for fact in reader.load_facts(COUNTED, _FACTS_MAX)}
    return [
        fill
        for fill, _ in reader.load_fills_after(adjustment.seq, origin_ms)
        if fill.at_ms <= _account_ms(adjustment)
        and (fill.symbol, fill.trade_id) not in counted
        and _moved(fill, adjustment.payload["key"])
    ]


def _late_payments(
    reader: JournalReader, adjustment: Fact, facts: Sequence[Fact], origin_ms: int
) -> tuple[list[Payment], list[Payment]]:
    """Those of before the account that was compared, and those of up to a day after it."""
    account_ms = _account_ms(adjustment)
    found = [
        payment
        for payment, _ in _flows_after(reader, adjustment.seq, facts)
        if _key_of(payment) == adjustment.payload["key"] and origin_ms < payment.at_ms <= account_ms + _EARLIER_MS
    ]
    return [one for one in found if one.at_ms <= account_ms], [one for one in found if one.at_ms > account_ms]


def _counting(fill: Fill, key: str, adjustment: Fact) -> dict[str, Any]:
    return {
        "symbol": fill.symbol,
        "trade_id": fill.trade_id,
        "key": key,
        "adjustment": adjustment.seq,
        "reason": f"trade {fill.trade_id} of {fill.symbol} is recorded now; what it moved was adjusted",
    }


def _of_trades(reader: JournalReader) -> set[int]:
    """Adjustments that trades explain, by their events."""
    return {fact.payload["adjustment"] for fact in reader.load_facts(COUNTED, _FACTS_MAX)}


def _adjustments(reader: JournalReader, now_ms: int, origin_ms: int) -> list[Fact]:
    """Those of the last seven days and of this account, the newest first."""
    known = (fact for fact in reader.load_facts(ADJUSTMENT, _FACTS_MAX) if fact.at_ms > now_ms - _LATE_MS)
    return [fact for fact in known if _account_ms(fact) >= origin_ms]


def _key_of(payment: Payment) -> str:
    """The holding that a deposit or withdrawal moves; empty for other payments."""
    if payment.kind in PERP_FLOWS:
        return WALLET
    return f"spot:{payment.asset}" if payment.kind in FLOWS else ""


def _flows_after(reader: JournalReader, seq: int, facts: Iterable[Fact]) -> list[tuple[Payment, int]]:
    """Deposits and withdrawals recorded after an event, each with its own, that no adjustment names as what it takes
    another back for. Older ones say so in words alone."""
    backs = [fact.payload for fact in facts if "replaces" in fact.payload]
    named = {(kind, number) for payload in backs for kind, number in payload.get("payments", ())}
    words = {payload["reason"] for payload in backs if "payments" not in payload}
    return [
        (payment, own)
        for payment, own in reader.load_payments_after(seq)
        if _key_of(payment) and (payment.kind, payment.id) not in named and f"{_LISTED} {payment.id}" not in words
    ]


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
