"""Bybit's connections: prices of spot and of linear perps, and one private stream for the whole account.

Source: Bybit v5 documentation (2026-07), "WebSocket stream". Pings are messages of ours, and so are their answers: only
a message with a topic says that a stream speaks.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.symbol import is_perp
from bot.ports import StreamNews
from bot.venues.ccxt.connection import Connection
from bot.venues.streams.channel import ANSWER, NOTHING, Channel, Heard, KeepAlive

PING = '{"op":"ping"}'
PRICES: Mapping[Kind, KeepAlive] = {
    Kind.SPOT: KeepAlive(silence_max_s=60, ping_s=10, ping=PING),  # speaks when something trades
    Kind.PERP: KeepAlive(silence_max_s=15, ping_s=10, ping=PING),  # ten times a second, of marks that move
}
ACCOUNT = KeepAlive(silence_max_s=0, ping_s=10, ping=PING)
TOPICS_AT_ONCE = 10  # the venue takes no more of spot in one request
LOGON_GOOD_MS = 10_000
_CATEGORY = {Kind.SPOT: ("spot", "lastPrice"), Kind.PERP: ("linear", "markPrice")}
_ACCOUNT_TOPICS = ("order", "execution", "position", "wallet")


@dataclass(frozen=True, slots=True)
class StreamHosts:
    """Where the streams of one environment are."""

    public: str
    private: str


_PRODUCTION = StreamHosts("stream.bybit.com", "stream.bybit.com")
HOSTS: Mapping[str, StreamHosts] = {
    "sim": _PRODUCTION,
    "mainnet": _PRODUCTION,
    "testnet": StreamHosts("stream-testnet.bybit.com", "stream-testnet.bybit.com"),
    "demo": StreamHosts("stream.bybit.com", "stream-demo.bybit.com"),
}


class TickerChannel:
    """Prices of the symbols of one market: last price of spot, mark of perps. A message without that price says that it
    is what it was, and is not taken for a price of now."""

    needs_confirmation = True

    def __init__(self, link: Connection, host: str, kind: Kind, symbols: Sequence[str]) -> None:
        self.name, self.keep_alive = f"{kind.value} prices", PRICES[kind]
        self._link, self._host, self._symbols = link, host, symbols
        self._category, self._field = _CATEGORY[kind]
        self._by_topic: Mapping[str, str] = {}
        self._asked: list[Sequence[str]] = []

    async def address(self) -> str:
        return f"wss://{self._host}/v5/public/{self._category}"

    def greetings(self) -> Sequence[str]:
        self._by_topic = {f"tickers.{self._link.venue_symbol(symbol)}": symbol for symbol in self._symbols}
        self._asked = []
        topics = list(self._by_topic)
        return [self._ask(topics[at : at + TOPICS_AT_ONCE]) for at in range(0, len(topics), TOPICS_AT_ONCE)]

    def missed(self) -> tuple[StreamNews, ...]:
        """The next price says all."""
        return ()

    def read(self, message: Any) -> Heard:
        if message.get("op") == "subscribe":
            return self._subscribed(message)
        if "topic" not in message:
            return ANSWER
        symbol, price = self._by_topic.get(message["topic"]), message["data"].get(self._field)
        if symbol is None or not price:
            return NOTHING
        return Heard((StreamNews(int(message["ts"]), symbol, Decimal(price)),))

    async def renew(self) -> None:
        """Nothing to renew."""

    def _ask(self, topics: Sequence[str]) -> str:
        self._asked.append(topics)
        return json.dumps({"req_id": str(len(self._asked) - 1), "op": "subscribe", "args": list(topics)})

    def _subscribed(self, message: Any) -> Heard:
        """One symbol that is not listed refuses all that were asked for with it: they are asked for one by one, and
        what is refused alone is left out."""
        if _is_done(message):
            return Heard(confirms=True, is_answer=True)
        refused = self._asked[int(message["req_id"])]
        return Heard(is_answer=True, say=tuple(self._ask([one]) for one in refused) if len(refused) > 1 else ())


class AccountChannel:
    """What happens in the account, in all its markets. The logon is signed with a moment that is soon over."""

    keep_alive, needs_confirmation = ACCOUNT, True

    def __init__(self, link: Connection, host: str) -> None:
        kinds = link.environment.kinds
        self.name = "account" if len(kinds) > 1 else f"{next(iter(kinds)).value} account"
        self._link, self._host = link, host

    async def address(self) -> str:
        return f"wss://{self._host}/v5/private"

    def greetings(self) -> Sequence[str]:
        exchange, expires = self._link.exchange, self._link.now_ms() + LOGON_GOOD_MS
        signature = hmac.new(str(exchange.secret).encode(), f"GET/realtime{expires}".encode(), hashlib.sha256)
        return (json.dumps({"op": "auth", "args": [str(exchange.apiKey), expires, signature.hexdigest()]}),)

    def missed(self) -> tuple[StreamNews, ...]:
        return (StreamNews(self._link.now_ms()),)

    def read(self, message: Any) -> Heard:
        op = message.get("op")
        if op in ("auth", "subscribe"):
            if not _is_done(message):
                why = message.get("ret_msg") or message.get("retMsg")
                return Heard(refusal=f"the {'logon' if op == 'auth' else 'subscription'} was refused: {why}")
            if op == "subscribe":
                return Heard(confirms=True, is_answer=True)
            return Heard(is_answer=True, say=(json.dumps({"op": "subscribe", "args": list(_ACCOUNT_TOPICS)}),))
        if "topic" not in message:
            return ANSWER
        is_known = message["topic"].partition(".")[0] in _ACCOUNT_TOPICS
        return Heard((StreamNews(int(message["creationTime"])),)) if is_known else NOTHING

    async def renew(self) -> None:
        """A logon lasts as long as the connection."""


def _is_done(message: Any) -> bool:
    return message.get("success") is True or message.get("retCode") == 0


def channels(link: Connection, symbols: Collection[str]) -> tuple[Channel, ...]:
    """The connections of one account. Without keys: prices alone."""
    hosts = HOSTS[link.environment.name]
    spot, perps = sorted(s for s in symbols if not is_perp(s)), sorted(s for s in symbols if is_perp(s))
    result: list[Channel] = []
    if spot:
        result.append(TickerChannel(link, hosts.public, Kind.SPOT, spot))
    if perps:
        result.append(TickerChannel(link, hosts.public, Kind.PERP, perps))
    if link.has_keys:
        result.append(AccountChannel(link, hosts.private))
    return tuple(result)
