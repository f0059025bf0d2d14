"""The service of notices over a real journal and Apprise: nothing is lost, nothing is repeated, no turn waits."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bot.domain.states import KillLevel
from bot.journal.facts import Fact
from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.operate.notify.events import notices_of
from bot.operate.notify.message import compose
from bot.operate.notify.sender import Sender
from bot.operate.notify.service import Notifier, make_notifier, make_senders
from bot.report.notices import DEAD, SENT, undelivered_notices, undelivered_text
from bot.runtime.cycle import CycleResult
from bot.runtime.daemon import StopEvent, _build_and_run
from bot.runtime.health.health_file import Health
from bot.runtime.settings.model import Settings, load_settings
from bot.runtime.settings.operate.notify import NotifySettings, NotifyTiming
from bot.runtime.start import attempts as start_attempts
from bot.runtime.wiring import App, build, listen
from tests.commands import environment
from tests.operate.hook import PASSWORD, Hook, serving
from tests.stage import FEW, staged

QUICK = NotifyTiming(poll_seconds=0.02, group_seconds=0, send_seconds=5, retry_seconds=0.05, attempts_min=2)
STARTED = {"mode": "trade", "venue": "binance", "environment": "sim", "version": "1", "config": "c"}


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving() as made:
        yield made


def settings_for(url: str, directory: Path, timing: NotifyTiming = QUICK, **changes: Any) -> Settings:
    settings = load_settings(assignments=(f'state_directory="{directory}"',))
    notify = NotifySettings(urls=SecretStr(url), timing=timing, **changes)
    return settings.model_copy(update={"notify": notify})


@asynccontextmanager
async def notifying(settings: Settings, directory: Path, *, starts: bool = True) -> AsyncIterator[tuple[Notifier, Any]]:
    """A service that runs over a journal of its own; the journal is closed at the end, the service is killed."""
    journal = await Journal.open(directory / "journal.db", account="main", now_ms=lambda: time.time_ns() // 1_000_000)
    bot: Any = SimpleNamespace(
        app=SimpleNamespace(journal=journal, clock=SimpleNamespace(now_ms=lambda: time.time_ns() // 1_000_000)),
        settings=settings,
        health=Health(directory / "health.json", "trade", "sim"),
    )
    if starts:
        await journal.record_fact("started", STARTED)
    service = make_notifier(bot)
    task = asyncio.create_task(service.run())
    try:
        yield service, bot
    finally:
        task.cancel()
        await asyncio.gather(task, *service._sending.values(), return_exceptions=True)
        await journal.close()


async def until(what: Callable[[], object], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0.02)


async def test_an_event_of_the_journal_arrives_once_and_the_next_run_does_not_repeat_it(
    hook: Hook, tmp_path: Path
) -> None:
    settings = settings_for(hook.url, tmp_path)
    async with notifying(settings, tmp_path) as (_, bot):
        await bot.app.journal.record_latch(KillLevel.CANCEL, by="ann", reason="margin")
        await until(lambda: "by ann: margin" in hook.text)
        await until(lambda: bot.app.journal.reader.load_facts(SENT))
    async with notifying(settings, tmp_path, starts=False) as (_, bot):
        await bot.app.journal.record_latch(KillLevel.OFF, by="bob", reason="done")
        await until(lambda: "by bob: done" in hook.text)
    assert hook.text.count("by ann: margin") == hook.text.count("started: trade") == 1
    assert hook.received[0]["type"] in {"info", "warning"}


async def test_what_a_killed_run_could_not_send_is_sent_by_the_next(hook: Hook, tmp_path: Path) -> None:
    settings, hook.status = settings_for(hook.url, tmp_path), 500
    async with notifying(settings, tmp_path) as (_, bot):
        await bot.app.journal.record_latch(KillLevel.CANCEL, by="ann", reason="margin")
        await until(lambda: len(hook.statuses) >= 2)
    assert hook.received == []
    hook.status = 200
    async with notifying(settings, tmp_path, starts=False):
        await until(lambda: "by ann: margin" in hook.text)
    assert "started: trade" in hook.text


async def test_a_run_killed_before_its_first_message_loses_nothing_though_the_next_start_is_journaled(
    hook: Hook, tmp_path: Path
) -> None:
    """A destination that had received nothing yet counted as new, and got what the last start had to say."""
    settings, hook.status = settings_for(hook.url, tmp_path), 500
    async with notifying(settings, tmp_path) as (_, bot):
        await bot.app.journal.record_latch(KillLevel.CANCEL, by="ann", reason="margin")
        await until(lambda: len(hook.statuses) >= 2)
    hook.status = 200
    async with notifying(settings, tmp_path):
        await until(lambda: hook.text.count("started: trade") == 2)
    assert "by ann: margin" in hook.text


async def test_a_run_killed_between_sending_and_recording_repeats_it_with_the_same_id(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(hook.url, tmp_path)

    async def killed(*_: Any, **__: Any) -> None:
        await asyncio.sleep(3600)

    with monkeypatch.context() as patch:
        patch.setattr(Notifier, "_record", killed)
        async with notifying(settings, tmp_path) as (service, bot):
            await until(lambda: hook.received)
            for task in service._sending.values():
                task.cancel()
    async with notifying(settings, tmp_path, starts=False) as (_, bot):
        await until(lambda: len(hook.received) == 2)
        await until(lambda: bot.app.journal.reader.load_facts(SENT))
    first, second = (message["message"] for message in hook.received)
    assert first == second


async def test_a_service_that_is_down_is_tried_again_and_then_the_notice_is_a_dead_letter(
    hook: Hook, tmp_path: Path
) -> None:
    settings = settings_for(hook.url, tmp_path, replace(QUICK, give_up_seconds=0.3))
    hook.status = 503
    with capture_logs() as logs:
        async with notifying(settings, tmp_path) as (_, bot):
            await until(lambda: bot.app.journal.reader.load_facts(DEAD))
            (row,) = undelivered_notices(bot.app.journal.reader, time.time_ns() // 1_000_000)
            hook.status = 200
            await bot.app.journal.record_latch(KillLevel.OFF, by="bob", reason="later")
            await until(lambda: "by bob: later" in hook.text)
    assert len(hook.statuses) > 2
    assert (row["to"], row["count"], row["events"], row["why"]) == ("json-1", 1, ["start"], "the service answered 503")
    assert "1 to json-1 not delivered (start), last" in undelivered_text(row, row["at_ms"])
    assert "started: trade" not in hook.text, "what is given up is not sent later"
    assert {line["event"] for line in logs} == {"notice_not_sent", "notices_given_up"}
    assert PASSWORD not in str(logs)


async def test_two_destinations_do_not_wait_for_each_other(hook: Hook, tmp_path: Path) -> None:
    with serving() as hanging:
        hanging.status = None
        settings = settings_for(f"{hanging.url} {hook.url}", tmp_path)
        async with notifying(settings, tmp_path) as (_, bot):
            await until(lambda: "started: trade" in hook.text)
            await bot.app.journal.record_latch(KillLevel.CANCEL, by="ann", reason="margin")
            await until(lambda: "by ann" in hook.text)
            assert {fact.payload["to"] for fact in bot.app.journal.reader.load_facts(SENT)} == {"json-2"}
            hanging.release.set()


async def test_a_hanging_sending_ends_after_its_time_and_no_second_one_begins_beside_it(hook: Hook) -> None:
    hook.status = None
    (sender,) = [Sender("json-1", hook.url, timeout_seconds=0.1)]
    message = compose(notices_of(_fact()), NotifySettings(), "bot")
    assert await sender.send(message) == "no answer within 0.1 s"
    assert await sender.send(message) == "the sending before this one still hangs"
    hook.release.set()
    sender._thread.join(5)
    hook.status = 200
    assert await sender.send(message) == ""


async def test_a_service_that_cannot_be_reached_is_named_without_its_url() -> None:
    with serving() as gone:
        url = gone.url
    sender = Sender("json-1", url, timeout_seconds=5)
    message = compose(notices_of(_fact()), NotifySettings(), "bot")
    assert await sender.send(message) == "the service cannot be reached"


def test_a_url_that_apprise_does_not_know_is_named_by_its_place_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^nosuch-2: Apprise does not know this URL; see its list of services$"):
        make_senders(settings_for(f"json://127.0.0.1/ nosuch://{PASSWORD}", tmp_path))


async def test_a_venue_that_is_dark_is_written_down_and_sent(hook: Hook, tmp_path: Path) -> None:
    settings = settings_for(hook.url, tmp_path, replace(QUICK, unreachable_seconds=0.1))
    async with notifying(settings, tmp_path) as (_, bot):
        bot.health.last["problem"] = "GET /account: timeout"
        await until(lambda: "binance has not answered" in hook.text)
        bot.health.last["problem"] = ""
        await until(lambda: "answers again" in hook.text)


def _fact() -> Any:
    return Fact(1, 1, "started", STARTED)


async def test_turns_go_on_while_the_service_of_notices_hangs(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: turns per second while a sending hangs, and the delay of the event loop."""
    hook.status = None
    async with staged(tmp_path, "cadence.cycle_seconds=0.1", "cadence.guard_seconds=0.1") as stage:
        notify = NotifySettings(urls=SecretStr(hook.url), timing=replace(QUICK, send_seconds=60))
        settings = stage.settings.model_copy(update={"notify": notify})
        watch = _Watch()

        async def on_stage(*arguments: Any, **options: Any) -> App:
            return await build(*arguments, embedded=stage.embedded, **options)

        async def stop_after_turns() -> None:
            await until(lambda: hook.asked, 20)
            hung = len(watch.turns_at)
            await until(lambda: len(watch.turns_at) >= hung + 6, 20)
            watch.stop.set_by("SIGTERM")

        monkeypatch.setattr(start_attempts, "build", on_stage)
        monkeypatch.setattr("bot.runtime.services.service.CLOSE_SECONDS", 0.2)
        async with asyncio.timeout(40), asyncio.TaskGroup() as group:
            group.create_task(stop_after_turns())
            makers = (make_notifier, lambda _: watch)
            await _build_and_run(settings, listen(settings), watch.stop, None, makers)
    assert hook.asked >= 1
    assert hook.received == [], "a sending has hung all the time"
    assert len(watch.turns_at) >= 6
    gaps = [after - before for before, after in zip(watch.turns_at, watch.turns_at[1:], strict=False)]
    assert max(gaps) < 20, f"the longest pause between two turns: {max(gaps):.2f} s"


