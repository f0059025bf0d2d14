"""A service of a run: whatever it does, the turns go on; and a start knows whether the run before it has ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.runtime.cycle import CycleResult
from bot.runtime.daemon import StopEvent, _build_and_run
from bot.runtime.exit_codes import ExitCode
from bot.runtime.services import service as service_module
from bot.runtime.services.run_end import STARTED, STOPPED, has_crashed, record_stopped
from bot.runtime.services.service import RunningBot, Service, Services
from bot.runtime.start import attempts as start_attempts
from bot.runtime.wiring import App, build, listen
from tests.stage import Stage, staged


class Failing:
    """Fails in each of its methods, but for the first start."""

    name = "failing"

    def __init__(self, bot: RunningBot) -> None:
        self.starts, self.turns, self.closes = 0, 0, 0
        self.enough_turns = asyncio.Event()

    async def run(self) -> None:
        self.starts += 1
        raise ValueError("a bug of the service")

    def on_turn(self, result: CycleResult) -> None:
        self.turns += 1
        if self.turns >= 4:
            self.enough_turns.set()
        raise ValueError("another bug")

    async def close(self) -> None:
        self.closes += 1
        await asyncio.sleep(3600)


def unmade(bot: RunningBot) -> Service:
    raise ValueError("not configured after all")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "cadence.cycle_seconds=0.2", "cadence.guard_seconds=0.1") as made:
        yield made


async def test_turns_go_on_beside_a_service_that_fails_in_everything(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "RESTART_SECONDS", (0.01,))
    monkeypatch.setattr(service_module, "CLOSE_SECONDS", 0.2)
    services: list[Failing] = []
    made, stop = asyncio.Event(), StopEvent()

    def make(bot: RunningBot) -> Failing:
        services.append(Failing(bot))
        made.set()
        return services[0]

    async def on_stage(*arguments: Any, **options: Any) -> App:
        return await build(*arguments, embedded=stage.embedded, **options)

    async def stop_after_turns() -> None:
        await made.wait()
        await services[0].enough_turns.wait()
        stop.set_by("SIGTERM")

    monkeypatch.setattr(start_attempts, "build", on_stage)
    with capture_logs() as logs:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(stop_after_turns())
            code = await _build_and_run(stage.settings, listen(stage.settings), stop, None, (unmade, make))
    (service,) = services
    failed = [line["why"] for line in logs if line["event"] == "service_failed"]
    assert code == ExitCode.OK
    assert service.starts > 1, "it is started again"
    assert service.closes == 1
    assert {"ValueError: a bug of the service", "ValueError: another bug", "ValueError: not configured after all"} <= {
        *failed
    }
    reader = JournalReader(stage.settings.journal_path)
    try:
        assert reader.load_facts(STARTED)[0].payload["after_crash"] is False
        assert reader.load_facts(STOPPED)[0].payload["by"] == "SIGTERM"
        assert not has_crashed(reader)
    finally:
        reader.close()


async def test_services_without_any_end_at_once() -> None:
    await Services(None, ()).run()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "crashed"),
    [
        ((), False),
        ((("started", {"pid": 1}),), True),
        ((("started", {"pid": 1}), ("stopped", {})), False),
        ((("started", {"pid": 1}), ("stopped", {}), ("started", {"pid": 2})), True),
        ((("started", {"version": "older"}),), False),
    ],
)
async def test_a_run_without_an_end_has_crashed(
    tmp_path: Path, facts: tuple[tuple[str, dict[str, Any]], ...], crashed: bool
) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: 1)
    try:
        for kind, payload in facts:
            await journal.record_fact(kind, payload)
        assert has_crashed(journal.reader) is crashed
        await record_stopped(journal, "SIGTERM", 3)
        assert not has_crashed(journal.reader)
    finally:
        await journal.close()
