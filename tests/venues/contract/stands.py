"""The venues that the contract is tried on. A new one registers itself with one line in `WIRED`."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import Rejection, Venue
from bot.simex.engine.exchange import Exchange
from bot.simex.faults import Fault, FaultRule
from bot.simex.signing import ApiKey
from bot.simex.tls import loopback_session
from bot.venues.binance.adapter import ADAPTER
from bot.venues.bingx.adapter import ADAPTER as BINGX
from bot.venues.bybit.adapter import ADAPTER as BYBIT
from bot.venues.ccxt.adapter import Adapter, only
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from bot.venues.mexc.adapter import ADAPTER as MEXC
from bot.venues.pair.venue import PairVenue
from bot.venues.paper.engine_venue import EngineVenue
from bot.venues.paper.venue import PaperVenue
from bot.venues.weex.adapter import ADAPTER as WEEX
from tests.simex.scripted_market import ScriptedMarket
from tests.venues.conftest import HandClock, skipped_waits
from tests.venues.simex_bench import PERP, SPOT, Bench, simex_bench


@dataclass
class Stand:
    """An open venue that knows SPOT and PERP, and the exchange behind it.

    `is_asynchronous`: an order is acknowledged before it is matched, so what only the matching refuses is no refusal of
    the request. `lose_answer` drops the answer to the next order, `limit` answers the next book with a ban; None where
    the venue has no network. `sent` are the requests that left. `unnamed` are refusals for which the venue documents no
    code, so that the bot must take them for unknown outcomes. `are_ids_kept`: a client id is never free again;
    otherwise it is once its order has ended.
    """

    venue: Venue
    exchange: Exchange
    market: ScriptedMarket
    clock: HandClock
    sent: list[Any] = field(default_factory=list)
    lose_answer: Callable[[], None] | None = None
    limit: Callable[[], None] | None = None
    is_asynchronous: bool = False
    unnamed: frozenset[Rejection] = frozenset()
    are_ids_kept: bool = False

    def book(self) -> None:
        """Let a moment pass: an order that was acknowledged is known to queries and cancels afterwards."""
        self.clock.value_ms += 1_000


OpenStand = Callable[[Path], AbstractAsyncContextManager[Stand]]


def _fail_next(bench: Bench, fault: Fault, method: str, path: str) -> Callable[[], None]:
    return lambda: bench.simex.faults.add(FaultRule(fault, method=method, path=path, times=1))


@dataclass(frozen=True)
class Wired:
    """A venue before the embedded exchange. `order_path` is where spot orders are sent, `book_path` where books of spot
    are asked for, `ban` the status that asks for silence."""

    adapter: Adapter
    order_path: str
    book_path: str
    ban: int = 418
    bases: tuple[str, ...] = ("UNI", "BTC")
    is_asynchronous: bool = False
    unnamed: frozenset[Rejection] = frozenset()
    are_ids_kept: bool = False
    least_perp: Decimal = Decimal(5)

    def faults(self, bench: Bench) -> tuple[Callable[[], None], Callable[[], None]]:
        """What loses the answer to the next order, and what bans the next book."""
        return (
            _fail_next(bench, Fault(after_engine_drop=True), "POST", self.order_path),
            _fail_next(bench, Fault(reply_status=self.ban), "GET", self.book_path),
        )

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[Stand]:
        async with simex_bench(folder, adapter=self.adapter, bases=self.bases, least_perp=self.least_perp) as bench:
            lose, limit = self.faults(bench)
            yield Stand(
                bench.venue,
                bench.exchange,
                bench.market,
                bench.clock,
                bench.sent,
                lose,
                limit,
                self.is_asynchronous,
                self.unnamed,
                self.are_ids_kept,
            )

    @asynccontextmanager
    async def without_transfers(self, folder: Path) -> AsyncIterator[Stand]:
        sim = replace(self.adapter.profile.environments["sim"], has_transfers=False)
        adapter = replace(self.adapter, profile=replace(self.adapter.profile, environments={"sim": sim}))
        async with simex_bench(folder, adapter=adapter, bases=self.bases, least_perp=self.least_perp) as bench:
            yield Stand(bench.venue, bench.exchange, bench.market, bench.clock, bench.sent)


WIRED = {
    "binance": Wired(ADAPTER, "/api/v3/order", "/api/v3/depth", bases=("UNI",)),
    "bybit": Wired(
        BYBIT,
        "/v5/order/create",
        "/v5/market/orderbook",
        ban=403,
        is_asynchronous=True,
        are_ids_kept=True,
    ),
    "bingx": Wired(BINGX, "/openApi/spot/v1/trade/order", "/openApi/spot/v1/market/depth"),
    "weex": Wired(
        WEEX,
        "/api/v3/order",
        "/api/v3/market/depth",
        unnamed=frozenset({Rejection.REDUCE_ONLY, Rejection.WOULD_TAKE}),
    ),
    # a post-only order of a perp is accepted and found invalid afterwards; no least value of a perp's order is listed
    "mexc": Wired(MEXC, "/api/v3/order", "/api/v3/depth", is_asynchronous=True, least_perp=Decimal(0)),
}


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


async def _pair(folder: Path, spot: Adapter, perp: Adapter) -> AsyncIterator[Stand]:
    """Spot at one venue and perps at another, two accounts of one exchange that speaks as both."""
    async with simex_bench(
        folder, adapter=only(spot, frozenset({Kind.SPOT})), bases=("UNI", "BTC"), opens=False
    ) as bench:
        bench.exchange.create_account("spot", spot={"USDT": Decimal(10_000), "UNI": Decimal(100)}, perp=Decimal(0))
        bench.exchange.create_account("perps", spot={}, perp=Decimal(1_000))
        key = ApiKey("other-key", "other-secret", "perps")
        own = {name: replace(known, account="spot") for name, known in bench.simex.keys.items()}
        bench.simex.keys = {**own, key.key: key}
        bench.simex.serve_dialects((spot.profile.id, perp.profile.id))
        other = CcxtVenue(
            only(perp, frozenset({Kind.PERP})),
            environment="sim",
            account="main",
            credentials=Credentials(key.key, key.secret),
            session_factory=lambda: loopback_session(bench.simex.https_port, bench.simex.ca_path),
            clock=bench.clock,
            rules=ConnectionRules(cache_folder=folder / "cache" / "perp", seams=skipped_waits()),
        )
        venue = PairVenue(bench.venue, other, quote="USDT")
        await venue.open()
        await venue.fetch_instruments([SPOT, PERP])
        lose, limit = WIRED[spot.profile.id].faults(bench)
        asynchronous = WIRED[perp.profile.id].is_asynchronous
        yield Stand(venue, bench.exchange, bench.market, bench.clock, bench.sent, lose, limit, asynchronous)
        await venue.close()


@asynccontextmanager
async def spot_and_perps_apart(folder: Path) -> AsyncIterator[Stand]:
    async for stand in _pair(folder, ADAPTER, BYBIT):
        yield stand


@asynccontextmanager
async def perps_and_spot_apart(folder: Path) -> AsyncIterator[Stand]:
    async for stand in _pair(folder, BYBIT, ADAPTER):
        yield stand


STANDS: Mapping[str, OpenStand] = {
    **{name: wired.opened for name, wired in WIRED.items()},
    "engine": engine,
    "paper": paper,
    "binance+bybit": spot_and_perps_apart,
    "bybit+binance": perps_and_spot_apart,
}
NO_TRANSFERS: Mapping[str, OpenStand] = {
    **{name: wired.without_transfers for name, wired in WIRED.items()},
    "binance+bybit": spot_and_perps_apart,
}
