"""WebSockets of the embedded exchange on the wire: messages in, answers and news out, pings, the end after a day."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

from bot.simex.dialects.wire import RequestTimes, SocketSession

POLL_S = 0.05
LIFE_S = 86_400
_LARGEST_MESSAGE = 1 << 20


async def serve_socket(
    request: web.Request,
    session: SocketSession,
    moment: Callable[[], RequestTimes],
    on_message: Callable[[], None],
) -> web.WebSocketResponse:
    """Speak for one session until either side ends it. `moment` catches the exchange up and says the time;
    `on_message` is called after each message that was answered."""
    socket = web.WebSocketResponse(max_msg_size=_LARGEST_MESSAGE)
    await socket.prepare(request)
    lock = asyncio.Lock()
    speaking = asyncio.create_task(_speak(socket, session, moment, lock))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            async with lock:
                answers = session.receive(message.data, moment())
                on_message()
                for text in answers:
                    await socket.send_str(text)
            if session.is_over:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
    except ConnectionError:
        pass  # the other side is gone, and nobody is there to hear of it
    finally:
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await speaking
    return socket


async def _speak(
    socket: web.WebSocketResponse, session: SocketSession, moment: Callable[[], RequestTimes], lock: asyncio.Lock
) -> None:
    begun = pinged = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while not socket.closed:
            async with lock:
                for text in session.poll(moment()):
                    await socket.send_str(text)
            now = time.monotonic()
            if now - pinged >= session.ping_s:
                pinged = now
                await socket.ping(str(moment().exchange_ms).encode())
            if now - begun >= LIFE_S:
                await socket.close(code=WSCloseCode.GOING_AWAY)
            await asyncio.sleep(POLL_S)