class _Watch:
    """Notes when turns end."""

    name = "watch"

    def __init__(self) -> None:
        self.turns_at: list[float] = []
        self.stop = StopEvent()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def on_turn(self, result: CycleResult) -> None:
        self.turns_at.append(time.monotonic())

    async def close(self) -> None:
        """Nothing is left."""


@pytest.mark.slow
def test_a_daemon_that_is_killed_reports_its_crash_and_what_it_could_not_send(hook: Hook, tmp_path: Path) -> None:
    hook.status = 500
    small = [word for assignment in FEW for word in ("--set", assignment)]
    command = [sys.executable, "-m", "bot", "run", "-e", "sim", "--mode", "dry-run", *small]
    given = environment() | {"SECTORBOT__NOTIFY__URLS": hook.url}
    process = subprocess.Popen(command, cwd=tmp_path, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not hook.statuses and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    assert hook.statuses
    hook.status = 200
    done = subprocess.run([*command, "--once"], cwd=tmp_path, env=given, capture_output=True, timeout=60, check=False)
    assert "start" in hook.text
    assert "started again after a crash" in hook.text
    assert "stopped: last turn" in hook.text
    assert PASSWORD.encode() not in output + done.stdout + done.stderr
    reader = JournalReader(tmp_path / "var" / "sim-dry-run" / "journal.db")
    try:
        assert len(reader.load_facts(SENT)) >= 1
    finally:
        reader.close()
