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


class SkippedWaits:
    """The time of a throttle whose waits are over at once. It goes on with each of them: where a wait leaves the clock
    as it was, the throttle asks for it again and again until the second of a limit has really passed."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self._now_s += seconds
        await asyncio.sleep(0)


def skipped_waits(**changes: Any) -> Seams:
    """Seams of one connection with a time of its own."""
    waits = SkippedWaits()
    return Seams(monotonic=waits.now_s, sleep=waits.sleep, **changes)


def endless_waits() -> Seams:
    """Seams of a connection whose throttle waits until the test ends: what goes on has not waited."""

    async def sleep(seconds: float) -> None:
        del seconds
        await asyncio.Event().wait()

    return Seams(monotonic=lambda: 0.0, sleep=sleep)


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

    def make(*, environment: str = "sim", rules: ConnectionRules | None = None, **changes: Any) -> CcxtVenue:
        rules = rules or ConnectionRules()
        if rules.seams.sleep is Seams().sleep:
            rules = replace(rules, seams=skipped_waits(exchange_class=rules.seams.exchange_class))
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


@pytest.fixture
def folder(shared: Path, request: pytest.FixtureRequest) -> Path:
    """The canned exchanges of the venue whose tests ask. Skips where they are not here."""
    found = shared / "research" / "payloads" / request.path.parent.name
    if not found.is_dir():
        pytest.skip("the canned exchanges are not here")
    return found
