"""A connection that is opened again whenever it ends, falls silent or is a day old. It keeps no messages.

Whoever hears is called for each message at once, so nothing can queue up here; what aiohttp has received and not yet
handed on is bounded by its flow control.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import aiohttp
import orjson
import structlog

from bot.ports import StreamNews, StreamState, Unavailable
from bot.venues.streams.channel import NOTHING, Channel, Heard

LIFE_S = 23 * 3600.0  # venues end a connection after a day; ours ends before, at a moment of its own
CONNECT_S = 10.0
CONFIRM_S = 10.0
CLOSE_S = 1.0
PATIENCE = 1.5  # an answer to a ping may take half of the time between two
STEADY_S = 60.0  # a connection that lived as long begins its pauses anew
PAUSE_S, PAUSE_MAX_S = 0.5, 60.0
MESSAGE_MAX = 1 << 20
MISREAD_MAX = 20
_QUERY = re.compile(r"\?[^\s'\"]+")
_log = structlog.get_logger("sectorbot.streams")


class _Ended(Exception):
    """The connection is of no use any more."""


class StreamClient:
    """Implements `bot.ports.Stream` over a channel of a venue.

    Args:
        channel: the connection.
        session: the venue's own aiohttp session; asked for at every connection. Raises Unavailable while it is closed.
        sleep: pauses between connections.
        random: spreads pauses and lives, so that many bots do not come back at one moment.
    """

    def __init__(
        self,
        channel: Channel,
        session: Callable[[], aiohttp.ClientSession],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self.name = channel.name
        self._channel, self._session, self._sleep = channel, session, sleep
        self._silence_max_s = channel.keep_alive.silence_max_s or PATIENCE * channel.keep_alive.ping_s
        self._random = random or Random()
        self._is_confirmed = False
        self._begun_s = self._seen_s = self._data_s = self._renewed_s = time.monotonic()
        self._connections = self._messages = self._misread = 0
        self._problem = "not connected yet"

    def state(self) -> StreamState:
        silent_s = self._silent_s()
        is_fresh = self._is_confirmed and silent_s <= self._silence_max_s
        return StreamState(is_fresh, silent_s, self._connections, self._messages, self._problem)

    def _silent_s(self) -> float:
        return time.monotonic() - (self._data_s if self._channel.keep_alive.silence_max_s else self._seen_s)

    async def run(self, hear: Callable[[StreamNews], None]) -> None:
        failures = 0
        while True:
            begun_s = time.monotonic()
            try:
                await self._connect_and_hear(hear)
            except (_Ended, Unavailable, aiohttp.ClientError, OSError, TimeoutError) as error:
                self._note(_why(error))
            finally:
                self._is_confirmed = False
            is_steady = time.monotonic() - begun_s >= STEADY_S
            failures = 0 if is_steady else failures + 1
            longest = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(failures, 10))
            await self._sleep(longest * (0.5 + 0.5 * self._random.random()))

    async def _connect_and_hear(self, hear: Callable[[StreamNews], None]) -> None:
        channel = self._channel
        async with asyncio.timeout(CONNECT_S):
            address = await channel.address()
            socket = await self._session().ws_connect(address, autoping=False, max_msg_size=MESSAGE_MAX)
        self._connections += 1
        self._misread = 0
        try:
            self._begun_s = self._seen_s = self._data_s = self._renewed_s = time.monotonic()
            for text in channel.greetings():
                await socket.send_str(text)
            if not channel.needs_confirmation:
                self._confirm(hear)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._care(socket))
                group.create_task(self._expect())
                await self._hear(socket, hear)  # until it raises, which ends both
        except BaseExceptionGroup as group_error:
            raise _first_of(group_error) from None
        finally:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await socket.close()

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, hear: Callable[[StreamNews], None]) -> None:
        """Hand on messages until the connection ends or is a day old."""
        life_s = LIFE_S * (0.9 + 0.1 * self._random.random())
        while time.monotonic() - self._begun_s < life_s:
            message = await socket.receive()
            was_silent = self._is_confirmed and self._silent_s() > self._silence_max_s
            self._seen_s = time.monotonic()
            if was_silent:
                self._confirm(hear)
            if message.type is aiohttp.WSMsgType.TEXT:
                self._messages += 1
                for text in self._take(message.data, hear):
                    await socket.send_str(text)
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type not in (aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.BINARY):
                raise _Ended(f"the connection ended ({message.type.name.lower()} {message.data or ''})".strip())
        raise _Ended("a day old")

    async def _expect(self) -> None:
        """End a connection that has to speak, or to confirm, and does not. It waits beside the reading: a deadline of
        its own took longer than a message."""
        while (left_s := self._until_s() - time.monotonic()) > 0:  # noqa: ASYNC110 - an event for each message costs more
            await asyncio.sleep(left_s)
        what = "said nothing" if self._is_confirmed else "confirmed nothing"
        raise _Ended(f"{what} for {time.monotonic() - self._data_s:.0f} s")

    def _until_s(self) -> float:
        """When the connection ends without another message; each only puts it off."""
        until_s = self._begun_s + (LIFE_S if self._is_confirmed else CONFIRM_S)
        silence_max_s = self._channel.keep_alive.silence_max_s
        return min(until_s, self._data_s + silence_max_s) if silence_max_s else until_s

    def _take(self, text: str, hear: Callable[[StreamNews], None]) -> Sequence[str]:
        """Hand on what a message says; what has to be said to it. One that cannot be read says nothing; a row of them
        ends the connection."""
        try:
            heard: Heard = self._channel.read(orjson.loads(text))
        except Exception as error:  # noqa: BLE001 - whatever a message holds, it does no harm
            self._misread += 1
            if self._misread >= MISREAD_MAX:
                raise _Ended(f"{self._misread} messages could not be read, the last: {error!r}") from None
            heard = NOTHING
        if not heard.is_answer:
            self._data_s = time.monotonic()
        if heard.refusal:
            raise _Ended(heard.refusal)
        if heard.confirms:
            self._confirm(hear)
        if self._is_confirmed:
            self._problem = ""
        for news in heard.news:
            hear(news)
        return heard.say

    def _confirm(self, hear: Callable[[StreamNews], None]) -> None:
        """From here on the stream is heard, and what went by before is asked for: venues repeat nothing."""
        self._is_confirmed = True
        for news in self._channel.missed():
            hear(news)

    async def _care(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ask for signs of life, and renew the right to listen."""
        keep_alive = self._channel.keep_alive
        while True:
            await asyncio.sleep(keep_alive.ping_s)
            now_s = time.monotonic()
            if now_s - self._seen_s > PATIENCE * keep_alive.ping_s:
                raise _Ended(f"no answer to a ping for {now_s - self._seen_s:.0f} s")
            await (socket.send_str(keep_alive.ping) if keep_alive.ping else socket.ping())
            if keep_alive.renew_s and now_s - self._renewed_s >= keep_alive.renew_s:
                await self._channel.renew()
                self._renewed_s = time.monotonic()

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.info("stream_ended", stream=self.name, why=problem)
        self._problem = problem


def _why(error: Exception) -> str:
    """Why a connection ended, without queries of addresses, which hold keys and signatures: it is shown and kept."""
    if isinstance(error, aiohttp.ClientResponseError):  # its text holds the address
        return f"the venue refused the connection: {error.status} {_QUERY.sub('?...', error.message)}".rstrip()
    return _QUERY.sub("?...", str(error)) or type(error).__name__


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception inside a group."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
