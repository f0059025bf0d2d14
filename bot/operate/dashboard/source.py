"""A bot as the dashboard sees it: its settings, its journal (read only), and whether its daemon runs.

The journal may be replaced while the dashboard runs, as it is when an embedded exchange starts anew: a file with
another identity is opened afresh. Methods block and may be used from any thread.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.journal.reader import JournalReader
from bot.report.queries import JournalView, last_at
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.settings.chosen_journal import choose_journal
from bot.runtime.settings.model import Settings
from bot.runtime.settings.places import world_of

Identity = tuple[str, int, int]


class BotSource:
    """One bot.

    Args:
        name: its name on the page and in addresses.
        journal: read this one and ask no daemon; None reads the journal of the daemon that runs, else the configured.
        is_journal_time: ages count from the journal's last event, for a run whose clock is not this machine's.
    """

    def __init__(
        self, name: str, settings: Settings, journal: Path | None = None, *, is_journal_time: bool = False
    ) -> None:
        self.name, self.settings, self.is_journal_time = name, settings, is_journal_time
        self._named, self._lock = journal, threading.Lock()
        self._reader: JournalReader | None = None
        self._identity: Identity | None = None
        self._chosen: tuple[object, Path] | None = None
        self._numbers: dict[str, Any] = {}

    @property
    def directory(self) -> Path:
        """The state directory, in which the kill switch listens."""
        return self.settings.state_directory

    @property
    def is_named(self) -> bool:
        """Whether a journal was named instead of a bot: then there is no daemon to ask or to act on."""
        return self._named is not None

    def followed(self) -> str:
        """What is shown: a bot that is `running` or `stopped`, or a `journal` by itself."""
        if self.is_named:
            return "journal"
        return "running" if find_running(self.directory) is not None else "stopped"

    def world(self) -> tuple[str, str]:
        """Mode and environment: of the running daemon, of the named journal, or as configured."""
        result = world_of(self._named) if self._named is not None else find_running(self.directory)
        chosen = result or {}
        return str(chosen.get("mode", self.settings.mode)), str(chosen.get("environment", self.settings.environment))

    @contextmanager
    def view(self) -> Iterator[JournalView]:
        """The journal for one look; looks at one bot follow each other.

        Raises:
            CommandFailed: there is no journal yet.
            JournalError: it cannot be read.
        """
        with self._lock:
            health = None if self.is_named else find_running(self.directory)
            reader = self._open(self._choose(health))
            now_ms = time.time_ns() // 1_000_000
            if self.is_journal_time and (last := last_at(reader)):
                now_ms = last
            yield JournalView(self.settings, reader, health, self.is_named, now_ms, self._numbers)

    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever there may be something new to show. Costs one small query and two file reads."""
        health = None if self.is_named else find_running(self.directory)
        flag = FlagFile(self.directory).load().value
        said = tuple(str((health or {}).get(key)) for key in ("pid", "kill", "problem", "account", "kill_pending"))
        try:
            with self._lock:
                events = self._open(self._choose(health)).count_events()
        except CommandFailed:
            events = -1
        return (self._identity, events, flag, *said)

    def close(self) -> None:
        """Let go of the journal."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._reader = self._identity = None

    def _choose(self, health: Any) -> Path:
        """`choose_journal` reads the configuration files, so its answer is kept while the daemon is the same."""
        if self._named is not None:
            return self._named
        key = (health or {}).get("pid"), (health or {}).get("journal")
        if self._chosen is None or self._chosen[0] != key or not self._chosen[1].is_file():
            self._chosen = (key, choose_journal(self.settings, health))
        return self._chosen[1]

    def _open(self, path: Path) -> JournalReader:
        try:
            result = path.stat()
        except OSError:
            raise CommandFailed(f"{path}: there is no journal yet", ExitCode.NOT_RUNNING) from None
        identity = (str(path), result.st_dev, result.st_ino)
        if self._reader is None or identity != self._identity:
            if self._reader is not None:
                self._reader.close()
            self._reader, self._identity, self._numbers = JournalReader(path), identity, {}
        return self._reader


def make_source(settings: Settings, journal: Path | None = None, name: str = "sectorbot") -> BotSource:
    """The bot of some settings, or a journal by itself. The clock of a simulated run is its own."""
    world = world_of(journal) if journal is not None else None
    return BotSource(name, settings, journal, is_journal_time=world is not None and world.get("environment") == "sim")
