"""The kill switch: what each level leaves alive, who may throw it, and that it works while everything else hangs."""

import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Intent, Purpose
from bot.domain.states import KillLevel
from bot.journal.journal import Journal
from bot.runtime.kill.switch import LET_GO_SECONDS, POLL_SECONDS, FlagFile, KillSwitch, ResumeFile, ResumeRequest

OFF, PAUSE, REDUCE_ONLY, CANCEL, CANCEL_ALL, FLATTEN = KillLevel
SPOT, PERP = "ETH/USDT", "ETH/USDT:USDT"


def intent(purpose: Purpose, symbol: str, side: Side, *, reduce_only: bool = False) -> Intent:
    return Intent(
        id="i",
        campaign=1,
        tranche=1,
        leg=1,
        purpose=purpose,
        sector="infra",
        symbol=symbol,
        side=side,
        size=Decimal(1),
        worst_price=Decimal(1),
        reference_price=Decimal(1),
        reduce_only=reduce_only,
    )


# What each kind of order is allowed to do at each level, strongest first; everything else is stopped.
KINDS: dict[str, tuple[Intent | None, set[KillLevel]]] = {
    "nothing in particular": (None, {OFF}),
    "buy spot": (intent(Purpose.INCREASE, SPOT, Side.BUY), {OFF}),
    "sell spot": (intent(Purpose.REDUCE, SPOT, Side.SELL), {OFF, PAUSE, REDUCE_ONLY}),
    "open a hedge": (intent(Purpose.HEDGE, PERP, Side.SELL), {OFF, PAUSE}),
    "release a hedge": (intent(Purpose.RELEASE, PERP, Side.BUY, reduce_only=True), {OFF, PAUSE, REDUCE_ONLY}),
    "open a long": (intent(Purpose.TACTICAL, PERP, Side.BUY), {OFF}),
    "open a short that is no hedge": (intent(Purpose.TACTICAL, PERP, Side.SELL), {OFF}),
    "end a long": (intent(Purpose.EXIT, PERP, Side.SELL, reduce_only=True), {OFF, PAUSE, REDUCE_ONLY, CANCEL}),
    "end a long without saying so": (intent(Purpose.EXIT, PERP, Side.SELL), {OFF}),
    "flatten spot": (intent(Purpose.FLATTEN, SPOT, Side.SELL), {FLATTEN}),
    "flatten a perp": (intent(Purpose.FLATTEN, PERP, Side.BUY, reduce_only=True), {FLATTEN}),
}


class Hands:
    """A configuration and a latch that a test can set."""

    def __init__(self, folder: Path) -> None:
        self.flag, self.asked = FlagFile(folder), ResumeFile(folder)
        self.configured = self.latched = OFF
        self.written: list[tuple[KillLevel, str, str]] = []
        self.accepted: list[ResumeRequest] = []
        self.switch = KillSwitch(
            self.flag,
            configured=lambda: self.configured,
            latched=lambda: self.latched,
            latch=self._latch,
            accept=self._accept,
        )

    async def _latch(self, level: KillLevel, by: str, reason: str) -> None:
        self.latched = level
        self.written.append((level, by, reason))

    async def _accept(self, request: ResumeRequest) -> None:
        self.accepted.append(request)


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Hands]:
    found = Hands(tmp_path)
    yield found
    found.switch.stop()


@asynccontextmanager
async def watched(hands: Hands) -> AsyncIterator[list[KillLevel]]:
    told: list[KillLevel] = []

    async def tell(level: KillLevel) -> None:
        told.append(level)

    task = asyncio.create_task(hands.switch.watch(tell))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: object, seconds: float = 5) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not happened in time"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("level", "kind"), list(itertools.product(KillLevel, KINDS)), ids=str)
def test_a_level_stops_what_it_must_and_nothing_else(hands: Hands, level: KillLevel, kind: str) -> None:
    wanted, allowed = KINDS[kind]
    hands.switch.engage(level)
    assert hands.switch.is_stopped(wanted) is (level not in allowed)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KillLevel, KillLevel)), ids=str)
