"""The events of a journal file, read through a connection of their own that cannot write."""

import json
import sqlite3
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.journal.answers import ANY_KIND, Answers, remembered
from bot.journal.errors import classify, corrupt
from bot.journal.parts import PartDamaged, read_part
from bot.journal.turns import whole_payload


@dataclass(frozen=True, slots=True)
class Fact:
    """An event as it was written."""

    seq: int
    at_ms: int
    kind: str
    payload: Mapping[str, Any]


class FactReader(Answers):
    """Read-only view of the events. May be used from any thread. Every method raises JournalError."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._lock = threading.Lock()
        self._db: Database | None = None
        self._is_lent = False

    def read_through(self, db: Database, newest: Callable[[str], Hashable] | None = None) -> None:
        """Read through a connection of somebody else, who closes it. For a journal that one thread reads and writes: a
        connection of its own would read every page anew after each commit of the other.

        `newest` gives the newest event of a kind, or of any: answers are cached until a relevant event.
        """
        self._db, self._is_lent, self._newest = db, True, newest

    def remember(self, newest: Callable[[str], Hashable]) -> None:
        """Keep answers until the next event of their kinds. `newest` gives the newest event on disk of a kind, or of
        any; nobody but the caller's journal writes the file. Ends with `follow` and `close`. Who reads through a lent
        connection keeps what came with it."""
        if not self._is_lent:
            self._newest = newest

    def follow(self, path: Path) -> None:
        """Read another file from now on: the copy of a locked journal, or the journal again."""
        with self._lock:
            if self._db is not None and not self._is_lent:
                self._db.close()
            self._db, self._is_lent, self._newest, self.path = None, False, None, path

    def close(self) -> None:
        with self._lock:
            if self._db is not None and not self._is_lent:
                self._db.close()
            self._db, self._is_lent, self._newest = None, False, None

    @remembered()
    def load_facts(self, kind: str, limit: int = 100) -> tuple[Fact, ...]:
        """Events of one kind, newest first."""
        rows = self._rows(
            "SELECT seq, at_ms, kind, payload FROM event WHERE kind = ? ORDER BY seq DESC LIMIT ?", [kind, limit]
        )
        return self._facts(rows)

    @remembered()
    def load_facts_after(self, kind: str, seq: int) -> tuple[Fact, ...]:
        """Events of one kind after event `seq`, oldest first."""
        rows = self._rows(
            "SELECT seq, at_ms, kind, payload FROM event WHERE kind = ? AND seq > ? ORDER BY seq", [kind, seq]
        )
        return self._facts(rows)

    def load_facts_by_step(self, kind: str, step_ms: int, since_ms: int = 0) -> tuple[Fact, ...]:
        """The first event of a kind in each step of time since, oldest first."""
        rows = self._rows(
            "SELECT seq, at_ms, kind, payload FROM event WHERE seq IN (SELECT min(seq) FROM event"
            " WHERE kind = ? AND at_ms >= ? GROUP BY at_ms / ?) ORDER BY seq",
            [kind, since_ms, step_ms],
        )
        return self._facts(rows)

    def load_last_fact_before(self, kind: str, at_ms: int) -> Fact | None:
        """The newest event of a kind up to a moment."""
        sql = "SELECT seq, at_ms, kind, payload FROM event WHERE kind = ? AND at_ms <= ? ORDER BY seq DESC LIMIT 1"
        rows = self._rows(sql, [kind, at_ms])
        return next(iter(self._facts(rows)), None)

    def load_events(self, limit: int = 100, after_seq: int = 0, kinds: Sequence[str] = ()) -> tuple[Fact, ...]:
        """Events of these kinds, or of every kind, oldest first."""
        chosen = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        sql = f"SELECT seq, at_ms, kind, payload FROM event WHERE seq > ?{chosen} ORDER BY seq LIMIT ?"
        rows = self._rows(sql, [after_seq, *kinds, limit])
        return self._facts(rows)

    def load_facts_since(self, kinds: Sequence[str], since_ms: int) -> tuple[Fact, ...]:
        """Events of these kinds since, oldest first."""
        marks = ", ".join("?" * len(kinds))
        sql = f"SELECT seq, at_ms, kind, payload FROM event WHERE kind IN ({marks}) AND at_ms >= ? ORDER BY seq"
        rows = self._rows(sql, [*kinds, since_ms])
        return self._facts(rows)

    def count_events(self) -> int:
        newest = None if self._newest is None else self._newest(ANY_KIND)
        if isinstance(newest, tuple):  # the writer knows its number
            return int(newest[0])
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM event")[0][0])

    def _facts(self, rows: Sequence[Any]) -> tuple[Fact, ...]:
        return tuple(Fact(seq, at_ms, kind, self._payload(kind, text)) for seq, at_ms, kind, text in rows)

    def _payload(self, kind: str, text: str) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(text)
        try:
            return whole_payload(self._rows, payload) if kind == "cycle" else payload
        except PartDamaged as error:
            raise corrupt(self.path, str(error)) from error

    def _payload_of_turn(self, number: int) -> dict[str, Any] | None:
        rows = self._rows("SELECT payload FROM cycles JOIN event ON event.seq = cycles.seq WHERE number = ?", [number])
        return self._payload("cycle", rows[0][0]) if rows else None

    def _part(self, digest: str) -> bytes:
        try:
            return read_part(self._rows, digest)
        except PartDamaged as error:
            raise corrupt(self.path, str(error)) from error

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection().execute(sql, list(parameters)).fetchall()
            except sqlite3.Error as error:
                raise classify(error, self.path) from error

    def _connection(self) -> Database:
        if self._db is None:
            uri = self.path.absolute().as_uri() + "?mode=ro"
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None, timeout=10)
            self._db = Database(connection)
        return self._db
