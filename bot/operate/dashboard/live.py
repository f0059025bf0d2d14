"""The live channel: Server-Sent Events that say that a bot has something new. The page then asks for itself again."""

import asyncio
import contextlib
import json
import time
from typing import Any

from aiohttp import web

from bot.operate.dashboard.frontend import FRONTEND, Frontend
from bot.operate.dashboard.source import BotSource

LOOK_SECONDS, BEAT_SECONDS = 1.0, 15.0
LEAST_SECONDS = 3.0  # between two changes that are only new events of the journal
STREAMS_MAX = 32
ENDING = web.AppKey("ending", asyncio.Event)
STREAMS = web.AppKey("streams", set[object])


async def show_live(request: web.Request) -> web.StreamResponse:
    """Events `hello` and `change`, with the server's time and what is followed, until the browser leaves or the server
    ends.

    Raises:
        HTTPServiceUnavailable: too many pages are open.
    """
    frontend = request.app[FRONTEND]
    frontend.visitor(request)
    source, streams = frontend.source_of(request), request.app[STREAMS]
    if len(streams) >= STREAMS_MAX:
        raise web.HTTPServiceUnavailable(text=f"{STREAMS_MAX} pages are open already")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    mark = object()
    streams.add(mark)
    try:
        await _follow(frontend, source, response, request.app[ENDING])
    except ConnectionError:
        pass  # the browser has left
    finally:
        streams.discard(mark)
    return response


async def _follow(frontend: Frontend, source: BotSource, response: web.StreamResponse, ending: asyncio.Event) -> None:
    shown = await frontend.stamp(source)
    await _send(response, "hello", source)
    beaten = changed = time.monotonic()
    while not ending.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), LOOK_SECONDS)
        stamp, now = await frontend.stamp(source), time.monotonic()
        is_urgent = stamp[2:] != shown[2:]  # switch, process, problem
        if stamp != shown and (is_urgent or now - changed >= LEAST_SECONDS):
            shown, changed = stamp, now
            await _send(response, "change", source)
            beaten = now
        elif now - beaten >= BEAT_SECONDS:
            await response.write(b": beat\n\n")
            beaten = now


async def _send(response: web.StreamResponse, event: str, source: BotSource) -> None:
    clock, bot = "journal" if source.is_journal_time else "wall", await asyncio.to_thread(source.followed)
    content: dict[str, Any] = {"now_ms": time.time_ns() // 1_000_000, "clock": clock, "bot": bot}
    await response.write(f"event: {event}\ndata: {json.dumps(content)}\n\n".encode())
