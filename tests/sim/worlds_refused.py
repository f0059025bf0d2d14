"""Between two lives somebody puts the account into a mode that refuses the start, and sets it right hours later."""

import asyncio
from dataclasses import replace

from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT


class StartIsRefused(Disturbance):
    """Multi-assets mode, which can be had with whatever the account holds."""

    async def between_lives(self) -> None:
        """An operator who meets a refused start sets the account right within minutes; else within hours."""
        kind = Kind.START_REFUSED
        if self.exchange.modes(ACCOUNT).is_multi_assets:
            await asyncio.sleep(self.plan.between(kind, 10, 600))
            self._put(is_multi_assets=False)
        elif self.plan.strikes(kind):
            self._put(is_multi_assets=True)
            self.world.note("the account is in multi-assets mode")
            seconds = self.plan.between(kind, 60, 10_800)
            self.world.loop.call_later(seconds, lambda: self._put(is_multi_assets=False))

    def _put(self, *, is_multi_assets: bool) -> None:
        modes = replace(self.exchange.modes(ACCOUNT), is_multi_assets=is_multi_assets)
        self.exchange.put_into_modes(ACCOUNT, modes)

    def heal(self) -> None:
        self._put(is_multi_assets=False)


WORLDS = (StartIsRefused,)
