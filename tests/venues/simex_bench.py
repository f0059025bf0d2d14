"""A venue over the embedded exchange: the real dialect, engine and wire, with a clock moved by hand.

`RecordingSession` keeps the requests as ccxt hands them to the HTTP session.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, Venue
from bot.simex.engine.exchange import Exchange
from bot.simex.faults import FaultPlan
from bot.simex.server import Simex
from bot.simex.signing import ApiKey
from bot.simex.tls import loopback_session
from bot.venues.binance.adapter import ADAPTER
from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from tests.simex.scripted_market import ScriptedMarket
from tests.venues.binance_server import NOW_MS
from tests.venues.conftest import HandClock, skipped_waits

D = Decimal
LEAST = D(5)
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
DAY_MS, HOUR_MS = 86_400_000, 3_600_000


def instrument(symbol: str, *, kind: Kind, least: Decimal = LEAST) -> Instrument:
    base = symbol.partition("/")[0]
    return Instrument(
        venue="binance",
        symbol=symbol,
        kind=kind,
        base=base,
        quote="USDT",
        price_tick=D("0.001"),
        size_step=D("0.01") if kind is Kind.SPOT else D(1),
        size_min=D("0.01") if kind is Kind.SPOT else D(1),
        notional_min=least,
        maker_fee=D("0.001"),
        taker_fee=D("0.001"),
        leverage_max=D(25) if kind is Kind.PERP else D(1),
        venue_symbol=f"{base}USDT",
    )


@dataclass
class RecordingSession:
    """What ccxt uses of an aiohttp session, with every request kept: method, URL, body, headers."""

    session: aiohttp.ClientSession
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def headers(self) -> Any:
        return self.session.headers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        send = getattr(self.session, name)

        def begin(url: Any, **options: Any) -> Any:
            body = options.get("data")
            self.sent.append(
                {
                    "request": f"{name.upper()} {url}",
                    "body": body.decode() if isinstance(body, bytes) else body or "",
                    "headers": dict(options.get("headers") or {}),
                }
            )
            return send(url, **options)

        return begin

    async def close(self) -> None:
        await self.session.close()


@dataclass
class Bench:
    """A venue, the exchange behind it and the clock both live by."""

    venue: CcxtVenue
    simex: Simex
    exchange: Exchange
    market: ScriptedMarket
    clock: HandClock
    sent: list[dict[str, Any]]

    def request(self, symbol: str, side: Side, size: str, price: str | None, **changes: object) -> OrderRequest:
        return order_request(self.venue, self.clock, symbol, side, size, price, **changes)


def order_request(
    venue: Venue, clock: HandClock, symbol: str, side: Side, size: str, price: str | None, **changes: object
) -> OrderRequest:
    """An order to be taken at once, at a limit or at the market where `price` is None, with an id of its own moment."""
    base = OrderRequest(
        client_id=f"tsbabc{clock.now_ms() % 10**9}",
        symbol=symbol,
        side=side,
        size=D(size),
        order_type=OrderType.LIMIT if price else OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        stamp_ms=venue.now_ms(),
        receive_window_ms=venue.receive_window_ms,
        price=D(price) if price else None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


async def unconnected(simex: Simex) -> None:
    """Wait until connections that the client has closed have ended here as well: over TLS both sides say so, and have
    to before the loop ends."""
    runner: Any = simex._runner
    for _ in range(100):
        if not runner.server.connections:
            return
        await asyncio.sleep(0.001)


@asynccontextmanager
async def simex_bench(
    folder: Path,
    *,
    bases: Sequence[str] = ("UNI",),
    opens: bool = True,
    adapter: Adapter = ADAPTER,
    least_perp: Decimal = LEAST,
    **changes: Any,
) -> AsyncIterator[Bench]:
    """A bench with a spot pair and a perp of every base, in the dialect of the adapter's venue. `least_perp` is the
    least value of an order of a perp, 0 for a venue that has none; `changes` are arguments of the venue."""
    points = [(NOW_MS - 3 * DAY_MS, 10.0), (NOW_MS, 10.0)]
    spots, perps = [f"{base}/USDT" for base in bases], [f"{base}/USDT:USDT" for base in bases]
    market = ScriptedMarket(
        dict.fromkeys((*spots, *perps), points),
        funding={symbol: [(NOW_MS + HOUR_MS, 0.001)] for symbol in perps},
    )
    instruments = {
        **{symbol: instrument(symbol, kind=Kind.SPOT) for symbol in spots},
        **{symbol: instrument(symbol, kind=Kind.PERP, least=least_perp) for symbol in perps},
    }
    exchange = Exchange(instruments=instruments, market=market, start_ms=NOW_MS)
    exchange.create_account("main", spot={"USDT": D(10_000), "UNI": D(100)}, perp=D(1_000))
    clock = HandClock()
    key = ApiKey("simulated-key", "simulated-secret", "main")
    # Its clock is set by hand: a second of its limits never ends, whatever the throttle of the venue has waited for.
    simex = Simex(exchange, keys={key.key: key}, clock=clock.now_ms, faults=FaultPlan(), limits_scale=Decimal(10))
    simex.serve_dialects((adapter.profile.id,))
    await simex.start(tls_dir=folder)
    sent: list[dict[str, Any]] = []

    def session() -> Any:
        return RecordingSession(loopback_session(simex.https_port, simex.ca_path), sent)

    settings: dict[str, Any] = {
        "environment": "sim",
        "account": "main",
        "credentials": Credentials(key.key, key.secret),
        "session_factory": session,
        "clock": clock,
        "rules": ConnectionRules(cache_folder=folder / "cache", seams=skipped_waits()),
        **changes,
    }
    venue = CcxtVenue(adapter, **settings)
    try:
        if opens:
            await venue.open()
            await venue.fetch_instruments([*spots, *perps])
        yield Bench(venue, simex, exchange, market, clock, sent)
    finally:
        await venue.close()
        await unconnected(simex)
        await simex.stop()
