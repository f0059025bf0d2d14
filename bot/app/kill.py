"""The kill switch: five levels, many hands, one latch (DESIGN §8).

The level in force is the highest of what the configuration says, what the flag file says, what a signal asked for and
what the journal has latched. It can rise at any moment and falls only through a `resume` with a reason. A thread of its
own watches the files, so that `is_stopped` is true within a second also while the event loop hangs; what needs the loop
(latching, cancelling) follows as soon as it runs again, and is tried until it succeeds.
"""

import asyncio
import json
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from bot.domain.order import Intent, Purpose
from bot.domain.states import KillLevel

FLAG_NAME, RESUME_NAME = "KILL", "RESUME"
POLL_SECONDS = 0.5
SIGNALS = {signal.SIGUSR1: KillLevel.CANCEL, signal.SIGUSR2: KillLevel.FLATTEN}
_log = structlog.get_logger("sectorbot.kill")


class FlagFile:
    """A file whose existence is an order to stop. Empty, or with a word nobody knows, it means `cancel`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FLAG_NAME

    def load(self) -> KillLevel:
        """The level it asks for; a file that cannot be read asks for `cancel`."""
        try:
            word = self.path.read_text(encoding="utf-8").split("\n", 1)[0].strip().lower()
        except FileNotFoundError:
            return KillLevel.OFF
        except (OSError, UnicodeDecodeError):
            return KillLevel.CANCEL
        return KillLevel(word) if word in set(KillLevel) - {KillLevel.OFF} else KillLevel.CANCEL

    def record(self, level: KillLevel, reason: str) -> KillLevel:
        """Ask for a level, or for the higher one that stands there already; the level it asks for now."""
        asked = highest(level, self.load())
        write_whole(self.path, f"{asked.value}\n{reason}\n")
        return asked

    def remove(self) -> None:
        """Raises OSError when it stands there and cannot be removed."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """An operator's word that the bot may go on. `accept_mismatch`: the account is right where the books differ;
    `rebase_peak`: the peak that the drawdown is measured from begins anew."""

    reason: str
    by: str = "operator"
    accept_mismatch: bool = False
    rebase_peak: bool = False


class ResumeFile:
    """How `sectorbot resume` reaches a running daemon, the journal's only writer: a file that it consumes."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / RESUME_NAME

    def load(self) -> ResumeRequest | None:
        """The request; None when there is none, or one that gives no reason."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            reason, by, accepts = str(found["reason"]).strip(), str(found["by"]).strip(), found["accept_mismatch"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        rebases = found.get("rebase_peak") is True
        return ResumeRequest(reason, by, accepts is True, rebases) if reason and by else None

    def record(self, request: ResumeRequest) -> None:
        """Write it in one step."""
        write_whole(self.path, json.dumps(asdict(request)))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def highest(*levels: KillLevel) -> KillLevel:
    return max(levels, key=lambda level: level.severity)


def _ignore(_: str) -> None:
    """Nobody wants to know."""


class KillSwitch:
    """The level in force, for everyone who must obey it. All but `watch` may be used from any thread.

    Args:
        flag: the flag file; the resume file is its neighbour.
        configured: reads the level of the configuration; keeps the last one while the file is broken.
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
        latched: Callable[[], KillLevel],
        latch: Callable[[KillLevel, str, str], Awaitable[None]],
        accept: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
        rebase: Callable[[ResumeRequest], Awaitable[Any]] | None = None,
    ) -> None:
        self._flag, self._resume = flag, ResumeFile(flag.path.parent)
        self._configured, self._latched, self._latch = configured, latched, latch
        self._accept, self._rebase = accept, rebase
        self._lock = threading.RLock()  # the signal handler may interrupt its holder
        self._looking = threading.Lock()  # apart, so that a slow disk does not hold a signal up
        self._held = KillLevel.OFF
        self._source = ""
        self._raises = 0
        self._unwritten: tuple[KillLevel, str] | None = None
        self._own_flag: KillLevel | None = None
        self._has_looked = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._replaced: dict[signal.Signals, Any] = {}
        self.beat: Callable[[str], None] = _ignore

    def level(self) -> KillLevel:
        """The level in force now.

        Raises:
            JournalError: on the first call, when the latch cannot be read.
        """
        if not self._has_looked:
            self.look()
        return self._held

    def ask(self, level: KillLevel, by: str = "signal") -> None:
        """Raise the level; a lower one than is held changes nothing. The next look writes it into the flag file."""
        if level is KillLevel.OFF:
            return
        with self._lock:
            self._unwritten = level, by
            self._raise(level, by)

    def _raise(self, level: KillLevel, by: str) -> None:
        if level is KillLevel.OFF:
            return
        with self._lock:
            self._raises += 1
            if level.severity > self._held.severity:
                self._held, self._source = level, by

    def is_stopped(self, intent: Intent | None) -> bool:
        """Whether an order for `intent` may not be sent at this instant; asked again right before every send."""
        level = self.level()
        if level is KillLevel.OFF:
            return False
        if level is KillLevel.FLATTEN:
            return intent is None or intent.purpose is not Purpose.FLATTEN
        if level is KillLevel.CANCEL or intent is None:
            return True
        is_reducing = intent.reduce_only or (":" not in intent.symbol and intent.side.sign < 0)
        return not is_reducing and (level is KillLevel.REDUCE_ONLY or intent.purpose is not Purpose.HEDGE)

    def look(self) -> None:
        """Read the files once; a level once seen stays until `resume`."""
        with self._looking:
            self._write_down()
            if not self._has_looked:
                self._raise(self._latched(), "journal")
            self._raise(self._flag.load(), "flag file")
            self._raise(self._configured(), "configuration")
            self._has_looked = True
        self.beat("config watch")
        self.beat("switch watch")

    def _write_down(self) -> None:
        """What was asked for in memory, as a flag: a process that ends before the journal has it must not lose it."""
        with self._lock:
            asked, self._unwritten = self._unwritten, None
        if asked is not None:
            try:
                if asked[0].severity > self._flag.load().severity:
                    self._own_flag = self._flag.record(asked[0], f"asked for by {asked[1]}")
            except OSError as error:
                _log.error("kill_flag_not_written", why=str(error), kill=asked[0].value)

    def start(self) -> None:
        """Begin to watch in a thread, which lives whatever the event loop does, and take the signals."""
        if self._thread is not None:
            return
        self.look()
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
        """Latch every rise and tell `on_rise`, serve `resume`, until cancelled. What stands at the start is a rise.

        A callback that fails is called again at the next poll: a cancel that did not get through must be repeated.
        """
        told = KillLevel.OFF
        self.start()
        try:
            while True:
                try:
                    if await self._resume_if_asked():
                        told = KillLevel.OFF
                        if on_resume is not None:
                            await on_resume()
                        self._resume.remove()
                    level = await self._latch_rise()
                    if level.severity > told.severity:
                        await on_rise(level)
                        told = level
                except Exception as error:  # noqa: BLE001 - whatever fails here, the switch must go on being watched
                    _log.error("kill_switch_failed", why=f"{type(error).__name__}: {error}", kill=self._held.value)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.stop()

    async def _latch_rise(self) -> KillLevel:
        level, source = self.level(), self._source
        if level.severity > self._latched().severity:
            await self._latch(level, source, f"kill switch set to {level.value} by {source}")
        with self._looking:
            own = self._own_flag
            if own is not None and own.severity <= self._latched().severity:  # the journal has it now
                if self._flag.load() is own:
                    self._flag.remove()
                self._own_flag = None
        return level

    async def _resume_if_asked(self) -> bool:
        """Serve a resume request unless a hand still holds the switch; whether it was served.

        The file goes last: whoever wrote it takes its end for the end of the whole procedure.
        """
        request = self._resume.load()
        if request is None:
            return False
        self.look()  # every earlier look has ended now: none can bring a removed flag back
        raises = self._raises
        if holder := self._holder():
            _log.error("resume_refused", why=f"the {holder} still asks to stop", reason=request.reason)
            self._resume.remove()
            return False
        if request.accept_mismatch and self._accept is not None:
            await self._accept(request)
        if request.rebase_peak and self._rebase is not None:
            await self._rebase(request)
        await self._latch(KillLevel.OFF, request.by, request.reason)
        with self._lock:
            if self._raises == raises:  # else somebody asked to stop meanwhile, and is latched again
                self._held, self._source = KillLevel.OFF, ""
        _log.warning("resumed", by=request.by, reason=request.reason)
        return True

    def _holder(self) -> str:
        if self._flag.load() is not KillLevel.OFF:
            return "flag file"
        return "" if self._configured() is KillLevel.OFF else "configuration"

    def _take_signal(self, number: int, _: FrameType | None) -> None:
        self.ask(SIGNALS[signal.Signals(number)], signal.Signals(number).name)

    def _watch_files(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a switch that cannot be read is a switch that is thrown
                self.ask(KillLevel.CANCEL, f"a failed watch: {type(error).__name__}: {error}")
