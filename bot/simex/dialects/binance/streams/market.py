"""What a Binance market stream sends: each subscription answers what is new since it was asked the last time."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial, wraps
from typing import Any, TypeVar

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.simex.dialects.binance.common import ApiError, Call, Params, fixed
from bot.simex.dialects.binance.public.candles import LENGTHS_MS, begin_of, series_of
from bot.simex.dialects.binance.public.futures_data import asset_index
from bot.simex.dialects.binance.public.trades import agg_row, tape, trade_row
from bot.simex.dialects.binance.public.windows import window_row, window_start
from bot.simex.dialects.binance.spot_market import (
    average_price,
    book_row,
    day_row,
    kline_rows,
    sides,
)
from bot.simex.dialects.binance.usdm_market import premium_index

Payloads = Iterator[Any]
Emit = Callable[[Call, int], Payloads]
M = TypeVar("M")
_DEPTH = re.compile(r"(?:depth(5|10|20)?(?:@(0|100|250|500|1000)ms)?|(rpiDepth)@500ms)")
_WINDOWS_MS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}
_EAST, _EAST_MS = "@+08:00", 8 * HOUR_MS  # the one time zone of candle streams, on spot
_MOST_TRADES = 500
_BOOK_LEVELS = 1000
_PERP_INTERVALS = frozenset(LENGTHS_MS) - {"1s"}


class MarketStream:
    """One subscription of a socket. It sends at once, and then at the multiples of its period, which are the same for
    all sockets: so what they hear is made once."""

    def __init__(self, name: str, kind: Kind, emit: Emit, period_ms: int, start_ms: int, symbol: str) -> None:
        self.name, self.kind = name, kind
        self._emit, self._period_ms, self._symbol = emit, period_ms, symbol
        self._last_ms = start_ms

    def payloads(self, call: Call) -> list[Any]:
        """What is new since the last call, empty until the stream's period is over."""
        now_ms, last_ms, period_ms = call.now_ms, self._last_ms, self._period_ms
        if period_ms and now_ms // period_ms == last_ms // period_ms:
            return []
        if self._symbol and not call.exchange.is_listed(self._symbol):
            return []
        self._last_ms = now_ms
        if isinstance(self._emit, _Stateful):
            return list(self._emit(call, last_ms))
        return call.desk.once(("stream", self.kind, self.name, last_ms), lambda: list(self._emit(call, last_ms)))


class _Stateful(ABC):
    """A stream whose messages depend on what this socket has heard before."""

    @abstractmethod
    def __call__(self, call: Call, last_ms: int) -> "Payloads":
        """The payloads since."""


def open_stream(name: str, kind: Kind, call: Call) -> MarketStream | None:
    """The stream of this name, None for a name that the market does not have."""
    symbol = ""
    if name.startswith("!"):
        emit_period = _of_all(name, kind)
    else:
        contract = name.partition("@")[0].removesuffix("_perpetual")
        try:
            instrument = call.desk.instrument(kind, contract.upper())
        except ApiError:
            return None
        emit_period, symbol = _of_symbol(name, instrument, call), instrument.symbol
    if emit_period is None:
        return None
    emit, period_ms = emit_period
    return MarketStream(name, kind, emit, period_ms, call.now_ms - period_ms, symbol)


