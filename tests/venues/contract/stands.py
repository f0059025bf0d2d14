"""The venues that the contract is tried on. A new one registers itself with one line in `STANDS`."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.ports import Venue
from bot.simex.engine.exchange import Exchange
from bot.simex.faults import Fault, FaultRule
from bot.venues.binance.adapter import ADAPTER
from bot.venues.bybit.adapter import ADAPTER as BYBIT
from bot.venues.paper.engine_venue import EngineVenue
from bot.venues.paper.venue import PaperVenue
from bot.venues.registry import abilities_of
from tests.simex.scripted_market import ScriptedMarket
from tests.venues.conftest import HandClock
from tests.venues.simex_bench import PERP, SPOT, Bench, simex_bench


@dataclass
class Stand:
    """An open venue that knows SPOT and PERP, and the exchange behind it.

    `is_asynchronous`: an order is acknowledged before it is matched, so what only the matching refuses is no refusal of
    the request. `lose_answer` drops the answer to the next order, `limit` answers the next book with a ban; None where
    the venue has no network. `sent` are the requests that left.
    """

    venue: Venue
    exchange: Exchange
    market: ScriptedMarket
    clock: HandClock
    sent: list[Any] = field(default_factory=list)
    lose_answer: Callable[[], None] | None = None
    limit: Callable[[], None] | None = None
    is_asynchronous: bool = False

    def book(self) -> None:
        """Let a moment pass: an order that was acknowledged is known to queries and cancels afterwards."""
        self.clock.value_ms += 1_000


OpenStand = Callable[[Path], AbstractAsyncContextManager[Stand]]


def _fail_next(bench: Bench, fault: Fault, method: str, path: str) -> Callable[[], None]:
    return lambda: bench.simex.faults.add(FaultRule(fault, method=method, path=path, times=1))


@asynccontextmanager
async def binance(folder: Path) -> AsyncIterator[Stand]:
    async with simex_bench(folder) as bench:
        yield Stand(
            bench.venue,
            bench.exchange,
            bench.market,
            bench.clock,
            bench.sent,
            _fail_next(bench, Fault(after_engine_drop=True), "POST", "/api/v3/order"),
            _fail_next(bench, Fault(reply_status=418), "GET", "/api/v3/depth"),
        )


@asynccontextmanager
async def binance_without_transfers(folder: Path) -> AsyncIterator[Stand]:
    sim = replace(ADAPTER.profile.environments["sim"], has_transfers=False)
    adapter = replace(ADAPTER, profile=replace(ADAPTER.profile, environments={"sim": sim}))
    async with simex_bench(folder, adapter=adapter) as bench:
        yield Stand(bench.venue, bench.exchange, bench.market, bench.clock, bench.sent)


@asynccontextmanager
async def bybit(folder: Path) -> AsyncIterator[Stand]:
    async with simex_bench(folder, adapter=BYBIT, bases=("UNI", "BTC")) as bench:
        yield Stand(
            bench.venue,
            bench.exchange,
            bench.market,
            bench.clock,
            bench.sent,
            _fail_next(bench, Fault(after_engine_drop=True), "POST", "/v5/order/create"),
            _fail_next(bench, Fault(reply_status=403), "GET", "/v5/market/orderbook"),
            is_asynchronous=abilities_of("bybit").acknowledges_first,
        )


@asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[Stand]:
    async with simex_bench(folder, opens=False) as bench:
        venue = EngineVenue(bench.exchange, bench.clock, account="main")
        await venue.open()
        yield Stand(venue, bench.exchange, bench.market, bench.clock)
        await venue.close()


@asynccontextmanager
async def paper(folder: Path) -> AsyncIterator[Stand]:
    async with engine(folder) as behind:
        venue = PaperVenue(behind.venue, account="main")
        await venue.open()
        await venue.fetch_instruments([SPOT, PERP])
        yield Stand(venue, behind.exchange, behind.market, behind.clock)
        await venue.close()


STANDS: Mapping[str, OpenStand] = {
    "binance": binance,
    "bybit": bybit,
    "engine": engine,
    "paper": paper,
}
NO_TRANSFERS: Mapping[str, OpenStand] = {"binance": binance_without_transfers, "bybit": bybit}