def test_the_highest_of_all_hands_is_in_force_and_none_can_lower_it(
    hands: Hands, first: KillLevel, second: KillLevel
) -> None:
    hands.latched, hands.configured = first, second
    assert hands.switch.level() is max(first, second, key=lambda level: level.severity)
    hands.latched = hands.configured = OFF
    hands.switch.poll()
    assert hands.switch.level() is max(first, second, key=lambda level: level.severity)


@pytest.mark.parametrize(
    ("content", "level"),
    [
        (b"", CANCEL),
        (b"stop!", CANCEL),
        (b"off", CANCEL),
        (b"\xff\xfe", CANCEL),
        (b" Pause \nbecause", PAUSE),
        (b"reduce-only", REDUCE_ONLY),
        (b"flatten\r\n", FLATTEN),
        (b"\xef\xbb\xbfflatten\n", FLATTEN),
        ("flatten\r\n".encode("utf-16"), FLATTEN),
        ("flatten\n".encode("utf-16-be"), CANCEL),  # nothing says that it is UTF-16
        (b'"flatten"\r\n', FLATTEN),
        (b"\n\nflatten\nbecause", FLATTEN),
        (b"cancel_all", KillLevel.CANCEL_ALL),
        (b"reduce only", REDUCE_ONLY),
        (b"flatten now", CANCEL),
    ],
)
def test_a_flag_file_means_cancel_unless_it_names_a_level(hands: Hands, content: bytes, level: KillLevel) -> None:
    hands.flag.path.write_bytes(content)
    assert hands.flag.load() is level
    assert hands.switch.level() is level


def test_a_flag_that_leads_nowhere_means_cancel(hands: Hands) -> None:
    hands.flag.path.symlink_to("nowhere")
    assert hands.flag.load() is CANCEL
    assert hands.switch.level() is CANCEL


def test_a_flag_that_cannot_be_read_means_cancel(hands: Hands) -> None:
    hands.flag.path.mkdir()
    assert hands.flag.load() is CANCEL


def test_a_flag_that_cannot_be_looked_for_means_cancel(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder was")
    assert FlagFile(tmp_path / "state").load() is CANCEL


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_flag_or_a_request_that_is_no_file_keeps_nothing_waiting(hands: Hands, what: str) -> None:
    """The switch looks at them with a lock: whoever waited there took signals and settings away from it as well."""
    for path in (hands.flag.path, hands.asked.path):
        if what == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.extend((hands.switch.level(), hands.asked.load())), daemon=True)
    reader.start()
    reader.join(timeout=5)
    assert read == [CANCEL, None]
    assert hands.flag.load_message() == ("", "")


def test_a_long_flag_means_what_its_first_line_says(hands: Hands) -> None:
    hands.flag.path.write_text("flatten\n-" + "é" * 70_000)  # cut inside a character
    assert hands.flag.load() is FLATTEN


def test_a_flag_written_by_us_reads_back_and_leaves_no_other_file(hands: Hands) -> None:
    hands.flag.record(FLATTEN, "two\nlines")
    assert hands.flag.load() is FLATTEN
    assert [path.name for path in hands.flag.path.parent.iterdir()] == ["KILL"]


def test_removing_the_flag_does_not_lower_the_level(hands: Hands) -> None:
    hands.flag.record(PAUSE, "x")
    assert hands.switch.level() is PAUSE
    hands.flag.remove()
    hands.switch.poll()
    assert hands.switch.level() is PAUSE


async def test_a_hung_loop_does_not_keep_the_switch_from_stopping_an_executor(hands: Hands) -> None:
    """The loop is blocked in a call that never yields; a thread asks as an executor does right before it sends."""
    hands.switch.start()
    seen: list[float] = []
    thrown = threading.Event()

    def executor() -> None:
        wanted = KINDS["buy spot"][0]
        thrown.wait()
        started = time.monotonic()
        while not hands.switch.is_stopped(wanted) and time.monotonic() - started < 10:
            time.sleep(0.01)
        seen.append(time.monotonic() - started)

    def throw() -> None:
        time.sleep(0.2)
        hands.flag.record(CANCEL, "the loop hangs")
        thrown.set()

    threads = [threading.Thread(target=executor), threading.Thread(target=throw)]
    for thread in threads:
        thread.start()
    time.sleep(0.2 + 4 * POLL_SECONDS)  # noqa: ASYNC251 - the loop hangs on purpose
    assert seen, "the executor was not stopped while the loop was hung"
    assert hands.written == []
    for thread in threads:
        thread.join()


