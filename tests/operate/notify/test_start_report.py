"""A start that never reaches its venue is reported: once, without being lost, and without holding the start up."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.journal.errors import JournalCorrupt
from bot.journal.journal import Journal, JournalBusy, JournalError, JournalFull, JournalLocked, JournalReadOnly
from bot.journal.reader import JournalReader
from bot.operate.notify import direct
from bot.operate.notify.events import NOTICE
from bot.operate.notify.service import report_failed_start
from bot.ports import SetupFailed, Unavailable
from bot.report.notices import SENT
from bot.runtime.daemon import StopEvent, _build_and_run
from bot.runtime.exit_codes import ExitCode
from bot.runtime.services.notice import NoticeEvent
from bot.runtime.settings.model import Settings
from bot.runtime.start import attempts as start_attempts
from bot.runtime.start import report as start_report
from bot.runtime.start.report import StartReport
from bot.runtime.wiring import listen
from tests.operate.hook import Hook, serving
from tests.operate.notify.test_service import QUICK, STARTED, notifying, replace, settings_for, until


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving() as made:
        yield made


def facts_of(settings: Settings, kind: str) -> int:
    reader = JournalReader(settings.journal_path)
    try:
        return len(reader.load_facts(kind))
    finally:
        reader.close()


async def test_a_venue_that_is_never_reached_is_reported_once_while_the_start_goes_on(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(hook.url, tmp_path, replace(QUICK, unreachable_seconds=0.05))
    stop, attempts = StopEvent(), 0

    async def unreachable(*_: Any, **__: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 8:
            stop.set_by("SIGTERM")
        raise Unavailable("Cannot connect to host api.binance.com")

    monkeypatch.setattr(start_attempts, "build", unreachable)
    monkeypatch.setattr(start_attempts, "START_RETRY_SECONDS", (0.03,))
    monkeypatch.setattr(start_report, "AGAIN_SECONDS", 0.0)
    report = StartReport(settings, report_failed_start)
    assert await _build_and_run(settings, listen(settings), stop, None, (), report) is ExitCode.OK
    (message,) = hook.received
    assert "not started: tried for" in message["message"]
    assert "Cannot connect to host" in message["message"]
    assert (facts_of(settings, NOTICE), facts_of(settings, SENT)) == (1, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [(SetupFailed("the key may withdraw"), ExitCode.CONFIGURATION), (Unavailable("dark"), ExitCode.TIMEOUT)],
    ids=["refused", "unreachable"],
)
async def test_a_start_that_is_given_up_says_so_and_a_restart_within_the_hour_does_not_repeat_it(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: ExitCode
) -> None:
    settings = settings_for(hook.url, tmp_path)

    async def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(start_attempts, "build", failing)
    for _ in range(2):
        report = StartReport(settings, report_failed_start)
        assert await _build_and_run(settings, listen(settings), StopEvent(), 1, (), report) is code
    (message,) = hook.received
    assert f"not started: given up: {error}" in message["message"] or str(error) in message["message"]


async def test_what_could_not_be_sent_of_a_failed_start_is_sent_by_the_next_run(hook: Hook, tmp_path: Path) -> None:
    """To a destination that is new as well, and without what earlier runs had to say."""
    settings, hook.status = settings_for(hook.url, tmp_path), 503
    journal = await Journal.open(settings.journal_path, account="main", now_ms=lambda: 1)
    await journal.record_fact("started", STARTED | {"mode": "earlier"})
    await journal.close()
    assert await report_failed_start(settings, "given up: dark") is False
    assert hook.received == []
    hook.status = 200
    async with notifying(settings, tmp_path):
        await until(lambda: "started: trade" in hook.text)
    assert "not started: given up: dark" in hook.text
    assert "started: earlier" not in hook.text


async def test_a_service_of_notices_that_hangs_holds_a_start_up_for_seconds_at_most(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.status = None
    settings = settings_for(hook.url, tmp_path, replace(QUICK, unreachable_seconds=0, send_seconds=60))
    monkeypatch.setattr(start_report, "SEND_SECONDS", 1.0)  # the journal is opened and written within it
    async with asyncio.timeout(5):
        await StartReport(settings, report_failed_start).failing("dark")
    hook.release.set()
    journal = await Journal.open(settings.journal_path, account="main", now_ms=lambda: 1)
    await journal.close()
    assert (facts_of(settings, NOTICE), facts_of(settings, SENT)) == (1, 0)


async def test_a_journal_that_is_in_use_keeps_no_start_from_being_tried_again(hook: Hook, tmp_path: Path) -> None:
    settings = settings_for(hook.url, tmp_path, replace(QUICK, unreachable_seconds=0))
    journal = await Journal.open(settings.journal_path, account="main", now_ms=lambda: 1)
    await StartReport(settings, report_failed_start).failing("dark")
    await journal.close()
    assert hook.received == []


def broken(kind: type[JournalError], settings: Settings) -> JournalError:
    return kind(settings.journal_path, "is not usable", "see to it")


@pytest.mark.parametrize("kind", [JournalLocked, JournalFull, JournalReadOnly, JournalCorrupt, JournalError])
async def test_a_start_without_a_usable_journal_is_reported_once_however_often_it_is_tried(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[JournalError]
) -> None:
    settings = settings_for(hook.url, tmp_path)

    async def failing(*_: Any, **__: Any) -> None:
        raise broken(kind, settings)

    monkeypatch.setattr(start_attempts, "build", failing)
    for _ in range(3):
        report = StartReport(settings, report_failed_start)
        assert await _build_and_run(settings, listen(settings), StopEvent(), 1, (), report) is ExitCode.ERROR
    (message,) = hook.received
    assert "not started: given up" in message["message"]
    assert "is not usable; see to it" in message["message"]
    assert not settings.journal_path.exists(), "it is not opened for the report"


async def test_a_file_that_is_no_journal_is_reported_by_the_start_that_meets_it(hook: Hook, tmp_path: Path) -> None:
    settings = settings_for(hook.url, tmp_path)
    settings.journal_path.parent.mkdir(parents=True, exist_ok=True)
    settings.journal_path.write_bytes(b"no journal" * 1_000)
    report = StartReport(settings, report_failed_start)
    assert await _build_and_run(settings, listen(settings), StopEvent(), 1, (), report) is ExitCode.ERROR
    assert len(hook.received) == 1
    assert str(settings.journal_path) in hook.text


async def test_a_daemon_that_has_the_journal_is_no_failed_start_to_report(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(hook.url, tmp_path)

    async def failing(*_: Any, **__: Any) -> None:
        raise broken(JournalBusy, settings)

    monkeypatch.setattr(start_attempts, "build", failing)
    report = StartReport(settings, report_failed_start)
    assert await _build_and_run(settings, listen(settings), StopEvent(), 1, (), report) is ExitCode.ERROR
    assert hook.asked == 0


async def test_a_report_that_the_journal_does_not_take_is_sent_straight(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: the venue is not reached, and the report of that cannot be written down."""
    settings = settings_for(hook.url, tmp_path, replace(QUICK, unreachable_seconds=0))

    async def full(*_: Any, **__: Any) -> None:
        raise broken(JournalFull, settings)

    monkeypatch.setattr(Journal, "record_fact", full)
    await StartReport(settings, report_failed_start).failing("dark")
    (message,) = hook.received
    assert "dark" in message["message"]


