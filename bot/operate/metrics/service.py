"""The service that exposes the figures: on a port of its own, in a text file, or both."""

import asyncio
import time
from pathlib import Path
from typing import Any

from prometheus_client import start_http_server, write_to_textfile

from bot.domain.turn.valuation import VALUATION
from bot.journal.reader import JournalReader
from bot.operate.metrics.figures import MetricSet
from bot.operate.metrics.order_times import OrderTimes
from bot.operate.metrics.taking import name_build, take_profit, take_rest, take_turn
from bot.runtime.cycle import CycleResult
from bot.runtime.services.service import RunningBot

REFRESH_SECONDS, LAG_SECONDS = 5.0, 0.25


def make_metrics(bot: RunningBot) -> "MetricsService":
    """The service of the settings."""
    return MetricsService(bot)


class MetricsService:
    """Takes the figures every few seconds, in a thread."""

    name = "metrics"

    def __init__(self, bot: RunningBot) -> None:
        self._bot, self._settings = bot, bot.settings.metrics
        self.figures = MetricSet()
        self._last: CycleResult | None = None
        self._order_times: OrderTimes | None = None
        self._valued_seq = 0
        name_build(self.figures, bot.settings)

    async def run(self) -> None:
        """Expose until cancelled.

        Raises:
            OSError: the address cannot be listened on, or the file cannot be written.
            JournalError: the journal cannot be read.
        """
        server: Any = None
        reader = JournalReader(self._bot.app.journal.path)
        try:
            if self._settings.listen:
                host, port = self._settings.address
                server, _ = start_http_server(port, host, registry=self.figures.registry)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._refresh_for_ever(reader))
                group.create_task(self._measure_lag())
        finally:
            await asyncio.to_thread(self._end, server, reader)

    def on_turn(self, result: CycleResult) -> None:
        """Count it."""
        self._last = result
        take_turn(self.figures, result)

    async def close(self) -> None:
        """A file is left as it is: its age shows that nobody writes it any more."""

    async def _refresh_for_ever(self, reader: JournalReader) -> None:
        while True:
            self.figures.kill_level.set(self._bot.app.kill.level().severity)
            self.figures.skew.set(self._bot.app.venue.clock_skew_ms / 1000)
            await asyncio.to_thread(self._refresh, reader)
            await asyncio.sleep(REFRESH_SECONDS)

    def _refresh(self, reader: JournalReader) -> None:
        limits, now_ms = self._bot.app.cycle.parts.limits, self._bot.app.clock.now_ms()
        take_rest(self.figures, reader, self._bot.health, limits=limits, result=self._last, now_ms=now_ms)
        if self._order_times is None:
            self._order_times = OrderTimes(reader.count_events())
        self._order_times.take(self.figures, reader)
        valued = reader.load_facts(VALUATION, 1)
        if valued and valued[0].seq != self._valued_seq:
            self._valued_seq = valued[0].seq
            take_profit(self.figures, reader, self._bot.settings.universe, now_ms)
        if self._settings.file is not None:
            path = Path(self._settings.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_to_textfile(str(path), self.figures.registry)

    async def _measure_lag(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(LAG_SECONDS)
            self.figures.lag.observe(max(0.0, time.monotonic() - begun - LAG_SECONDS))

    def _end(self, server: Any, reader: JournalReader) -> None:
        if server is not None:
            server.shutdown()
            server.server_close()
        reader.close()
