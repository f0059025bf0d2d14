"""What a slow round of requests has made old or late is asked again before a turn is judged (decision 0039)."""

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.instrument import Kind
from bot.domain.market import Snapshot
from bot.domain.reason import Note, Reason
from bot.execution.reconcile import Reconciler, Truth
from bot.feeds.snapshot import Observer, kinds_without_prices
from bot.journal.journal import Journal
from bot.ports import Unavailable, Venue, answers_at_once
from bot.risk import Limits, needs_fresh_price
from bot.runtime.turn import CYCLE, EARLY_EXIT, GUARD, Proposal

SETTLEMENTS_MAX = 3
"""How often a turn may settle: twice before it decides, and once after it has acted."""


class SlowRounds:
    """Asks again, once in a turn. `_dark` are the kinds of markets whose prices were asked again in vain while those
    of the other kind came, as where one venue of a pair does not answer: they are not waited for until one comes."""

    def __init__(self, venue: Venue, journal: Journal, reconciler: Reconciler, observer: Observer) -> None:
        self._venue, self._journal, self._reconciler, self._observer = venue, journal, reconciler, observer
        self._dark: frozenset[Kind] = frozenset()

    async def settle(self, kind: str, symbols: Sequence[str], limits: Limits) -> Truth:
        """Orders and account as a decision needs them. Where settling took so long that the gate would find them old,
        as it does when it reads the account's past, a cycle settles once more. A guard's exits do not wait for that.

        Raises:
            Unavailable, JournalError: as for `Reconciler.settle`, of the first settlement alone.
        """
        waits = self._observer.deadlines
        first = await self._reconciler.settle(symbols)
        patience_ms = limits.balance_age_max_ms - waits.quotes_ms - waits.books_ms
        if kind != CYCLE or self._venue.now_ms() - first.account.at_ms <= max(0, patience_ms):
            return first
        try:
            return of_both(first, await self._reconciler.settle(symbols))
        except Unavailable as error:
            message = (
                "the account could not be settled once more; exits go on by what was read first, entries are refused "
                f"where it is too old: {error}"
            )
            locked = first.locked | frozenset(self._journal.reader.load_locks())
            return replace(first, notes=(*first.notes, Note(Reason.VENUE_UNAVAILABLE, message)), locked=locked)

    async def with_fresh_prices(self, proposal: Proposal, limits: Limits) -> Snapshot | None:
        """The proposal's snapshot with its prices asked again; None where that is not needed, or must not be waited
        for."""
        inputs = proposal.inputs
        if inputs.kind == EARLY_EXIT:
            return None
        missing = frozenset() if answers_at_once(self._venue) else kinds_without_prices(inputs.snapshot)
        # Where nothing came at all, a machine was busy or a link broken: that says nothing about one kind.
        self._dark = self._dark & missing if inputs.snapshot.quotes else frozenset()
        if not (inputs.kind == CYCLE and missing - self._dark) and not self._are_prices_old(proposal, limits):
            return None
        fresh = await self._observer.with_fresh_quotes(inputs.snapshot, without=self._dark)
        self._dark = kinds_without_prices(fresh) if fresh.quotes else frozenset()
        return fresh

    def _are_prices_old(self, proposal: Proposal, limits: Limits) -> bool:
        """Whether prices of what is wanted would be too old for the gate once their order books are there. A guard does
        not let wait for them what needs none: what does is refused, and comes with the next guard."""
        kind, intents = proposal.inputs.kind, proposal.decision.intents
        needing = [intent for intent in intents if needs_fresh_price(intent)]
        if kind == GUARD and len(needing) < len(intents):
            return False
        quotes, now_ms = proposal.inputs.snapshot.quotes, self._venue.now_ms()
        wanted = {intent.symbol for intent in needing}
        oldest_ms = min((quotes[symbol].at_ms for symbol in wanted & quotes.keys()), default=now_ms)
        patience_ms = limits.price_age_max_ms - self._observer.deadlines.books_ms
        return now_ms - oldest_ms > max(0, patience_ms)


def of_both(first: Truth, again: Truth) -> Truth:
    """The later of two settlements, with what only the first has read, such as rows of the account's past: its locks,
    its notes and its doubt. What is unseen, unreadable or unexplained both have read, and the later one knows it."""
    return replace(
        again,
        is_agreed=first.is_agreed and again.is_agreed,
        locked=first.locked | again.locked,
        notes=(*first.notes, *(note for note in again.notes if note not in first.notes)),
    )
