"""WebSockets of the embedded exchange on the wire: messages in, answers and news out, pings, the end after a day."""

import asyncio
import contextlib
import socket as sockets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web

from bot.simex.dialects.wire import RequestTimes, SocketSession
from bot.simex.faults import Fault

POLL_S = 0.05
LIFE_S = 86_400
_LARGEST_MESSAGE = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class SocketTimes:
    """What catches the exchange up and says the time: for a message, and for a poll of many sockets."""

    of_message: Callable[[], RequestTimes]
    of_poll: Callable[[], RequestTimes]


async def serve_socket(
    request: web.Request,
    session: SocketSession,
    times: SocketTimes,
    on_message: Callable[[], None],
    draw: Callable[[str], Fault | None],
) -> web.WebSocketResponse:
    """Speak for one session until either side ends it.

    Args:
        request: the request for a WebSocket.
        session: what it says and hears.
        times: the moments of messages and polls.
        on_message: called after each message that was answered.
        draw: names the fault of a message that is about to be sent.
    """
    socket = web.WebSocketResponse(max_msg_size=_LARGEST_MESSAGE, autoping=False)
    try:
        await socket.prepare(request)
    except ConnectionError:
        return socket  # it was gone before it was open
    lock, out = asyncio.Lock(), Outgoing(request, socket, draw)
    speaking = asyncio.create_task(_send_outgoing(out, session, times.of_poll, lock))
    try:
        async for message in socket:
            if message.type is WSMsgType.PING and not out.is_silent:
                await socket.pong(message.data)
            if message.type is not WSMsgType.TEXT or out.is_silent:
                continue
            async with lock:
                answers = session.receive(message.data, times.of_message())
                on_message()
                for text in answers:
                    await out.send(text)
            if session.is_over:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
    except ConnectionError:
        pass  # the other side is gone, and nobody is there to hear of it
    finally:
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaking
    return socket


class Outgoing:
    """What leaves on one connection, with its faults. `is_silent`: the connection is half open."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, draw: Callable[[str], Fault | None]
    ) -> None:
        self._request, self.socket, self._draw = request, socket, draw
        self._held: str | None = None
        self.is_silent = False

    async def send(self, text: str) -> None:
        """Send, lose, hold, double or swap a message, or end the connection."""
        fault = None if self.is_silent else self._draw(text)
        if self.is_silent or fault is None:
            await self._send(text)
            return
        self.is_silent = fault.half_open
        if fault.delay_after_ms:
            await asyncio.sleep(fault.delay_after_ms / 1000)
        if fault.before_engine_drop or fault.reset:
            self._hang_up(abruptly=fault.reset)
        elif fault.reorder:
            self._held = text
        elif not fault.after_engine_drop:
            for _ in range(2 if fault.duplicate else 1):
                await self._send(text)

    async def _send(self, text: str) -> None:
        if self.is_silent:
            return
        await self.socket.send_str(text)
        if self._held is not None:
            held, self._held = self._held, None
            await self.socket.send_str(held)

    def _hang_up(self, *, abruptly: bool) -> None:
        transport = self._request.transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket") if abruptly else None
        if raw is not None:
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()


async def _send_outgoing(
    out: Outgoing, session: SocketSession, moment: Callable[[], RequestTimes], lock: asyncio.Lock
) -> None:
    socket = out.socket
    begun = pinged = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while not socket.closed:
            async with lock:
                for text in session.poll(moment()):
                    await out.send(text)
            now = time.monotonic()
            if not out.is_silent and now - pinged >= session.ping_s:
                pinged = now
                await socket.ping(str(moment().exchange_ms).encode())
            if now - begun >= LIFE_S:
                await socket.close(code=WSCloseCode.GOING_AWAY)
            await asyncio.sleep(POLL_S)
