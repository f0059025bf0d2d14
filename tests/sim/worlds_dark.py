"""The venue does not answer for a quarter of an hour and longer, while others go on trading on the account."""

import contextlib
from typing import TYPE_CHECKING, Any

from bot.ports import Unavailable
from bot.simex.engine.refusal import Refusal
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.worlds_writers import IdUsedAgain

if TYPE_CHECKING:
    from tests.sim.chaos import Chaos
    from tests.sim.world import World


class LongDark(Disturbance):
    """The account cannot be read, so no turn comes to anything; what happens meanwhile is missed."""

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        super().__init__(world, chaos)
        self._end = 0.0

    async def act(self) -> None:
        now = self.world.loop.time()
        if now < self._end or not self.plan.strikes(Kind.LONG_DARK):
            return
        self._end = now + self.plan.between(Kind.LONG_DARK, 900, 2_400)
        setattr(self.world, "dark_until", max(self._end, getattr(self.world, "dark_until", 0.0)))  # noqa: B010
        self.world.note(f"the venue is dark for {self._end - now:.0f} s")
        if self.plan.choose(Kind.LONG_DARK, [True, False]):
            self.world.loop.call_later(self.plan.between(Kind.LONG_DARK, 60, 600), self._trade_unseen)

    def _trade_unseen(self) -> None:
        """Somebody trades under an id of ours and back: no holding shows it afterwards."""
        self.exchange.advance(self.world.now_ms())
        writers = next(one for one in self.world.hooks.disturbances if isinstance(one, IdUsedAgain))
        with contextlib.suppress(Refusal):
            writers.use(Kind.LONG_DARK, is_undone=True)

    def on_connect(self, venue: Any) -> None:
        original = venue.fetch_account

        async def fetch_account() -> Any:
            if self.world.loop.time() < self._end:
                raise Unavailable("the venue is dark")
            return await original()

        venue.fetch_account = fetch_account

    def heal(self) -> None:
        self._end = 0.0


WORLDS = (LongDark,)
