"""One open WebSocket of Bybit v5: subscriptions, signs of life, and what both kinds of connections share.

Paths: `/v5/public/spot`, `/v5/public/linear`, `/v5/private`. Source: Bybit v5 documentation (2026-07), "WebSocket
stream, Connect". The venue answers pings of ours and sends none; a connection on which neither side has said anything
for ten minutes, or for `max_active_time`, is ended.
"""

import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from bot.simex.dialects.bybit.common import BybitDesk
from bot.simex.dialects.wire import RequestTimes, WireRequest
from bot.simex.engine.types import ExchangeEvent

HOSTS: Mapping[str, str] = {
    "stream.bybit.com": "production",
    "stream-testnet.bybit.com": "testnet",
    "stream-demo.bybit.com": "demo",
}
SILENCE_MAX_S, SILENCE_LEAST_S = 600, 30
NO_PINGS_S = 1_000_000
_ALIVE = re.compile(r"(\d{1,4})(s|m)")


class BybitSocket(ABC):
    """A function of messages and time: `receive` answers commands, `poll` says what is new."""

    def __init__(self, desk: BybitDesk, moment: RequestTimes, *, name: str, silence_max_s: int) -> None:
        self.desk, self.is_over = desk, False
        self.ping_s = self.pong_s = NO_PINGS_S
        self._name, self._silence_max_ms = name, silence_max_s * 1000
        self._active_ms = moment.wall_ms
        self._topics: dict[str, None] = {}

    def hear(self, event: ExchangeEvent) -> None:
        """An event of the exchange, of whichever account: it is no news to all."""
        del event

    def receive(self, text: str, moment: RequestTimes) -> list[str]:
        """Answer one command."""
        self._active_ms = moment.wall_ms
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return [self._failed({}, "error:invalid json")]
        op, args = asked.get("op"), asked.get("args") or []
        if op == "ping":
            return [self._pong(asked, moment)]
        if not isinstance(args, list):
            return [self._failed(asked, "error:invalid args")]
        if op == "auth":
            return [self._log_on(asked, args, moment)]
        if op not in ("subscribe", "unsubscribe") or not all(isinstance(topic, str) for topic in args):
            return [self._failed(asked, "error:invalid op")]
        problem = self._problem_of(args, is_new=op == "subscribe")
        if problem:
            return [self._failed(asked, problem)]
        for topic in args:
            if op == "subscribe":
                self._take(topic, moment)
            else:
                self._drop(topic)
        return [self._worded(asked, self._done(op))]

    def poll(self, moment: RequestTimes) -> list[str]:
        """What is new since the last call. A connection on which nothing was said for too long is over."""
        said = self._news(moment)
        if said:
            self._active_ms = moment.wall_ms
        self.is_over = self.is_over or moment.wall_ms - self._active_ms > self._silence_max_ms
        return said

    @abstractmethod
    def _news(self, moment: RequestTimes) -> list[str]:
        """What is new on the topics."""

    @abstractmethod
    def _pong(self, asked: Mapping[str, Any], moment: RequestTimes) -> str:
        """The answer to a ping."""

    @abstractmethod
    def _log_on(self, asked: Mapping[str, Any], args: Sequence[Any], moment: RequestTimes) -> str:
        """The answer to a request for authentication."""

    @abstractmethod
    def _refusal_of(self, topics: Sequence[str]) -> str:
        """Why these topics cannot be heard here; empty when they can."""

    def _done(self, op: str) -> str:
        """What a command that was carried out is answered with."""
        return ""

    def _problem_of(self, topics: Sequence[str], *, is_new: bool) -> str:
        if not is_new:
            return ""
        known = next((topic for topic in topics if topic in self._topics), None)
        if known is not None:
            return f"error:already subscribed,topic:{known}"
        return self._refusal_of(topics)

    def _take(self, topic: str, moment: RequestTimes) -> None:
        self._topics[topic] = None

    def _drop(self, topic: str) -> None:
        self._topics.pop(topic, None)

    def _failed(self, asked: Mapping[str, Any], message: str) -> str:
        return self._worded(asked, message, is_done=False)

    def _worded(self, asked: Mapping[str, Any], message: str, *, is_done: bool = True) -> str:
        answer = {"success": is_done, "ret_msg": message, "conn_id": self.number}
        if "req_id" in asked:
            answer["req_id"] = str(asked["req_id"])
        return json.dumps({**answer, "op": str(asked.get("op", ""))}, separators=(",", ":"))

    @property
    def number(self) -> str:
        """The venue's name of the connection."""
        return f"{zlib.crc32(self._name.encode()):08x}-{id(self):x}"


def silence_of(request: WireRequest) -> int:
    """For how many seconds a private connection may be silent: what it asks for, within the venue's bounds."""
    asked = _ALIVE.fullmatch(parse_qs(request.query).get("max_active_time", [""])[0])
    if asked is None:
        return SILENCE_MAX_S
    return max(SILENCE_LEAST_S, min(SILENCE_MAX_S, int(asked[1]) * (60 if asked[2] == "m" else 1)))
