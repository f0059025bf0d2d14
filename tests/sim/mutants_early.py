"""Ways to be too early: to believe a stream's mark, or mark and size of a while ago, or to do more than close."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.feeds.snapshot import Observer
from bot.ports import StreamNews
from bot.runtime import cycle as cycle_module
from bot.runtime import turn
from bot.runtime.streams.pace import GuardPace
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant
from tests.sim.options import OPTIONS

NEAR = OPTIONS[-1]
FAULTS = (Kind.STREAM_LIES, Kind.STREAM_STALE)


def believe_the_mark(patch: pytest.MonkeyPatch) -> None:
    said: dict[str, Decimal] = {}
    hear, ask = GuardPace.hear, Observer.with_prices

    def heard(self: Any, news: StreamNews) -> None:
        if news.price is not None:
            said[news.symbol] = news.price
        hear(self, news)

    async def asked(self: Any, snapshot: Any, symbols: Sequence[str], **options: Any) -> Any:
        found = await ask(self, snapshot, symbols, **options)
        quotes = {s: replace(quote, mark=said[s]) if s in symbols else quote for s, quote in found.quotes.items()}
        return replace(found, quotes=quotes)

    patch.setattr(GuardPace, "hear", heard)
    patch.setattr(Observer, "with_prices", asked)


def believe_the_look(patch: pytest.MonkeyPatch) -> None:
    """Nothing is asked again: mark and size are those of the latest look."""

    async def remembered(look: Any, symbols: Sequence[str], *_: Any) -> Any:
        return look, tuple(symbols)

    patch.setattr(cycle_module, "look_again", remembered)


def do_all_that_a_guard_does(patch: pytest.MonkeyPatch) -> None:
    """All that a guard wants is done and remembered, of every position."""
    patch.setattr(turn, "close_early", lambda found, before, symbols: found)


MUTANTS = (
    Mutant(
        "an early exit believed the stream's mark",
        believe_the_mark,
        ("an early exit is decided by answers", "a price is the venue's answer"),
        FAULTS,
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "an early exit asked for nothing",
        believe_the_look,
        ("an early exit is decided by answers",),
        FAULTS,
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "an early exit did all that a guard does",
        do_all_that_a_guard_does,
        ("an early exit only closes",),
        FAULTS,
        seeds=4,
        playbook={**SLICED, **NEAR, "playbook.orders.increase_style": "market"},
        lives=4,
    ),
)
