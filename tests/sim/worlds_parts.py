"""A bit of a part of the journal flips between two lives, and is set right after the start that meets it."""

import sqlite3
import zlib
from contextlib import closing
from typing import Any

from bot.journal.parts import WINDOW
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.world import Life

NEWEST = 30  # parts: those of the newest turns
_TRIGGER = "part_is_never_changed"
_KEPT = "SELECT sql FROM sqlite_schema WHERE name = ?"


class PartFlips(Disturbance):
    """`damaged`: digest of the part while a bit of it is wrong."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.damaged = ""
        self._body: tuple[int, bytes] | None = None

    async def between_lives(self) -> None:
        self._set_right()
        path, plan, kind = self.world.journal_path, self.plan, Kind.PART_FLIPPED
        if not path.is_file() or not plan.strikes(kind):
            return
        with closing(sqlite3.connect(path)) as db, db:
            rows = db.execute("SELECT id, digest, base, body FROM parts ORDER BY id DESC LIMIT ?", [NEWEST]).fetchall()
            if not rows:
                return
            number, digest, base, body = plan.choose(kind, rows)
            at, bit = plan.count(kind, 0, len(body) - 1), plan.count(kind, 0, 7)
            flipped = body[:at] + bytes([body[at] ^ (1 << bit)]) + body[at + 1 :]
            if _unpacked(db, base, flipped) == _unpacked(db, base, body):
                return  # a bit that fills up the last byte of a block: the text is what was written
            self._write(db, number, flipped)
        self._body, self.damaged = (number, body), digest.hex()
        self.world.note(f"a bit flips in part {self.damaged[:12]}, byte {at} of {len(body)}")

    def journal_changed(self) -> None:
        """Another journal is in place: nothing of it is damaged."""
        self.damaged, self._body = "", None

    def before_turn(self, life: Life, kind: str) -> None:
        self._set_right()

    async def act(self) -> None:
        """Before a copy is made of it, too."""
        self._set_right()

    def heal(self) -> None:
        self._set_right()

    def _set_right(self) -> None:
        if self._body is not None and self.world.journal_path.is_file():
            with closing(sqlite3.connect(self.world.journal_path)) as db, db:
                self._write(db, *self._body)
        self.journal_changed()

    def _write(self, db: sqlite3.Connection, number: int, body: bytes) -> None:
        """Past the trigger that keeps the bot from it."""
        (sql,) = db.execute(_KEPT, [_TRIGGER]).fetchone()
        db.execute(f"DROP TRIGGER {_TRIGGER}")
        db.execute("UPDATE parts SET body = ? WHERE id = ?", [body, number])
        db.execute(sql)


def _unpacked(db: sqlite3.Connection, base: int | None, body: bytes) -> bytes | None:
    """The text of a part; None where it cannot be unpacked."""
    try:
        if base is None:
            return zlib.decompress(body)
        (whole,) = db.execute("SELECT body FROM parts WHERE id = ?", [base]).fetchone()
        unpacker = zlib.decompressobj(zdict=zlib.decompress(whole)[-WINDOW:])
        return unpacker.decompress(body) + unpacker.flush()
    except zlib.error:
        return None


WORLDS = (PartFlips,)
