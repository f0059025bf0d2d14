"""WebSockets of the embedded exchange on the wire: messages in, answers and news out, pings, the end after a day.

One task asks every session for its news, so that what many sockets hear is made once; each socket has a queue of its
own, and one that does not keep up is cut off, as the venue does.
"""

import asyncio
import contextlib
import socket as sockets
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from aiohttp import WSCloseCode, WSMsgType, web

from bot.simex.dialects.wire import RequestTimes, SocketSession
from bot.simex.faults import Fault

POLL_S = 0.05
LIFE_S = 86_400
WAITING_MOST = 2_000
_LARGEST_MESSAGE = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Signal(Enum):
    """What a queue holds beside messages, and beside the bytes of pongs."""

    PING = "ping"
    END_OF_DAY = "end of day"
    TOO_MANY = "too many requests"


Item = str | bytes | _Signal


class Outgoing:
    """What leaves on one connection, in order, with its faults. `is_silent`: the connection is half open."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        session: SocketSession,
        draw: Callable[[str], Fault | None],
    ) -> None:
        self._request, self.socket, self.session, self._draw = request, socket, session, draw
        self._waiting: deque[Item] = deque()
        self._has_news = asyncio.Event()
        self._held: str | None = None
        self._begun_s = self._pinged_s = time.monotonic()
        self._unanswered: dict[bytes, None] = {}
        self._unanswered_s = 0.0
        self.is_silent = False

    def put(self, texts: Iterable[Item]) -> None:
        """Queue messages; a connection with too many of them is cut off."""
        if self.is_silent:
            return
        self._waiting.extend(texts)
        if len(self._waiting) > WAITING_MOST:
            self._waiting.clear()
            self._hang_up(abruptly=False)
        elif self._waiting:
            self._has_news.set()

    def poll(self, moment: RequestTimes, now_s: float) -> None:
        """Queue what the session has to say, and a ping, the end of the day or of the session when it is time. Who has
        not answered a ping for too long is cut off."""
        if self._unanswered and not self.is_silent and now_s - self._unanswered_s >= self.session.pong_s:
            self._hang_up(abruptly=False)
            return
        self.put(self.session.poll(moment))
        if now_s - self._pinged_s >= self.session.ping_s:
            self._pinged_s = now_s
            self.put((_Signal.PING,))
        if self.session.is_over or now_s - self._begun_s >= LIFE_S:
            self.put((_Signal.END_OF_DAY,))

    def hear_pong(self, payload: bytes) -> None:
        """A pong answers a ping, and those before it, by its payload; others count for nothing."""
        if payload in self._unanswered:
            self._unanswered.clear()

    async def write(self, moment: Callable[[], RequestTimes]) -> None:
        """Send what is queued until the connection ends."""
        with contextlib.suppress(ConnectionError):
            while not self.socket.closed:
                await self._has_news.wait()
                self._has_news.clear()
                while self._waiting:
                    await self._emit(self._waiting.popleft(), moment)

    async def _emit(self, item: Item, moment: Callable[[], RequestTimes]) -> None:
        if isinstance(item, str):
            await self._send_or_fail(item)
        elif isinstance(item, bytes) and not self.is_silent:
            await self.socket.pong(item)
        elif item is _Signal.PING and not self.is_silent:
            payload = str(moment().exchange_ms).encode()
            if not self._unanswered:
                self._unanswered_s = time.monotonic()
            self._unanswered[payload] = None
            await self.socket.ping(payload)
        elif item is _Signal.END_OF_DAY:
            await self.socket.close(code=WSCloseCode.GOING_AWAY)
        elif item is _Signal.TOO_MANY:
            await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")

    async def _send_or_fail(self, text: str) -> None:
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


class Pulse:
    """Asks the sessions of all open connections for their news, every `POLL_S`, while there are any."""

    def __init__(self, moment: Callable[[], RequestTimes]) -> None:
        self._moment = moment
        self._members: dict[Outgoing, None] = {}
        self._beating: asyncio.Task[None] | None = None

    def join(self, member: Outgoing) -> None:
        """Take in a connection, and ask it at once."""
        self._members[member] = None
        member.poll(self._moment(), time.monotonic())
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())

    def leave(self, member: Outgoing) -> None:
        del self._members[member]

    async def _beat(self) -> None:
        try:
            while self._members:
                await asyncio.sleep(POLL_S)
                moment, now_s = self._moment(), time.monotonic()
                for member in tuple(self._members):
                    member.poll(moment, now_s)
        finally:
            self._beating = None


async def serve_socket(
    request: web.Request,
    session: SocketSession,
    moment: Callable[[], RequestTimes],
    pulse: Pulse,
    on_message: Callable[[], None],
    draw: Callable[[str], Fault | None],
) -> web.WebSocketResponse:
    """Speak for one session until either side ends it.

    Args:
        request: the request for a WebSocket.
        session: what it says and hears.
        moment: catches the exchange up and says the time.
        pulse: asks the session for its news.
        on_message: called after each message that was answered.
        draw: names the fault of a message that is about to be sent.
    """
    socket = web.WebSocketResponse(max_msg_size=_LARGEST_MESSAGE, autoping=False, compress=False)
    try:
        await socket.prepare(request)
    except ConnectionError:
        return socket  # it was gone before it was open
    out = Outgoing(request, socket, session, draw)
    writing = asyncio.create_task(out.write(moment))
    pulse.join(out)
    try:
        async for message in socket:
            if message.type is WSMsgType.PING:
                out.put((bytes(message.data),))
            if message.type is WSMsgType.PONG:
                out.hear_pong(bytes(message.data))
            if message.type is not WSMsgType.TEXT or out.is_silent:
                continue
            answers = session.receive(message.data, moment())
            on_message()
            out.put(answers)
            if session.is_over:
                out.put((_Signal.TOO_MANY,))
    except ConnectionError:
        pass  # the other side is gone, and nobody is there to hear of it
    finally:
        pulse.leave(out)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
    return socket