@pytest.mark.parametrize("takes", ["state directory", "temporary files", "nothing"])
async def test_when_it_was_sent_stands_where_a_file_can_be_made(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: str
) -> None:
    settings, opened = settings_for(hook.url, tmp_path / "state"), os.open
    monkeypatch.setattr(direct.tempfile, "gettempdir", lambda: str(tmp_path))

    def refused(path: Any, *arguments: Any, **named: Any) -> int:
        is_ours = Path(path).suffix == ".sent" and Path(path).parent == settings.state_directory
        if (is_ours and takes != "state directory") or (Path(path).suffix == ".sent" and takes == "nothing"):
            raise OSError(28, "No space left on device")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refused)
    for _ in range(2):
        await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    assert len(hook.received) == (2 if takes == "nothing" else 1)


async def test_what_did_not_arrive_without_a_journal_is_sent_by_the_next_start(hook: Hook, tmp_path: Path) -> None:
    settings, hook.status = settings_for(hook.url, tmp_path), 503
    await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    hook.status = 200
    await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    assert len(hook.received) == 1


async def test_a_destination_that_failed_is_sent_to_by_the_next_start_and_one_that_took_it_is_not(
    hook: Hook, tmp_path: Path
) -> None:
    with serving() as other:
        settings, other.status = settings_for(f"{hook.url} {other.url}", tmp_path), 503
        for _ in range(2):
            await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
        assert (hook.asked, len(other.received)) == (1, 0)
        other.status = 200
        for _ in range(2):
            await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    assert (hook.asked, len(other.received)) == (1, 1)


async def test_a_destination_that_hangs_does_not_keep_another_from_being_marked(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_report, "SEND_SECONDS", 1.0)
    with serving() as other:
        settings = settings_for(f"{hook.url} {other.url}", tmp_path, replace(QUICK, send_seconds=60))
        other.status = None
        for _ in range(2):
            await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
        other.release.set()
    assert hook.asked == 1


@pytest.mark.parametrize("kind", ["of another user", "a link"])
async def test_a_mark_that_others_have_put_among_the_temporary_files_silences_nothing(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings = settings_for(hook.url, tmp_path / "state")
    monkeypatch.setattr(direct.tempfile, "gettempdir", lambda: str(tmp_path))
    (name,) = settings.notify.destinations
    own, mark = direct._marks(settings, NoticeEvent.START_FAILED, name)
    own.mkdir(parents=True)  # the state directory takes no mark
    os.utime(own, (0, 0))
    target = tmp_path / "target"
    if kind == "a link":
        target.touch()
        os.utime(target, (0, 0))
        mark.symlink_to(target)
    else:
        mark.touch()
        monkeypatch.setattr(os, "getuid", lambda: mark.lstat().st_uid + 1)
    for _ in range(2):
        await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    assert len(hook.received) == 2
    assert not target.exists() or target.stat().st_mtime == 0, "what a link points to is left alone"


async def test_a_muted_report_is_not_sent_without_a_journal_either(hook: Hook, tmp_path: Path) -> None:
    settings = settings_for(hook.url, tmp_path, muted=("start_failed",))
    await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    assert hook.asked == 0


async def test_a_service_that_hangs_holds_up_a_start_without_a_journal_for_seconds_at_most(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.status = None
    settings = settings_for(hook.url, tmp_path, replace(QUICK, send_seconds=60))
    monkeypatch.setattr(start_report, "SEND_SECONDS", 0.2)
    async with asyncio.timeout(5):
        await StartReport(settings, report_failed_start).given_up("no journal", has_journal=False)
    hook.release.set()
