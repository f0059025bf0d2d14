"""One open WebSocket of market streams and user data: its subscriptions, its commands, its limits.

Paths: `/ws`, `/ws/<stream>/<stream>`, `/stream?streams=a/b`; futures also under `/public` (the book), `/market` (other
public streams) and `/private`; a stream of another one is taken and stays silent. On
loopback, where one port has both markets, futures are reached by `/fapi/ws` and `/fapi/stream` or by what is asked for.
"""

import json
import re
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any

from bot.domain.instrument import Kind
from bot.simex.dialects.binance.common import Call, Desk, Params
from bot.simex.dialects.binance.streams.market import MarketStream, open_stream
from bot.simex.dialects.binance.streams.user import forced_order, of_account, payloads
from bot.simex.dialects.wire import RequestTimes, WireRequest
from bot.simex.engine.types import EventKind, ExchangeEvent

HOSTS: Mapping[str, Kind] = {
    **dict.fromkeys(("stream.binance.com", "data-stream.binance.vision", "demo-stream.binance.com"), Kind.SPOT),
    "stream.testnet.binance.vision": Kind.SPOT,
    **dict.fromkeys(("fstream.binance.com", "fstream.binancefuture.com", "demo-fstream.binance.com"), Kind.PERP),
    "stream.binancefuture.com": Kind.PERP,
}
_PATH = re.compile(r"(?:/fapi(?=/[pm]))?(?:/(fapi|futures|spot|public|market|private))?/(ws|stream)(?:/(.*))?")
_PERP_ONLY = re.compile(r"@markPrice|@forceOrder|^!contractInfo|_perpetual@|^!forceOrder")
_STREAMS_MOST = {Kind.SPOT: 1024, Kind.PERP: 1024}
_MESSAGES_A_SECOND = {Kind.SPOT: 5, Kind.PERP: 10}
PING_S, PONG_S = {Kind.SPOT: 20, Kind.PERP: 180}, {Kind.SPOT: 60, Kind.PERP: 600}
_FORCED = "!forceOrder@arr"
_FORCED_ENDINGS = (_FORCED, "@forceOrder")
_BOOK_STREAM = re.compile(r"@bookTicker|^!bookTicker|@depth|@rpiDepth|@trade$")


class _Part(Enum):
    """Which streams a path of futures has: those of the book, the other public ones, private events."""

    ANY = 0
    PUBLIC = 1
    MARKET = 2
    PRIVATE = 3


_PARTS = {"public": _Part.PUBLIC, "market": _Part.MARKET, "private": _Part.PRIVATE}


def _part_of(name: str) -> _Part:
    return _Part.PUBLIC if _BOOK_STREAM.search(name) else _Part.MARKET


def open_session(desk: Desk, request: WireRequest, moment: RequestTimes) -> "StreamSession | None":
    """The session of a request for streams, None for a path that has none."""
    match = _PATH.fullmatch(request.path)
    if match is None:
        return None
    query = dict(part.partition("=")[::2] for part in request.query.split("&"))
    listed = match[3] or query.get("streams", "") or query.get("listenKey", "")
    names = [name.replace("%40", "@").replace("%21", "!") for name in listed.split("/") if name]
    kind = HOSTS.get(request.host)
    if kind is None:
        kind = _kind_of(match[1] or "", names, desk, moment.exchange_ms)
    session = StreamSession(desk, kind, is_combined=match[2] == "stream", part=_PARTS.get(match[1] or "", _Part.ANY))
    desk.begin()
    for name in names:
        session.subscribe(name, moment.exchange_ms)
    return session


def _kind_of(prefix: str, names: list[str], desk: Desk, now_ms: int) -> Kind:
    if prefix:
        return Kind.SPOT if prefix == "spot" else Kind.PERP
    for name in names:
        held = desk.listen_keys.find(name, now_ms)
        if held is not None:
            return held.kind
    return Kind.PERP if any(_PERP_ONLY.search(name) for name in names) else Kind.SPOT


