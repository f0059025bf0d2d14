"""The kill switch as the daemon obeys it: before the first call, before it writes, on a full disk, during a flatten."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.domain.order import Order, Purpose
from bot.domain.states import KillLevel, OrderState
from bot.journal.disk import reserve as journal_reserve
from bot.journal.journal import Journal, JournalFull
from bot.ports import Rejection, Unavailable, VenueRejected
from bot.runtime.cycle import Cycle, CycleResult
from bot.runtime.daemon import Daemon
from bot.runtime.health.health_file import Health
from bot.runtime.kill import actions as switch_actions
from bot.runtime.kill import early_signals as early
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.resume_file import ResumeFile, ResumeRequest
from bot.runtime.kill.switch import KillSwitch
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.wiring import App
from bot.simex.engine.types import EventKind
from tests.commands import environment
from tests.execution.worlds import make_order
from tests.stage import FEW, QUIET_MS, Stage, rotated, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "playbook.constants.flatten_slice=0.2") as made:
        yield made


@pytest.fixture
async def traded(tmp_path: Path) -> AsyncIterator[Stage]:
    """A bot comes back after its rotation: it holds positions, and their stops rest."""
    async with rotated(tmp_path, "playbook.constants.flatten_slice=0.2") as made:
        yield made


def serve(app: App, stage: Stage) -> tuple["asyncio.Task[int]", asyncio.Event]:
    """The daemon's own loop over a running App."""
    stop = asyncio.Event()
    health = Health(stage.settings.state_directory / "health.json", "trade", "sim")
    return asyncio.create_task(Daemon(app, stage.settings, health, stop).run(None)), stop


