"""Skip a guard of a back-test in which nothing happens: its decision is computed from prices alone.

The engine counts its changes and nobody else trades, so between two changes a guard can find other prices and nothing
else. Playbook and gate judge them as in any guard (`Cycle.look`). Where it would leave a trace, or more than prices is
new, the guard is taken.
"""

from bot.domain.market import Funding, Snapshot
from bot.lab.backtest.settled_books import EngineReconciler
from bot.runtime.cycle import Cycle, CycleResult
from bot.venues.paper.engine_venue import EngineVenue


class QuietGuard:
    """Looks at prices in place of a guard."""

    def __init__(self, cycle: Cycle, venue: EngineVenue, reconciler: EngineReconciler) -> None:
        self._cycle, self._venue, self._reconciler = cycle, venue, reconciler

    async def look(self, last: CycleResult) -> CycleResult | None:
        """What a guard finds now, None where one has to be taken. `last` is the turn before it.

        Raises:
            JournalError: the journal could not be read.
        """
        seen = last.snapshot
        truth = await self._reconciler.refresh(tuple(seen.instruments))
        if truth is None or not await self._is_funding_known(last):
            return None
        quotes = await self._venue.fetch_quotes(tuple(seen.instruments))
        if quotes.keys() != seen.quotes.keys() or any(quote.defect() for quote in quotes.values()):
            return None
        now_ms, instruments = self._venue.now_ms(), seen.instruments
        snapshot = Snapshot(now_ms, instruments, quotes, funding=seen.funding, events=seen.events)
        return await self._cycle.look(snapshot, truth)

    async def _is_funding_known(self, last: CycleResult) -> bool:
        """Whether funding is expected as the turn before has seen it: what is seen of it becomes part of the past."""
        seen = last.snapshot.funding
        found = await self._venue.fetch_funding(tuple(seen))
        return found.keys() == seen.keys() and all(_terms(found[s]) == _terms(seen[s]) for s in seen)


def _terms(funding: Funding) -> tuple[object, ...]:
    return funding.rate, funding.interval_hours, funding.next_ms
