"""Profit and loss of the usual periods, and equity over time, read from a journal.

    profit = load_profit(reader, sectors, now_ms, last=valuation_of(record, sectors))
    profit.today.total.net, profit.periods["7 d"].by_sleeve["defi.hedge"].funding

Both begin with the first valuation that the journal holds: a journal of a version before valuations has none until its
first cycle under this one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from bot.domain.codec import decode
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.money import decimal_context
from bot.domain.order import Purpose
from bot.domain.turn.valuation import VALUATION, Valuation
from bot.execution.books.agreed import BASELINE, CONVERSION, WATCHED
from bot.execution.books.ledger import Baseline
from bot.execution.books.unexplained import ADJUSTMENT, counted_trades, is_first_comparison
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.journal.record import CycleRecord
from bot.playbook.book.valuation import value_account
from bot.playbook.policy.membership import Sectors
from bot.report.profit.by_stance import divide
from bot.report.profit.ledger import OrderOf, ProfitLedger
from bot.report.profit.parts import Period, StanceProfit, Standing
from bot.report.profit.valued_before import amounts_added

START, TODAY = "start", "today"
SPANS = {"7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS}
_GAP_MS = 30 * MINUTE_MS  # a valuation as old as this still stands for the moment at which a period begins
_LAST = 1 << 62
_TAKEN_BACK = "first comparison taken back"


Marked = tuple[int, Valuation]
"""A number (of a cycle, or of an event) and the valuation of that moment."""


@dataclass(frozen=True, slots=True)
class Profit:
    """Periods by name: `start` (of the books), `today` (UTC), `7 d`, `30 d`, and `since` where one was asked for. Empty
    while the journal holds no valuation."""

    quote: str
    periods: Mapping[str, Period] = field(default_factory=dict)

    @property
    def today(self) -> Period | None:
        return self.periods.get(TODAY)

    @property
    def start(self) -> Period | None:
        return self.periods.get(START)


@dataclass(frozen=True, slots=True)
class _Event:
    at_ms: int
    seq: int
    kind: str
    value: Any


def valuation_of(record: CycleRecord, sectors: Sectors) -> Valuation:
    """The account as a recorded cycle saw it."""
    with decimal_context():
        return value_account(record.account, record.snapshot, sectors, record.decision.condition.value)


def load_profit(
    reader: JournalReader,
    sectors: Sectors,
    now_ms: int,
    *,
    last: Marked | None = None,
    since_ms: int | None = None,
) -> Profit:
    """Profit and loss of every period that the journal can state.

    Args:
        last: number and valuation of the last recorded cycle, where they are known: periods end there instead of with
            the last journaled valuation, which may be a quarter of an hour older.
        since_ms: also a period `since` that moment.

    Raises:
        JournalError: the journal cannot be read.
    """
    days = [_valuation(fact) for fact in reader.load_facts_by_step(VALUATION, DAY_MS)]
    if not days:
        return Profit(sectors.quote)
    begins = {START: days[0], **_begins(reader, now_ms, since_ms)}
    end = _end(reader, last)
    marks = {seq: value for seq, value in (*days, *begins.values(), end) if seq <= end[0]}
    with decimal_context():
        standings = standings_at(reader, sectors, sorted(marks.items()))
        periods = {
            name: replace(
                standings[end[0]].since(standings[seq], name),
                by_stance=_by_stance(dict([*days, (seq, begin), end]), standings, (seq, end[0]), sectors),
            )
            for name, (seq, begin) in begins.items()
            if seq in standings
        }
    return Profit(days[0][1].quote, periods)


def _by_stance(
    marks: Mapping[int, Valuation], standings: Mapping[int, Standing], span: tuple[int, int], sectors: Sectors
) -> dict[str, StanceProfit]:
    """A period by stance, divided at its days: at no mark that another period has put into them."""
    rows = [(value, standings[seq]) for seq, value in sorted(marks.items()) if span[0] <= seq <= span[1]]
    return divide(rows, sector_of(sectors))


def sector_of(sectors: Sectors) -> dict[str, str]:
    """The sector on whose behalf each token is traded."""
    return {asset: sectors.main(asset) or "" for asset in sectors.tokens}


def load_first_equity(reader: JournalReader) -> Decimal | None:
    """Equity with which the books begin, before any order; None while the journal holds no valuation."""
    first = reader.load_facts_by_step(VALUATION, _LAST)
    return _valuation(first[0])[1].equity if first else None


def load_daily(
    reader: JournalReader, sectors: Sectors, since_ms: int, until_ms: int, *, last: Marked | None = None
) -> tuple[Period, ...]:
    """Profit and loss from each day's first valuation (UTC) to the next day's, of days that begin since a moment and
    before another; the last one up to `last` (as for `load_profit`) or the newest valuation.

    Raises:
        JournalError: the journal cannot be read.
    """
    days = [_valuation(fact) for fact in reader.load_facts_by_step(VALUATION, DAY_MS)]
    if not days:
        return ()
    marks = sorted(dict([*days, _end(reader, last)]).items())
    with decimal_context():
        standings = standings_at(reader, sectors, marks)
        return tuple(
            standings[end].since(standings[begin], "day")
            for (begin, first), (end, _) in pairwise(marks)
            if since_ms <= first.at_ms < until_ms
        )


def _begins(reader: JournalReader, now_ms: int, since_ms: int | None) -> dict[str, tuple[int, Valuation]]:
    """Where each period begins: at the last valuation before its moment unless that is long before, else the first one
    after it."""
    moments = {TODAY: now_ms - now_ms % DAY_MS} | {name: now_ms - span for name, span in SPANS.items()}
    if since_ms is not None:
        moments["since"] = since_ms
    found = {}
    for name, moment in moments.items():
        before = reader.load_last_fact_before(VALUATION, moment)
        if before is not None and moment - before.at_ms <= _GAP_MS:
            found[name] = _valuation(before)
            continue
        after = reader.load_facts_by_step(VALUATION, _LAST, moment)
        if after:
            found[name] = _valuation(after[0])
    return found


def _end(reader: JournalReader, last: Marked | None) -> tuple[int, Valuation]:
    newest = _valuation(reader.load_facts(VALUATION, limit=1)[0])
    if last is None:
        return newest
    seq = reader.load_cycle_seq(last[0])
    return newest if seq is None or seq <= newest[0] else (seq, last[1])


def _valuation(fact: Fact) -> tuple[int, Valuation]:
    return fact.seq, decode(Valuation, fact.payload)


def standings_at(reader: JournalReader, sectors: Sectors, marks: list[tuple[int, Valuation]]) -> dict[int, Standing]:
    """The standing at each valuation, by its event. Fills count before a valuation that was journaled after them,
    payments before one that is younger than they are: the venue may list a payment hours later. What executed before
    the first valuation is in it, whenever it was journaled, and adjustments count by what they add to it. More marks
    are the last valuation before a paper account began anew, because the new one knows nothing of it, and the next one
    after a spot asset is first compared: what differs later stays unexplained."""
    first_seq, first = marks[0]
    added = amounts_added(reader, first_seq, first)
    booked = [
        replace(event, value={**event.value, "amount": str(added[event.seq])}) if _is_changed(event, added) else event
        for event in _booked(reader)
        if event.seq > first_seq and (event.kind != "fill" or event.at_ms > first.at_ms)
    ]
    ledger = ProfitLedger(first, sector_of(sectors), _uncompared(reader, first_seq))
    paid = [
        _Event(payment.at_ms, seq, "payment", payment)
        for payment, seq in reader.load_payments_after(0)
        if payment.at_ms > first.at_ms
    ]
    standings = {first_seq: ledger.stand(first)}
    next_booked = next_paid = 0
    restarts = [event for event in booked if event.kind == BASELINE]
    found = [reader.load_last_fact_before(VALUATION, event.at_ms) for event in restarts]
    compared = [event.seq for event in booked if event.kind in (WATCHED, _TAKEN_BACK)]
    found += [fact for seq in compared for fact in reader.load_events(1, seq, [VALUATION])]
    more = dict(_valuation(fact) for fact in found if fact is not None and first_seq < fact.seq <= marks[-1][0])
    for seq, valuation in sorted((more | dict(marks[1:])).items()):
        batch = []
        while next_booked < len(booked) and booked[next_booked].seq < seq:
            batch.append(booked[next_booked])
            next_booked += 1
        while next_paid < len(paid) and paid[next_paid].at_ms <= valuation.at_ms:
            batch.append(paid[next_paid])
            next_paid += 1
        for event in _in_order(batch):
            _apply(ledger, event)
        standings[seq] = ledger.stand(valuation)
    return standings


def _in_order(batch: list[_Event]) -> list[_Event]:
    """By time, but for a position that was restated: it comes after all that was recorded before it."""
    restated = sorted(event.seq for event in batch if event.kind == ADJUSTMENT and "entry" in event.value)
    return sorted(
        batch,
        key=lambda event: (bisect_left(restated, event.seq), event.seq in restated, event.at_ms, event.seq),
    )


def _apply(ledger: ProfitLedger, event: _Event) -> None:
    if event.kind == "fill":
        ledger.add_fill(*event.value)
    elif event.kind == "payment":
        ledger.add_payment(event.value)
    elif event.kind == ADJUSTMENT:
        ledger.add_adjustment(event.value)
    elif event.kind in (WATCHED, _TAKEN_BACK):
        ledger.compare(event.value["assets"])
    elif event.kind == CONVERSION:
        ledger.add_conversion(event.value)
    elif event.kind == BASELINE:
        ledger.restart(event.value.amounts, event.value.entries)


def _booked(reader: JournalReader) -> list[_Event]:
    """Fills, adjustments, conversions and new beginnings, in the order of their events. As in the books, a fill of an
    order that the journal does not know counts only if it is younger than the last beginning, and a trade that an
    adjustment counts does not."""
    counted = counted_trades(reader, 0)
    events = [
        _Event(fact.at_ms, fact.seq, kind, fact.payload)
        for kind in (CONVERSION, WATCHED)
        for fact in reader.load_facts_after(kind, 0)
    ]
    events += _adjustments(reader)
    origins = list(_origins(reader))
    events += [_Event(event.at_ms, event.seq, BASELINE, event.value) for event in origins[1:]]
    for seq, fill, value, meant in reader.load_booked_fills():
        origin_ms = next((event.value.origin_ms for event in reversed(origins) if event.seq < seq), 0)
        if (meant is None and fill.at_ms <= origin_ms) or (fill.symbol, fill.trade_id) in counted:
            continue
        order = None if meant is None else OrderOf(Purpose(meant.purpose), meant.campaign, meant.sector, meant.decided)
        events.append(_Event(fill.at_ms, seq, "fill", (fill, value, order)))
    return sorted(events, key=lambda event: event.seq)


def _adjustments(reader: JournalReader) -> Iterable[_Event]:
    """Those that say what moved. One of a first comparison does not: its amount is since the books of the account
    began, and every valuation since has taken part of it. The next valuation takes what is left, which is compared by
    then; and so it does where a payment that is listed later takes that adjustment back."""
    first: set[int] = set()
    for fact in reader.load_facts_after(ADJUSTMENT, 0):
        if is_first_comparison(fact.payload):
            first.add(fact.seq)
        elif fact.payload.get("replaces") in first:
            moved = {"assets": [fact.payload["key"].removeprefix("spot:")]}
            yield _Event(fact.at_ms, fact.seq, _TAKEN_BACK, moved)
        else:
            yield _Event(fact.at_ms, fact.seq, ADJUSTMENT, fact.payload)


def _is_changed(event: _Event, added: Mapping[int, Decimal]) -> bool:
    return event.kind == ADJUSTMENT and event.seq in added


def _uncompared(reader: JournalReader, first_seq: int) -> frozenset[str]:
    """Spot assets that the account's books compare only after the books of profit have begun."""
    before = [fact for fact in reader.load_facts_after(BASELINE, 0) if fact.seq < first_seq]
    baseline = decode(Baseline, before[-1].payload) if before else None
    known: set[str] = set(baseline.watched if baseline else ())
    later: set[str] = set()
    for fact in reader.load_facts_after(WATCHED, baseline.upto_seq if baseline else 0):
        (known if fact.seq < first_seq else later).update(fact.payload["assets"])
    return frozenset(later - known)


def _origins(reader: JournalReader) -> Iterable[_Event]:
    """The baselines with which books began, without those of each day that only roll on."""
    origin_ms = None
    for fact in reader.load_facts_after(BASELINE, 0):
        baseline = decode(Baseline, fact.payload)
        if baseline.origin_ms != origin_ms:
            origin_ms = baseline.origin_ms
            yield _Event(baseline.agreed_ms, fact.seq, BASELINE, baseline)
