"""The kill switch: six levels, several sources, one latch (DESIGN §8).

The level in force is the highest of what the configuration says, what the flag file says, what a signal asked for and
what the journal has latched. It can rise at any moment and falls only through a `resume` with a reason. A thread of its
own watches the files, so that `is_stopped` is true within a second also while the event loop hangs. It listens before
the journal is open (`attach` joins that later), acts before it writes, and writes as soon as it can: what needs the
loop or the disk is tried until it succeeds, and a flag file keeps the level until the journal has it.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import structlog

from bot.domain.order import Intent, Purpose, is_exit, is_reducing
from bot.domain.states import KillLevel, highest
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.resume_file import ResumeFile, ResumeRequest

__all__ = ["FlagFile", "KillSwitch", "ResumeFile", "ResumeRequest", "highest"]

POLL_SECONDS = 0.25
LET_GO_SECONDS = 10.0
SIGNALS = {signal.SIGUSR1: KillLevel.CANCEL, signal.SIGUSR2: KillLevel.FLATTEN}
_log = structlog.get_logger("sectorbot.kill")


Latch = Callable[[KillLevel, str, str], Awaitable[None]]


def _ignore(_: str) -> None:
    """The default of `beat`: nothing is recorded."""


def _nobody() -> None:
    """Nobody waits for a rise."""


def _not_latched() -> KillLevel:
    """There is no journal yet."""
    return KillLevel.OFF


class KillSwitch:
    """The level in force, for everyone who must obey it. All but `watch` may be used from any thread.

    Args:
        flag: the flag file; the resume file is its neighbour.
        configured: reads the level of the configuration; keeps the last one while the file is broken.
            What follows may come later, with `attach`.
        latched: reads the level the journal holds.
        latch: writes level, who and why into the journal.
        accept: takes the account as right where the books differ, for a `resume` that says so.
        rebase: lets the peak of equity begin anew, for a `resume` that says so.
    """

    def __init__(
        self,
        flag: FlagFile,
        *,
        configured: Callable[[], KillLevel],
        latched: Callable[[], KillLevel] | None = None,
        latch: Latch | None = None,
        accept: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
        rebase: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
    ) -> None:
        self._flag, self._resume = flag, ResumeFile(flag.path.parent)
        self._configured, self._latched, self._latch = configured, latched or _not_latched, latch
        self._accept, self._rebase = accept, rebase
        self._wake: Callable[[], object] = _nobody
        self._lock = threading.RLock()  # the signal handler may interrupt its holder
        self._looking = threading.Lock()  # apart, so that a slow disk does not hold a signal up
        self._held = KillLevel.OFF
        self._source = self._reason = self._failure = ""
        self._raises = 0
        self._unwritten: tuple[KillLevel, str] | None = None
        self._asked_at = 0.0
        self._own_flag: KillLevel | None = None
        self._flag_seen = KillLevel.OFF
        self._looks_to_wait = 0
        self._has_polled = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._replaced: dict[signal.Signals, Any] = {}
        self.beat: Callable[[str], None] = _ignore

    def attach(
        self,
        *,
        latched: Callable[[], KillLevel],
        latch: Latch,
        accept: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
        rebase: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
    ) -> None:
        """Join a journal: from now on a level is latched there, and what is latched there is in force."""
        self._latched, self._latch, self._accept, self._rebase = latched, latch, accept, rebase
        self._has_polled = False

    def level(self) -> KillLevel:
        """The level in force now.

        Raises:
            JournalError: on the first call, when the latch cannot be read.
        """
        if not self._has_polled:
            self.poll()
        return self._held

    def is_in_force(self) -> bool:
        """Whether a level was in force at the last look; reads nothing, so any thread may ask."""
        return self._held is not KillLevel.OFF

    def source(self) -> tuple[str, str]:
        """Who asked for the level in force, and why."""
        reason = self._reason or f"kill switch set to {self._held.value} by {self._source}"
        return self._source, reason

    def engage(self, level: KillLevel, by: str = "signal") -> None:
        """Raise the level; a lower one than is held changes nothing. The next look writes it into the flag file."""
        if level is KillLevel.OFF:
            return
        with self._lock:
            self._unwritten, self._asked_at = (level, by), time.time()
            self._raise(level, by)

    def _raise(self, level: KillLevel, by: str, reason: str = "") -> None:
        if level is KillLevel.OFF:
            return
        with self._lock:
            self._raises += 1
            is_higher = level.severity > self._held.severity
            if is_higher:
                self._held, self._source, self._reason = level, by, reason
        if is_higher:
            self._wake()

    def is_stopped(self, intent: Intent | None) -> bool:
        """Whether an order for `intent` may not be sent at this instant; asked again right before every send."""
        level = self.level()
        is_flattening = intent is not None and intent.purpose is Purpose.FLATTEN
        if is_flattening or level is KillLevel.FLATTEN:  # a flatten that was called off ends between two orders
            return not is_flattening or level is not KillLevel.FLATTEN or self.is_waiting()
        if level is KillLevel.OFF:
            return False
        if level is KillLevel.CANCEL_ALL or intent is None:
            return True
        if level is KillLevel.CANCEL:
            return not is_exit(intent)
        return not is_reducing(intent) and (level is KillLevel.REDUCE_ONLY or intent.purpose is not Purpose.HEDGE)

    def poll(self) -> None:
        """Read the files once; a level once seen stays until `resume`."""
        with self._looking:
            self._write_down()
            if not self._has_polled:
                self._raise(self._latched(), "journal")
            requested = self._flag.load()
            self._note_flag(requested)
            if requested is not KillLevel.OFF:
                reason, by = self._flag.load_message()
                self._raise(requested, by or "flag file", reason if by else "")
            self._raise(self._configured(), "configuration")
            self._has_polled = True
            self._flag.prepare()
        self.beat("config watch")
        self.beat("switch watch")

    def _note_flag(self, asked: KillLevel) -> None:
        """Somebody has removed the flag that asked to flatten: most likely a `resume` follows, so the sales wait for
        it, a few seconds at most."""
        was, self._flag_seen = self._flag_seen, asked
        if asked is KillLevel.OFF and was is KillLevel.FLATTEN and self._own_flag is None:
            self._looks_to_wait = round(LET_GO_SECONDS / POLL_SECONDS)
        elif self._looks_to_wait:
            self._looks_to_wait -= 1

    def is_waiting(self) -> bool:
        """Whether a flatten is held back, because its flag was removed a moment ago."""
        return self._looks_to_wait > 0 and self._held is KillLevel.FLATTEN

    def _write_down(self) -> None:
        """What was asked for in memory, as a flag: a process that ends before the journal has it must not lose it."""
        with self._lock:
            requested, self._unwritten = self._unwritten, None
        if requested is not None:
            try:
                if requested[0].severity > self._flag.load().severity:
                    self._own_flag = self._flag.record(requested[0], f"asked for by {requested[1]}")
            except OSError as error:
                _log.error("kill_flag_not_written", why=str(error), kill=requested[0].value)
                self._write_later(requested)

    def _write_later(self, asked: tuple[KillLevel, str]) -> None:
        with self._lock:  # unless more was asked for meanwhile
            self._unwritten = self._unwritten or asked

    def start(self) -> None:
        """Begin to watch in a thread, which lives whatever the event loop does, and take the signals."""
        if self._thread is not None:
            return
        self.poll()
        if threading.current_thread() is threading.main_thread():
            self._replaced = {number: signal.signal(number, self._take_signal) for number in SIGNALS}
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch_files, name="kill-switch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and give the signals back."""
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(timeout=5)
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._replaced.items():
                signal.signal(number, handler)
            self._replaced = {}

    async def watch(
        self,
        on_rise: Callable[[KillLevel], Awaitable[None]],
        on_resume: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Act on every rise with `on_rise`, latch it, serve `resume`, until cancelled. What is in force at the start is
        a rise.

        An action never waits for the journal, nor `resume` for an action. One that fails is called again, until the
        level has fallen: a cancel that did not get through must be repeated.
        """
        acted, was_watched = KillLevel.OFF, self._thread is not None
        woken, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(woken.set)
        self.start()
        try:
            async with asyncio.TaskGroup() as actions:
                while True:
                    woken.clear()
                    try:
                        if await self._resume_if_requested():
                            acted = KillLevel.OFF
                            if on_resume is not None:
                                await on_resume()
                            self._resume.remove()
                        level = self.level()
                        if level.severity > acted.severity:
                            acted = level
                            actions.create_task(self._act(on_rise, level), name=f"switch {level.value}")
                            await asyncio.sleep(0)  # it acts before anything is written
                        await self._latch_rise()
                    except Exception as error:  # noqa: BLE001 - whatever fails here, the switch must go on being watched
                        self._say_failed(error)
                    due = loop.call_later(POLL_SECONDS, woken.set)
                    try:
                        await woken.wait()
                    finally:
                        due.cancel()
        finally:
            self._wake = _nobody
            if not was_watched:
                self.stop()

    async def _act(self, on_rise: Callable[[KillLevel], Awaitable[None]], level: KillLevel) -> None:
        while level.severity <= self._held.severity:
            try:
                await on_rise(level)
            except Exception as error:  # noqa: BLE001 - what could not be done is done again
                self._say_failed(error)
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    def _say_failed(self, error: Exception) -> None:
        """Once for each cause: a full disk fails several times a second."""
        why = f"{type(error).__name__}: {error}"
        if why != self._failure:
            self._failure = why
            _log.error("kill_switch_failed", why=why, kill=self._held.value, exc_info=error)

    async def _latch_rise(self) -> KillLevel:
        level = self.level()
        if self._latch is None:
            return level
        if level.severity > self._latched().severity:
            await self._latch(level, *self.source())
        with self._looking:
            own = self._own_flag
            if own is not None and own.severity <= self._latched().severity:  # the journal has it now
                if self._flag.load() is own:
                    self._flag.remove()
                    self._flag_seen = KillLevel.OFF
                self._own_flag = None
        return level

    async def _resume_if_requested(self) -> bool:
        """Serve a resume request unless a hand still holds the switch; whether it was served.

        The file goes last: whoever wrote it takes its end for the end of the whole procedure.
        """
        request = self._resume.load()
        if request is None:
            return False
        self.poll()  # every earlier look has ended now: none can bring a removed flag back
        self._remove_own_flag(before=self._resume.written_at())
        raises = self._raises
        if holder := self._holder():
            _log.error("resume_refused", why=f"the {holder} still asks to stop", reason=request.reason)
            self._resume.remove()
            return False
        if request.accept_mismatch and self._accept is not None:
            await self._accept(request)
        if request.rebase_peak and self._rebase is not None:
            await self._rebase(request)
        if self._latch is not None:
            await self._latch(KillLevel.OFF, request.by, request.reason)
        with self._lock:
            if self._raises == raises:  # else somebody asked to stop meanwhile, and is latched again
                self._held, self._source, self._reason = KillLevel.OFF, "", ""
        _log.warning("resumed", by=request.by, reason=request.reason)
        return True

    def _remove_own_flag(self, *, before: float) -> None:
        """Remove the flag that this process wrote for a signal that came before then: who asked to resume after the
        signal could not remove a flag that was not written yet."""
        with self._looking:
            own = self._own_flag
            if own is not None and self._asked_at < before and self._flag.load() is own:
                self._flag.remove()
                self._own_flag, self._flag_seen = None, KillLevel.OFF

    def _holder(self) -> str:
        if self._flag.load() is not KillLevel.OFF:
            return "flag file"
        return "" if self._configured() is KillLevel.OFF else "configuration"

    def _take_signal(self, number: int, _: FrameType | None) -> None:
        self.engage(SIGNALS[signal.Signals(number)], signal.Signals(number).name)

    def _watch_files(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - a switch that cannot be read is a switch that is thrown
                self.engage(KillLevel.CANCEL, f"a failed watch: {type(error).__name__}: {error}")
