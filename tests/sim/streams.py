"""Streams of a seed: true ones that something happens to, and the guards that come while the scenario rests.

What a stream says is put into the pace as the client would, so its state, its prices and its news are the whole seam.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from bot.domain.symbol import is_perp
from bot.ports import Stream, StreamNews, StreamState
from bot.risk import Refused
from bot.runtime.cycle import CycleResult
from bot.runtime.streams.pace import GuardPace
from bot.runtime.turn import EARLY_EXIT
from bot.simex.engine.types import ExchangeEvent
from tests.sim.faults import STREAM_KINDS, Kind
from tests.sim.wire import ACCOUNT

if TYPE_CHECKING:
    from tests.sim.world import Life, World

PART_WITH_STREAMS = 0.15  # of the seeds
TICK_S = 4.0
LONGEST_REST_S = 600.0
# As the bot promises it, and not as it computes it.
GUARD_S, GUARD_CALM_S, GUARDS_MOST, GUARDS_AT_ONCE, SLACK_S = 10.0, 100.0, 8 / 3, 11, 2.0


class SimStream:
    """Implements `bot.ports.Stream`; the simulation decides how it is."""

    def __init__(self, name: str, streams: "SimStreams") -> None:
        self.name, self._streams = name, streams

    def state(self) -> StreamState:
        return StreamState(not self._streams.is_down, 0.0)

    async def run(self, hear: Callable[[StreamNews], None]) -> None:
        """Nothing runs: the simulation calls the pace."""


class SimStreams:
    """The streams of one seed, and what goes wrong with them."""

    pace: GuardPace

    def __init__(self, world: "World", only: Collection[Kind] | None) -> None:
        self._world = world
        is_drawn = Random(f"{world.seed}/streams").random() < PART_WITH_STREAMS
        self.are_on = is_drawn if only is None else not STREAM_KINDS.isdisjoint(only)
        self.guards: list[float] = []  # when the guards of the present rest began
        self._silent_until = self._down_until = 0.0
        self._late: list[StreamNews] = []
        if self.are_on:
            world.exchange.listeners.append(self._on_event)

    @property
    def is_down(self) -> bool:
        return self._world.loop.time() < self._down_until

    def begin_life(self) -> Sequence[Stream]:
        """The streams of a new process."""
        self._silent_until = self._down_until = 0.0
        self._late.clear()
        return (SimStream("prices", self), SimStream("account", self)) if self.are_on else ()

    async def rest(self, life: "Life", seconds: float) -> None:
        """Guards as the pace times them, for as long as the scenario waits; each must come in time and in number."""
        world, loop, stop = self._world, self._world.loop, asyncio.Event()
        begun = loop.time()
        length = min(seconds, LONGEST_REST_S)
        timer = loop.call_at(begun + length, stop.set)
        ticking = loop.create_task(self._tick(), name="sim streams")
        self.guards = []
        try:
            while True:
                is_over = await life.pace.wait(stop)
                self._check_gap(life, loop.time() - max(begun, life.latest_ended))
                if is_over:
                    break
                self.guards.append(loop.time())
                life.crossed = life.pace.take_crossed()
                if life.crossed:
                    await world.run_turn(life, EARLY_EXIT)
                    if life.doom.is_dead or life.app.journal.failed is not None:
                        break
                life.latest = await world.run_turn(life, "guard")
                life.latest_ended = loop.time()
                if life.doom.is_dead or life.app.journal.failed is not None:
                    break
            rest = loop.time() - begun
            if len(self.guards) > GUARDS_MOST * rest / GUARD_S + GUARDS_AT_ONCE + 1:
                world.violate("streams start a bounded number of guards", f"{len(self.guards)} in {rest:.0f} s")
        finally:
            timer.cancel()
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    def _check_gap(self, life: "Life", seconds: float) -> None:
        """Since the latest turn, whoever asked for it; what came of it says whether something is under way."""
        result = life.latest
        is_under_way = result is None or not _is_at_rest(result)
        longest = GUARD_S if is_under_way else GUARD_CALM_S
        if seconds > longest + SLACK_S:
            what = "something is under way" if is_under_way else "nothing is under way"
            self._world.violate("a guard comes in time, whatever streams say", f"{seconds:.0f} s, {what}")

    async def _tick(self) -> None:
        """Prices of what is held, every few seconds, in whatever way they come."""
        while True:
            self._world.exchange.advance(self._world.now_ms())
            for symbol in sorted(self.pace._ranges):
                with contextlib.suppress(KeyError, ValueError):  # it is not listed any more
                    quote = self._world.exchange.quote(symbol)
                    price = quote.mark if is_perp(symbol) and quote.mark is not None else quote.mid
                    self._send(StreamNews(self._world.now_ms(), symbol, price))
            await asyncio.sleep(TICK_S)

    def _on_event(self, event: ExchangeEvent) -> None:
        if event.account == ACCOUNT and self._world.life is not None:
            self._send(StreamNews(event.at_ms))

    def _send(self, news: StreamNews) -> None:
        plan, now = self._world.plan, self._world.loop.time()
        if plan.strikes(Kind.STREAM_DOWN):
            self._down_until = now + plan.between(Kind.STREAM_DOWN, 1, 300)
        if plan.strikes(Kind.STREAM_SILENT):
            self._silent_until = now + plan.between(Kind.STREAM_SILENT, 10, 1_200)
        if now < self._silent_until or self.is_down or plan.strikes(Kind.STREAM_GAPPED):
            return
        if plan.strikes(Kind.STREAM_STORM):
            for number in range(200):
                self._world.loop.call_later(number / 5, self._hear, StreamNews(news.at_ms))
        if plan.strikes(Kind.STREAM_LIES):
            self._lie(news)
        if plan.strikes(Kind.STREAM_STALE):
            self._world.loop.call_later(plan.between(Kind.STREAM_STALE, 1, 120), self._hear, news)
        elif plan.strikes(Kind.STREAM_SHUFFLED):
            self._late.append(news)
        else:
            for one in (news, *self._late):
                self._hear(one)
            self._late.clear()

    def _lie(self, news: StreamNews) -> None:
        """A fill that never was, or a price that is none."""
        plan = self._world.plan
        if news.price is None or plan.choose(Kind.STREAM_LIES, [True, False]):
            self._hear(StreamNews(news.at_ms))
            return
        factor = plan.choose(Kind.STREAM_LIES, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
        self._hear(StreamNews(news.at_ms, news.symbol, news.price * factor))

    def _hear(self, news: StreamNews) -> None:
        if self._world.life is not None and self._world.life.pace is self.pace:
            self.pace.hear(news)


def _is_at_rest(result: CycleResult) -> bool:
    """Whether a turn has sent nothing, wanted nothing and been refused nothing, and books agree."""
    wanted = result.decision.intents or any(isinstance(verdict, Refused) for verdict in result.verdicts)
    is_closing = any(held.closing for held in result.decision.memory.exits)
    return result.truth.is_agreed and not (result.outcomes or wanted or is_closing)