def _of_symbol(name: str, instrument: Instrument, call: Call) -> tuple[Emit, int] | None:
    symbol, _, what = name.partition("@")
    contract, kind = symbol.removesuffix("_perpetual"), instrument.kind
    is_perp = kind is Kind.PERP
    plain: dict[str, tuple[Emit, int]] = {
        "aggTrade": (_trades(instrument, is_aggregate=True), 0),
        "trade": (_trades(instrument, is_aggregate=False), 0),
        "miniTicker": (_single(lambda c: _mini(c, instrument)), 1000),
        "ticker": (_single(lambda c: _ticker(c, instrument)), 1000),
        "bookTicker": (_Changed(instrument), 0),
    }
    if is_perp:
        plain["markPrice"] = (_single(lambda c: _mark(c, instrument)), 3000)
        plain["markPrice@1s"] = (_single(lambda c: _mark(c, instrument)), 1000)
        plain["forceOrder"] = (_nothing, 1000)  # liquidations come from the session's events
        plain["compositeIndex"] = (_nothing, 1000)  # no contract here follows one
    else:
        plain["avgPrice"] = (_single(lambda c: _average(c, instrument)), 1000)
        for length in _WINDOWS_MS:
            plain[f"ticker_{length}"] = (_single(partial(_window, instrument=instrument, length=length)), 1000)
        plain |= dict.fromkeys(("referencePrice", "blockTrade"), (_nothing, 1000))  # there are none
    if what in plain:
        return plain[what]
    head, _, interval = what.removesuffix("" if is_perp else _EAST).partition("_")
    if head in ("kline", "continuousKline") and (interval in _PERP_INTERVALS if is_perp else interval in LENGTHS_MS):
        is_continuous = head == "continuousKline"
        if is_continuous is (contract != symbol) and (is_perp or not is_continuous):
            zone_ms = _EAST_MS if what.endswith(_EAST) else 0
            return _klines(instrument, interval, zone_ms, is_continuous=is_continuous), 250 if is_perp else 1000
    match = _DEPTH.fullmatch(what)
    if match is None:
        return None
    period_ms = 500 if match[3] else int(match[2] or (250 if is_perp else 1000))
    if not is_perp and (match[3] or match[2] == "0"):
        return None
    return (_partial(instrument, int(match[1])) if match[1] else _Difference(call, instrument)), period_ms


def _of_all(name: str, kind: Kind) -> tuple[Emit, int] | None:
    is_perp = kind is Kind.PERP
    table: dict[str, tuple[Emit, int]] = {
        "!miniTicker@arr": (_every(_mini), 1000),
        "!miniTicker@arr@1000ms": (_every(_mini), 1000),  # as some clients still ask for them
        "!miniTicker@arr@3000ms": (_every(_mini), 3000),
        "!ticker@arr": (_every(_ticker), 1000),
    }
    if is_perp:
        table["!markPrice@arr"] = (_every(_mark), 3000)
        table["!markPrice@arr@1s"] = (_every(_mark), 1000)
        table["!bookTicker"] = (_each(_book_ticker), 5000)
        table["!forceOrder@arr"] = (_nothing, 1000)
        table["!contractInfo"] = (_nothing, 1000)
        table["!assetIndex@arr"] = (_single(_asset_indexes), 1000)
    else:
        for length in _WINDOWS_MS:
            table[f"!ticker_{length}@arr"] = (_every(partial(_window, length=length)), 1000)
    return table.get(name)


def _same_for_all(make: Callable[[Call, Instrument], M]) -> Callable[[Call, Instrument], M]:
    """Made once for all sockets of a poll."""

    @wraps(make)
    def kept(call: Call, instrument: Instrument) -> M:
        return call.desk.once((make.__name__, call.kind, instrument.symbol), lambda: make(call, instrument))

    return kept


def _nothing(call: Call, last_ms: int) -> Payloads:
    yield from ()


def _single(make: Callable[[Call], Any]) -> Emit:
    def emit(call: Call, last_ms: int) -> Payloads:
        yield make(call)

    return emit


def _every(make: Callable[[Call, Instrument], Any]) -> Emit:
    def emit(call: Call, last_ms: int) -> Payloads:
        yield [make(call, instrument) for instrument in call.desk.instruments(call.kind)]

    return emit


def _each(make: Callable[[Call, Instrument], Any]) -> Emit:
    def emit(call: Call, last_ms: int) -> Payloads:
        for instrument in call.desk.instruments(call.kind):
            yield make(call, instrument)

    return emit


