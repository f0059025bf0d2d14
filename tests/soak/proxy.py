"""The chaos proxy: ends TLS under the venues' names, reads whole requests, and forwards, spoils or loses them.

It also is where a kill can be aimed: a snare is sprung by a request that matches it, at one of three points.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

from bot.simex.tls import LOOPBACK, server_context
from tests.soak.spoiling import Plan, Spoiling

PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
PATIENCE_S = 30.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LENGTH = re.compile(rb"(?im)^content-length:\s*(\d+)")
_GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError, OSError)


class Point(StrEnum):
    """Where in the life of a request a snare springs."""

    READ = "read by the proxy, not forwarded"
    FORWARDED = "done by the exchange, no reply yet"
    REPLIED = "replied"


@dataclass(slots=True)
class Snare:
    """Springs once, at the nth request whose `METHOD path` matches the pattern."""

    pattern: str
    nth: int
    point: Point
    spring: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    content: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class ChaosProxy:
    """Listens on a port of its own in front of an exchange's plain HTTP port. `is_dark`: it hangs up on everybody."""

    def __init__(self, http_port: int, certificate: Path, plan: Plan) -> None:
        self._http_port, self._certificate, self.plan = http_port, certificate, plan
        self.port = 0
        self.snare: Snare | None = None
        self.is_dark = False
        self._server: asyncio.Server | None = None
        self._late: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, 0, ssl=server_context(self._certificate), limit=1 << 22
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.quiet()
        if self._server is not None:
            self._server.close()

    async def quiet(self) -> None:
        """Wait until nothing that was said to be lost is still on its way."""
        while self._late:
            await asyncio.wait(set(self._late))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        with contextlib.suppress(*_GONE):
            while not self.is_dark:
                request = await _read_request(reader)
                if upstream is None:
                    upstream = await asyncio.open_connection(LOOPBACK, self._http_port, limit=1 << 22)
                if not await self._pass_on(request, reader, writer, upstream):
                    break
        for stream in (writer, *(upstream[1:] if upstream else ())):
            with contextlib.suppress(*_GONE):
                stream.close()

    async def _pass_on(
        self,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """Forward one request and its reply, spoiled as the plan says; whether the connection may go on."""
        snare = self._take_snare(request)
        fault, dice = self.plan.draw(request.method)
        if self.is_dark:
            return _reset(writer)
        if snare is not None and snare.point is Point.READ:
            await snare.spring()
        if (is_over := await self._spoil_before(fault, dice, request, writer, upstream)) is not None:
            return is_over
        reply = await _exchange(request, upstream)
        if snare is not None and snare.point is Point.FORWARDED:
            await snare.spring()
        goes_on = await _spoil_after(fault, dice, reply, reader, writer)
        if snare is not None and snare.point is Point.REPLIED:
            await snare.spring()
        return goes_on

    def _take_snare(self, request: Request) -> Snare | None:
        snare = self.snare
        if snare is None or not re.fullmatch(snare.pattern, request.line):
            return None
        snare.nth -= 1
        if snare.nth > 0:
            return None
        self.snare = None
        return snare

    async def _spoil_before(
        self,
        fault: Spoiling | None,
        dice: Random,
        request: Request,
        writer: asyncio.StreamWriter,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool | None:
        """Faults that come before the exchange has the request; None when it is to be forwarded."""
        if fault is Spoiling.DELAYED_BEFORE:
            await asyncio.sleep(dice.uniform(0.02, 0.8))
        elif fault is Spoiling.RESET_BEFORE:
            return _reset(writer)
        elif fault is Spoiling.LATE:
            self._forward_later(request, dice.uniform(0.02, 2.0))
            return _reset(writer)
        elif fault is Spoiling.TORN_REQUEST:
            upstream[1].write(request.content[: dice.randrange(1, len(request.content))])
            await upstream[1].drain()
            return _reset(writer)
        elif fault is Spoiling.PAGE_BEFORE:
            writer.write(_page())
            await writer.drain()
            return True
        return None

    def _forward_later(self, request: Request, seconds: float) -> None:
        async def forward() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(*_GONE):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._http_port, limit=1 << 22)
                await _exchange(request, (reader, writer))
                writer.close()

        task = asyncio.create_task(forward())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def _spoil_after(
    fault: Spoiling | None, dice: Random, reply: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Give the reply, or what the fault makes of it; whether the connection may go on."""
    if fault is Spoiling.DELAYED_AFTER:
        await asyncio.sleep(dice.uniform(0.02, 1.5))
    elif fault is Spoiling.RESET_AFTER:
        return _reset(writer)
    elif fault is Spoiling.HALF_CLOSED:
        if (connection := writer.get_extra_info("socket")) is not None:
            connection.shutdown(socket.SHUT_WR)
        await _until_gone(reader)
        return False
    elif fault is Spoiling.STALLED:
        await _until_gone(reader)
        return False
    elif fault is Spoiling.TRUNCATED:
        writer.write(reply[: dice.randrange(1, len(reply))])
        await writer.drain()
        return False if dice.random() < 0.5 else _reset(writer)
    elif fault is Spoiling.EMPTIED:
        reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    elif fault is Spoiling.PAGE_AFTER:
        reply = _page()
    if fault is Spoiling.DRIPPING:
        head, rest = reply[:64], reply[64:]
        for index in range(len(head)):
            writer.write(head[index : index + 1])
            await writer.drain()
            await asyncio.sleep(0.002)
        reply = rest
    writer.write(reply)
    await writer.drain()
    return True


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b" ", 2)
    body = await reader.readexactly(_length_of(head))
    return Request(method.decode(), target.partition(b"?")[0].decode(), head + body)


async def _exchange(request: Request, upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """Send one request to the exchange and read its whole reply."""
    reader, writer = upstream
    async with asyncio.timeout(PATIENCE_S):
        writer.write(request.content)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(_length_of(head))


def _length_of(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def _page() -> bytes:
    head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n\r\n"
    return head.encode() + PAGE


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Hang up with RST; the connection is over."""
    if (connection := writer.get_extra_info("socket")) is not None:  # None: the client has gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
    return False


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Until the other side has given up."""
    with contextlib.suppress(*_GONE):
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(1 << 16):
                pass
