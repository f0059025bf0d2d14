"""What keeps an exchange's accounts over a restart: its state in one SQLite file, written before a reply is sent.

So an exchange that was killed has every change that was confirmed to a client. One process has the file at a time.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bot.domain.codec import encode
from bot.simex.engine.snapshot import Key

FORM = "1"


class StoreError(Exception):
    """The file cannot serve; the message says why and what to do."""


class Store:
    """Rows by key in `path`, which is created, readable by its owner only.

    Raises:
        StoreError: when another exchange has the file, it is damaged, or another form of program wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: dict[Key, Any] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TABLE IF NOT EXISTS part (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path}: {error}; end the other exchange on it, or name another directory") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path}: {error}; move it away to begin with new accounts") from error

    def load(self) -> Mapping[Key, Any]:
        """All rows; empty for a new file."""
        try:
            rows = {tuple(json.loads(key)): json.loads(value) for key, value in self._db.execute("SELECT * FROM part")}
        except (sqlite3.DatabaseError, ValueError) as error:
            raise StoreError(f"{self.path}: {error}; move it away to begin with new accounts") from error
        self._written = dict.fromkeys(rows)
        form = rows.get(("form",), FORM)
        if form != FORM:
            raise StoreError(f"{self.path} is of form {form}, this program reads {FORM}; move it away to begin anew")
        return rows

    def save(self, rows: Iterable[tuple[Key, Any]]) -> None:
        """Write what changed since the last call, in one transaction that outlives a power failure."""
        changed, gone = [], dict.fromkeys(self._written)
        for key, value in (*rows, (("form",), FORM)):
            gone.pop(key, None)
            before = self._written.get(key)
            if before is value or (isinstance(value, dict | list | str) and before == value):
                continue
            self._written[key] = value
            changed.append((json.dumps(key), json.dumps(encode(value), separators=(",", ":"))))
        if not changed and not gone:
            return
        for key in gone:
            del self._written[key]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?)", changed)
            self._db.executemany("DELETE FROM part WHERE key = ?", [(json.dumps(key),) for key in gone])
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}; the exchange stops, because it would forget") from error

    def close(self) -> None:
        self._db.close()