async def test_a_signal_is_taken_while_the_loop_hangs(hands: Hands) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    hands.switch.start()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    time.sleep(0.4)  # noqa: ASYNC251
    assert hands.switch.level() is CANCEL
    os.kill(os.getpid(), signal.SIGUSR2)
    assert hands.switch.level() is FLATTEN
    hands.switch.stop()
    assert signal.getsignal(signal.SIGUSR1) is before


async def test_a_rise_is_latched_and_told_once(hands: Hands) -> None:
    async with watched(hands) as told:
        hands.flag.record(PAUSE, "x")
        await until(lambda: told)
        hands.configured = CANCEL
        await until(lambda: len(told) == 2)
        await asyncio.sleep(3 * POLL_SECONDS)
    assert told == [PAUSE, CANCEL]
    assert [(level, by) for level, by, _ in hands.written] == [(PAUSE, "flag file"), (CANCEL, "configuration")]


async def test_a_level_latched_before_the_start_is_told_and_not_written_again(hands: Hands) -> None:
    hands.latched = CANCEL
    async with watched(hands) as told:
        await until(lambda: told)
    assert told == [CANCEL]
    assert hands.written == []


async def test_what_could_not_be_done_is_tried_again(hands: Hands) -> None:
    tried: list[KillLevel] = []

    async def fail_twice(level: KillLevel) -> None:
        tried.append(level)
        if len(tried) < 3:
            raise ConnectionError("the venue does not answer")

    task = asyncio.create_task(hands.switch.watch(fail_twice))
    hands.switch.engage(CANCEL)
    await until(lambda: len(tried) == 3)
    await asyncio.sleep(2 * POLL_SECONDS)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert tried == [CANCEL] * 3


async def test_resume_lowers_the_level_once_it_is_latched_and_consumes_the_request(hands: Hands) -> None:
    hands.switch.engage(CANCEL, "SIGUSR1")
    async with watched(hands) as told:
        await until(lambda: hands.latched is CANCEL)
        hands.asked.record(ResumeRequest("looked at it", by="anna"))
        await until(lambda: hands.switch.level() is OFF)
        await until(lambda: not hands.asked.path.exists())
        hands.switch.engage(CANCEL)
        await until(lambda: len(told) == 2)
    assert hands.written[1] == (OFF, "anna", "looked at it")
    assert hands.accepted == []


async def test_resume_is_refused_while_a_hand_still_holds_the_switch(hands: Hands) -> None:
    hands.flag.record(PAUSE, "x")
    async with watched(hands):
        await until(lambda: hands.latched is PAUSE)
        hands.asked.record(ResumeRequest("too early"))
        await until(lambda: not hands.asked.path.exists())
        assert hands.switch.level() is PAUSE
        hands.flag.remove()
        hands.configured = PAUSE
        hands.asked.record(ResumeRequest("still too early"))
        await until(lambda: not hands.asked.path.exists())
    assert hands.switch.level() is PAUSE
    assert [level for level, _, _ in hands.written] == [PAUSE]


async def test_a_stop_that_comes_while_resuming_wins(hands: Hands) -> None:
    async def stop_meanwhile(level: KillLevel, by: str, reason: str) -> None:
        hands.latched = level
        hands.written.append((level, by, reason))
        if level is OFF:
            hands.switch.engage(CANCEL, "SIGUSR1")

    hands.switch._latch = stop_meanwhile
    hands.switch.engage(CANCEL)
    async with watched(hands):
        await until(lambda: hands.latched is CANCEL)
        hands.asked.record(ResumeRequest("all quiet"))
        await until(lambda: len(hands.written) == 3)
    assert hands.switch.level() is CANCEL
    assert [level for level, _, _ in hands.written] == [CANCEL, OFF, CANCEL]


