"""Bybit's public streams: tickers. Those of linear perps begin with a snapshot and go on with what has changed, every
100 ms; those of spot are snapshots. Other topics are refused as topics that are not there."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain.instrument import Instrument
from bot.simex.dialects.bybit.common import LINEAR, SPOT, BybitCall, BybitDesk, BybitParams, BybitRefusal
from bot.simex.dialects.bybit.market import ticker_row
from bot.simex.dialects.bybit.streams.sessions import SILENCE_MAX_S, BybitSocket
from bot.simex.dialects.wire import RequestTimes

PATHS = {"/v5/public/spot": SPOT, "/v5/public/linear": LINEAR}
PERIOD_MS = 100
ARGS_MOST = {SPOT: 10}
ARGS_LENGTH_MOST = 21_000
_TICKERS = "tickers."


class TickerTopic:
    """What one connection has heard of one symbol."""

    def __init__(self, topic: str, instrument: Instrument) -> None:
        self._topic, self._instrument = topic, instrument
        self._known: Mapping[str, str] | None = None
        self._last_ms = 0

    def news(self, call: BybitCall) -> str | None:
        """The message that is due; None while nothing has changed or the period is not over."""
        now_ms = call.now_ms
        is_due = self._known is None or now_ms // PERIOD_MS != self._last_ms // PERIOD_MS
        if not is_due or not call.exchange.is_listed(self._instrument.symbol):
            return None
        self._last_ms = now_ms
        row = ticker_row(call, self._instrument)
        known, self._known = self._known, row
        if row == known:
            return None
        is_whole = known is None or not self._instrument.is_perp
        said = row if is_whole else {n: v for n, v in row.items() if n == "symbol" or known is None or known[n] != v}
        kind = "snapshot" if is_whole else "delta"
        message = {"topic": self._topic, "type": kind, "data": said, "cs": now_ms, "ts": now_ms}
        return json.dumps(message, separators=(",", ":"))


class PublicSocket(BybitSocket):
    """Prices of one category."""

    def __init__(self, desk: BybitDesk, category: str, moment: RequestTimes) -> None:
        super().__init__(desk, moment, name=category, silence_max_s=SILENCE_MAX_S)
        self._category = category
        self._tickers: dict[str, TickerTopic] = {}

    def _refusal_of(self, topics: Sequence[str]) -> str:
        most = ARGS_MOST.get(self._category)
        if most is not None and len(topics) > most:
            return f"args size >{most}"
        if len(json.dumps([*self._topics, *topics])) > ARGS_LENGTH_MOST:
            return f"args length >{ARGS_LENGTH_MOST}"
        missing = next((topic for topic in topics if self._instrument(topic) is None), None)
        return "" if missing is None else f"error:handler not found,topic:{missing}"

    def _instrument(self, topic: str) -> Instrument | None:
        if not topic.startswith(_TICKERS):
            return None
        try:
            return self.desk.instrument(self._category, topic.removeprefix(_TICKERS))
        except BybitRefusal:
            return None

    def _take(self, topic: str, moment: RequestTimes) -> None:
        super()._take(topic, moment)
        instrument = self._instrument(topic)
        if instrument is not None:
            self._tickers[topic] = TickerTopic(topic, instrument)

    def _drop(self, topic: str) -> None:
        super()._drop(topic)
        self._tickers.pop(topic, None)

    def _done(self, op: str) -> str:
        return op if self._category == SPOT else ""

    def _pong(self, asked: Mapping[str, Any], moment: RequestTimes) -> str:
        return self._worded(asked, "pong")

    def _log_on(self, asked: Mapping[str, Any], args: Sequence[Any], moment: RequestTimes) -> str:
        return self._failed(asked, "error:invalid op")

    def _news(self, moment: RequestTimes) -> list[str]:
        call = BybitCall(self.desk, BybitParams({}), moment.exchange_ms)
        return [said for topic in self._tickers.values() if (said := topic.news(call)) is not None]
