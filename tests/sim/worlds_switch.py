"""The kill switch is thrown at the worst moment: the journal full or locked, the venue dark, the turn hung, before the
first turn of a life, and to be called off again during a flatten."""

import asyncio
import sqlite3
from typing import Any

from bot.domain.states import KillLevel
from bot.ports import Unavailable
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

FULL = 13


class SwitchAtTheWorstMoment(Disturbance):
    """One of these strikes in a turn; the operator lets go within minutes, as always."""

    def before_turn(self, life: Life, kind: str) -> None:
        plan = self.plan
        for one, spoil in (
            (Kind.SWITCH_JOURNAL_FULL, self._fill_journal),
            (Kind.SWITCH_JOURNAL_LOCKED, self._lock_journal),
            (Kind.SWITCH_VENUE_DARK, self._darken_venue),
            (Kind.SWITCH_TURN_HUNG, self._hang_turn),
        ):
            if plan.strikes(one):
                self.world.loop.call_later(plan.between(one, 0.01, 1.0), self._throw, life, one, spoil)
        if plan.strikes(Kind.FLATTEN_CALLED_OFF):
            after = plan.between(Kind.FLATTEN_CALLED_OFF, 0.01, 1.0)
            until = after + plan.between(Kind.FLATTEN_CALLED_OFF, 0.05, 6.0)
            self.world.loop.call_later(after, self._ask, life, KillLevel.FLATTEN, until)
        if self._has_stops() and plan.strikes(Kind.CANCEL_OVER_STOPS):
            after = plan.between(Kind.CANCEL_OVER_STOPS, 0.0, 1.0)
            until = after + plan.between(Kind.CANCEL_OVER_STOPS, 60, 900)
            self.world.loop.call_later(after, self._ask, life, KillLevel.CANCEL, until)

    def _has_stops(self) -> bool:
        return any(order.trigger_price is not None for order in self.exchange.open_orders(ACCOUNT))

    async def between_lives(self) -> None:
        if self.plan.strikes(Kind.SWITCH_AT_START):
            level = self.plan.choose(Kind.SWITCH_AT_START, ["cancel", "cancel-all", "flatten", ""])
            (self.world.directory / "KILL").write_text(f"{level}\n", encoding="utf-8")
            self.world.note(f"kill switch before the start: {level}")

    def _throw(self, life: Life, kind: Kind, spoil: Any) -> None:
        if life is not self.world.life or life.doom.is_dead:
            return
        spoil(life)
        self.chaos.throw_switch(kind)

    def _ask(self, life: Life, level: KillLevel, seconds: float) -> None:
        """An operator asks for this level, and resumes after so many seconds."""
        if life is not self.world.life or life.doom.is_dead:
            return
        self.chaos._checkers.settle_level()
        life.app.kill.engage(level, "operator")
        self.chaos._checkers.switch_thrown(level)
        life.watch_switch()
        self.world.note(f"kill switch: {level.value}, for {seconds:.1f} s")
        self.world.loop.call_later(seconds, lambda: self.world.resume(accepts=False))

    def _fill_journal(self, life: Life) -> None:
        """Until the reserve is given back."""
        journal: Any = life.app.journal
        is_full, release = [True], journal.reserve.release

        def released() -> bool:
            is_full[0] = False
            release()
            return True

        journal.reserve.release = released
        self._refuse(journal, "database or disk is full", FULL, lambda: is_full[0])

    def _lock_journal(self, life: Life) -> None:
        """Another program holds it for a while."""
        end = self.world.loop.time() + self.plan.between(Kind.SWITCH_JOURNAL_LOCKED, 1, 30)
        self.world.journal_locked_until = max(end, self.world.journal_locked_until)

    def _refuse(self, journal: Any, words: str, code: int, is_refused: Any) -> None:
        writer = journal._writer
        transact = writer._transact

        def refusing(db: Any, batch: Any) -> Any:
            if is_refused():
                error = sqlite3.OperationalError(words)
                error.sqlite_errorcode = code
                raise error
            return transact(db, batch)

        writer._transact = refusing

    def _darken_venue(self, life: Life) -> None:
        """Nothing gets through for a while."""
        world, venue = self.world, life.app.venue
        end = world.loop.time() + self.plan.between(Kind.SWITCH_VENUE_DARK, 1, 30)
        setattr(world, "dark_until", end)  # noqa: B010 - read by the rule
        for name in ("cancel_order", "submit_order", "fetch_account", "fetch_order", "fetch_open_orders"):
            self._wrap(venue, name, end)

    def _wrap(self, venue: Any, name: str, end: float) -> None:
        original, world = getattr(venue, name), self.world

        async def dark(*arguments: Any, **options: Any) -> Any:
            if world.loop.time() < end:
                raise Unavailable("the venue is dark")
            return await original(*arguments, **options)

        setattr(venue, name, dark)

    def _hang_turn(self, life: Life) -> None:
        """The next reading of the account takes an hour."""
        venue: Any = life.app.venue
        original = venue.fetch_account
        left = [1]

        async def hung() -> Any:
            left[0] -= 1
            if left[0] == 0:
                await asyncio.sleep(3_600)
            return await original()

        venue.fetch_account = hung


WORLDS = (SwitchAtTheWorstMoment,)