class _Changed(_Stateful):
    """Best prices where they differ from those that were sent last."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._seen: tuple[str, ...] = ()

    def __call__(self, call: Call, last_ms: int) -> Payloads:
        payload = _book_ticker(call, self._instrument)
        best = (payload["b"], payload["B"], payload["a"], payload["A"])
        if best != self._seen:
            self._seen = best
            yield payload


def _name(call: Call, instrument: Instrument) -> str:
    return call.name(instrument.symbol)


def _trades(instrument: Instrument, *, is_aggregate: bool) -> Emit:
    def emit(call: Call, last_ms: int) -> Payloads:
        head = {"e": "aggTrade" if is_aggregate else "trade", "E": call.now_ms, "s": _name(call, instrument)}
        for trade in tape(call, instrument, last_ms + 1, call.now_ms, _MOST_TRADES):
            if is_aggregate:
                yield {**head, **agg_row(instrument, trade)}
                continue
            row = trade_row(instrument, trade)
            own = {"M": True} if instrument.kind is Kind.SPOT else {"X": "MARKET"}
            shown = {"t": row["id"], "p": row["price"], "q": row["qty"], "T": row["time"]}
            yield {**head, **shown, "m": row["isBuyerMaker"], **own}

    return emit


def _klines(instrument: Instrument, interval: str, zone_ms: int, *, is_continuous: bool) -> Emit:
    length_ms = LENGTHS_MS[interval]

    def emit(call: Call, last_ms: int) -> Payloads:
        first_ms = max(1, begin_of(min(last_ms, call.now_ms), length_ms, zone_ms))
        series = series_of(call, instrument.symbol, length_ms, first_ms, call.now_ms, 100, zone_ms=zone_ms)
        name = _name(call, instrument)
        for row in kline_rows(series, instrument, zone_ms):
            head: dict[str, Any] = {"e": "kline", "E": call.now_ms, "s": name}
            own: dict[str, Any] = {"s": name}
            if is_continuous:
                head, own = {"e": "continuous_kline", "E": call.now_ms, "ps": name, "ct": "PERPETUAL"}, {}
            fields = {"t": row[0], "T": row[6], **own, "i": interval, "f": row[0] // 1000, "L": row[6] // 1000}
            prices = {"o": row[1], "c": row[4], "h": row[2], "l": row[3], "v": row[5], "n": row[8]}
            rest = {"x": row[6] < call.now_ms, "q": row[7], "V": row[9], "Q": row[10], "B": "0"}
            yield {**head, "k": {**fields, **prices, **rest}}

    return emit


@_same_for_all
def _mini(call: Call, instrument: Instrument) -> dict[str, Any]:
    row = day_row(call, instrument)
    return {
        "e": "24hrMiniTicker",
        "E": call.now_ms,
        "s": row["symbol"],
        "c": row["lastPrice"],
        "o": row["openPrice"],
        "h": row["highPrice"],
        "l": row["lowPrice"],
        "v": row["volume"],
        "q": row["quoteVolume"],
    }


@_same_for_all
def _ticker(call: Call, instrument: Instrument) -> dict[str, Any]:
    row = day_row(call, instrument)
    quotes: dict[str, Any] = {}
    if call.kind is Kind.SPOT:
        book = book_row(call, instrument)
        quotes = {"x": row["openPrice"], "b": book["bidPrice"], "B": book["bidQty"], "a": book["askPrice"]}
        quotes["A"] = book["askQty"]
    return {
        **_mini(call, instrument),
        "e": "24hrTicker",
        "p": row["priceChange"],
        "P": row["priceChangePercent"],
        "w": row["weightedAvgPrice"],
        "Q": row["lastQty"],
        **quotes,
        "O": row["openTime"],
        "C": row["closeTime"],
        "F": row["firstId"],
        "L": row["lastId"],
        "n": row["count"],
    }


def _window(call: Call, instrument: Instrument, length: str) -> dict[str, Any]:
    """A rolling window that is not the day's: its beginning is a full minute."""

    def made() -> dict[str, Any]:
        row = window_row(call, instrument, window_start(call, _WINDOWS_MS[length]), call.now_ms)
        return {
            "e": f"{length}Ticker",
            "E": call.now_ms,
            "s": row["symbol"],
            "p": row["priceChange"],
            "P": row["priceChangePercent"],
            "o": row["openPrice"],
            "h": row["highPrice"],
            "l": row["lowPrice"],
            "c": row["lastPrice"],
            "w": row["weightedAvgPrice"],
            "v": row["volume"],
            "q": row["quoteVolume"],
            "O": row["openTime"],
            "C": row["closeTime"],
            "F": row["firstId"],
            "L": row["lastId"],
            "n": row["count"],
        }

    return call.desk.once(("window", length, instrument.symbol), made)


_ASSET_INDEX = {
    "i": "index",
    "b": "bidBuffer",
    "a": "askBuffer",
    "B": "bidRate",
    "A": "askRate",
    "q": "autoExchangeBidBuffer",
    "g": "autoExchangeAskBuffer",
    "Q": "autoExchangeBidRate",
    "G": "autoExchangeAskRate",
}