async def until(what: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


def stops(stage: Stage) -> set[str]:
    return {str(o.client_id) for o in stage.embedded.exchange.open_orders(ACCOUNT) if ":" in o.symbol}


# cancel and cancel-all


async def test_cancel_leaves_protective_stops_and_lets_exits_go_on(traded: Stage) -> None:
    async with traded.app() as app:
        resting = stops(traded)
        assert resting
        app.kill.engage(KillLevel.CANCEL)
        assert await app.cycle.withdraw(KillLevel.CANCEL) == ()
        await app.cycle.guard()
        assert stops(traded) == resting, "no stop is taken away"
        for client_id in resting:  # somebody else withdraws one: the exits go on and place it again
            order = next(o for o in traded.embedded.exchange.open_orders(ACCOUNT) if o.client_id == client_id)
            traded.embedded.exchange.cancel_all(ACCOUNT, order.symbol, is_trigger=True)
        traded.embedded.clock.skip(60_000)
        for _ in range(3):
            await app.cycle.guard()
        assert len(stops(traded)) == len(resting)
        sent = [o for o in app.journal.reader.load_orders(1_000) if o.client_id in stops(traded)]
        assert {o.purpose for o in sent} == {Purpose.EXIT}


async def test_cancel_all_takes_the_stops_away_and_sends_nothing(traded: Stage) -> None:
    async with traded.app() as app:
        assert stops(traded)
        app.kill.engage(KillLevel.CANCEL_ALL)
        assert await app.cycle.withdraw(KillLevel.CANCEL_ALL) == ()
        sent = app.journal.reader.count_orders(0)
        await app.cycle.guard()
        assert stops(traded) == set()
        assert app.journal.reader.count_orders(0) == sent


async def test_a_latch_of_an_older_journal_reads_as_before(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: 1)
    for word in ("pause", "reduce-only", "cancel", "flatten", "off"):
        await journal.record_latch(KillLevel(word), by="x", reason="y")
        assert journal.reader.load_latch().level.value == word
    await journal.close()


async def test_the_switch_does_not_end_the_turn_behind_the_one_it_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked at the turn under way after its wait, and cancelled a healthy guard that had just begun."""
    async with stage.app() as app:
        whole, gates, begun = app.cycle._turn, (asyncio.Event(), asyncio.Event()), list[str]()

        async def held(kind: str) -> Any:
            gate = gates[len(begun)]
            begun.append(kind)
            await gate.wait()
            return await whole(kind)

        monkeypatch.setattr(app.cycle, "_turn", held)
        turns = [asyncio.create_task(turn) for turn in (app.cycle.run(), app.cycle.guard())]
        await until(lambda: len(begun) == 1)
        switch = asyncio.create_task(app.cycle.withdraw(KillLevel.CANCEL_ALL))
        await asyncio.sleep(0)
        gates[0].set()
        await until(lambda: len(begun) == 2)
        await asyncio.sleep(0.1)
        gates[1].set()
        assert [(await turn).kind for turn in turns] == ["cycle", "guard"]
        await switch


async def test_a_report_older_than_the_cancel_of_the_switch_does_not_prove_that_the_order_rests(
    traded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resume ended the wish to cancel while the venue still showed the order: it passed for resting (seed 62)."""
    async with traded.app() as app:
        executor, reader = app.cycle.parts.executor, app.journal.reader
        (stop, *_) = [order for order in reader.load_working() if order.order_type.is_trigger]
        old = await executor._evidence.fetch_order(stop)
        assert old is not None

        async def lagging(order: Order) -> Any:
            return old

        await executor.send_cancels([stop])
        assert str(stop.client_id) not in stops(traded)
        monkeypatch.setattr(executor._evidence, "fetch_order", lagging)
        await executor.settle_cancels([stop], lambda _: False)
        after = reader.load_order(stop.client_id)
        assert after is not None
        assert after.state is OrderState.CANCELING


async def test_an_order_whose_cancel_the_venue_refuses_rests_on_after_a_resume(
    traded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traded.app() as app:
        executor, reader = app.cycle.parts.executor, app.journal.reader
        (stop, *_) = [order for order in reader.load_working() if order.order_type.is_trigger]

        async def refused(*arguments: Any, **options: Any) -> Any:
            raise VenueRejected("-1003", "too many requests", Rejection.RATE_LIMIT)

        monkeypatch.setattr(app.venue, "cancel_order", refused)
        await executor.send_cancels([stop])
        await executor.settle_cancels([stop], lambda _: False)
        after = reader.load_order(stop.client_id)
        assert after is not None
        assert after.state is OrderState.OPEN


# before it writes


async def test_cancels_leave_before_anything_is_written(traded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with traded.app() as app:
        assert stops(traded)

        run, is_locked = app.journal._writer.run, True

        async def locked(work: Any) -> Any:
            while is_locked:  # noqa: ASYNC110 - another program holds it
                await asyncio.sleep(0.05)
            return await run(work)

        monkeypatch.setattr(app.journal._writer, "run", locked)
        task, stop = serve(app, traded)
        app.kill.engage(KillLevel.CANCEL_ALL, "SIGUSR1")
        await until(lambda: not stops(traded), 5)
        assert app.journal.reader.load_latch().level is KillLevel.OFF, "it could not be written yet"
        assert FlagFile(traded.settings.state_directory).load() is KillLevel.CANCEL_ALL, "a restart finds it"
        is_locked = False
        await until(lambda: app.journal.reader.load_latch().level is KillLevel.CANCEL_ALL)
        stop.set()
        async with asyncio.timeout(20):
            assert await task == 0


async def test_a_dark_venue_is_asked_again_until_the_cancels_are_through(
    traded: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traded.app() as app:
        assert stops(traded)
        cancel, is_dark = app.venue.cancel_order, True

        async def dark(*arguments: Any, **options: Any) -> Any:
            if is_dark:
                raise Unavailable("dark")
            return await cancel(*arguments, **options)

        monkeypatch.setattr(app.venue, "cancel_order", dark)
        task, stop = serve(app, traded)
        health = traded.settings.state_directory / "health.json"

        def said() -> str:
            return health.read_text() if health.exists() else ""

        app.kill.engage(KillLevel.CANCEL_ALL)
        await until(lambda: '"kill_pending":["' in said())
        assert stops(traded)
        is_dark = False
        await until(lambda: not stops(traded))
        await until(lambda: '"kill_pending":[]' in said())
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0


# flatten


async def test_a_flatten_is_called_off_between_two_orders_and_resume_answers_within_two_seconds(traded: Stage) -> None:
    """The watch that alone serves a resume had been inside the flattening until nothing moved (case a26)."""
    directory = traded.settings.state_directory
    async with traded.app() as app:
        flag = FlagFile(directory)
        flag.record(KillLevel.FLATTEN, "by mistake", "anna")

        def sent() -> int:
            return sum(o.purpose is Purpose.FLATTEN for o in app.journal.reader.load_orders(1_000))

        task, stop = serve(app, traded)
        await until(lambda: sent() >= 2)
        flag.remove()
        asked = ResumeFile(directory)
        started = time.monotonic()
        assert await asyncio.to_thread(asked.request, ResumeRequest("a mistake"))
        assert time.monotonic() - started < 2
        assert app.kill.level() is KillLevel.OFF
        held = {o.client_id for o in app.journal.reader.load_orders(1_000) if o.purpose is Purpose.FLATTEN}
        await asyncio.sleep(switch_actions.ROUND_SECONDS + 1)
        after = {o.client_id for o in app.journal.reader.load_orders(1_000) if o.purpose is Purpose.FLATTEN}
        assert after == held, "nothing is sold any more"
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0
        await traded.check_books(app)


async def test_a_flatten_stops_in_the_middle_of_a_round(traded: Stage) -> None:
    async with traded.app() as app:
        app.kill.engage(KillLevel.FLATTEN)
        submit, count = app.venue.submit_order, 0

        async def release_after_one(request: Any) -> Any:
            nonlocal count
            count += 1
            answer = await submit(request)
            app.kill._held = KillLevel.OFF
            return answer

        app.venue.submit_order = release_after_one  # type: ignore[method-assign]
        for _ in range(3):
            app.kill._held = KillLevel.FLATTEN
            count = 0
            result = await app.cycle.guard()
            wanted = len(result.decision.intents)
            if wanted > 4:
                break
        assert wanted > 4
        assert count <= app.settings.execution.orders_at_once, "those under way at once, and no other"


async def test_what_a_cancel_has_not_reached_is_withdrawn_before_the_next_round_of_a_flatten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the simulator (heavy seed 1202156): the reads of a round took ten seconds, and the stop was left to them
    after its venue had come back."""
    done: list[str] = []
    left = [make_order(1)]

    class Turns:
        def load_withdrawn(self, level: KillLevel) -> tuple[Order, ...]:
            return tuple(left)

        async def withdraw(self, level: KillLevel) -> tuple[Order, ...]:
            done.append("withdraw")
            if done.count("withdraw") == 3:  # the venue is back
                left.clear()
            return tuple(left)

    async def guard() -> CycleResult | None:
        done.append("guard")
        return None if left else cast(CycleResult, SimpleNamespace(has_acted=False))

    async def recover() -> bool:
        return True

    monkeypatch.setattr(switch_actions, "RETRY_SECONDS", (0.0,))
    actions = switch_actions.SwitchActions(
        cast(Cycle, Turns()), level=lambda: KillLevel.FLATTEN, guard=guard, recover=recover, report=lambda orders: None
    )
    await asyncio.wait_for(actions.on_rise(KillLevel.FLATTEN), 5)
    assert done == ["withdraw", "guard", "withdraw", "guard", "withdraw", "guard", "withdraw"]


async def test_a_cancel_that_has_not_got_through_is_repeated_beside_a_round_of_a_flatten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the simulator (heavy seed 2600006, 6 lives): the venue was back in the middle of a round, whose reads
    took forty seconds, and the order was left to their end. What the round itself sends is not withdrawn."""
    monkeypatch.setattr(switch_actions, "RETRY_SECONDS", (0.0,))
    live, ended, repeated = [make_order(1)], asyncio.Event(), list[str]()

    class Turns:
        def load_withdrawn(self, level: KillLevel) -> tuple[Order, ...]:
            return tuple(live)

        async def withdraw(self, level: KillLevel) -> tuple[Order, ...]:
            return tuple(live)

        async def repeat_cancels(self, orders: Sequence[Order], level: KillLevel) -> None:
            repeated.extend(order.client_id for order in orders)
            if len(repeated) == 3:
                ended.set()

    async def guard() -> CycleResult | None:
        live.append(make_order(2))
        await asyncio.wait_for(ended.wait(), 5)
        live.clear()
        return cast(CycleResult, SimpleNamespace(has_acted=False))

    async def recover() -> bool:
        return True

    actions = switch_actions.SwitchActions(
        cast(Cycle, Turns()), level=lambda: KillLevel.FLATTEN, guard=guard, recover=recover, report=lambda orders: None
    )
    await asyncio.wait_for(actions.on_rise(KillLevel.FLATTEN), 5)
    assert {*repeated} == {make_order(1).client_id}
    assert len(asyncio.all_tasks()) == 1, "nothing is repeated after the round"


async def test_an_error_of_a_repeated_cancel_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_actions, "RETRY_SECONDS", (0.0,))

    class Turns:
        def load_withdrawn(self, level: KillLevel) -> tuple[Order, ...]:
            return (make_order(1),)

        async def withdraw(self, level: KillLevel) -> tuple[Order, ...]:
            return self.load_withdrawn(level)

        async def repeat_cancels(self, orders: Sequence[Order], level: KillLevel) -> None:
            raise ZeroDivisionError

    async def guard() -> CycleResult | None:
        await asyncio.sleep(0.01)
        return None

    async def recover() -> bool:
        return True

    actions = switch_actions.SwitchActions(
        cast(Cycle, Turns()), level=lambda: KillLevel.FLATTEN, guard=guard, recover=recover, report=lambda orders: None
    )
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(actions.on_rise(KillLevel.FLATTEN), 5)


# from the first instruction on


def test_a_signal_before_the_switch_listens_is_kept_and_obeyed(tmp_path: Path) -> None:
    """The default action had ended the process, and nothing was latched (case a21)."""
    script = (
        "import os, signal, sys\n"
        "from bot.runtime.kill import early_signals as early\n"
        "early.listen()\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\n"
        "from pathlib import Path\n"
        "early.keep_in(Path(sys.argv[1]))\n"
        "print([number.name for number in early.taken()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "state")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['SIGUSR2']"
    assert FlagFile(tmp_path / "state").load() is KillLevel.FLATTEN


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_while_the_venue_is_waited_for_is_latched(tmp_path: Path, number: signal.Signals) -> None:
    words = [word for assignment in FEW for word in ("--set", assignment)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--environment", "mainnet", "--mode", "dry-run", *words],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        time.sleep(1.5)
        process.send_signal(number)
        flag = FlagFile(tmp_path / "var")
        deadline = time.monotonic() + 20
        while flag.load() is KillLevel.OFF:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.05)
        assert flag.load() is KillLevel(early.LEVELS[number])
    finally:
        process.kill()
        process.communicate()


async def test_a_level_asked_for_before_the_journal_is_open_is_latched_once_it_is(tmp_path: Path) -> None:
    kill = KillSwitch(FlagFile(tmp_path), configured=lambda: KillLevel.OFF)
    kill.start()
    kill.engage(KillLevel.REDUCE_ONLY, "SIGUSR1")
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: 1)
    kill.attach(
        latched=lambda: journal.reader.load_latch().level,
        latch=lambda level, by, reason: journal.record_latch(level, by=by, reason=reason),
    )

    async def nothing(_: KillLevel) -> None: ...

    task = asyncio.create_task(kill.watch(nothing))
    await until(lambda: journal.reader.load_latch().level is KillLevel.REDUCE_ONLY)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    kill.stop()
    await journal.close()


# A full disk


class Disk:
    """A journal whose disk is full: it takes a few records once the reserve is gone."""

    def __init__(self, app: App, patch: pytest.MonkeyPatch) -> None:
        self.journal, self.is_full = app.journal, True
        original = app.journal._writer._transact

        def transact(db: Any, batch: Any) -> Any:
            if self.is_full and self.journal.reserve.path.exists():
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = 13
                raise error
            return original(db, batch)

        patch.setattr(app.journal._writer, "_transact", transact)


@pytest.fixture
def small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reserve, "RESERVE_BYTES", 64 * 1024)
    monkeypatch.setattr(journal_reserve, "_CHUNK", bytes(64 * 1024))


@pytest.mark.parametrize("level", [KillLevel.CANCEL_ALL, KillLevel.FLATTEN])
async def test_on_a_full_disk_the_switch_acts_in_the_reserve(
    traded: Stage, monkeypatch: pytest.MonkeyPatch, small_reserve: None, level: KillLevel
) -> None:
    """It had sent nothing, because nothing could be written first (case a29)."""
    exchange = traded.embedded.exchange
    async with traded.app() as app:
        assert app.journal.reserve.prepare()
        Disk(app, monkeypatch)
        task, stop = serve(app, traded)
        app.kill.engage(level, "SIGUSR1")
        await until(lambda: not stops(traded), 5)
        await until(lambda: app.journal.reader.load_latch().level is level)
        if level is KillLevel.FLATTEN:
            await until(lambda: not exchange.positions(ACCOUNT), 60)
        assert not app.journal.reserve.path.exists()
        stop.set()
        assert await asyncio.wait_for(task, 30) == 0
        known = {order.client_id for order in app.journal.reader.load_orders(10_000)}
        sent = {event.order.client_id for event in exchange.history if event.order is not None}
        assert sent <= known, "written down before it was sent, on a full disk as well"
    async with traded.app() as app:
        assert app.kill.level() is level
        await app.cycle.guard()
        await traded.check_books(app)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_crash_during_a_flatten_in_the_reserve_sends_nothing_twice(
    traded: Stage, monkeypatch: pytest.MonkeyPatch, small_reserve: None, is_sent: bool
) -> None:
    exchange = traded.embedded.exchange
    app = await traded.build()
    app.journal.reserve.prepare()
    Disk(app, monkeypatch)
    app.kill.engage(KillLevel.FLATTEN, "SIGUSR2")
    app.journal.reserve.release()
    submit, left = app.venue.submit_order, [4]

    async def crash(request: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            if is_sent:
                await submit(request)
            raise Crash
        return await submit(request)

    app.venue.submit_order = crash  # type: ignore[method-assign]
    with suppress(Crash, BaseExceptionGroup):
        for _ in range(6):
            await app.cycle.guard()
    assert left[0] <= 0, "it died in the middle"
    app.kill.poll()  # the switch's thread has written the flag by now
    await app.venue.close()
    await app.session.close()
    await app.journal.close()
    traded.embedded.clock.skip(QUIET_MS)
    async with traded.app() as app:
        app.kill.poll()
        assert app.kill.level() is KillLevel.FLATTEN, "found by the restart"
        for _ in range(40):
            await app.cycle.guard()
            traded.embedded.clock.skip(61_000)
            if not exchange.positions(ACCOUNT):
                break
        await traded.check_books(app)
        assert exchange.positions(ACCOUNT) == ()
        orders = app.journal.reader.load_orders(10_000)
        placed = [event for event in exchange.history if event.kind is EventKind.ORDER_PLACED]
        sent = [event.order.client_id for event in placed if event.order is not None]
        assert len(sent) == len(set(sent)), "an id is used once"
        assert set(sent) <= {order.client_id for order in orders}


async def test_without_a_level_a_full_disk_ends_trading_and_keeps_the_reserve(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, small_reserve: None
) -> None:
    async with stage.app() as app:
        assert app.journal.reserve.prepare()
        Disk(app, monkeypatch)
        task, _ = serve(app, stage)
        assert await asyncio.wait_for(task, 30) == 1
        assert app.journal.reserve.path.exists()
        assert isinstance(app.journal.failed, JournalFull)


async def test_a_journal_that_another_hand_has_written_to_is_not_taken_up_again(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: 1)
    journal._writer.failed = JournalFull(journal.path, "x", "y")
    assert await journal.recover()
    await journal.record_fact("note", {"words": "it works"})
    journal._events.head = (journal._events.head[0] - 1, "another")
    journal._writer.failed = JournalFull(journal.path, "x", "y")
    assert not await journal.recover()
    assert journal.failed is not None
    await journal.close()


@contextmanager
def full_disk(directory: Path) -> Iterator[None]:
    """Fill it to the last byte; only where it is small."""
    ballast = []
    for size in (65_536, 512, 1):
        path = directory / f"ballast{size}"
        ballast.append(path)
        try:
            with path.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(size))
        except OSError:
            pass
    try:
        yield
    finally:
        for path in ballast:
            path.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, where this machine lets us mount one; else a file system that we make full by name."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    is_mounted = (
        mount is not None
        and os.geteuid() == 0
        and subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode == 0
    )
    try:
        yield folder
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=False)


