"""A bit of the journal's file flips between two lives, in a table that is made from the events."""

import sqlite3
from contextlib import closing
from typing import Any

from bot.journal.schema import PROJECTIONS
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance

NEWEST = 20  # rows of a table: what a start compares in a large journal as well


class BitFlips(Disturbance):
    """One bit of one field of a row that a start relies on. `flipped` says which, until a life has begun on it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.flipped = ""

    async def between_lives(self) -> None:
        path, plan = self.world.journal_path, self.plan
        if not path.is_file() or not plan.strikes(Kind.PROJECTION_FLIPPED):
            return
        with closing(sqlite3.connect(path)) as db, db:
            filled = [table for table in PROJECTIONS if db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()]  # noqa: S608
            if filled:
                self._flip(db, plan.choose(Kind.PROJECTION_FLIPPED, filled))

    def _flip(self, db: sqlite3.Connection, table: str) -> None:
        plan, kind = self.plan, Kind.PROJECTION_FLIPPED
        rows = db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid DESC LIMIT {NEWEST}")  # noqa: S608
        names = [column[0] for column in rows.description]
        row = plan.choose(kind, rows.fetchall())
        index = plan.choose(kind, [i for i in range(1, len(row)) if row[i] not in (None, "")])
        before = row[index]
        if isinstance(before, int):
            after: Any = before ^ (1 << plan.count(kind, 0, 30))
        else:
            at = plan.count(kind, 0, len(before) - 1)
            after = before[:at] + chr(ord(before[at]) ^ (1 << plan.count(kind, 0, 3))) + before[at + 1 :]
        try:
            db.execute(f"UPDATE {table} SET {names[index]} = ? WHERE rowid = ?", (after, row[0]))  # noqa: S608
        except sqlite3.IntegrityError:  # the table has such a key, or takes one id alone
            return
        self.flipped = f"{table}.{names[index]}"
        self.world.note(f"a bit flips in {self.flipped}: {str(before)[:60]!r} becomes {str(after)[:60]!r}")


WORLDS = (BitFlips,)
