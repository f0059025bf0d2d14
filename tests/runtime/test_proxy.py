"""Requests go through the proxies that the environment names, unless a setting says otherwise."""

import asyncio

import aiohttp
import pytest

from bot.runtime.clock import SystemClock
from bot.runtime.wiring import OneSession
from bot.venues.binance.profiles import BINANCE
from bot.venues.ccxt.connection import Connection, ConnectionRules


def venue_session(*, trust_env: bool) -> aiohttp.ClientSession:
    link = Connection(
        BINANCE,
        "mainnet",
        credentials=None,
        quote="USDT",
        session_factory=None,
        clock=SystemClock(),
        rules=ConnectionRules(trust_env=trust_env),
    )
    return link._make_session(link._build())


@pytest.mark.parametrize("is_trusted", [True, False])
@pytest.mark.parametrize("exempt", ["", "localhost"])
async def test_the_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, is_trusted: bool, exempt: str
) -> None:
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exempt)
    for session in (venue_session(trust_env=is_trusted), OneSession(trust_env=is_trusted)()):
        with pytest.raises(aiohttp.ClientError):
            await session.get("https://localhost:9/x")
        await session.close()
    server.close()
    assert len(asked) == (2 if is_trusted and not exempt else 0)
    assert all(line.startswith("CONNECT localhost:9 ") for line in asked)
