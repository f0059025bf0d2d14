"""Bybit's private stream: orders, executions, positions and the wallet of the account that has logged on.

A key and a signature of `GET/realtime` with a moment to come log on; nothing can be subscribed before. There is no
snapshot, nothing is repeated on a new connection, and an order is reported before any query knows it.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.domain.symbol import is_perp
from bot.simex.dialects.bybit.account import position_rows, wallet_row
from bot.simex.dialects.bybit.common import EVERYTHING, LINEAR, SPOT, BybitCall, BybitDesk, BybitParams
from bot.simex.dialects.bybit.executions import execution_row, funding_row
from bot.simex.dialects.bybit.orders import order_row
from bot.simex.dialects.bybit.streams.sessions import BybitSocket
from bot.simex.dialects.wire import RequestTimes
from bot.simex.engine.types import EventKind, ExchangeEvent, IncomeKind, OrderStatus
from bot.simex.signing import ApiKey, is_signed_by

PATH = "/v5/private"
TOPICS = {
    "order": (SPOT, LINEAR),
    "execution": (SPOT, LINEAR),
    "position": (LINEAR,),
    "wallet": (),
}
_ALL = frozenset({*TOPICS, *(f"{topic}.{category}" for topic, parts in TOPICS.items() for category in parts)})
_WALLETS = frozenset({EventKind.SPOT_WALLET, EventKind.PERP_WALLET})
_POSITIONS = frozenset(
    {EventKind.ORDER_PLACED, EventKind.ORDER_CANCELED, EventKind.ORDER_AMENDED, EventKind.PERP_WALLET, EventKind.CONFIG}
)
_STAMP = re.compile(r"[0-9]{1,16}")
Reported = ExchangeEvent | Mapping[str, Any]
Rows = tuple[str, str, list[dict[str, Any]]]  # topic, category, rows


class PrivateSocket(BybitSocket):
    """One connection of one account. `may_use`: whether a key is for the host of the connection."""

    def __init__(
        self,
        desk: BybitDesk,
        keys: Mapping[str, ApiKey],
        may_use: Callable[[ApiKey], bool],
        moment: RequestTimes,
        silence_max_s: int,
    ) -> None:
        super().__init__(desk, moment, name="private", silence_max_s=silence_max_s)
        self._keys, self._may_use = keys, may_use
        self._key: ApiKey | None = None
        self._unsaid: deque[Reported] = deque()
        self._sent = 0

    def hear(self, event: ExchangeEvent) -> None:
        if self._key is not None and event.account == self._key.account:
            self._unsaid.append(event)

    def hear_refused(self, account: str, row: Mapping[str, Any]) -> None:
        if self._key is not None and account == self._key.account:
            self._unsaid.append(row)

    def _log_on(self, asked: Mapping[str, Any], args: Sequence[Any], moment: RequestTimes) -> str:
        name, expires, signature = (str(arg) for arg in args) if len(args) == 3 else ("", "", "")
        if not _STAMP.fullmatch(expires) or int(expires) <= moment.exchange_ms:
            return self._failed(asked, "Params Error")
        key = self._keys.get(name)
        if key is None or not self._may_use(key) or not is_signed_by(key.secret, f"GET/realtime{expires}", signature):
            return self._failed(asked, "error:USVC1111")
        self._key = key
        self.desk.hearers[self] = None
        return self._worded(asked, "")

    def _refusal_of(self, topics: Sequence[str]) -> str:
        if self._key is None:
            return "Request not authorized"
        missing = next((topic for topic in topics if topic not in _ALL), None)
        if missing is not None:
            return f"error:handler not found,topic:{missing}"
        if len({"." in topic for topic in topics if topic != "wallet"}) > 1:
            return "error:all-in-one and categorised topics in one request"
        return ""

    def _pong(self, asked: Mapping[str, Any], moment: RequestTimes) -> str:
        named = {"req_id": str(asked["req_id"])} if "req_id" in asked else {}
        return json.dumps({**named, "op": "pong", "args": [str(moment.exchange_ms)], "conn_id": self.number})

    def _news(self, moment: RequestTimes) -> list[str]:
        said: list[str] = []
        if self._key is None:
            return said
        call = BybitCall(self.desk, BybitParams({}), moment.exchange_ms, ApiKey("", "", self._key.account))
        while self._unsaid:
            report = self._unsaid.popleft()
            found = messages(call, report) if isinstance(report, ExchangeEvent) else [("order", LINEAR, [dict(report)])]
            for topic, category, rows in found:
                names = [name for name in (topic, f"{topic}.{category}") if name in self._topics]
                said += [self._message(name, rows, call.now_ms) for name in names]
        return said

    def _message(self, topic: str, rows: list[dict[str, Any]], now_ms: int) -> str:
        self._sent += 1
        message = {"id": f"{self.number}-{self._sent}", "topic": topic, "creationTime": now_ms, "data": rows}
        return json.dumps(message, separators=(",", ":"))


def messages(call: BybitCall, event: ExchangeEvent) -> Iterator[Rows]:
    """What an event of the account says, by topic."""
    order, trade = event.order, event.trade
    category = LINEAR if is_perp(event.symbol) else SPOT
    named = {"category": category}
    if order is not None and order.status is not OrderStatus.TRIGGERED:  # what it has become is reported by itself
        yield "order", category, [{**named, **order_row(call, order)}]
    if order is not None and trade is not None:
        yield "execution", category, [{**named, "isLeverage": "0", **execution_row(call, trade, order)}]
    if event.kind is EventKind.PERP_WALLET and event.reason == "funding":
        paid = call.exchange.income(
            call.account, event.at_ms, IncomeKind.FUNDING_FEE, EVERYTHING, event.symbol, event.at_ms
        )
        yield "execution", LINEAR, [{"category": LINEAR, **funding_row(call, income)} for income in paid]
    instrument = call.exchange.instruments.get(event.symbol)
    if instrument is not None and instrument.is_perp and event.kind in _POSITIONS:
        rows = position_rows(call, instrument)
        yield "position", LINEAR, [{"category": LINEAR, "entryPrice": row["avgPrice"], **row} for row in rows]
    if event.kind in _WALLETS:
        yield "wallet", "", [wallet_row(call)]
