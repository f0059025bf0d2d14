"""Binance's connections: prices of spot and of USDⓈ-M perps, user data of each.

Spot's user data come from the WebSocket API, subscribed by signature (listen keys of spot ended on 2026-02-20); those
of futures by a listen key, which is good for an hour from its last renewal. Since 2026-04-23 futures divide their
streams into /public (the book), /market and /private.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from bot.domain.instrument import Kind
from bot.domain.symbol import is_perp
from bot.ports import StreamNews
from bot.venues.ccxt.connection import Connection
from bot.venues.streams.channel import NOTHING, Channel, Heard, KeepAlive

PRICES = KeepAlive(silence_max_s=15, ping_s=10)  # each listed symbol speaks once a second
ACCOUNT = KeepAlive(silence_max_s=0, ping_s=10)
RENEW_S = 1_200.0
_PRICE_EVENTS = {"24hrMiniTicker": "c", "markPriceUpdate": "p"}
_FUTURES_ACCOUNT = frozenset(
    {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE", "ALGO_UPDATE", "MARGIN_CALL", "TRADE_LITE"}
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where the streams of one environment are. Empty: it has none."""

    spot: str
    spot_api: str
    futures: str = ""


_PRODUCTION = Hosts("stream.binance.com", "ws-api.binance.com", "fstream.binance.com")
HOSTS: Mapping[str, Hosts] = {
    "sim": _PRODUCTION,
    "mainnet": _PRODUCTION,
    "testnet": Hosts("demo-stream.binance.com", "demo-ws-api.binance.com", "fstream.binancefuture.com"),
    "spot-testnet": Hosts("stream.testnet.binance.vision", "ws-api.testnet.binance.vision"),
}


class PriceChannel:
    """Prices of the symbols of one market: last price of spot, mark of perps, once a second."""

    keep_alive, needs_confirmation = PRICES, False

    def __init__(self, link: Connection, host: str, kind: Kind, symbols: Sequence[str]) -> None:
        self.name = f"{kind.value} prices"
        self._link, self._host, self._kind, self._symbols = link, host, kind, symbols
        self._by_name: Mapping[str, str] = {}

    async def address(self) -> str:
        self._by_name = {self._link.venue_symbol(symbol): symbol for symbol in self._symbols}
        what, path = ("markPrice@1s", "/market") if self._kind is Kind.PERP else ("miniTicker", "")
        streams = "/".join(f"{quote(name.lower())}@{what}" for name in self._by_name)
        return f"wss://{self._host}{path}/stream?streams={streams}"

    def greetings(self) -> Sequence[str]:
        return ()

    def missed(self) -> tuple[StreamNews, ...]:
        """The next price says all."""
        return ()

    def read(self, message: Any) -> Heard:
        event = message["data"]
        field = _PRICE_EVENTS.get(event["e"])
        symbol = self._by_name.get(event["s"]) if field is not None else None
        if field is None or symbol is None:
            return NOTHING
        return Heard((StreamNews(int(event["E"]), symbol, Decimal(event[field])),))

    async def renew(self) -> None:
        """Nothing to renew."""


class SpotAccountChannel:
    """User data of spot by the WebSocket API."""

    name, keep_alive, needs_confirmation = "spot account", ACCOUNT, True

    def __init__(self, link: Connection, host: str) -> None:
        self._link, self._host = link, host

    async def address(self) -> str:
        return f"wss://{self._host}/ws-api/v3"

    def greetings(self) -> Sequence[str]:
        exchange = self._link.exchange
        params = {
            "apiKey": str(exchange.apiKey),
            "recvWindow": self._link.receive_window_ms,
            "timestamp": self._link.now_ms(),
        }
        signed = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        signature = hmac.new(str(exchange.secret).encode(), signed.encode(), hashlib.sha256).hexdigest()
        asked = {
            "id": "1",
            "method": "userDataStream.subscribe.signature",
            "params": {**params, "signature": signature},
        }
        return (json.dumps(asked),)

    def missed(self) -> tuple[StreamNews, ...]:
        return (StreamNews(self._link.now_ms()),)

    def read(self, message: Any) -> Heard:
        if "event" in message:
            event = message["event"]
            if event["e"] == "eventStreamTerminated":
                return Heard(refusal="the venue ended the subscription")
            return Heard((StreamNews(int(event["E"])),))
        if message.get("e") == "serverShutdown":
            return Heard(refusal="the server is about to shut down")
        if message["status"] != 200:
            error = message.get("error") or {}
            return Heard(refusal=f"the subscription was refused: {error.get('code')} {error.get('msg')}")
        return Heard(confirms=True)

    async def renew(self) -> None:
        """The subscription lasts as long as the connection."""


class FuturesAccountChannel:
    """User data of perps by a listen key."""

    name, needs_confirmation = "perp account", False
    keep_alive = KeepAlive(silence_max_s=0, ping_s=10, renew_s=RENEW_S)

    def __init__(self, link: Connection, host: str) -> None:
        self._link, self._host = link, host

    async def address(self) -> str:
        """With the account's listen key, which asking for renews: so the key is good whenever a connection begins."""
        answer = await self._link.read(self._link.exchange.fapiPrivatePostListenKey)
        return f"wss://{self._host}/private/ws?listenKey={quote(str(answer['listenKey']))}"

    def greetings(self) -> Sequence[str]:
        return ()

    def missed(self) -> tuple[StreamNews, ...]:
        return (StreamNews(self._link.now_ms()),)

    def read(self, message: Any) -> Heard:
        event = message.get("e")
        if event == "listenKeyExpired":
            return Heard(refusal="the listen key has expired")
        return Heard((StreamNews(int(message["E"])),)) if event in _FUTURES_ACCOUNT else NOTHING

    async def renew(self) -> None:
        """A key that has ended meanwhile ends the connection by a refusal, and a new connection asks for a new one."""
        await self._link.read(self._link.exchange.fapiPrivatePutListenKey)


def channels(link: Connection, symbols: Collection[str]) -> tuple[Channel, ...]:
    """The connections of one account. Without keys: prices alone."""
    hosts = HOSTS[link.environment.name]
    spot, perps = sorted(s for s in symbols if not is_perp(s)), sorted(s for s in symbols if is_perp(s))
    result: list[Channel] = []
    if spot:
        result.append(PriceChannel(link, hosts.spot, Kind.SPOT, spot))
    if perps and hosts.futures:
        result.append(PriceChannel(link, hosts.futures, Kind.PERP, perps))
    if link.has_keys:
        if Kind.SPOT in link.environment.kinds:
            result.append(SpotAccountChannel(link, hosts.spot_api))
        if hosts.futures and Kind.PERP in link.environment.kinds:
            result.append(FuturesAccountChannel(link, hosts.futures))
    return tuple(result)
