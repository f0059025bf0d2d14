"""Compare journal and account only after a change: the embedded engine counts its changes, and nobody else trades."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from bot.domain.portfolio import Account
from bot.domain.reason import Note
from bot.domain.states import OrderState
from bot.domain.symbol import SymbolSuccession
from bot.execution.books.agreed import BASELINE, BASELINE_AGE_MS, CONVERSION
from bot.execution.books.unexplained import ADJUSTMENT, COUNTED
from bot.execution.foreign import FACT
from bot.execution.reconcile import Reconciler, Truth
from bot.execution.rules import ExecutionRules
from bot.journal.answers import LOCKS, ORDERS, PAYMENTS
from bot.journal.journal import Journal
from bot.venues.paper.engine_venue import EngineVenue

# The kinds that a settlement reads.
_READ = (*ORDERS, *PAYMENTS, *LOCKS, ADJUSTMENT, COUNTED, CONVERSION, BASELINE, FACT, "watched")


@dataclass(frozen=True, slots=True)
class _Settled:
    """A settlement after which there is nothing to settle, and what it was made of."""

    made_of: Hashable
    truth: Truth


class EngineReconciler(Reconciler):
    """The usual reconciliation; where neither engine nor journal has changed since one that left nothing open, its
    result at the prices of now. Its account begins with the process and has no past to search.

    `always`: settle every time, for a comparison.
    """

    def __init__(
        self,
        venue: EngineVenue,
        journal: Journal,
        rules: ExecutionRules,
        *,
        successions: tuple[SymbolSuccession, ...] = (),
        always: bool = False,
    ) -> None:
        super().__init__(venue, journal, rules, is_account_new=True, successions=successions)
        self._engine, self._always = venue, always
        self._settled: _Settled | None = None
        self._asked_at: tuple[int, int] | None = None  # the engine's change number when payments were asked for last

    async def refresh(self, symbols: Sequence[str]) -> Truth | None:
        """What the last settlement found, with the account at the prices of now; None where there may be anything to
        settle.

        Raises:
            Unavailable: the account could not be read.
        """
        settled = self._settled
        if settled is None:
            return None
        account = await self._evidence.read(self._venue.fetch_account(), "account")
        if self._made_of(symbols) != settled.made_of or account.unreadable or self._has_aged(settled.truth, account):
            return None
        self._evidence.take_latency_ms()
        return replace(settled.truth, account=account, latency_ms=0)

    async def _settle(self, symbols: Sequence[str]) -> Truth:
        truth = await self.refresh(symbols)
        if truth is None:
            truth = await super()._settle(symbols)
            self._settled = _Settled(self._made_of(symbols), truth) if self._leaves_nothing(truth) else None
        return truth

    async def _collect_payments(self) -> tuple[Note, ...]:
        self._asked_at = self._engine.change_number
        return await super()._collect_payments()

    def _made_of(self, symbols: Sequence[str]) -> Hashable:
        return self._engine.change_number, self._journal.reader.state(*_READ), tuple(symbols)

    def _leaves_nothing(self, truth: Truth) -> bool:
        """Whether the next settlement would find the same. Payments are asked for at intervals: an answer of before a
        change says nothing about what has been paid with it."""
        are_all_open = all(order.state is OrderState.OPEN for order in truth.working)
        is_asked = self._asked_at == self._engine.change_number
        is_known = self._journal.reader.state(*_READ) is not None and not self._always
        is_plain = truth.is_agreed and not truth.notes and not truth.unseen and not truth.account.unreadable
        return is_known and is_asked and is_plain and are_all_open

    def _has_aged(self, truth: Truth, account: Account) -> bool:
        """Whether the books begin afresh now, as they do once a day while no order rests."""
        baseline = self._books.baseline()
        is_old = baseline is None or account.at_ms - baseline.agreed_ms >= BASELINE_AGE_MS
        return is_old and not truth.working
