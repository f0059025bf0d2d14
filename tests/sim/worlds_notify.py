"""The service of notices hangs, refuses, or takes a message and does not say so."""

import asyncio
from dataclasses import replace
from typing import Any

from bot.operate.notify.delivery import Delivery
from bot.operate.notify.message import Message
from bot.runtime.settings.operate.notify import NotifySettings, NotifyTiming
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.world import Life

POLL_SECONDS = 20.0
TIMING = NotifyTiming(poll_seconds=POLL_SECONDS, group_seconds=5, retry_max_seconds=120, repeat_seconds=0)
SETTINGS = NotifySettings(hourly_max=1_000, report_at="", timing=replace(TIMING, give_up_seconds=1e9))


class SimulatedDelivery(Delivery):
    """The bot's own, without threads: in virtual time nothing waits for one."""

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return call(*arguments)


class NoticeService(Disturbance):
    """One destination, of every life. `arrived`: each id in every message that was taken, with the run of the service
    that sent it; `unsaid`: ids in messages that were taken and not answered."""

    name = "sim-1"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.arrived: list[tuple[str, int]] = []
        self.unsaid: set[str] = set()
        self._runs = 0

    async def send(self, message: Message) -> str:
        """As `Sender.send`: empty when the service has taken it, else why not."""
        plan, kind = self.plan, Kind.NOTICES_FAIL
        what = plan.choose(kind, ["hangs", "refuses", "unsaid"]) if plan.strikes(kind) else "takes"
        if what in ("takes", "unsaid"):
            ids = [line.rpartition("[")[2].removesuffix("]") for line in message.body.splitlines() if line[-1:] == "]"]
            self.arrived += [(name, self._runs) for name in ids]
            self.unsaid |= set(ids if what == "unsaid" else ())
        if what == "hangs":
            await asyncio.sleep(TIMING.send_seconds)
        return "" if what == "takes" else f"the service {what}"

    async def serve(self, life: Life) -> None:
        """Send what a life has to say until it ends."""
        app = life.app
        settings = app.settings.model_copy(update={"notify": SETTINGS})
        delivery = SimulatedDelivery(settings, app.journal, app.clock, (self,))  # type: ignore[arg-type]
        self._runs += 1
        await delivery._open(app.journal.reader)
        while True:
            await delivery._collect(app.journal.reader)
            await delivery._send_due(self)  # type: ignore[arg-type]
            await asyncio.sleep(POLL_SECONDS)


WORLDS = (NoticeService,)
