"""A journal that another program has locked: the switch goes on in a copy of it, and the copy comes back into it."""

import asyncio
import lzma
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.journal import recovery as journal_recovery
from bot.journal import substitute as journal_substitute
from bot.journal.journal import Journal, JournalError, JournalLocked
from bot.journal.substitute import Substitute
from bot.risk.gate import Refused
from bot.runtime import daemon
from bot.runtime.exit_codes import ExitCode
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.start import attempts as start_attempts
from bot.runtime.start.guarded import level_in_force
from bot.runtime.wiring import App, build, listen
from tests.runtime.test_switch import ACCOUNT, serve, stops, until
from tests.stage import QUIET_MS, Stage, rotated, staged

BUSY_SECONDS = 0.2


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


@pytest.fixture
async def traded(tmp_path: Path) -> AsyncIterator[Stage]:
    """A bot comes back after its rotation: it holds positions, and their stops rest."""
    async with rotated(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.journal.journal.BUSY_SECONDS", BUSY_SECONDS)
    monkeypatch.setattr(journal_recovery, "BUSY_SECONDS", BUSY_SECONDS)
    monkeypatch.setattr(journal_recovery, "QUICK_SECONDS", 0.05)
    monkeypatch.setattr(start_attempts, "LOCKED_RETRY_SECONDS", 0.1)


class Lock:
    """A write lock of another program."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


@contextmanager
def another_process(path: Path) -> Iterator[int]:
    """A process that holds the write lock until the block ends."""
    script = (
        "import sqlite3, sys\n"
        "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "held.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
    finally:
        process.communicate()


def substitute(stage: Stage) -> Path:
    return Substitute(stage.settings.journal_path).path


def sent_and_known(stage: Stage, app: App) -> tuple[set[str], set[str]]:
    history = stage.embedded.exchange.history
    sent = {event.order.client_id for event in history if event.order is not None}
    return sent, {order.client_id for order in app.journal.reader.load_orders(10_000)}


@pytest.mark.parametrize("level", [KillLevel.CANCEL_ALL, KillLevel.FLATTEN])
async def test_the_switch_acts_while_another_program_has_the_journal_locked(traded: Stage, level: KillLevel) -> None:
    async with traded.app() as app:
        with another_process(traded.settings.journal_path):
            task, stop = serve(app, traded)
            app.kill.engage(level, "SIGUSR2")
            await until(lambda: not stops(traded), 5)
            await until(lambda: app.journal.reader.load_latch().level is level)
            if level is KillLevel.FLATTEN:
                await until(lambda: not traded.embedded.exchange.positions(ACCOUNT), 60)
            assert substitute(traded).exists()
        traded.embedded.clock.skip(QUIET_MS)
        await app.cycle.guard()
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0
    async with traded.app() as app:
        assert not substitute(traded).exists()
        assert app.kill.level() is level
        await app.cycle.guard()
        sent, known = sent_and_known(traded, app)
        assert sent <= known, "written down before it was sent"
        await traded.check_books(app)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_flatten_begins_at_once_though_the_lock_would_be_waited_for(
    traded: Stage, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """The wait for another program's lock is ten seconds; with a level in force it is a moment, also for a write that
    has been waiting since before."""
    monkeypatch.setattr("bot.journal.journal.BUSY_SECONDS", 10.0)
    monkeypatch.setattr(journal_recovery, "BUSY_SECONDS", 10.0)
    async with traded.app() as app:
        with another_process(traded.settings.journal_path):
            task, stop = serve(app, traded)
            writing = asyncio.create_task(app.journal.record_fact("waits", {})) if waits else None
            await asyncio.sleep(0.5)
            begun = time.monotonic()
            app.kill.engage(KillLevel.FLATTEN, "SIGUSR2")
            await until(lambda: any(o.purpose is Purpose.FLATTEN for o in app.journal.reader.load_orders(100)), 30)
            seconds = time.monotonic() - begun
            await until(lambda: not traded.embedded.exchange.positions(ACCOUNT), 60)
            if writing is not None:
                with suppress(JournalError):
                    await writing
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0
    assert seconds < 5, f"the first order of the flatten was written after {seconds:.1f} s"


async def test_the_copy_comes_back_while_the_daemon_runs(traded: Stage) -> None:
    async with traded.app() as app:
        lock = Lock(traded.settings.journal_path)
        with capture_logs() as said:
            task, stop = serve(app, traded)
            app.kill.engage(KillLevel.FLATTEN, "SIGUSR2")
            await until(lambda: app.journal.is_substituted)
            await until(lambda: any(o.purpose is Purpose.FLATTEN for o in app.journal.reader.load_orders(100)))
            lock.release()
            await until(lambda: {"journal_substituted", "journal_returned"} <= {line["event"] for line in said})
            assert not app.journal.is_substituted
            await until(lambda: not traded.embedded.exchange.positions(ACCOUNT), 60)
            stop.set()
            assert await asyncio.wait_for(task, 30) == 0
        assert not substitute(traded).exists()
        traded.embedded.clock.skip(QUIET_MS)
        await traded.check_books(app)


async def test_without_a_level_in_force_a_locked_journal_ends_trading(traded: Stage) -> None:
    async with traded.app() as app:
        lock = Lock(traded.settings.journal_path)
        sent = traded.writes()
        task, _ = serve(app, traded)
        assert await asyncio.wait_for(task, 30) == ExitCode.ERROR
        assert traded.writes() == sent
        assert not substitute(traded).exists()
        lock.release()


async def test_a_resume_while_the_journal_is_locked_does_not_trade_in_the_copy(tmp_path: Path) -> None:
    async with rotated(tmp_path, "cadence.guard_seconds=1") as made:
        await _resume_while_locked(made)


async def _resume_while_locked(traded: Stage) -> None:
    async with traded.app() as app:
        lock = Lock(traded.settings.journal_path)
        task, _ = serve(app, traded)
        app.kill.engage(KillLevel.CANCEL_ALL, "SIGUSR1")
        await until(lambda: app.journal.is_substituted)
        for _ in range(100):  # what waited for the locked file may still be failing
            with suppress(JournalError):
                await app.journal.record_latch(KillLevel.OFF, by="anna", reason="a mistake")
                break
            await asyncio.sleep(0.02)
        FlagFile(traded.settings.state_directory).remove()
        app.kill._held, sent = KillLevel.OFF, traded.writes()
        assert await asyncio.wait_for(task, 30) == ExitCode.ERROR
        assert traded.writes() == sent
        lock.release()
    async with traded.app() as app:
        assert app.kill.level() is KillLevel.OFF, "the copy had the newest word"


async def test_a_turn_whose_level_was_just_lifted_opens_nothing_in_the_copy(stage: Stage) -> None:
    """Found by the simulator (heavy seed 760056): the level went while the turn before it tried the journal."""
    async with stage.app() as app:
        lock = Lock(stage.settings.journal_path)
        app.kill.engage(KillLevel.CANCEL, "SIGUSR1")
        app.kill.poll()
        with suppress(JournalError):
            await app.journal.record_fact("note", {})
        assert await app.journal.recover()
        assert app.journal.is_substituted
        app.kill._held = KillLevel.OFF
        result = await app.cycle.run()
        assert {verdict.note.reason for verdict in result.verdicts if isinstance(verdict, Refused)} == {
            Reason.KILL_SWITCH
        }
        assert stage.writes() == 0
        lock.release()


class Crash(BaseException):
    """The process ends here."""


async def end(app: App) -> None:
    await app.venue.close()
    await app.session.close()
    await app.journal.close()


@pytest.mark.slow
@pytest.mark.parametrize("is_locked_again", [False, True])
async def test_a_crash_in_the_copy_loses_nothing_and_sends_nothing_twice(stage: Stage, is_locked_again: bool) -> None:
    exchange = stage.embedded.exchange
    app = await stage.build()
    await stage.rotate(app)
    lock = Lock(stage.settings.journal_path)
    app.kill.engage(KillLevel.FLATTEN, "SIGUSR2")
    app.kill.poll()
    with suppress(JournalError):
        await app.journal.record_fact("note", {})
    assert await app.journal.recover()
    submit, left = app.venue.submit_order, [3]

    async def crash(request: Any) -> Any:
        left[0] -= 1
        answer = await submit(request)
        if left[0] == 0:
            raise Crash
        return answer

    app.venue.submit_order = crash  # type: ignore[method-assign]
    with suppress(Crash, BaseExceptionGroup):
        for _ in range(6):
            await app.cycle.guard()
    assert left[0] <= 0
    await end(app)
    assert substitute(stage).exists()
    if not is_locked_again:
        lock.release()
    stage.embedded.clock.skip(QUIET_MS)
    deadline_ms, switch = stage.embedded.clock.now_ms() + HOUR_MS, listen(stage.settings)
    app = await build(stage.settings, embedded=stage.embedded, switch=switch, substituted=is_locked_again)
    try:
        assert app.journal.is_substituted is is_locked_again
        assert app.kill.level() is KillLevel.FLATTEN
        while exchange.positions(ACCOUNT) and stage.embedded.clock.now_ms() < deadline_ms:
            await app.cycle.guard()
            stage.embedded.clock.skip(61_000)
        assert exchange.positions(ACCOUNT) == ()
        if is_locked_again:
            assert not await app.journal.return_if_unlocked(may_stay=True)
            lock.release()
            assert await app.journal.return_if_unlocked(may_stay=False)
        sent, known = sent_and_known(stage, app)
        assert sent <= known
        await stage.check_books(app)
    finally:
        await app.close()


async def test_a_start_on_a_locked_journal_names_the_program_and_gives_up_in_time(
    traded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_attempts, "LOCKED_SECONDS", 1)
    monkeypatch.setattr(start_attempts, "build", partial(build, embedded=traded.embedded))
    with another_process(traded.settings.journal_path) as pid, capture_logs() as said:
        began = time.monotonic()
        assert await daemon._run(traded.settings, limit=None) == ExitCode.ERROR
        assert time.monotonic() - began < 10
    locked = [line for line in said if line["event"] == "journal_locked"]
    assert len(locked) == 1, "one line"
    assert f"process {pid} (" in locked[0]["why"]
    assert "close whatever is writing to it" in locked[0]["why"]
    assert any(line["event"] == "cannot_start" and "positions (" in line["left_open"] for line in said)


async def test_a_start_on_a_locked_journal_goes_on_when_it_is_free(
    traded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_attempts, "build", partial(build, embedded=traded.embedded))
    stop = asyncio.Event()
    lock = Lock(traded.settings.journal_path)
    asyncio.get_running_loop().call_later(1.0, lock.release)
    app = await asyncio.wait_for(
        start_attempts.build_patiently(traded.settings, listen(traded.settings), stop, patient=True), 30
    )
    assert app is not None
    assert not app.journal.is_substituted
    await app.close()


@pytest.mark.parametrize("latched", ["flag", "journal"])
async def test_a_start_on_a_locked_journal_flattens_when_that_level_is_in_force(
    traded: Stage, monkeypatch: pytest.MonkeyPatch, latched: str
) -> None:
    async with traded.app() as app:
        if latched == "journal":
            await app.journal.record_latch(KillLevel.FLATTEN, by="anna", reason="fire")
    if latched == "flag":
        FlagFile(traded.settings.state_directory).record(KillLevel.FLATTEN, "fire", "anna")
    traded.embedded.clock.skip(QUIET_MS)
    monkeypatch.setattr(start_attempts, "build", partial(build, embedded=traded.embedded))
    stop = asyncio.Event()
    with another_process(traded.settings.journal_path):
        switch = listen(traded.settings)
        app = await asyncio.wait_for(start_attempts.build_patiently(traded.settings, switch, stop, patient=True), 30)
        assert app is not None
        task, end = serve(app, traded)
        await until(lambda: not traded.embedded.exchange.positions(ACCOUNT), 60)
    await until(lambda: not app.journal.is_substituted, 30)
    end.set()
    assert await asyncio.wait_for(task, 30) == 0
    traded.embedded.clock.skip(QUIET_MS)
    await traded.check_books(app)
    await app.close()


async def test_a_journal_too_large_to_copy_is_waited_for(traded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_substitute, "SIZE_MAX", 1)
    async with traded.app() as app:
        lock = Lock(traded.settings.journal_path)
        task, stop = serve(app, traded)
        app.kill.engage(KillLevel.FLATTEN, "SIGUSR2")
        await until(lambda: not stops(traded), 5)
        assert not app.journal.is_substituted
        lock.release()
        await until(lambda: not traded.embedded.exchange.positions(ACCOUNT), 60)
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0


# the copy and the journal


async def opened(path: Path, **options: Any) -> Journal:
    return await Journal.open(path, account="main", now_ms=lambda: 1, **options)


async def test_a_copy_that_the_journal_has_whole_is_removed(tmp_path: Path) -> None:
    """A crash between the commit that took its events and its removal."""
    path = tmp_path / "journal.db"
    journal = await opened(path)
    await journal.close()
    assert Substitute(path).make()
    journal = await opened(path)
    await journal.record_fact("note", {"n": 1})
    await journal.close()
    assert not Substitute(path).exists()
    journal = await opened(path)
    assert journal.rebuilt == ""
    journal.reader.verify()
    await journal.close()


NEWER_MS = 4_000_000_000_000


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A journal of an earlier version."""
    path = tmp_path / "journal.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "upgrade" / "journal.db.xz").read_bytes()))
    return path


async def opened_older(path: Path, **options: Any) -> Journal:
    return await Journal.open(path, account="main", now_ms=lambda: NEWER_MS, **options)


async def test_a_copy_of_an_earlier_version_comes_back_after_an_upgrade(older: Path) -> None:
    assert Substitute(older).make()
    journal = await opened_older(older)
    assert not Substitute(older).exists()
    journal.reader.verify()
    await journal.close()


async def test_a_journal_of_an_earlier_version_is_upgraded_on_the_way_back_to_it(older: Path) -> None:
    journal = await opened_older(older, substituted=True)
    assert await journal.return_if_unlocked(may_stay=True)
    journal.reader.verify()
    await journal.close()


def test_a_latched_level_that_cannot_be_read_counts_as_cancel(older: Path, stage: Stage) -> None:
    """Found by the simulator (heavy seed 750261): a flipped bit of the level ended the start with a traceback."""
    settings = stage.settings
    assert settings.journal_path == older
    with closing(sqlite3.connect(older)) as db:
        db.execute("INSERT OR REPLACE INTO latch (id, level, by, reason, at_ms) VALUES (1, 'cancdl', '', '', 1)")
        db.commit()
    assert level_in_force(settings, KillLevel.OFF) is KillLevel.CANCEL
    assert level_in_force(settings, KillLevel.FLATTEN) is KillLevel.FLATTEN


async def test_a_copy_of_another_journal_is_refused_with_both_names(tmp_path: Path) -> None:
    path, other = tmp_path / "journal.db", tmp_path / "other.db"
    for place in (path, other):
        journal = await opened(place)
        await journal.record_fact("note", {"place": place.name})
        await journal.close()
    assert Substitute(other).make()
    Substitute(other).path.rename(Substitute(path).path)
    with pytest.raises(
        JournalError, match=r"journal.db.substitute: holds events that do not follow those of .*journal.db"
    ):
        await opened(path)
    assert Substitute(path).exists(), "nothing is thrown away"


async def test_a_flipped_event_of_the_copy_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await opened(path)
    await journal.close()
    lock = Lock(path)
    journal = await opened(path, substituted=True)
    await journal.record_fact("note", {"n": 1})
    await journal.close()
    lock.release()
    with closing(sqlite3.connect(Substitute(path).path)) as copy:
        copy.execute("DROP TRIGGER IF EXISTS event_no_update")
        for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            copy.execute(f"DROP TRIGGER {name}")
        copy.execute("UPDATE event SET payload = replace(payload, '1', '2') WHERE kind = 'note'")
        copy.commit()
    with pytest.raises(JournalError, match="breaks the hash chain"):
        await opened(path)


async def test_tables_of_the_journal_are_compared_with_its_events_before_a_copy_comes_back(tmp_path: Path) -> None:
    """The start proves the copy. A bit that has flipped in a table of the journal itself was read after the return."""
    path = tmp_path / "journal.db"
    journal = await opened(path)
    await journal.record_latch(KillLevel.REDUCE_ONLY, by="ops", reason="test")
    await journal.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE latch SET level = 'reduce-onmy'")
    lock = Lock(path)
    journal = await opened(path, substituted=True)
    assert journal.rebuilt
    assert journal.reader.load_latch().level is KillLevel.REDUCE_ONLY
    lock.release()
    assert await journal.return_if_unlocked(may_stay=True)
    assert journal.reader.load_latch().level is KillLevel.REDUCE_ONLY
    await journal.record_fact("note", {"n": 1})
    assert [fact.payload["difference"] for fact in journal.reader.load_facts("projections_rebuilt")] == [
        journal.rebuilt
    ] * 2
    journal.reader.verify()
    await journal.close()


async def test_a_lock_without_a_level_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await opened(path)
    await journal.close()
    lock = Lock(path)
    with pytest.raises(JournalLocked):
        await opened(path)
    lock.release()


async def test_a_journal_that_is_not_locked_is_not_called_so_when_its_copy_cannot_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operational error said that another program held the lock. A level of the switch goes on in the copy."""
    path = tmp_path / "journal.db"
    await (await opened(path)).close()
    lock = Lock(path)
    journal = await opened(path, substituted=True)
    lock.release()

    def fail(db: Any, rebuilt: str) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(journal._recovery, "_claim", fail)
    assert not await journal.return_if_unlocked(may_stay=True)
    with pytest.raises(JournalError, match="disk I/O error") as error:
        await journal.return_if_unlocked(may_stay=False)
    assert not isinstance(error.value, JournalLocked)
    await journal.close()
