"""HTTP without sockets: aiohttp's own client, parser and connection pool over transports that are only memory.

A request is handed on when all its bytes have been written; whoever takes it answers with bytes, an end or a reset, at
any time or never. TLS is left out and nothing else: what ccxt and aiohttp do with bad bytes is what they always do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from bot.simex.dialects.wire import WireRequest

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
Take = Callable[[WireRequest, "MemoryTransport"], None]
Reach = Callable[[aiohttp.ClientRequest], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Answer:
    """A reply as it goes out: the body as text, how many bytes of it are announced (None: as many as there are), and
    whether a broken proxy says it twice."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    announced: int | None = None
    is_twice: bool = False

    def encoded(self) -> bytes:
        body = self.body.encode()
        lines = [
            f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type};charset=UTF-8",
            f"Content-Length: {len(body) if self.announced is None else self.announced}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


class MemoryTransport(asyncio.Transport):
    """The client's end of one connection. `take` is told of every whole request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: ResponseHandler, take: Take) -> None:
        super().__init__()
        self._loop, self._protocol, self._take = loop, protocol, take
        self._written = bytearray()
        self._is_closing = False

    def write(self, data: Any) -> None:
        if self._is_closing:
            return
        self._written += data
        head, found, body = bytes(self._written).partition(b"\r\n\r\n")
        if not found:
            return
        request = _parsed(head.decode(), body)
        if len(body) >= int(request.headers.get("content-length", "0")):
            self._written.clear()
            self._take(request, self)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def answer(self, answer: Answer) -> None:
        """Deliver bytes, unless nobody is there to read them."""
        if not self._is_closing:
            self._protocol.data_received(answer.encoded() * (1 + answer.is_twice))
            if answer.announced is not None:
                self.hang_up()

    def hang_up(self) -> None:
        """The other end has closed in good order."""
        if not self._is_closing:
            self._protocol.eof_received()
            self._lose(None)

    def reset(self) -> None:
        """The other end is gone."""
        self._lose(ConnectionResetError("connection reset by peer"))

    def close(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self._is_closing

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """All that is read is in memory already."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def _lose(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, error)


class MemoryConnector(aiohttp.BaseConnector):
    """Connects to whatever `take` stands for. `reach` waits for the connection, or raises OSError."""

    def __init__(self, take: Take, reach: Reach) -> None:
        super().__init__()
        self._take, self._reach = take, reach

    async def _create_connection(self, req: aiohttp.ClientRequest, traces: Any, timeout: Any) -> ResponseHandler:
        try:
            await self._reach(req)
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        protocol = self._factory()
        protocol.connection_made(MemoryTransport(self._loop, protocol, self._take))
        return protocol


def _parsed(head: str, body: bytes) -> WireRequest:
    line, *rest = head.split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    return WireRequest(method, path, query, body.decode(), headers, headers.get("host", "").lower())
