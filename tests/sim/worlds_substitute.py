"""Another program has the journal locked for minutes, over the ends of processes as well, and a level is in force."""

from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.world import Life


class LockedForLong(Disturbance):
    """The switch goes on in a copy beside the journal, and the process may die there; some time later it is free."""

    def before_turn(self, life: Life, kind: str) -> None:
        if self.plan.strikes(Kind.JOURNAL_LOCKED_LONG):
            after = self.plan.between(Kind.JOURNAL_LOCKED_LONG, 0.01, 1.0)
            self.world.loop.call_later(after, self._lock, life)

    def _lock(self, life: Life) -> None:
        if life is not self.world.life or life.doom.is_dead or not self.plan.is_armed:
            return
        seconds = self.plan.between(Kind.JOURNAL_LOCKED_LONG, 30, 1_800)
        self.world.journal_locked_until = self.world.loop.time() + seconds
        self.world.note(f"the journal is locked for {seconds:.0f} s")
        self.chaos.throw_switch(Kind.JOURNAL_LOCKED_LONG)
        if self.plan.choose(Kind.JOURNAL_LOCKED_LONG, [True, False]):
            life.doom.at_step = self.plan.count(Kind.JOURNAL_LOCKED_LONG, 50, 2_000)

    def heal(self) -> None:
        self.world.journal_locked_until = 0.0


WORLDS = (LockedForLong,)