def _asset_indexes(call: Call) -> list[dict[str, Any]]:
    head = {"e": "assetIndexUpdate", "E": call.now_ms}
    rows = asset_index(Call(call.desk, Params(""), call.now_ms, call.kind))
    return [{**head, "s": row["symbol"], **{n: row[name] for n, name in _ASSET_INDEX.items()}} for row in rows]


@_same_for_all
def _book_ticker(call: Call, instrument: Instrument) -> dict[str, Any]:
    row = book_row(call, instrument)
    head = {"e": "bookTicker", "E": call.now_ms, "T": call.now_ms} if call.kind is Kind.PERP else {}
    best = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
    return {**head, "u": call.now_ms, "s": row["symbol"], **best}


@_same_for_all
def _average(call: Call, instrument: Instrument) -> Mapping[str, Any]:
    row = average_price(_of(call, instrument))
    name = _name(call, instrument)
    return {"e": "avgPrice", "E": call.now_ms, "s": name, "i": "5m", "w": row["price"], "T": call.now_ms}


@_same_for_all
def _mark(call: Call, instrument: Instrument) -> Mapping[str, Any]:
    row = premium_index(_of(call, instrument))
    return {
        "e": "markPriceUpdate",
        "E": call.now_ms,
        "s": row["symbol"],
        "p": row["markPrice"],
        "ap": row["markPrice"],
        "i": row["indexPrice"],
        "P": row["estimatedSettlePrice"],
        "r": row["lastFundingRate"],
        "T": row["nextFundingTime"],
    }


def _of(call: Call, instrument: Instrument) -> Call:
    return Call(call.desk, Params.of({"symbol": _name(call, instrument)}), call.now_ms, call.kind)


def _book(call: Call, instrument: Instrument, levels: int) -> dict[str, Any]:
    def made() -> dict[str, Any]:
        book = call.exchange.book(instrument.symbol, levels)
        return sides(instrument, book.bids, book.asks)

    return call.desk.once(("book", instrument.symbol, levels), made)


def _partial(instrument: Instrument, levels: int) -> Emit:
    def make(call: Call) -> dict[str, Any]:
        both = _book(call, instrument, levels)
        if call.kind is Kind.SPOT:
            return {"lastUpdateId": call.now_ms, **both}
        stamps = {"U": call.now_ms, "u": call.now_ms, "pu": call.now_ms - 1}
        head = {"e": "depthUpdate", "E": call.now_ms, "T": call.now_ms, "s": _name(call, instrument)}
        return {**head, **stamps, "b": both["bids"], "a": both["asks"]}

    return _single(make)


class _Difference(_Stateful):
    """Levels that changed since the last message, nothing where none did; a size of 0 takes one away. Update ids are
    exchange time.

    The first message begins at the moment of the subscription, so that a snapshot that is asked for after it fits.
    """

    def __init__(self, call: Call, instrument: Instrument) -> None:
        self._instrument = instrument
        self._known = self._sizes(call)
        self._last_id = call.now_ms

    def _sizes(self, call: Call) -> dict[str, dict[str, str]]:
        def made() -> dict[str, dict[str, str]]:
            both: dict[str, list[list[str]]] = _book(call, self._instrument, _BOOK_LEVELS)
            return {side: {row[0]: row[1] for row in levels} for side, levels in both.items()}

        return call.desk.once(("sizes", self._instrument.symbol), made)

    def __call__(self, call: Call, last_ms: int) -> Payloads:
        now = self._sizes(call)
        before, self._known = self._known, now
        first_id, self._last_id = self._last_id + 1, call.now_ms
        if first_id > self._last_id:
            return
        changed = {side: list(_changes(before[side], now[side])) for side in ("bids", "asks")}
        if not any(changed.values()):
            self._last_id = first_id - 1  # the next message covers this time too
            return
        own = {"T": call.now_ms, "pu": first_id - 1} if call.kind is Kind.PERP else {}
        head = {"e": "depthUpdate", "E": call.now_ms, "s": _name(call, self._instrument)}
        yield {**head, "U": first_id, "u": self._last_id, **own, "b": changed["bids"], "a": changed["asks"]}


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[list[str]]:
    for price, size in now.items():
        if before.get(price) != size:
            yield [price, size]
    for price, size in before.items():
        if price not in now:
            yield [price, fixed(Decimal(0), Decimal(1).scaleb(-len(size.partition(".")[2])))]