class StreamSession:
    """A function of messages and time: `receive` answers commands, `poll` says what is new. Streams that the `part` of
    the futures' paths does not have stay silent."""

    def __init__(self, desk: Desk, kind: Kind, *, is_combined: bool, part: "_Part") -> None:
        self._desk, self._kind, self._part = desk, kind, part
        self._is_combined = is_combined
        self._streams: dict[str, MarketStream | None] = {}
        self._listening: dict[str, str] = {}
        self._events: deque[ExchangeEvent] = deque()
        self._stamps: deque[int] = deque()
        self.is_over = False
        self.ping_s, self.pong_s = PING_S[kind], PONG_S[kind]

    def hear(self, event: ExchangeEvent) -> None:
        """An event of the exchange; it is worded by the next `poll`."""
        if event.account in self._listening.values() or event.kind is EventKind.LIQUIDATION:
            self._events.append(event)

    def subscribe(self, name: str, now_ms: int) -> None:
        """A name that nothing is behind is taken all the same, and stays silent, as on the venue."""
        self._take(name, now_ms)
        if name in self._listening or name.endswith(_FORCED_ENDINGS):
            self._desk.hearers[self] = None

    def _take(self, name: str, now_ms: int) -> None:
        held = self._desk.listen_keys.find(name, now_ms)
        if held is not None and held.kind is self._kind and self._part in (_Part.ANY, _Part.PRIVATE):
            self._listening[name] = held.account
            return
        call = Call(self._desk, Params(""), now_ms, self._kind)
        stream = open_stream(name, self._kind, call)
        if stream is None and ("@" in name or name.startswith("!")):  # clients number their connections: /ws/0
            self._desk.count_unknown(f"STREAM {name}")
        is_here = self._part is _Part.ANY or self._part is _part_of(name)
        self._streams[name] = stream if is_here else None

    def receive(self, text: str, moment: RequestTimes) -> list[str]:
        """Answer one command."""
        self._stamps.append(moment.wall_ms)
        while self._stamps[0] <= moment.wall_ms - 1000:
            self._stamps.popleft()
        if len(self._stamps) > _MESSAGES_A_SECOND[self._kind]:
            self.is_over = True
            return []
        try:
            requested = json.loads(text)
        except ValueError:
            return [_failed(None, 3, "Invalid JSON: expected value at line 1 column 1")]
        if not isinstance(requested, dict):
            return [_failed(None, 2, "Invalid request: request must be an object")]
        number = requested.get("id")
        if number is not None and not isinstance(number, int | str):
            return [_failed(None, 2, "Invalid request: request ID must be an unsigned integer")]
        self._desk.begin()
        return [self._command(requested.get("method"), requested.get("params"), number, moment.exchange_ms)]

    def _command(self, method: Any, params: Any, number: Any, now_ms: int) -> str:
        if method == "LIST_SUBSCRIPTIONS":
            return json.dumps({"result": [*self._streams, *self._listening], "id": number})
        if method == "GET_PROPERTY" and params == ["combined"]:
            return json.dumps({"result": self._is_combined, "id": number})
        if method == "SET_PROPERTY":
            if not isinstance(params, list) or len(params) != 2 or not isinstance(params[1], bool):
                return _failed(number, 1, "Invalid value type: expected Boolean")
            self._is_combined = params[1]
            return json.dumps({"result": None, "id": number})
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return _failed(number, 2, f"Invalid request: unknown variant `{method}`")
        if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
            return _failed(number, 2, "Invalid request: params must be an array of stream names")
        if method == "UNSUBSCRIBE":
            for name in params:
                self._streams.pop(name, None)
                self._listening.pop(name, None)
        elif len({*self._streams, *self._listening, *params}) > _STREAMS_MOST[self._kind]:
            return _failed(number, 2, "Invalid request: too many subscriptions")
        else:
            for name in params:
                if name not in self._streams:
                    self.subscribe(name, now_ms)
        return json.dumps({"result": None, "id": number})

    def poll(self, moment: RequestTimes) -> list[str]:
        """What is new, oldest first: private events, then market data."""
        desk, kind = self._desk, self._kind
        desk.begin_poll(moment.exchange_ms)
        call = desk.once(("call", kind), lambda: Call(desk, Params(""), moment.exchange_ms, kind))
        said: list[str] = []
        while self._events:
            event = self._events.popleft()
            own = of_account(call, event.account)
            said += [
                self._worded(n, p)
                for n, a in self._listening.items()
                if a == event.account
                for p in payloads(own, event, self._kind)
            ]
            forced = forced_order(call, event) if self._kind is Kind.PERP else None
            if forced is not None:
                names = (_FORCED, f"{forced['o']['s'].lower()}@forceOrder")
                said += [self._worded(name, forced) for name in names if name in self._streams]
        for name in [n for n in self._listening if self._desk.listen_keys.find(n, moment.exchange_ms) is None]:
            del self._listening[name]
            ended = {"e": "listenKeyExpired", "E": moment.exchange_ms, "listenKey": name}
            said.append(self._worded(name, ended))
        for name, stream in self._streams.items():
            if stream is not None:
                said += [self._shared(name, payload) for payload in stream.payloads(call)]
        return said

    def _worded(self, name: str, payload: Any) -> str:
        content = {"stream": name, "data": payload} if self._is_combined else payload
        return json.dumps(content, separators=(",", ":"))

    def _shared(self, name: str, payload: Any) -> str:
        """The text of market data, which other sockets get as well."""
        key = ("text", self._is_combined, name, id(payload))
        return self._desk.once(key, lambda: (payload, self._worded(name, payload)))[1]


def _failed(number: Any, code: int, message: str) -> str:
    return json.dumps({"error": {"code": code, "msg": message}, "id": number})
