"""Ways to believe a stream: to wait for it alone, to obey it without bound, to rest whatever is under way, to take what
it says of prices and fills for what has happened."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.order import Fill
from bot.feeds.snapshot import Observer
from bot.ports import StreamNews
from bot.runtime.cycle import Cycle
from bot.runtime.streams import pace as pace_module
from bot.runtime.streams.pace import GuardPace
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant
from tests.sim.world import BYBIT


def wait_for_the_stream_alone(patch: pytest.MonkeyPatch) -> None:
    original = GuardPace._seconds_left

    def mutant(self: Any) -> float:
        return original(self) if self._heard else 3_600.0

    patch.setattr(GuardPace, "_seconds_left", mutant)


def obey_every_message(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GuardPace, "_seconds_to_wake", lambda self, now_s: 0.0)


def rest_after_any_turn(patch: pytest.MonkeyPatch) -> None:
    """Fresh streams are enough, whatever is under way."""
    patch.setattr(pace_module, "is_calm", lambda result: True)
    patch.setattr(pace_module, "ALERT_S", 0.0)


def believe_its_prices(patch: pytest.MonkeyPatch) -> None:
    """The mark that a stream has said last stands for the one that the venue answers."""
    said: dict[str, Decimal] = {}
    hear, observe = GuardPace.hear, Observer.observe

    def heard(self: Any, news: StreamNews) -> None:
        if news.price is not None:
            said[news.symbol] = news.price
        hear(self, news)

    async def observed(self: Any, **options: Any) -> Any:
        snapshot = await observe(self, **options)
        quotes = {
            symbol: replace(quote, mark=said[symbol]) if symbol in said and quote.mark is not None else quote
            for symbol, quote in snapshot.quotes.items()
        }
        return replace(snapshot, quotes=quotes)

    patch.setattr(GuardPace, "hear", heard)
    patch.setattr(Observer, "observe", observed)


def believe_its_fills(patch: pytest.MonkeyPatch) -> None:
    """News of the account is taken for the fill of an order that works."""
    waiting: list[StreamNews] = []
    hear, guard = GuardPace.hear, Cycle.guard

    def heard(self: Any, news: StreamNews) -> None:
        if news.price is None:
            waiting.append(news)
        hear(self, news)

    async def guarded(self: Any) -> Any:
        journal = self.parts.journal
        working = [order for order in journal.reader.load_working() if order.venue_id]
        if waiting and working:
            order, news = working[0], waiting[-1]
            price = order.price or order.trigger_price or Decimal(1)
            named = (self.parts.venue.id, str(news.at_ms), order.symbol, order.client_id, order.venue_id)
            await journal.record_fills(
                [Fill(*named, order.side, price, order.size, Decimal(0), "USDT", False, news.at_ms)]
            )
        waiting.clear()
        return await guard(self)

    patch.setattr(GuardPace, "hear", heard)
    patch.setattr(Cycle, "guard", guarded)


MUTANTS = (
    Mutant(
        "wait for the stream alone",
        wait_for_the_stream_alone,
        ("a guard comes in time",),
        (Kind.STREAM_SILENT, Kind.STREAM_GAPPED),
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "obey every message of a stream",
        obey_every_message,
        ("streams start a bounded number",),
        (Kind.STREAM_STORM,),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
    ),
    Mutant(
        "rest after any turn",
        rest_after_any_turn,
        ("a guard comes in time",),
        (Kind.STREAM_GAPPED, Kind.CASH_VANISHES),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
    ),
    Mutant(
        "a price was believed from the stream",
        believe_its_prices,
        ("a price is the venue's answer",),
        (Kind.STREAM_LIES, Kind.STREAM_STALE),
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "a fill was believed from the stream",
        believe_its_fills,
        ("a fill is the exchange's",),
        (Kind.STREAM_LIES,),
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "a fill was believed from the stream of a venue that acknowledges first",
        believe_its_fills,
        ("a fill is the exchange's",),
        (Kind.STREAM_LIES,),
        seeds=4,
        playbook=SLICED,
        venue=BYBIT,
    ),
)
