"""A copy of a locked journal serves the kill switch and nothing else, and all that it holds comes into the journal."""

from typing import Any

from bot.domain.states import KillLevel
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.journal.substitute import Substitute
from bot.ports import OrderRequest
from tests.sim.hooks import Rule
from tests.sim.rules_writers import is_entry
from tests.sim.world import Life


class CopiesComeBack(Rule):
    """Judged at every order, after a turn that began in a copy beside a free journal, and when a process has begun."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._head: Fact | None = None  # the newest event of the copy in which the last process ended
        self._due: float | None = None  # the end of the last lock, where a turn began in the copy after it

    def on_submit(self, request: OrderRequest) -> None:
        life = self.world.life
        if life is None or not is_entry(request) or life.app.kill.level() is not KillLevel.OFF:
            return
        if life.app.journal.is_substituted:
            self.world.violate("nothing is opened from a copy of the journal", request.client_id)

    def before_turn(self, life: Life, kind: str) -> None:
        is_due = life.app.journal.is_substituted and not self.world.is_journal_locked()
        self._due = self.world.journal_locked_until if is_due else None

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        is_due = self._due is not None and self._due == self.world.journal_locked_until
        if result is not None and is_due and life.app.journal.is_substituted:
            self.world.violate("a copy goes back into its journal", f"after a {kind} on a journal that is free")

    def at_end_of_life(self, life: Life, *, is_clean: bool) -> None:
        self._head = None
        if life.app.journal.is_substituted:
            reader = JournalReader(self.world.file_in_use())
            self._head = _newest(reader)
            reader.close()

    def at_start_of_life(self, life: Life) -> None:
        if self._head is None:
            return
        reader = JournalReader(self.world.file_in_use())
        known, self._head = self._head, None
        found = reader.load_events(1, known.seq - 1)
        reader.close()
        if found != (known,):
            self.world.violate("what a copy holds comes into the journal", f"event {known.seq} of the copy is lost")

    def journal_replaced(self) -> None:
        self._head = None

    def at_end(self, life: Life, truth: Any) -> None:
        if Substitute(self.world.journal_path).exists():
            self.world.violate("a copy goes back into its journal", "one is left at the end")


def _newest(reader: JournalReader) -> Fact | None:
    return next(iter(reader.load_events(1, reader.count_events() - 1)), None)


RULES = (CopiesComeBack,)
