"""Two venues over one account of the exchange: spot of the one, the perp wallet and positions of the other.

Each half fails by itself, as two networks do. The one that speaks as the venue with one wallet acknowledges first.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from bot.domain.instrument import Kind as MarketKind
from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Balance
from bot.ports import DEPOSIT, WITHDRAWAL, Clock, Payment, Unavailable
from bot.simex.engine.exchange import Exchange
from bot.venues.pair.venue import PairVenue
from bot.venues.paper.engine_venue import EngineVenue
from tests.sim.faults import FaultPlan, Kind
from tests.sim.unified import UnifiedEngine
from tests.sim.venue import FaultyVenue
from tests.sim.wire import ACCOUNT, Doom, Wire


class _NoDesk:
    """Its wallet is the only one of this account that is traded there: nothing is gathered in it."""

    own_moves: frozenset[int] = frozenset()

    def gather(self, account: str) -> None:
        """Nothing."""

    spread = gather


class AcknowledgingEngine(UnifiedEngine):
    """Acknowledges an order before it is known, with ids that are used up for ever; the engine's wallets stay two."""

    def __init__(self, exchange: Exchange, clock: Clock, *, account: str) -> None:
        super().__init__(exchange, clock, account=account)
        self._desk = _NoDesk()  # type: ignore[assignment]

    async def fetch_account(self) -> Account:
        return await EngineVenue.fetch_account(self)


def is_spot_unified(seed: int) -> bool:
    """Whether spot is at the venue with one wallet, and perps at the other, or the reverse."""
    return Random(f"{seed}/halves").random() < 0.5


def engines_of(seed: int, exchange: Exchange, clock: Clock) -> Mapping[MarketKind, EngineVenue]:
    """What stands behind each half: one of them has one wallet, which one the seed decides."""
    plain, unified = (
        EngineVenue(exchange, clock, account=ACCOUNT),
        AcknowledgingEngine(exchange, clock, account=ACCOUNT),
    )
    spot, perp = (unified, plain) if is_spot_unified(seed) else (plain, unified)
    return {MarketKind.SPOT: spot, MarketKind.PERP: perp}


class HalfVenue(FaultyVenue):
    """One half: the account as its venue would show it. `dark_until` is when it answers again, in the loop's time."""

    def __init__(
        self, wire: Wire, clock: Clock, doom: Doom, *, kind: MarketKind, inner: EngineVenue, is_dark: Callable[[], bool]
    ) -> None:
        super().__init__(wire, clock, doom)
        self._inner, self._kind, self._is_dark = inner, kind, is_dark
        self._is_unified = isinstance(inner, UnifiedEngine)
        self.id, self.has_transfers = inner.id, False
        ask, write = self._port.ask, self._port.write

        async def asked(answer):  # type: ignore[no-untyped-def]
            if self._is_dark():
                doom.call()
                raise Unavailable("no route to this venue")
            return await ask(answer)

        async def written(what, act, **named):  # type: ignore[no-untyped-def]
            if self._is_dark():
                doom.call()
                await self._port._give_up(Kind.REQUEST_LOST)
            return await write(what, act, **named)

        self._port.ask, self._port.write = asked, written  # type: ignore[method-assign]

    async def fetch_account(self) -> Account:
        account, quote = await super().fetch_account(), "USDT"
        if self._kind is MarketKind.SPOT:
            return replace(account, perp_wallet=ZERO, perp_free=ZERO, positions={}, is_unified=self._is_unified)
        if not self._is_unified:
            return replace(account, balances={})
        free = max(ZERO, min(account.perp_free, account.perp_wallet))
        wallet = {quote: Balance(quote, free, account.perp_wallet - free)}
        return replace(account, balances=wallet, perp_wallet=ZERO, perp_free=ZERO, is_unified=True)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """What moved in the wallet of this half: money that went from one to the other left the one and came to the
        other."""
        found = await super().fetch_payments(since_ms)
        if self._kind is MarketKind.PERP:
            if not self._is_unified:
                return found
            return tuple(replace(p, kind=_flow(p)) if p.kind == "transfer" else p for p in found)
        moved = (replace(p, amount=-p.amount, id=f"{p.id}:spot") for p in found if p.kind == "transfer")
        return tuple(replace(p, kind=_flow(p)) for p in moved)


def _flow(payment: Payment) -> str:
    return DEPOSIT if payment.amount > 0 else WITHDRAWAL


class Darkness:
    """Which half is dark, and until when, in the time of the loop; drawn now and then while faults are on."""

    def __init__(self, plan: FaultPlan, now: Callable[[], float]) -> None:
        self._plan, self._now = plan, now
        self._until = dict.fromkeys(MarketKind, 0.0)
        self._began = dict.fromkeys(MarketKind, 0.0)

    def is_dark(self, kind: MarketKind) -> bool:
        """Whether it is; the question may make it so."""
        now, plan = self._now(), self._plan
        if not plan.is_armed:
            return False
        if now >= self._until[kind] and plan.strikes(Kind.HALF_DARK):
            self._began[kind], self._until[kind] = now, now + plan.between(Kind.HALF_DARK, 5, 900)
        return now < self._until[kind]

    def seconds(self, kind: MarketKind) -> float:
        """How long a half has been dark; 0 for one that answers."""
        now = self._now()
        return now - self._began[kind] if self._plan.is_armed and now < self._until[kind] else 0.0


def pair_of(
    wire: Wire, clock: Clock, doom: Doom, engines: Mapping[MarketKind, EngineVenue], darkness: Darkness
) -> PairVenue:
    """One process's connections to both."""
    spot, perp = (
        HalfVenue(wire, clock, doom, kind=kind, inner=engines[kind], is_dark=lambda kind=kind: darkness.is_dark(kind))
        for kind in (MarketKind.SPOT, MarketKind.PERP)
    )
    return PairVenue(spot, perp, quote="USDT")
