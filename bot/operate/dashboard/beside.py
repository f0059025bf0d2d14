"""The dashboard of a run: a process of its own beside the bot, started again when it ends.

Another process cannot delay a turn, and its end is not the bot's. It ends when the bot does, however that ends.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

RESTART_SECONDS = (1.0, 5.0, 30.0, 60.0)
END_SECONDS = 3.0
_log = structlog.get_logger("sectorbot.dashboard")


def log_address(address: str) -> None:
    """The line of the log that names the page."""
    _log.info("dashboard", text=f"dashboard at {address}", url=address)


def arguments_of(files: Sequence[Path], assignments: Sequence[str]) -> list[str]:
    """The arguments of `sectorbot dashboard` that name the bot of these settings."""
    named = [part for file in files for part in ("--config", str(file))]
    return named + [part for assignment in assignments for part in ("--set", assignment)]


@contextmanager
def dashboard_beside(
    arguments: Sequence[str], announce: Callable[[str], None] = log_address
) -> Iterator["DashboardProcess"]:
    """Keep a dashboard running for as long as the block does.

    Args:
        arguments: those of `sectorbot dashboard` which name the bot.
        announce: gets the address whenever one is served, in another thread.
    """
    process = DashboardProcess(arguments, announce)
    process.start()
    try:
        yield process
    finally:
        process.stop()


class DashboardProcess:
    """A child process and the thread that watches it. Nothing of it raises into the bot."""

    def __init__(self, arguments: Sequence[str], announce: Callable[[str], None]) -> None:
        self._command = [sys.executable, "-m", "bot", "dashboard", "--parent", str(os.getpid()), "--json", *arguments]
        self._announce, self._ending = announce, threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, name="dashboard", daemon=True)
        self.address = ""

    @property
    def pid(self) -> int:
        """The child's process number; 0 before the first."""
        return self._child.pid if self._child is not None else 0

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the child."""
        self._ending.set()
        child = self._child
        if child is not None:
            with suppress(OSError):
                child.terminate()
            try:
                child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(END_SECONDS)

    def _keep(self) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                why = f"it ended with {self._run_once()}"
            except Exception as error:  # noqa: BLE001 - the bot goes on without its page
                why = f"{type(error).__name__}: {error}"
            if self._ending.is_set():
                return
            seconds = RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)]
            failures += 1
            with suppress(Exception):
                _log.warning("dashboard_ended", why=why, what="the bot goes on without it", retry_in_seconds=seconds)
            self._ending.wait(seconds)

    def _run_once(self) -> int:
        with subprocess.Popen(  # noqa: S603 - our own command
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as child:
            self._child = child
            if self._ending.is_set():
                child.terminate()
            for line in child.stdout or ():
                with suppress(ValueError, KeyError, TypeError):
                    self.address = str(json.loads(line)["url"])
                    self._announce(self.address)
            return child.wait()
