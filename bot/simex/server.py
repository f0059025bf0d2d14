"""The embedded exchange on a socket: HTTPS under the venues' own host names, and plain HTTP for everyone else.

Dialects are functions of bytes and time; this module owns what they are not: sockets, clocks, and faults of the wire.
A fault never changes an answer of the engine. It drops the request before the engine or the reply after it.
"""

import asyncio
import json
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from bot.simex import control
from bot.simex.dialects import DIALECTS
from bot.simex.dialects.binance.public.prepared import PreparedObject
from bot.simex.dialects.wire import (
    LOOPBACK_HOSTS,
    Dialect,
    DialectParts,
    Guide,
    RequestTimes,
    WireReply,
    WireRequest,
)
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.snapshot import Key
from bot.simex.engine.types import ExchangeEvent
from bot.simex.faults import Fault, FaultPlan
from bot.simex.market.moved import MovedMarket
from bot.simex.signing import ApiKey
from bot.simex.sockets import Pulse, serve_socket
from bot.simex.tls import LOOPBACK, make_authority, server_context

__all__ = ["ApiKey", "Simex"]
LOG_LENGTH = 2000
FIRST_DIALECTS = ("binance",)
"""What an exchange speaks unless it is asked for another."""
CONTROL_IS_OFF = {"error": "this exchange takes no control requests; start it with --control"}
PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_LARGEST_BODY = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _dialect(name: str, parts: DialectParts) -> Dialect:
    """The dialect of a venue. Raises ValueError for a venue that has none."""
    if name not in DIALECTS:
        known = f"{', '.join(DIALECTS[:-1])} and {DIALECTS[-1]}"
        raise ValueError(f"the embedded exchange does not speak as {name!r}; it speaks as {known}")
    made: Dialect = import_module(f"bot.simex.dialects.{name}.dialect").make(parts)
    return made


@dataclass(frozen=True, slots=True)
class Delay:
    """How long requests are on their way: `base_ms`, and up to `jitter_ms` more; drawn anew for each from `seed`."""

    base_ms: int = 0
    jitter_ms: int = 0
    seed: int = 0

    def draw_s(self, random: Random) -> float:
        return (self.base_ms + random.random() * self.jitter_ms) / 1000


