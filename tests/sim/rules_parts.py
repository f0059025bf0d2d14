"""A damaged part is never taken for what was written: it is named, or nothing that a start decides by is in it."""

import sqlite3
from contextlib import closing
from typing import Any

from bot.journal.errors import JournalCorrupt
from tests.sim.hooks import Rule
from tests.sim.world import Life
from tests.sim.worlds_parts import PartFlips


class PartsAreProven(Rule):
    """A life that begins on a journal with a damaged part remembers what was remembered before, and `journal verify`
    names the part."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory: tuple[Any, ...] | None = None  # in the file in which the last process ended: its copy comes back

    @property
    def _world_of_parts(self) -> PartFlips:
        (found,) = (one for one in self.world.hooks.disturbances if isinstance(one, PartFlips))
        return found

    def journal_replaced(self) -> None:
        self._world_of_parts.journal_changed()
        self._memory = None

    def at_end_of_life(self, life: Life, *, is_clean: bool) -> None:
        with closing(sqlite3.connect(self.world.file_in_use())) as db:
            self._memory = tuple(db.execute("SELECT * FROM memory").fetchall())

    def at_start_of_life(self, life: Life) -> None:
        parts = self._world_of_parts
        if not parts.damaged or life.app.journal.is_substituted:
            return
        with closing(sqlite3.connect(self.world.journal_path)) as db:
            memory = tuple(db.execute("SELECT * FROM memory").fetchall())
            is_kept = db.execute("SELECT 1 FROM parts WHERE digest = ?", [bytes.fromhex(parts.damaged)]).fetchone()
        if self._memory is not None and memory != self._memory:
            self.world.violate(
                "a damaged part decides nothing", f"part {parts.damaged[:12]}: the memory is another one"
            )
        if not is_kept:
            return  # what a turn saw is deleted after a while
        try:
            life.app.journal.reader.verify()
        except JournalCorrupt:
            return
        self.world.violate("a damaged part is named", f"`journal verify` says nothing of part {parts.damaged[:12]}")


RULES = (PartsAreProven,)
