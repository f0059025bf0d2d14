"""The observer of a run: its past and the costs of spot come from the journal."""

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from bot.domain.market import OpenInterest
from bot.journal.reader import JournalReader
from bot.ports import Venue
from bot.runtime.observer_setup import make_observer
from bot.runtime.settings.model import load_settings
from tests.feeds.test_snapshot import PERP, QUICK, WANTED, Market

D = Decimal


def test_without_a_journal_it_knows_no_past(workplace: Path) -> None:
    settings = load_settings((), ())
    observer = make_observer(cast(Venue, Market()), WANTED, settings, tvl=None, reader=None)
    assert observer.costs() == {}


@pytest.mark.slow
async def test_the_past_of_the_last_full_cycle_is_recalled(workplace: Path, finished_run: Path) -> None:
    reader = JournalReader(finished_run / "var" / "sim-dry-run" / "journal.db")
    try:
        record = reader.load_last_cycle()
        assert record is not None
        seen = record.snapshot.open_interest[PERP]
        market = Market(now=record.at_ms + 9 * 3_600_000)
        market.answers["interest"] = OpenInterest(PERP, D(1000), market.now)
        observer = make_observer(cast(Venue, market), WANTED, load_settings((), ()), tvl=None, reader=reader)
        observer.deadlines = QUICK
        known = (await observer.observe()).open_interest[PERP]
        assert known.earlier[-1][1] in {seen.value_quote, *(value for _, value in seen.earlier)}
    finally:
        reader.close()


class Books:
    """A journal without cycles that knows one purchase."""

    def load_cycle_heads(self, limit: int) -> tuple[Any, ...]:
        assert limit > 0
        return ()

    def load_fills_after(self, seq: int, foreign_after_ms: int) -> tuple[Any, ...]:
        assert (seq, foreign_after_ms) == (0, 0)
        return ()

    def load_facts(self, kind: str, limit: int) -> tuple[Any, ...]:
        assert kind in ("cost_imported", "cost_fetched")
        assert limit == 1
        return ()

    def load_facts_after(self, kind: str, seq: int) -> tuple[Any, ...]:
        assert (kind, seq) == ("conversion", 0)
        return ()


def test_costs_are_looked_up_only_where_gains_are_hedged(workplace: Path) -> None:
    books = cast(JournalReader, Books())
    for assignments, asks in (((), False), (("playbook.gains.hedge=gain",), True)):
        settings = load_settings((), assignments)
        observer = make_observer(cast(Venue, Market()), WANTED, settings, tvl=None, reader=books)
        assert (observer.costs is dict) is not asks
        assert observer.costs() == {}
