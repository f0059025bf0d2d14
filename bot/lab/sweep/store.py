"""The results file of a sweep: SQLite, one row a finished trial, written as each ends, so that a kill loses none.

The file belongs to one search: what it was made for is kept in it, and another search is refused.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.journal.disk.lease import LockFile
from bot.journal.errors import JournalBusy, JournalError
from bot.lab.sweep.score import Score
from bot.lab.sweep.trial import Trial, TrialResult
from bot.runtime.exit_codes import CommandFailed


class Results:
    """Finished trials by key. One process at a time holds the file, or two would run the same trials; close it at the
    end."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Open or make the file.

        Raises:
            CommandFailed: another sweep works on it, it is of another search, it is no results file, or it cannot be
                written.
        """
        self.path = path
        if not path.parent.is_dir():
            raise CommandFailed(f"--results {path}: there is no directory {path.parent}; make it, or name another file")
        self._lock = _locked(path)
        connection = None
        try:
            connection = sqlite3.connect(path, timeout=10, isolation_level=None)
            self._db = Database(connection)
            self._claim(identity)
        except CommandFailed:
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()
            self._lock.release()
            message = f"--results {path}: is no results file of a sweep ({error}); name another file"
            raise CommandFailed(message) from error

    def load(self, key: str) -> tuple[float, ...] | None:
        """Daily equity of a trial that has ended well; None when it has not been run, or has failed."""
        rows = self._db.query("SELECT equity FROM trials WHERE key = ? AND problem = ''", [key])
        found = next(iter(rows), None)
        return None if found is None else tuple(json.loads(found["equity"]))

    def load_problem(self, key: str) -> str:
        """Why a trial failed; empty when it has not."""
        rows = self._db.query("SELECT problem FROM trials WHERE key = ?", [key])
        return str(next((row["problem"] for row in rows), ""))

    def keep(self, trial: Trial, assignments: Sequence[str], outcome: TrialResult, score: Score | None) -> None:
        """Write a trial down, durably."""
        row: dict[str, Any] = {
            "key": outcome.key,
            "settings": json.dumps(assignments),
            "start_ms": trial.start_ms,
            "end_ms": trial.end_ms,
            "growth": score and score.growth,
            "sharpe": score and score.sharpe,
            "drawdown_max": score and score.drawdown_max,
            "calmar": score and score.calmar,
            "problem": outcome.problem,
            "seconds": round(outcome.seconds, 3),
            "equity": json.dumps(outcome.equity),
        }
        self._db.table("trials").upsert(row, pk="key")

    def close(self) -> None:
        self._db.close()
        self._lock.release()

    def _claim(self, identity: Mapping[str, Any]) -> None:
        names = set(self._db.table_names())
        if names and not {"search", "trials"} <= names:
            raise CommandFailed(f"--results {self.path}: holds other tables ({min(names)}); name another file")
        wanted = {name: json.dumps(value, sort_keys=True) for name, value in identity.items()}
        if not names:
            # Both tables and the claim in one step: a kill between them would leave a file of nobody.
            with self._db.conn:
                self._db.conn.execute("BEGIN IMMEDIATE")
                self._db.conn.execute("CREATE TABLE search (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
                self._db.conn.execute(
                    "CREATE TABLE trials (key TEXT PRIMARY KEY, settings TEXT NOT NULL, start_ms INTEGER NOT NULL, "
                    "end_ms INTEGER NOT NULL, growth REAL, sharpe REAL, drawdown_max REAL, calmar REAL, "
                    "problem TEXT NOT NULL, seconds REAL NOT NULL, equity TEXT NOT NULL)"
                )
                self._db.conn.executemany("INSERT INTO search VALUES (?, ?)", list(wanted.items()))
        known = {row["name"]: row["value"] for row in self._db["search"].rows}
        for name, value in wanted.items():
            if known.get(name) != value:
                raise CommandFailed(
                    f"--results {self.path}: holds another search, whose {name} is {known.get(name, 'unknown')} and "
                    f"not {value}; name another file, or repeat the command that made this one"
                )


def _locked(path: Path) -> LockFile:
    """The lock beside the file, which the end of the process gives back whatever ends it."""
    lock = LockFile(path)
    try:
        lock.acquire()
    except JournalBusy as error:
        message = f"--results {path}: {error.what}; wait for that sweep to end, or name another file"
        raise CommandFailed(message) from error
    except JournalError as error:
        raise CommandFailed(f"--results {path}: cannot be locked ({error}); name another file") from error
    return lock
