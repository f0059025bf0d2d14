"""The events of the journal: each is appended to the hash chain and projected in the same transaction."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.journal.answers import ANY_KIND
from bot.journal.errors import JournalBusy
from bot.journal.proof import CHECKPOINT, CHECKPOINT_EVERY, live_orders
from bot.journal.schema import GENESIS, canonical, chain_hash, project

EventHead = tuple[int, str]
"""Number and hash of an event."""
EventMark = tuple[EventHead, int | None, dict[str, EventHead]]


class EventLog:
    """Appends events in the writer's thread, and knows which are the newest.

    `head` is the newest event, `cycle` the number of the newest cycle, which every event carries.
    """

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self._path, self._now_ms = path, now_ms
        self.head: EventHead = (0, GENESIS)
        self.cycle: int | None = None
        self._newest: dict[str, EventHead] = {}
        self._on_disk: tuple[EventHead, Mapping[str, EventHead]] = self.head, {}

    def load(self, db: Database) -> None:
        """Go on after the last event of the file."""
        self.head = tuple(
            db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone() or (0, GENESIS)
        )
        self.cycle = db.execute("SELECT max(number) FROM cycles").fetchone()[0]

    def append(self, db: Database, kind: str, payload: Any, stored: Any = None) -> int:
        """Append an event; its number.

        Args:
            stored: its payload in the file where that is another one: with parts beside it.

        Raises:
            JournalBusy: another process has appended an event since.
        """
        prev_seq, prev_hash = self.head
        seq, at_ms, text = prev_seq + 1, self._now_ms(), canonical(payload if stored is None else stored)
        own = chain_hash(prev_hash, seq, at_ms, kind, self.cycle, text)
        try:
            db.execute(
                "INSERT INTO event (seq, at_ms, kind, cycle, payload, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [seq, at_ms, kind, self.cycle, text, prev_hash, own],
            )
        except sqlite3.IntegrityError as error:
            raise JournalBusy(
                self._path, f"was written to by another process ({error})", "stop that process"
            ) from error
        project(db, seq, at_ms, kind, payload)
        self.head = self._newest[kind] = (seq, own)
        return seq

    def checkpoint_if_due(self, db: Database, account: str) -> None:
        """Append the orders that are live, once in `CHECKPOINT_EVERY` events."""
        last = self._newest.get(CHECKPOINT)
        if last is None:
            last = self._newest[CHECKPOINT] = tuple(
                db.execute(
                    "SELECT seq, hash FROM event WHERE kind = ? ORDER BY seq DESC LIMIT 1", [CHECKPOINT]
                ).fetchone()
                or (0, GENESIS)
            )
        if self.head[0] - last[0] >= CHECKPOINT_EVERY:
            self.append(db, CHECKPOINT, {"account": account, "live": live_orders(db)})

    def mark(self) -> EventMark:
        """What a transaction begins with."""
        return self.head, self.cycle, dict(self._newest)

    def restore(self, mark: EventMark) -> None:
        """Forget the events of a transaction that was rolled back."""
        self.head, self.cycle, self._newest = mark

    def note_commit(self) -> None:
        """In the writer's thread, before anybody hears of the commit. A reader of another thread must not take what is
        being written for what it can read."""
        self._on_disk = self.head, dict(self._newest)

    def newest_on_disk(self, kind: str) -> EventHead | None:
        """As `newest`, of what is on disk."""
        head, newest = self._on_disk
        return head if kind == ANY_KIND else newest.get(kind)

    def newest(self, kind: str) -> EventHead | None:
        """Number and hash of the newest event of a kind that this process wrote, or of any."""
        return self.head if kind == ANY_KIND else self._newest.get(kind)
