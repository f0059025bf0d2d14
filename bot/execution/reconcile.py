"""Make journal and venue agree before anything is decided, and say so when they do not (DESIGN §4.4–4.10).

Start-up, recovery and the end of an ordinary cycle are this same path. Books are never made to agree by an invented
fill: what is unexplained locks its instrument until it is explained, or until an operator accepts it in writing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.domain.money import ZERO
from bot.domain.order import Order
from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.domain.symbol import SymbolSuccession, base_of, holding_of, is_perp
from bot.execution import unreadable
from bot.execution.books.agreed import BASELINE_AGE_MS, CONVERSION, AgreedBooks
from bot.execution.books.late_records import counted_before, replaced_adjustments, unfilled_orders
from bot.execution.books.ledger import (
    WALLET,
    Difference,
    awaited,
    conversions_in,
    differences,
    holdings,
    restated_entries,
    symbols_of,
)
from bot.execution.books.payment_readings import PaymentReadings
from bot.execution.books.unexplained import ADJUSTMENT, COUNTED, FIRST_COMPARED, net_loss, why_beyond
from bot.execution.foreign import ForeignOrders
from bot.execution.history_check import HistoryCheck
from bot.execution.order_reports import OLDER_MS, OrderReports
from bot.execution.rules import ExecutionRules
from bot.execution.unknown_outcomes import UNKNOWN_OUTCOME_STATES, UnknownOutcomes
from bot.journal.journal import Journal
from bot.ports import Listed, RecallsStops, Unavailable, Venue, defects_of

LATE_LIST_MS = 600_000  # a venue lists a payment so much later at most


@dataclass(frozen=True, slots=True)
class Truth:
    """The state of account and orders after a settlement.

    `working` has foreign orders too where they are adopted (intent id `foreign`).
    `is_agreed` is False while books and account differ without an explanation, or a foreign order halts the bot.
    `locked` names instruments that may only be reduced: journaled locks, and those with an order in doubt.
    `latency_ms` is the median time of the venue's answers meanwhile. `unseen` are client ids in `working` that the
    venue does not show to rest (`UnknownOutcomes.unseen`): they count in every cap, and protect nothing.
    """

    account: Account
    working: tuple[Order, ...]
    is_agreed: bool
    locked: frozenset[str]
    notes: tuple[Note, ...] = ()
    latency_ms: int = 0
    unseen: frozenset[str] = frozenset()


class Reconciler:
    """Settles orders, then compares holdings. One at a time: the caller holds the cycle's lock.

    `is_account_new`: the account begins with this process, as a paper account does; its first state is the baseline
    whatever the journal remembers of the one before. `successions`: what the exchange turns into what.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        rules: ExecutionRules,
        *,
        is_account_new: bool = False,
        successions: tuple[SymbolSuccession, ...] = (),
    ) -> None:
        self._successions = successions
        self._venue, self._journal, self._rules = venue, journal, rules
        self._evidence = OrderReports(venue, journal, rules)
        self._unknown_outcomes = UnknownOutcomes(venue, journal, rules, self._evidence)
        self._foreign = ForeignOrders(venue, journal, rules, self._evidence)
        self._history = HistoryCheck(venue, journal, rules, self._evidence)
        self._history.is_done = is_account_new
        self._payments = PaymentReadings(rules.timing.payments_interval_ms)
        self._symbols: Sequence[str] = ()  # those of the last settlement
        self._reviewed_seq = 0
        self._needs_baseline = is_account_new
        self._books = AgreedBooks(journal)

    @property
    def has_checked_history(self) -> bool:
        """Whether the account's past has been searched for orders that the journal does not know."""
        return self._history.is_done

    async def settle(self, symbols: Sequence[str]) -> Truth:
        """The truth about the account and every order of ours.

        Args:
            symbols: the instruments the bot trades; spot assets outside of them are not compared.

        Raises:
            Unavailable: the venue could not be read; decide nothing.
            JournalError: the journal failed; send nothing.
        """
        self._symbols = symbols
        try:
            async with asyncio.timeout(self._rules.timing.settle_deadline_ms / 1000):
                return await self._settle(symbols)
        except TimeoutError:
            raise Unavailable(f"settling took longer than {self._rules.timing.settle_deadline_ms} ms") from None

    async def accept(self, *, by: str, reason: str) -> tuple[Note, ...]:
        """An operator's word that the account is right where the books differ: one adjustment per difference, also per
        one so small that it passes for rounding. It would be a mismatch as soon as less of that token is held.

        The executions of what differs, or differed when it was locked, are read first: what the operator has traded
        himself a moment ago may hide a difference, and would be one as soon as it is recorded.

        Raises:
            Unavailable: the account, or an unknown order with our mark that rested, could not be read.
            ValueError: when nobody signs, or no reason is given.
        """
        if not by.strip() or not reason.strip():
            raise ValueError("an adjustment needs the name of who makes it and a reason")
        account = self._believed(await self._evidence.read(self._venue.fetch_account(), "account"))
        notes: list[Note] = []
        if differing := self._differing(await self._compare(account)):
            notes.extend(await self._explain(differing))
            account = self._believed(await self._evidence.read(self._venue.fetch_account(), "account"))
        await self._foreign.adopt_resting()
        notes += await self._restate_entries(account, by, reason)
        _, counted = await self._count_once(await self._compare(account), account)
        found = await self._compare(account, is_exact=True)
        notes += [*counted, *[await self._adjust(one, account.at_ms, by=by, reason=reason) for one in found]]
        await self._evidence.others.accept(by=by, reason=reason)
        await self._unlock(frozenset())
        return tuple(notes)

    async def _settle(self, symbols: Sequence[str]) -> Truth:
        working = self._journal.reader.load_working()
        if isinstance(self._venue, RecallsStops):
            unfilled = unfilled_orders(self._journal.reader, self._books.baseline(), BASELINE_AGE_MS)
            self._venue.recall_stops((*unfilled, *working))
        requested = sorted({*symbols, *(order.symbol for order in working)})
        self._evidence.take_defects()
        asked_ms = self._venue.now_ms()
        reports = await self._evidence.read(self._venue.fetch_open_orders(requested), "open orders")
        notes = list(await self._unknown_outcomes.settle(working, reports))
        foreign = await self._foreign.review(reports)
        notes.extend(foreign.notes)
        notes.extend(await self._collect_missing_fills())
        notes.extend(await self._collect_payments_if_due())
        account = await self._evidence.read(self._venue.fetch_account(), "account")
        notes.extend(await self._history.run(requested, account, self._books.baseline()))
        account, mismatched, more = await self._agree(account, symbols)
        account = replace(account, unexplained={d.key: d.amount for d in mismatched if not _is_cash(d, account)})
        notes.extend(more)
        notes.extend(await self._review_new_fills())
        await self._roll_books(account)
        notes.extend(self._evidence.others.notes())
        working = self._journal.reader.load_working()
        notes.extend(await self._lock_old_unknown_outcomes(working))
        doubtful = {order.symbol for order in working if order.state in UNKNOWN_OUTCOME_STATES}
        is_known = self._history.is_done and not self._foreign.has_unresolved
        is_ours_alone = is_known and not self._evidence.others.is_suspected()
        unread = unreadable.review(account, self._evidence.take_defects(), symbols)
        notes.extend(unread.notes)
        return Truth(
            account=account,
            working=(*working, *foreign.working),
            is_agreed=not mismatched and not foreign.is_halting and is_ours_alone and not unread.is_unbounded,
            locked=frozenset(self._journal.reader.load_locks()) | doubtful | unread.locked,
            notes=tuple(notes),
            latency_ms=self._evidence.take_latency_ms(),
            unseen=self._unknown_outcomes.unseen(working, reports, asked_ms),
        )

    async def _agree(
        self, account: Account, symbols: Sequence[str]
    ) -> tuple[Account, tuple[Difference, ...], tuple[Note, ...]]:
        """Compare, look for what explains a difference, compare again; then adjust cash and lock what is left."""
        account = self._believed(account)
        if (self._needs_baseline or self._books.baseline() is None) and not account.unreadable:
            upto = self._journal.reader.count_events()
            await self._books.write(holdings(account), account, account.at_ms, upto, _spot_assets(symbols))
            self._needs_baseline = False
        await self._watch(account, symbols)
        notes: list[Note] = []
        result = await self._compare(account)
        for round_number in range(self._rules.timing.mismatch_rounds):
            if not result:
                break
            if round_number:
                await asyncio.sleep(self._rules.timing.mismatch_interval_ms / 1000)
            notes.extend(await self._explain({symbol for d in result for symbol in symbols_of(d.key, symbols)}))
            account = self._believed(await self._evidence.read(self._venue.fetch_account(), "account"))
            result, converted = await self._convert(await self._compare(account), account)
            result, counted = await self._count_once(result, account)
            notes.extend((*converted, *counted))
        cash = tuple(difference for difference in result if _is_cash(difference, account))
        mismatched = tuple(difference for difference in result if difference not in cash)
        notes.extend([await self._lock(difference, symbols) for difference in mismatched])
        if cash and not mismatched and await self._restate_entries(account, "bot", "the venue has another entry"):
            cash = await self._compare(account)
        if cash and not mismatched:
            share_max, now_ms = self._rules.unexplained_max, self._venue.now_ms()
            if (why := why_beyond(self._journal.reader, cash, account, share_max, now_ms)) is not None:
                mismatched = cash
                notes.append(why)
            else:
                notes.extend(await self._adjust_cash(cash, account.at_ms))
        await self._unlock(frozenset(s for d in mismatched for s in symbols_of(d.key, symbols)))
        return account, mismatched, tuple(notes)

    async def _roll_books(self, account: Account) -> None:
        """Start the books afresh once a day. A baseline closes what is before it: its executions are not looked at
        again, nor are its payments asked for. So it waits until all of them were looked at, and payments just read,
        for however many days: those of a half that does not answer, or in a row that cannot be read, would be lost."""
        baseline = self._books.baseline()
        if baseline is None or not self._books.is_due(account, baseline):
            return
        seen_seq = max(self._reviewed_seq, baseline.upto_seq)
        is_looked_at = not self._journal.reader.load_fills_after(seen_seq, baseline.origin_ms)
        are_read = self._payments.may_close(account.at_ms, baseline.agreed_ms)
        if is_looked_at and are_read and not await self._compare(account):
            await self._books.roll(account, baseline)

    def _believed(self, account: Account) -> Account:
        """The account, with what the books say of holdings whose rows could not be read."""
        baseline = self._books.baseline()
        if baseline is None or not account.unreadable:
            return account
        return unreadable.believed(account, self._books.expected(baseline, account)[0])

    async def _compare(self, account: Account, *, is_exact: bool = False) -> tuple[Difference, ...]:
        """Differences that are not explained by an order in doubt: its instrument and all cash wait for its end.
        `is_exact`: of sizes also those that pass for rounding."""
        baseline = self._books.baseline()
        if baseline is None:
            return ()
        result = differences(
            self._books.expected(baseline, account)[0],
            holdings(account),
            watched=self._books.watched(baseline),
            quote=account.quote,
            size_bps=0 if is_exact else self._rules.timing.size_tolerance_bps,
            cash_bps=self._rules.timing.cash_tolerance_bps,
            entries={symbol: held.entry_price for symbol, held in account.positions.items()},
        )
        uncertain = {holding_of(symbol) for symbol in self._unknown_symbols()}
        return tuple(d for d in result if not uncertain or (d.key not in uncertain and not _is_cash(d, account)))

    async def _convert(
        self, found: tuple[Difference, ...], account: Account
    ) -> tuple[tuple[Difference, ...], tuple[Note, ...]]:
        """Take for what they are the differences that an exchange makes by turning one asset into another."""
        created = conversions_in(found, self._successions, self._rules.timing.size_tolerance_bps)
        for conversion in created:
            await self._journal.record_fact(CONVERSION, conversion.payload)
        notes = tuple(Note(Reason.TOKEN_RENAMED, c.payload["reason"], c.becomes, c.payload) for c in created)
        return await self._compare(account) if created else found, notes

    async def _count_once(
        self, found: tuple[Difference, ...], account: Account
    ) -> tuple[tuple[Difference, ...], tuple[Note, ...]]:
        """Leave out of the books what an adjustment counts: it was made before the trade or payment could be read."""
        now_ms, books, reader = self._venue.now_ms(), self._books.baseline(), self._journal.reader
        sizes, cash = self._rules.timing.size_tolerance_bps, self._rules.timing.cash_tolerance_bps
        origin_ms = 0 if books is None else books.origin_ms
        tolerances = {difference: cash if _is_cash(difference, account) else sizes for difference in found}
        trades, payments = counted_before(reader, tolerances, now_ms, origin_ms)
        for trade in trades:
            await self._journal.record_fact(COUNTED, trade)
        for payment in payments:
            await self._journal.record_fact(ADJUSTMENT, payment)
        both = (*trades, *payments)
        notes = tuple(Note(Reason.BALANCE_MISMATCH, one["reason"], one["key"]) for one in both)
        return await self._compare(account) if both else found, notes

    def _differing(self, found: Iterable[Difference]) -> set[str]:
        """The instruments that can explain these differences, and those that are locked for one."""
        locked = {s for s, why in self._journal.reader.load_lock_reasons().items() if why == Reason.POSITION_MISMATCH}
        return locked.union(symbol for d in found for symbol in symbols_of(d.key, self._symbols))

    async def _explain(self, differing: Iterable[str]) -> tuple[Note, ...]:
        """Fetch executions of the instruments that differ, and payments."""
        baseline = self._books.baseline()
        since_ms = 0 if baseline is None else baseline.agreed_ms - OLDER_MS
        notes: list[Note] = []
        for symbol in sorted(differing):
            notes.extend(await self._collect_fills(symbol, since_ms))
        notes.extend(await self._collect_payments())
        return tuple(notes)

    async def _collect_missing_fills(self) -> tuple[Note, ...]:
        """Fills of orders that executed more than is recorded, one reading per instrument."""
        oldest: dict[str, int] = {}
        for order in unfilled_orders(self._journal.reader, self._books.baseline(), BASELINE_AGE_MS):
            oldest[order.symbol] = min(order.sent_ms, oldest.get(order.symbol, order.sent_ms))
        notes: list[Note] = []
        for symbol, sent_ms in sorted(oldest.items()):
            notes.extend(await self._collect_fills(symbol, sent_ms - OLDER_MS))
        return tuple(notes)

    async def _collect_fills(self, symbol: str, since_ms: int) -> tuple[Note, ...]:
        try:
            await self._evidence.collect_fills(symbol, since_ms)
        except Unavailable as error:
            return (Note(Reason.VENUE_UNAVAILABLE, f"executions of {symbol} could not be read: {error}", symbol),)
        return ()

    async def _review_new_fills(self) -> tuple[Note, ...]:
        """Look once at every fill since the baseline, whoever recorded it: some may belong to nobody we know."""
        baseline = self._books.baseline()
        if baseline is None:
            return ()
        seen, upto = max(self._reviewed_seq, baseline.upto_seq), self._journal.reader.count_events()
        fills = self._journal.reader.load_fills_after(seen, baseline.origin_ms)
        notes = await self._foreign.explain_fills([fill for fill, _ in fills])
        if not self._foreign.has_unresolved:
            self._reviewed_seq = upto
        return notes

    async def _collect_payments_if_due(self) -> tuple[Note, ...]:
        baseline, now_ms = self._books.baseline(), self._venue.now_ms()
        if not self._payments.is_due(now_ms, now_ms if baseline is None else baseline.agreed_ms):
            return ()
        return await self._collect_payments()

    async def _collect_payments(self) -> tuple[Note, ...]:
        baseline = self._books.baseline()
        now_ms = self._venue.now_ms()
        since_ms = now_ms if baseline is None else baseline.agreed_ms - LATE_LIST_MS
        try:
            payments = await self._evidence.read(self._venue.fetch_payments(since_ms), "payments")
        except Unavailable as error:
            return (Note(Reason.VENUE_UNAVAILABLE, f"payments could not be read: {error}"),)
        notes: list[Note] = []
        recorded = await self._journal.record_payments(payments)
        for undone in replaced_adjustments(self._journal.reader, now_ms, baseline.origin_ms if baseline else 0):
            await self._journal.record_fact(ADJUSTMENT, undone)
        # only now: what the journal did not take is asked for again
        is_whole = not isinstance(payments, Listed) or payments.is_whole
        self._payments.note(now_ms, is_whole=is_whole, is_readable=not defects_of(payments))
        for payment in recorded:
            if "liquidation" in payment.kind.lower() or "insurance" in payment.kind.lower():
                message = f"{payment.symbol}: {payment.kind} of {payment.amount} {payment.asset}"
                notes.append(Note(Reason.LIQUIDATED, message, payment.symbol or ""))
        return tuple(notes)

    async def _adjust_cash(self, cash: Sequence[Difference], at_ms: int) -> list[Note]:
        """Take small differences of cash as they are; what is missing in all is written down with the first of them."""
        message = "money came in or went out by a way the venue does not list"
        lost = [net_loss(cash), *[ZERO] * (len(cash) - 1)]
        return [
            await self._adjust(difference, at_ms, by="bot", reason=message, lost=part)
            for difference, part in zip(cash, lost, strict=True)
        ]

    async def _restate_entries(self, account: Account, by: str, reason: str) -> list[Note]:
        """Take the entry prices of the account; an order in doubt has its instrument wait."""
        baseline = self._books.baseline()
        if baseline is None:
            return []
        unknown = self._unknown_symbols()
        return [
            await self._adjust(difference, account.at_ms, by=by, reason=reason)
            for difference in restated_entries(self._books.expected(baseline, account)[0], account)
            if difference.key.removeprefix("perp:") not in unknown
        ]

    async def _adjust(self, difference: Difference, at_ms: int, *, by: str, reason: str, lost: Decimal = ZERO) -> Note:
        payload: dict[str, Any] = {"key": difference.key, "amount": str(difference.amount), "by": by, "reason": reason}
        payload["venue_ms"] = at_ms  # of the account that was compared: what comes after it was not accepted
        payload |= {"lost": str(lost)} if lost else {}
        if difference.entry is not None:
            payload["entry"] = str(difference.entry)
        await self._journal.record_fact(ADJUSTMENT, payload)
        message = f"{difference.key}: adjusted by {difference.amount}, {reason}"
        return Note(Reason.BALANCE_MISMATCH, message, difference.key, difference.numbers)

    async def _lock(self, difference: Difference, symbols: Sequence[str]) -> Note:
        message = (
            f"{difference.key}: the account has {difference.actual}, the journal explains {difference.expected};"
            f" only reductions until it is explained or accepted{awaited(difference, self._successions)}"
        )
        note = Note(Reason.POSITION_MISMATCH, message, difference.key, difference.numbers)
        reasons = self._journal.reader.load_lock_reasons()
        for symbol in symbols_of(difference.key, symbols):
            if symbol not in reasons:
                await self._journal.record_lock(symbol, note)
        return note

    def _unknown_symbols(self) -> set[str]:
        """Instruments of which an order's outcome is unknown."""
        return {o.symbol for o in self._journal.reader.load_working() if o.state in UNKNOWN_OUTCOME_STATES}

    async def _unlock(self, mismatched: frozenset[str]) -> None:
        """Lift the locks whose cause is gone. Locks of other reasons are an operator's."""
        doubtful = self._unknown_symbols()
        for symbol, reason in self._journal.reader.load_lock_reasons().items():
            if reason == Reason.POSITION_MISMATCH and symbol not in mismatched and symbol not in doubtful:
                await self._journal.record_unlock(symbol, "books and account agree")
            elif reason == Reason.DOUBT_OLD and symbol not in doubtful:
                await self._journal.record_unlock(symbol, "the doubt is settled")

    async def _lock_old_unknown_outcomes(self, working: Sequence[Order]) -> tuple[Note, ...]:
        notes = []
        locked = self._journal.reader.load_locks()
        for order in working:
            age_ms = self._venue.now_ms() - order.sent_ms
            if order.state not in UNKNOWN_OUTCOME_STATES or age_ms <= self._rules.timing.doubt_deadline_ms:
                continue
            message = f"order {order.client_id} of {order.symbol} is in doubt for {age_ms // 1000} s: {order.reason}"
            notes.append(Note(Reason.DOUBT_OLD, message, order.symbol))
            if order.symbol not in locked:
                await self._journal.record_lock(order.symbol, notes[-1])
        return tuple(notes)

    async def _watch(self, account: Account, symbols: Sequence[str]) -> None:
        """A spot asset that enters the sectors is taken as it is: nobody compared it before."""
        baseline = self._books.baseline()
        if baseline is None:
            return
        known = self._books.watched(baseline)
        assets = _spot_assets(symbols)
        former = (rule.was for rule in self._successions if rule.becomes in (*known, *assets))
        fresh = tuple(asset for asset in dict.fromkeys((*assets, *former)) if asset not in known)
        if not fresh:
            return
        books, actual = self._books.expected(baseline, account)[0], holdings(account)
        for asset in fresh:
            key = f"spot:{asset}"
            difference = Difference(key, books.amounts.get(key, ZERO), actual.get(key, ZERO))
            if difference.amount != 0:
                await self._adjust(difference, account.at_ms, by="bot", reason=FIRST_COMPARED)
        await self._books.record_watched(fresh)


def _spot_assets(symbols: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({base_of(symbol) for symbol in symbols if not is_perp(symbol)}))


def _is_cash(difference: Difference, account: Account) -> bool:
    return difference.key in (WALLET, f"spot:{account.quote}")
