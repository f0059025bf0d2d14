"""The seam at the wire: the production venue with unmodified ccxt and aiohttp, and simex's dialects behind memory.

Nothing of the venue is replaced; the subclass tells the rules what the bot asks for, before any byte is written. What
reads real time or chance on the way is given the simulation's: the throttle's clock, aiohttp's pool, tenacity's waits.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import aiohttp
import aiohttp.connector

from bot.domain.instrument import Kind as MarketKind
from bot.ports import Clock, OrderReport, OrderRequest, Rejection, VenueRejected
from bot.runtime.settings.model import Settings
from bot.venues.ccxt.adapter import load_adapter, only
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials, Seams
from tests.sim.loop import VirtualLoop
from tests.sim.memory import MemoryConnector
from tests.sim.replica import KEY, Replica
from tests.sim.spoken import SPOKEN
from tests.sim.wire import ACCOUNT, Doom, Port, Wire


class WireVenue(CcxtVenue):
    """One process's connection. `clock` is the machine's own, which may be wrong. Of a half of a pair `kind` is what is
    traded there, `port` what both have in common, and `is_dark` whether nothing arrives."""

    def __init__(
        self,
        wire: Wire,
        replica: Replica,
        codes: Counter[str],
        *,
        settings: Settings,
        clock: Clock,
        doom: Doom,
        loop: VirtualLoop,
        kind: MarketKind | None = None,
        port: Port | None = None,
        is_dark: Callable[[], bool] = lambda: False,
    ) -> None:
        self._shared, self._doom = wire, doom
        gateway = SPOKEN[replica.venue_id].gateway
        self._gateway = gateway(wire, replica, port or Port(wire, doom), codes, wire.broken, is_dark)
        adapter = load_adapter(replica.venue_id)
        super().__init__(
            adapter if kind is None else only(adapter, frozenset({kind})),
            environment="sim",
            account=ACCOUNT,
            credentials=Credentials(KEY.key, KEY.secret),
            session_factory=self._session,
            clock=clock,
            rules=ConnectionRules(
                receive_window_ms=settings.execution.receive_window_ms,
                latency_spread_ms=settings.venue.timing.latency_spread_ms,
                seams=Seams(monotonic=loop.time),
            ),
        )

    def _session(self) -> aiohttp.ClientSession:
        connector = MemoryConnector(self._gateway.take, self._gateway.reach)
        return aiohttp.ClientSession(connector=connector, middlewares=(self._doomed,))

    async def _doomed(
        self, request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[Any]]
    ) -> Any:
        """A process may die before and after any of its reads; writes are counted below."""
        self._doom.call()
        response = await handler(request)
        self._doom.call()
        return response

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        wire = self._shared
        self._doom.call()
        for listener in wire.on_submit:
            listener(request)
        wire.sent.append(request)
        wire.under_way.append(request)
        self._doom.call()
        try:
            report = await super().submit_order(request)
        except VenueRejected as rejection:
            if rejection.kind is not Rejection.DUPLICATE_ID:
                wire.under_way.remove(request)
            raise
        wire.under_way.remove(request)
        self._doom.call()
        return report

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        self._doom.call()
        for listener in self._shared.on_cancel:
            listener(client_id)
        self._doom.call()
        await super().cancel_order(symbol, client_id, is_trigger=is_trigger)
        self._doom.call()

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._doom.call()
        await super().set_leverage(symbol, leverage)
        self._doom.call()

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        self._doom.call()
        for listener in self._shared.on_write:
            listener("move_cash")
        await super().move_cash(amount, to_perp=to_perp)
        self._doom.call()

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        self._doom.call()
        await super().move_margin(symbol, amount)
        self._doom.call()


@contextlib.contextmanager
def no_real_time(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """While it is open, aiohttp's pool ages by the loop's time, and the waits between reads are drawn from the seed."""
    pool: Any = aiohttp.connector
    monotonic, chance = pool.monotonic, random.getstate()
    pool.monotonic = loop.time
    random.seed(f"{seed}/library")
    try:
        yield
    finally:
        pool.monotonic = monotonic
        random.setstate(chance)
