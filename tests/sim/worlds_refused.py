"""Somebody puts the account into a mode that refuses the start, between two lives or in one, and sets it right hours
later."""

import asyncio
from dataclasses import replace

from bot.domain.instrument import Kind as MarketKind
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT
from tests.sim.world import BINANCE, Seam


class _AssetsMode(Disturbance):
    """Multi-assets mode, which can be had with whatever the account holds; at the wire where the venue has it."""

    @property
    def _exists(self) -> bool:
        return self.world.seam is not Seam.WIRE or self.world.venue_at(MarketKind.PERP) == BINANCE

    def _put(self, *, is_multi_assets: bool) -> None:
        modes = replace(self.exchange.modes(ACCOUNT), is_multi_assets=is_multi_assets)
        self.exchange.put_into_modes(ACCOUNT, modes)

    def heal(self) -> None:
        self._put(is_multi_assets=False)


class StartIsRefused(_AssetsMode):
    """Between two lives."""

    async def between_lives(self) -> None:
        """An operator who meets a refused start sets the account right within minutes; else within hours."""
        kind = Kind.START_REFUSED
        if self.exchange.modes(ACCOUNT).is_multi_assets:
            await asyncio.sleep(self.plan.between(kind, 10, 600))
            self._put(is_multi_assets=False)
        elif self._exists and self.plan.strikes(kind):
            self._put(is_multi_assets=True)
            self.world.note("the account is in multi-assets mode")
            seconds = self.plan.between(kind, 60, 10_800)
            self.world.loop.call_later(seconds, lambda: self._put(is_multi_assets=False))


class ModeChangesInLife(_AssetsMode):
    """While the bot runs, for longer than its checks may take."""

    async def act(self) -> None:
        kind, world = Kind.MODE_IN_LIFE, self.world
        if not self._exists:
            return
        if self.exchange.modes(ACCOUNT).is_multi_assets or not self.plan.strikes(kind):
            return
        self._put(is_multi_assets=True)
        world.note("the account is in multi-assets mode from now on")
        seconds = self.plan.between(kind, 3_600, 14_400)
        world.loop.call_later(seconds, lambda: self._put(is_multi_assets=False))


WORLDS = (StartIsRefused, ModeChangesInLife)
