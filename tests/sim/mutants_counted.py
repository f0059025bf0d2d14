"""Ways to leave a trade out of the books that nobody has accepted."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.execution import reconcile
from bot.execution.books.ledger import Difference
from bot.execution.books.unexplained import ADJUSTMENT
from bot.execution.reconcile import Reconciler
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


class _AcceptedNow:
    """A journal whose adjustments were all written now."""

    def __init__(self, reader: JournalReader, now_ms: int) -> None:
        self._reader, self._now_ms = reader, now_ms
        self.load_fills_after, self.load_payments_after = reader.load_fills_after, reader.load_payments_after

    def load_facts(self, kind: str, limit: int) -> tuple[Fact, ...]:
        facts, now = self._reader.load_facts(kind, limit), {"venue_ms": self._now_ms}
        return tuple(replace(fact, payload={**fact.payload, **now}) for fact in facts) if kind == ADJUSTMENT else facts


def count_trades_of_after_the_acceptance(patch: pytest.MonkeyPatch) -> None:
    original: Any = reconcile.counted_before

    def mutant(reader: JournalReader, found: Mapping[Difference, int], now_ms: int, origin_ms: int) -> Any:
        return original(_AcceptedNow(reader, now_ms), found, now_ms, origin_ms)

    patch.setattr(reconcile, "counted_before", mutant)


def accept_what_comes_until_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """The disk is slow, and the adjustment has the time at which it is written."""
    original: Any = Reconciler._adjust

    async def mutant(self: Any, difference: Difference, at_ms: int, **words: Any) -> Any:
        del at_ms
        await asyncio.sleep(1)
        return await original(self, difference, self._venue.now_ms(), **words)

    patch.setattr(Reconciler, "_adjust", mutant)


MUTANTS = (
    Mutant(
        "count trades of after the acceptance",
        count_trades_of_after_the_acceptance,
        ("a counted trade was accepted",),
        (Kind.DEPOSIT, Kind.KILL, Kind.LAG_ACCOUNT),
        seeds=4,
        heaviness=8,
        playbook=SLICED,
    ),
    Mutant(
        "accept what comes until it is written",
        accept_what_comes_until_it_is_written,
        ("a counted trade was accepted: no account is of the time",),
        (Kind.DEPOSIT,),
        seeds=2,
        heaviness=8,
        playbook=SLICED,
    ),
)
