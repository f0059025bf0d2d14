"""Venues against a recording loopback server under the real host names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.simex.tls import make_authority
from bot.venues.binance.adapter import ADAPTER
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials, Seams
from tests.venues.binance_server import KEY, NOW_MS, SECRET, BinanceServer

SYMBOLS = ("UNI/USDT", "AAVE/USDT", "UNI/USDT:USDT", "1000PEPE/USDT:USDT")


class HandClock:
    """A clock moved by hand."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.value_ms = now_ms

    def now_ms(self) -> int:
        return self.value_ms


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder)
    return folder


@pytest.fixture
async def server(certificates: Path) -> AsyncIterator[BinanceServer]:
    running = BinanceServer(certificates)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def make_venue(server: BinanceServer, clock: HandClock) -> AsyncIterator[Callable[..., CcxtVenue]]:
    """Venues on the server; closed at the end."""
    made: list[CcxtVenue] = []

    async def no_wait(seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)

    def make(*, environment: str = "sim", rules: ConnectionRules | None = None, **changes: Any) -> CcxtVenue:
        rules = rules or ConnectionRules()
        if rules.seams.sleep is Seams().sleep:
            rules = replace(rules, seams=replace(rules.seams, sleep=no_wait))
        settings: dict[str, Any] = {
            "environment": environment,
            "account": "main",
            "credentials": Credentials(KEY, SECRET),
            "session_factory": server.session,
            "clock": clock,
            "rules": rules,
            **changes,
        }
        venue = CcxtVenue(replace(ADAPTER, profile=settings.pop("profile", ADAPTER.profile)), **settings)
        made.append(venue)
        return venue

    yield make
    for venue in made:
        await venue.close()


@pytest.fixture
async def venue(make_venue: Callable[..., CcxtVenue], server: BinanceServer) -> CcxtVenue:
    """An open venue that knows SYMBOLS; the server's record begins empty."""
    opened = make_venue()
    await opened.open()
    await opened.fetch_instruments(SYMBOLS)
    server.hits.clear()
    return opened