NO_DELAY = Delay()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Simex:
    """One exchange, served.

    `keys` maps API keys to who they are. Exchange time starts at `exchange.now_ms` and runs at `speed` times `clock`
    (UTC ms; the wall clock by default); rate limits run on `clock` itself. `limits_scale` multiplies every rate limit.
    `market` is the exchange's own where a control request may move its prices; without `control` nothing under /simex/
    is answered but the clock. `save` is called after what may have changed the exchange, before the reply is sent;
    `id_salt` keeps made-up client ids apart from those of an earlier run. `unknown` counts requests for endpoints that
    are not there.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        keys: Mapping[str, ApiKey],
        speed: Decimal | float = 1,
        clock: Callable[[], int] | None = None,
        faults: FaultPlan | None = None,
        limits_scale: Decimal | float = 1,
        market: MovedMarket | None = None,
        control: bool = True,
        save: Callable[[], None] | None = None,
        id_salt: str = "",
    ) -> None:
        self.exchange = exchange
        self.keys = keys
        self.speed = Decimal(str(speed))
        self.market = market
        self.faults = faults if faults is not None else FaultPlan()
        self.https_port = 0
        self.http_port = 0
        self.ca_path = Path()
        self.request_log: deque[tuple[int, str, str, int]] = deque(maxlen=LOG_LENGTH)
        self._clock = clock or _wall_ms
        self._base_ms, self._wall_base_ms = exchange.now_ms, self._clock()
        self._scale, self._id_salt = Decimal(str(limits_scale)), id_salt
        self.unknown: Counter[str] = Counter()
        self._dialects: tuple[Dialect, ...] = ()
        self._hosts: frozenset[str] = frozenset()
        self.serve_dialects(FIRST_DIALECTS)
        self._runner: web.AppRunner | None = None
        self._pulse = Pulse(self._moment)
        self._delay, self._delays = NO_DELAY, Random(0)
        self._has_control, self._save, self._has_changed = control, save, False
        if save is not None:
            exchange.listeners.append(self._hear)

    def serve_dialects(self, venues: Sequence[str]) -> None:
        """Answer as these venues from now on, all over the one exchange. ValueError for one without a dialect."""
        parts = DialectParts(self.exchange, self.keys, self._scale, self._id_salt, self.unknown)
        self._dialects = tuple(_dialect(name, parts) for name in venues)
        self._hosts = frozenset(host for dialect in self._dialects for host in dialect.hosts)

    def dialect_rows(self) -> Iterator[tuple[Key, Any]]:
        """What the dialects know beside the engine."""
        for dialect in self._dialects:
            yield from dialect.rows()

    def restore_dialects(self, rows: Mapping[Key, Any]) -> None:
        """Take back what `dialect_rows` gave."""
        for dialect in self._dialects:
            dialect.restore(rows)

    async def start(self, *, https_port: int = 0, http_port: int = 0, tls_dir: Path) -> None:
        """Listen on loopback; 0 picks free ports. Writes a new authority into `tls_dir`.

        Raises:
            OSError: when a port is taken.
            RuntimeError: when it is serving already.
        """
        if self._runner is not None:
            raise RuntimeError(f"simex serves on port {self.http_port} already; stop it before starting it again")
        self.ca_path, server_path = make_authority(tls_dir)
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        sockets: list[socket.socket] = []
        try:
            sockets.extend(socket.create_server((LOOPBACK, port)) for port in (https_port, http_port))
            await web.SockSite(self._runner, sockets[0], ssl_context=server_context(server_path)).start()
            await web.SockSite(self._runner, sockets[1]).start()
        except BaseException:
            for listening in sockets:
                listening.close()
            await self.stop()
            raise
        self.https_port, self.http_port = (listening.getsockname()[1] for listening in sockets)

    def set_delay(self, delay: Delay) -> None:
        """What the way of each request takes from now on."""
        self._delay, self._delays = delay, Random(delay.seed)

    async def stop(self) -> None:
        """Close the ports and every connection. The exchange stays as it is."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def guides(self, key: ApiKey) -> tuple[Guide, ...]:
        """How a client reaches each venue with this key, once it is served."""
        return tuple(dialect.guide(self.http_port, key) for dialect in self._dialects)

    def now_ms(self) -> int:
        """Exchange time, UTC ms."""
        own_ms = self._base_ms + int((self._clock() - self._wall_base_ms) * self.speed)
        return max(own_ms, self.exchange.now_ms)

    def advance(self, milliseconds: int) -> int:
        """Skip exchange time ahead and return it.

        Raises:
            ValueError: for a negative step.
        """
        if milliseconds < 0:
            raise ValueError(f"ms={milliseconds}: exchange time never runs backwards, give 0 or more")
        self._base_ms += milliseconds
        return self._catch_up()

    def respond(self, request: WireRequest) -> WireReply:
        """Answer one request without a socket and without faults."""
        now_ms = self._catch_up()
        dialect = next((d for d in self._dialects if d.serves(request.host, request.path)), None)
        reply = WireReply(404, "<html><body><h2>404 Not found</h2></body></html>")
        if dialect is not None:
            reply = dialect.respond(request, RequestTimes(now_ms, self._clock()))
        if reply.status in (404, 405) and len(self.unknown) < LOG_LENGTH:
            self.unknown[f"{request.method} {request.path}"] += 1
        self._keep(request)
        return reply

    def _keep(self, request: WireRequest) -> None:
        """Save what the request has changed, or the time that passed until it; most reads change nothing."""
        if self._save is not None and (self._has_changed or request.method != "GET"):
            self._save()
            self._has_changed = False

    def _hear(self, event: ExchangeEvent) -> None:
        self._has_changed = True

    def _catch_up(self) -> int:
        now_ms = self.now_ms()
        self.exchange.advance(now_ms)
        return now_ms

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = _at_named_host(await _read(request), self._hosts)
        except (web.RequestPayloadError, ConnectionError):
            return web.Response(status=400)  # it was cut off on its way, and nobody is there to read the answer
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._answer_socket(request, asked)
        if asked.path.startswith("/simex/") and asked.host in LOOPBACK_HOSTS:
            is_taken = self._has_control or control.is_clock(asked)
            reply = control.respond(self, asked) if is_taken else WireReply(404, CONTROL_IS_OFF)
            self._keep(asked)
        else:
            fault = self.faults.draw(asked.method, asked.path, f"{asked.query}&{asked.body}")
            if fault is not None:
                return await self._answer_faulty(request, asked, fault)
            reply = await self._answer_after_delay(asked)
        self._note(asked, reply.status)
        return _response(reply)

    async def _answer_after_delay(self, asked: WireRequest) -> WireReply:
        """The answer, with half of the delay before the exchange acts and half after."""
        half_s = self._delay.draw_s(self._delays) / 2
        if not half_s:
            return self.respond(asked)
        await asyncio.sleep(half_s)
        reply = self.respond(asked)
        await asyncio.sleep(half_s)
        return reply

    async def _answer_socket(self, request: web.Request, asked: WireRequest) -> web.StreamResponse:
        fault = self.faults.draw("WS", asked.path, asked.query)
        if fault is not None and (fault.is_lost or fault.skips_engine):
            _hang_up(request, abruptly=fault.reset)
            return web.Response(status=fault.reply_status or 503)
        for dialect in self._dialects:
            session = dialect.open_socket(asked, self._moment())
            if session is not None:
                self._note(asked, 101)
                message = replace(asked, method="WS")
                try:
                    draw = partial(self.faults.draw_push, asked.path)
                    return await serve_socket(
                        request, session, self._moment, self._pulse, partial(self._keep, message), draw
                    )
                finally:
                    dialect.close_socket(session)
        self.unknown[f"WS {asked.path}"] += 1
        return web.Response(status=404)

    def _moment(self) -> RequestTimes:
        return RequestTimes(self._catch_up(), self._clock())

    async def _answer_faulty(self, request: web.Request, asked: WireRequest, fault: Fault) -> web.StreamResponse:
        if fault.delay_before_ms:
            await asyncio.sleep(fault.delay_before_ms / 1000)
        reply = WireReply(fault.reply_status or 503, "")
        if not (fault.before_engine_drop or fault.skips_engine):
            reply = self.respond(asked)
        if fault.delay_after_ms:
            await asyncio.sleep(fault.delay_after_ms / 1000)
        reply = _disfigured(reply, fault)
        self._note(asked, 0 if fault.is_lost else reply.status)
        if fault.is_lost:
            _hang_up(request, abruptly=fault.reset)
            return web.Response()
        if fault.truncate is not None:
            return await _send_part(request, reply, fault.truncate)
        return _response(reply)

    def _note(self, asked: WireRequest, status: int) -> None:
        self.request_log.append((self._clock(), asked.method, asked.path, status))