def test_a_flag_is_written_on_a_full_disk_in_place_of_the_spare(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = FlagFile(small_disk)
    flag.prepare()
    if shutil.disk_usage(small_disk).total > 4 << 20:  # no small disk here: the first write meets the error instead

        def refuse(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("bot.runtime.kill.flag_file.write_atomically", refuse)
        assert flag.record(KillLevel.FLATTEN, "fire", "anna") is KillLevel.FLATTEN
    else:
        with full_disk(small_disk):
            assert flag.record(KillLevel.FLATTEN, "fire", "anna") is KillLevel.FLATTEN
    assert flag.load() is KillLevel.FLATTEN
    assert flag.load_message() == ("fire", "anna")


async def test_what_a_flatten_has_traded_stops_nothing_after_it(traded: Stage) -> None:
    async with traded.app() as app:
        reader = app.journal.reader
        before = reader.load_turnover(0), reader.count_fills(0), dict(reader.count_executed(0))
        app.kill.engage(KillLevel.FLATTEN)
        for _ in range(4):
            await app.cycle.guard()
            traded.embedded.clock.skip(61_000)
        assert [o for o in reader.load_orders(1_000) if o.purpose is Purpose.FLATTEN and o.filled_size]
        assert (reader.load_turnover(0), reader.count_fills(0), dict(reader.count_executed(0))) == before