async def test_accepting_a_mismatch_comes_before_the_release(hands: Hands) -> None:
    request = ResumeRequest("the venue is right", accept_mismatch=True)
    hands.latched = PAUSE
    async with watched(hands):
        hands.asked.record(request)
        await until(lambda: hands.latched is OFF)
    assert hands.accepted == [request]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", '{"reason": " ", "by": "x", "accept_mismatch": false}', "[" * 100_000],
    ids=lambda content: content[:20],
)
def test_a_request_without_a_reason_is_none(hands: Hands, content: str) -> None:
    hands.asked.path.write_text(content)
    assert hands.asked.load() is None


def test_a_watch_that_fails_throws_the_switch(hands: Hands) -> None:
    def broken() -> KillLevel:
        raise ZeroDivisionError

    hands.switch.start()
    hands.switch._configured = broken
    deadline = time.monotonic() + 5
    while hands.switch.level() is OFF:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert hands.switch.level() is CANCEL


async def test_the_latch_survives_a_restart_in_the_journal(tmp_path: Path) -> None:
    async def run(level: KillLevel | None) -> KillLevel:
        journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: 1)
        switch = KillSwitch(
            FlagFile(tmp_path),
            configured=lambda: OFF,
            latched=lambda: journal.reader.load_latch().level,
            latch=lambda level, by, reason: journal.record_latch(level, by=by, reason=reason),
        )

        async def ignore(_: KillLevel) -> None: ...

        task = asyncio.create_task(switch.watch(ignore))
        if level is not None:
            switch.engage(level, "SIGUSR1")
            await until(lambda: journal.reader.load_latch().level is level)
        found = switch.level()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()
        return found

    assert await run(REDUCE_ONLY) is REDUCE_ONLY
    assert await run(None) is REDUCE_ONLY


def test_a_flatten_whose_flag_was_removed_waits_for_a_resume_and_goes_on_without_one(hands: Hands) -> None:
    wanted = KINDS["flatten spot"][0]
    hands.flag.record(FLATTEN, "by mistake")
    hands.switch.poll()
    assert not hands.switch.is_stopped(wanted)
    hands.flag.remove()
    hands.switch.poll()
    assert hands.switch.level() is FLATTEN
    assert hands.switch.is_stopped(wanted)
    for _ in range(round(LET_GO_SECONDS / POLL_SECONDS)):
        hands.switch.poll()
    assert not hands.switch.is_stopped(wanted), "the latch still asks for it"


async def test_a_resume_ends_a_signal_that_is_not_written_down_yet(tmp_path: Path) -> None:
    """The switch wrote the flag of the signal itself, and then took it for a hand that still asks to stop."""
    hands = Hands(tmp_path)
    hands.switch.poll()
    hands.switch.engage(CANCEL, "SIGUSR1")
    await asyncio.sleep(0.02)  # times of files are as coarse as a tick of the kernel
    hands.asked.record(ResumeRequest("a mistake"))
    assert await hands.switch._resume_if_requested()
    assert hands.switch.level() is OFF
    assert hands.flag.load() is OFF
    hands.switch.poll()
    assert hands.switch.level() is OFF


async def test_a_signal_after_the_request_to_resume_keeps_the_switch(tmp_path: Path) -> None:
    hands = Hands(tmp_path)
    hands.switch.poll()
    hands.asked.record(ResumeRequest("too early"))
    await asyncio.sleep(0.02)
    hands.switch.engage(CANCEL, "SIGUSR1")
    assert not await hands.switch._resume_if_requested()
    assert hands.switch.level() is CANCEL
    assert hands.flag.load() is CANCEL


async def test_a_resume_does_not_remove_a_flag_that_somebody_else_wrote(tmp_path: Path) -> None:
    hands = Hands(tmp_path)
    hands.switch.poll()
    hands.switch.engage(CANCEL, "SIGUSR1")
    hands.flag.record(FLATTEN, "get out", "anna")
    await asyncio.sleep(0.02)
    hands.asked.record(ResumeRequest("a mistake"))
    assert not await hands.switch._resume_if_requested()
    assert hands.flag.load() is FLATTEN
