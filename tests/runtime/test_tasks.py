"""No task of the daemon ends alone: what nobody expects ends the process, with its traceback and exit code 1."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.runtime.daemon import Daemon, _run
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.health_file import Health
from bot.runtime.health.healthcheck import check
from bot.runtime.start import attempts as start_attempts
from bot.runtime.wiring import App, build
from tests.stage import Stage, staged

QUICK = ("cadence.cycle_seconds=0.2", "cadence.guard_seconds=0.1")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, *QUICK) as made:
        yield made


class Unexpected(Exception):
    """Nothing in the bot knows it."""


async def ends_with(stage: Stage, spoil: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[Any]]:
    """Run the daemon over an App that `spoil` has changed; its exit code and what it logged."""

    async def spoiled(*arguments: Any, **options: Any) -> App:
        app = await build(*arguments, embedded=stage.embedded, **options)
        spoil(app)
        return app

    monkeypatch.setattr(start_attempts, "build", spoiled)
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            code = await _run(stage.settings, limit=None)
    return code, logs


async def fail(*_: Any, **__: Any) -> Any:
    raise Unexpected("a bug")


def break_guard(app: App) -> None:
    app.cycle.guard = fail  # type: ignore[method-assign]


def break_cycle(app: App) -> None:
    app.cycle.run = fail  # type: ignore[method-assign]


def break_switch(app: App) -> None:
    app.kill.watch = fail  # type: ignore[method-assign]


def break_thread(app: App) -> None:
    def later() -> None:
        time.sleep(0.5)
        raise Unexpected("a bug")

    original = app.kill.watch

    async def watch(*arguments: Any) -> None:
        threading.Thread(target=later).start()
        await original(*arguments)

    kill: Any = app.kill
    kill.watch = watch


@pytest.mark.parametrize("spoil", [break_guard, break_cycle, break_switch, break_thread])
async def test_an_exception_that_no_task_expects_ends_the_process_with_its_traceback(
    stage: Stage, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, logs = await ends_with(stage, spoil, monkeypatch)
    assert code == ExitCode.ERROR
    said = [line for line in logs if line["event"] == "task_failed"]
    assert [line["log_level"] for line in said] == ["critical"]
    assert isinstance(said[0]["exc_info"], Unexpected)
    assert said[0]["exc_info"].__traceback__ is not None


async def test_a_health_file_that_cannot_be_written_ends_no_task(stage: Stage, tmp_path: Path) -> None:
    """A full disk had ended the guards for ever, in silence (case a20)."""
    blocked = tmp_path / "health.json"
    blocked.mkdir()
    async with stage.app() as app:
        done: list[int] = []
        guard = app.cycle.guard

        async def counted() -> Any:
            done.append(1)
            return await guard()

        app.cycle.guard = counted  # type: ignore[method-assign]
        stop = asyncio.Event()
        with capture_logs() as logs:
            task = asyncio.create_task(Daemon(app, stage.settings, Health(blocked, "trade", "sim"), stop).run(None))
            async with asyncio.timeout(20):
                while len(done) < 3:  # noqa: ASYNC110 - the daemon has no event for it
                    await asyncio.sleep(0.05)
            stop.set()
            assert await task == 0
    assert len([line for line in logs if line["event"] == "health_not_written"]) == 1


async def test_health_names_the_part_that_is_late_while_the_others_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop hangs in a call that never yields; the switch's own thread goes on, and writes who is late."""
    monkeypatch.setattr("bot.runtime.health.health_file.WRITE_SECONDS", 0.2)
    health = Health(stage.settings.state_directory / "health.json", "trade", "sim")
    async with stage.app() as app:
        stop = asyncio.Event()
        daemon = Daemon(app, stage.settings, health, stop)
        task = asyncio.create_task(daemon.run(None))
        while "cycle" not in health.last:  # noqa: ASYNC110 - the daemon changes it
            await asyncio.sleep(0.02)
        health.parts["event loop"].late_after = 0.5
        time.sleep(1.5)  # noqa: ASYNC251 - the loop hangs on purpose
        code, words = check(stage.settings.state_directory, time.time_ns() // 1_000_000)
        assert (code, words.split(" (")[0]) == (ExitCode.ERROR, "late: event loop")
        stop.set()
        await task


def test_a_part_that_beats_again_is_not_late(tmp_path: Path) -> None:
    health = Health(tmp_path / "health.json", "trade", "sim")
    health.expect("guard", 0.05)
    health.expect("journal writer", 10, lambda: 11.0)
    time.sleep(0.1)
    assert set(health.late()) == {"guard", "journal writer"}
    health.beat("guard")
    assert set(health.late()) == {"journal writer"}
    health.write()
    parts = json.loads((tmp_path / "health.json").read_text())["parts"]
    assert set(parts) == {"guard", "journal writer"}
    assert check(tmp_path, time.time_ns() // 1_000_000)[1].startswith("late: journal writer (silent for 11 s)")
