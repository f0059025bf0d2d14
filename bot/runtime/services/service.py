"""A service is a task beside the turns of a running bot: notifications, remote commands, metrics, a web page.

Services read the bot and its journal. No turn waits for one, and one that fails is started again: it never ends the
daemon. The daemon knows this module only; `bot.cli` chooses the services of a run.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bot.runtime.cycle import CycleResult
from bot.runtime.health.health_file import Health
from bot.runtime.settings.model import Settings
from bot.runtime.wiring import App

RESTART_SECONDS = (1.0, 5.0, 30.0, 60.0)
CLOSE_SECONDS = 5.0
_log = structlog.get_logger("sectorbot.services")


@dataclass(frozen=True, slots=True)
class RunningBot:
    """What a service may read. Its only way to act is what the command line uses: the files of the kill switch."""

    app: App
    settings: Settings
    health: Health


class Service(Protocol):
    """One task of a run. Each method may fail without harm to the turns."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""

    def on_turn(self, result: CycleResult) -> None:
        """Take note of a finished turn; returns at once, without I/O."""

    async def close(self) -> None:
        """Finish after the last turn; it is cancelled after `CLOSE_SECONDS`."""


MakeService = Callable[[RunningBot], Service]


class Services:
    """The services of one run."""

    def __init__(self, bot: RunningBot, makers: Sequence[MakeService]) -> None:
        self._services: list[Service] = []
        for make in makers:
            try:
                self._services.append(make(bot))
            except Exception as error:  # noqa: BLE001 - a service never keeps the bot from running
                _log_failure(getattr(make, "__name__", "service"), error)

    async def run(self) -> None:
        """All of them until cancelled, each again after a failure."""
        async with asyncio.TaskGroup() as group:
            for service in self._services:
                group.create_task(_keep_running(service), name=f"service {service.name}")

    def on_turn(self, result: CycleResult) -> None:
        """Pass on a finished turn."""
        for service in self._services:
            try:
                service.on_turn(result)
            except Exception as error:  # noqa: BLE001 - as above
                _log_failure(service.name, error)

    async def close(self) -> None:
        """Let them finish, all at once, for `CLOSE_SECONDS` at most."""
        await asyncio.gather(*(_bounded(service.name, service.close) for service in self._services))


async def _keep_running(service: Service) -> None:
    failures = 0
    while True:
        try:
            await service.run()
        except Exception as error:  # noqa: BLE001 - as above
            seconds = RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)]
            _log_failure(service.name, error, retry_in_seconds=seconds)
            failures += 1
            await asyncio.sleep(seconds)
        else:
            return


async def _bounded(name: str, finish: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            try:
                await finish()
            except Exception as error:  # noqa: BLE001 - as above
                _log_failure(name, error)


def _log_failure(name: str, error: Exception, **fields: object) -> None:
    why = f"{type(error).__name__}: {error}"
    _log.error("service_failed", service=name, why=why, what="turns go on without it", **fields)
