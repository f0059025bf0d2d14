"""The observer of a run: it goes on from the past that the journal knows, and learns from it what spot has cost."""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.market import Cost
from bot.execution.books.agreed import CONVERSION
from bot.feeds.cost_basis import Converted, cost_basis
from bot.feeds.signal_feed import SignalFeed
from bot.feeds.snapshot import Observer, SnapshotRequest
from bot.journal.errors import SnapshotPruned
from bot.journal.reader import JournalReader
from bot.playbook.policy.choices import GainHedge
from bot.ports import MacroSource, TvlSource, Venue
from bot.runtime.cost_import import given_costs
from bot.runtime.settings.cost_basis import opening_costs
from bot.runtime.settings.model import Settings

LOOKED_AT = 200


def make_observer(
    venue: Venue,
    wanted: SnapshotRequest,
    settings: Settings,
    *,
    tvl: TvlSource | None,
    reader: JournalReader | None,
    macro: MacroSource | None = None,
    signals: SignalFeed | None = None,
) -> Observer:
    """An observer with the operator's calendar. Without a journal it begins with no past and no costs.

    Costs are looked up only where a setting asks for gains: it takes every fill there is.
    """
    events = tuple(entry.event for entry in settings.calendar)
    if reader is None:
        return Observer(venue, wanted, tvl=tvl, macro=macro, events=events, signals=signals)
    if settings.playbook.gains.hedge is GainHedge.OFF:
        observer = Observer(venue, wanted, tvl=tvl, macro=macro, events=events, signals=signals)
    else:
        observer = Observer(
            venue,
            wanted,
            tvl=tvl,
            macro=macro,
            events=events,
            costs=lambda: spot_costs(settings, reader),
            signals=signals,
        )
    recall_past(observer, reader)
    return observer


def spot_costs(settings: Settings, reader: JournalReader) -> Mapping[str, Cost]:
    """What the spot held now was paid for: what was said of older holdings, and every fill since."""
    quote = settings.universe.quote
    opening = opening_costs(given_costs(settings, reader), quote)
    return cost_basis(reader.load_fills_after(0, 0), conversions(reader, quote), opening)


def conversions(reader: JournalReader, quote: str) -> tuple[Converted, ...]:
    """What the exchange has converted, as far as the journal knows."""
    facts = ((fact.at_ms, fact.payload) for fact in reader.load_facts_after(CONVERSION, 0))
    return tuple(
        Converted(
            at_ms,
            f"{result['was']}/{quote}",
            f"{result['becomes']}/{quote}",
            Decimal(result["taken"]),
            Decimal(result["given"]),
        )
        for at_ms, result in facts
    )


def recall_past(observer: Observer, reader: JournalReader) -> None:
    """Take over the past that the last full cycle saw; a guard does not look at open interest."""
    for head in reader.load_cycle_heads(LOOKED_AT):
        if head.kind != "cycle":
            continue
        try:
            record = reader.load_cycle(head.number)
        except SnapshotPruned:
            return
        if record is not None:
            observer.recall(record.snapshot)
        return