async def _read(request: web.Request) -> WireRequest:
    body = (await request.read()).decode("utf-8", "surrogateescape")
    path, _, query = request.raw_path.partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    return WireRequest(request.method, path, query, body, headers, host.lower(), request.remote or LOOPBACK)


def _at_named_host(asked: WireRequest, hosts: frozenset[str]) -> WireRequest:
    """The request that `/api.binance.com/api/v3/time` on loopback stands for: the same at the host that its path names.

    So a client that knows markets by their addresses keeps whole addresses, with this server before them.
    """
    name, slash, path = asked.path[1:].partition("/")
    host = name.partition(":")[0].lower()
    if asked.host not in LOOPBACK_HOSTS or host not in hosts:
        return asked
    return replace(asked, host=host, path=slash + path)


def _response(reply: WireReply) -> web.Response:
    text, content_type = _text_of(reply.content)
    return web.Response(status=reply.status, text=text, content_type=content_type, headers=dict(reply.headers))


def _text_of(content: Any) -> tuple[str, str]:
    if isinstance(content, PreparedObject):
        return content.text, "application/json"
    if isinstance(content, str):
        is_json = content.lstrip()[:1] in ("{", "[")
        return content, "application/json" if is_json else "text/html"
    return json.dumps(content, separators=(",", ":")), "application/json"


def _hang_up(request: web.Request, *, abruptly: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if abruptly:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()


def _disfigured(reply: WireReply, fault: Fault) -> WireReply:
    status, content = reply.status, reply.content
    if fault.reply_status is not None:
        status, content = fault.reply_status, fault.reply_body or ""
    if fault.html:
        content = PROXY_PAGE
    return WireReply(status, "" if fault.empty else content, {**reply.headers, **fault.headers})


async def _send_part(request: web.Request, reply: WireReply, length: int) -> web.StreamResponse:
    """Announce the whole body, send `length` bytes of it, hang up."""
    text, content_type = _text_of(reply.content)
    whole = text.encode()
    response = web.StreamResponse(status=reply.status, headers={**reply.headers, "Content-Type": content_type})
    response.content_length = len(whole) + 1
    await response.prepare(request)
    await response.write(whole[:length])
    _hang_up(request, abruptly=False)
    return response
