"""The interface of a run to the simulator. A run at another venue does not load the simulator."""

from typing import Protocol

import aiohttp

from bot.domain.instrument import Kind
from bot.domain.portfolio import Account
from bot.ports import MacroSource, TvlSource, Venue
from bot.runtime.clock import SkippingClock
from bot.runtime.settings.model import Settings


class KeyPair(Protocol):
    """An API key of the exchange."""

    @property
    def key(self) -> str: ...

    @property
    def secret(self) -> str: ...


class SimulatorControl(Protocol):
    """What wiring needs of such an exchange: its time, its keys, a way to it, its TVL and its macro series.

    `identity` names an exchange that outlives the run; it is empty for one that begins and ends with it.
    """

    @property
    def clock(self) -> SkippingClock: ...

    @property
    def key(self) -> KeyPair: ...

    def key_of(self, kind: Kind) -> KeyPair:
        """The key of the account that trades one kind of market."""
        ...

    @property
    def identity(self) -> str: ...

    @property
    def tvl(self) -> TvlSource | None: ...

    @property
    def macro(self) -> MacroSource: ...

    def session(self) -> aiohttp.ClientSession: ...

    async def stop(self) -> None: ...


async def start_embedded_exchange(settings: Settings) -> SimulatorControl | None:
    """The embedded exchange in environment `sim`, or the one that settings name; None elsewhere.

    Raises:
        SetupFailed: the one that settings name cannot be used.
        Unavailable: it does not answer.
    """
    if settings.environment != "sim":
        return None
    if settings.venue.exchange is not None:
        from bot.runtime.simulator.attached import attach

        return await attach(settings, settings.venue.exchange)
    from bot.runtime.simulator.embedded import embed_synthetic  # 0.3 s of imports that no other environment needs

    return await embed_synthetic(settings, scenario="golden", seed=1)


def on_paper(real: Venue, *, account: str, initial: Account | None) -> Venue:
    """The venue's market with an account on paper; `initial` None takes what the real account owns."""
    from bot.venues.paper.venue import PaperVenue  # the exchange's engine, which real trading does not need

    return PaperVenue(real, account=account, initial=initial)
