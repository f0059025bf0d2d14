"""Requests and replies as values, so that a dialect is a plain function of bytes and time.

The server feeds these from sockets and tests feed them by hand; nothing here knows of either.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from bot.simex.engine.exchange import Exchange
from bot.simex.engine.snapshot import Key
from bot.simex.engine.types import ExchangeEvent
from bot.simex.signing import ApiKey

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request. `query` and `body` are the bytes as received (as text), `headers` have lower-case names.

    `session_key`: the API key that its connection has logged on with; the request need not name and sign by it again.
    """

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    address: str = "127.0.0.1"
    session_key: str = ""


@dataclass(frozen=True, slots=True)
class WireReply:
    """One reply. `content` is JSON-able, or text that goes out as HTML."""

    status: int
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestTimes:
    """The two clocks of one request: exchange time, and the wall clock that rate limits run on (UTC ms)."""

    exchange_ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Guide:
    """How a client reaches the exchange as one venue: base addresses by kind, the venue's host names, a shell line that
    signs a request, and a Python program that trades through ccxt."""

    endpoints: Mapping[str, str]
    hosts: tuple[str, ...]
    curl: str
    ccxt: str


class SocketSession(Protocol):
    """One open WebSocket as a function of messages and time. The server pings every `ping_s` and ends a connection that
    has not answered for `pong_s`."""

    is_over: bool
    ping_s: int
    pong_s: int

    def hear(self, event: ExchangeEvent) -> None:
        """An event of the exchange. Called inside the change; it must not call back into the engine."""
        ...

    def receive(self, text: str, moment: RequestTimes) -> list[str]:
        """The answers to one message."""
        ...

    def poll(self, moment: RequestTimes) -> list[str]:
        """What is new since the last call."""
        ...


class Dialect(Protocol):
    """The protocol of a venue over the engine. One without WebSockets or rows of its own inherits the defaults."""

    @property
    def hosts(self) -> Collection[str]:
        """The venue's host names, those of WebSockets included."""
        ...

    def serves(self, host: str, path: str) -> bool:
        """Whether this host name and path belong to the venue."""
        ...

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        """Answer one request; the engine has been advanced to the moment. Raises nothing for bad requests."""
        ...

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        """How to reach the venue on this port with this key."""
        ...

    def open_socket(self, request: WireRequest, moment: RequestTimes) -> SocketSession | None:
        """The session of a request for a WebSocket; None where the venue has none."""
        del request, moment
        return None

    def close_socket(self, session: SocketSession) -> None:
        """The connection of a session has ended."""
        del session

    def rows(self) -> Iterable[tuple[Key, Any]]:
        """What the dialect knows beside the engine and has to keep over a restart."""
        return ()

    def restore(self, rows: Mapping[Key, Any]) -> None:
        """Take back what `rows` gave; other rows are not looked at."""
        del rows


@dataclass(frozen=True, slots=True)
class DialectParts:
    """What a dialect is made of: the `make` of its folder's module `dialect` takes this. `limits_scale` multiplies
    every rate limit, `id_salt` keeps made-up client ids apart from those of an earlier run, `unknown` counts requests
    for endpoints that are not there."""

    exchange: Exchange
    keys: Mapping[str, ApiKey]
    limits_scale: Decimal = Decimal(1)
    id_salt: str = ""
    unknown: Counter[str] = field(default_factory=Counter)
