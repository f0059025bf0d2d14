"""Two venues at the wire: two dialects before one account of the exchange, each of which has the half traded there.

The dialect with one wallet sees its half alone, as the account at a venue where nothing else is traded.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.domain.money import ZERO
from bot.domain.portfolio import Balance
from bot.ports import Clock
from bot.runtime.settings.model import Settings
from bot.simex.engine.types import Income, IncomeKind, PerpWallet, SimPosition
from bot.venues.pair.venue import PairVenue
from tests.sim.at_the_wire import WireVenue
from tests.sim.bybit_replica import BybitReplica
from tests.sim.halves import Darkness, is_spot_unified
from tests.sim.loop import VirtualLoop
from tests.sim.replica import Replica, View
from tests.sim.spoken import SPOKEN
from tests.sim.wire import Doom, Port, Wire

PART_OF_THE_FIRST_TWO = 1 / 2


class _SpotView(View):
    """The account without its perp wallet."""

    def wallet(self, account: str) -> PerpWallet:
        wallet: PerpWallet = self._exchange.wallet(account)
        return PerpWallet(wallet.asset, *[ZERO] * 9)

    def perp_assets(self, account: str) -> Mapping[str, Any]:
        return {}

    def positions(self, account: str) -> tuple[SimPosition, ...]:
        return ()

    def income(self, *asked: Any, **named: Any) -> tuple[Income, ...]:
        """What came into the perp wallet from this one has left it."""
        moved = (row for row in super().income(*asked, **named) if row.kind is IncomeKind.TRANSFER)
        return tuple(replace(row, amount=-row.amount) for row in moved)


class _PerpView(View):
    """The account without its spot wallet."""

    def balances(self, account: str) -> Mapping[str, Balance]:
        return {}


class _HalfOfBybit(BybitReplica):
    """Nothing is gathered in one wallet: only one of the engine's two is traded here."""

    def __init__(self, wire: Wire, view: View) -> None:
        super().__init__(wire, view)
        desk = self._dialect.desk
        desk.gather = desk.spread = lambda account: None


def pair_of_seed(seed: int) -> Mapping[MarketKind, str]:
    """The venue of each half. In half of the seeds Binance and Bybit, as it was before there were others; in the others
    two of all that are spoken."""
    chance = Random(f"{seed}/pair")
    if chance.random() < PART_OF_THE_FIRST_TWO:
        spot, perp = ("bybit", "binance") if is_spot_unified(seed) else ("binance", "bybit")
    else:
        spot, perp = chance.sample(sorted(SPOKEN), 2)
    return {MarketKind.SPOT: spot, MarketKind.PERP: perp}


def replicas_of(seed: int, wire: Wire) -> Mapping[MarketKind, Replica]:
    """What stands behind each half: the venue with one wallet sees its half alone, any other a wallet of its own."""
    views = {MarketKind.SPOT: _SpotView, MarketKind.PERP: _PerpView}
    return {
        kind: _HalfOfBybit(wire, views[kind](wire)) if venue == "bybit" else SPOKEN[venue].replica(wire)
        for kind, venue in pair_of_seed(seed).items()
    }


def pair_at_the_wire(
    wire: Wire,
    replicas: Mapping[MarketKind, Replica],
    codes: Counter[str],
    *,
    settings: Settings,
    clock: Clock,
    doom: Doom,
    loop: VirtualLoop,
    darkness: Darkness,
) -> PairVenue:
    """One process's connections to both."""
    port = Port(wire, doom)
    spot, perp = (
        WireVenue(
            wire,
            replicas[kind],
            codes,
            settings=settings,
            clock=clock,
            doom=doom,
            loop=loop,
            kind=kind,
            port=port,
            is_dark=lambda kind=kind: darkness.is_dark(kind),  # type: ignore[misc]
        )
        for kind in (MarketKind.SPOT, MarketKind.PERP)
    )
    return PairVenue(spot, perp, quote="USDT")
