"""Candle history that is fetched once and then only extended; bounded in length and in symbols.

A history of hundreds of candles changes by one candle per timeframe, so asking for all of it every cycle would spend
most of a venue's request budget on what is known.
"""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.domain.candles import CandleSeries
from bot.domain.market import Missing
from bot.domain.symbol import PLAIN, Lineage, Span, without_older
from bot.feeds.concurrent_fetch import gather_each
from bot.ports import CandleSource, Unavailable

PAGE = 500
LATE_CANDLES = 2


@dataclass(frozen=True, slots=True)
class CandleHistory:
    """How much history is wanted: `count` closed candles of `timeframe_ms` for each symbol. `lineages` name what a
    symbol continues, and which of its candles are another asset's."""

    symbols: tuple[str, ...]
    timeframe_ms: int
    count: int
    lineages: Mapping[str, Lineage] = field(default_factory=dict)


class CandleCache:
    """Newest closed candles by symbol, for one venue. Not shared between tasks that refresh at the same time."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int], CandleSeries] = {}
        self._without: dict[str, Missing] = {}
        self._failing_ms: dict[str, int] = {}
        self._bad: dict[str, set[int]] = {}
        self._times: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._series)

    async def refresh(
        self, venue: CandleSource, wanted: CandleHistory, now_ms: int, *, deadline_ms: int, at_once: int
    ) -> tuple[dict[str, CandleSeries], tuple[Missing, ...]]:
        """The wanted series as of now, and what is missing. Symbols no longer wanted are forgotten.

        A symbol that cannot be extended keeps what is known while that ends at most two candles ago; it is named. So is
        a former name that the venue does not serve: the history then begins with the symbol's own listing.
        """
        keep = {(symbol, wanted.timeframe_ms) for symbol in wanted.symbols}
        self._series = {key: series for key, series in self._series.items() if key in keep}
        closed_ms = now_ms - now_ms % wanted.timeframe_ms
        stale = [symbol for symbol in wanted.symbols if self._end_ms(symbol, wanted) < closed_ms]

        async def extend(symbol: str) -> CandleSeries:
            return await self._extended(venue, symbol, wanted, closed_ms)

        fresh, missing = await gather_each("candles", stale, extend, deadline_ms=deadline_ms, at_once=at_once)
        for symbol, series in fresh.items():
            self._series[symbol, wanted.timeframe_ms] = self._with_shared_times(series)
        missing = self._with_since(missing, wanted.symbols, now_ms)
        usable_ms = closed_ms - LATE_CANDLES * wanted.timeframe_ms
        result, empty = {}, []
        for symbol in wanted.symbols:
            known = self._series.get((symbol, wanted.timeframe_ms))
            if known is not None and known.end_ms >= usable_ms:
                result[symbol] = known
            elif not any(m.what == f"candles {symbol}" for m in missing):
                empty.append(Missing(f"candles {symbol}", _why(known), is_answered=True))
        without = (self._without[s] for s in wanted.symbols if s in self._without)
        return result, (*missing, *empty, *without, *self._left_out(wanted, closed_ms))

    def _with_since(self, missing: Sequence[Missing], symbols: Sequence[str], now_ms: int) -> tuple[Missing, ...]:
        """The same with the time since which each of them has failed at every question."""
        failing = {one.what for one in missing}
        self._failing_ms = {
            what: self._failing_ms.get(what, now_ms)
            for what in (f"candles {symbol}" for symbol in symbols)
            if what in failing
        }
        return tuple(replace(one, since_ms=self._failing_ms[one.what]) for one in missing)

    def _left_out(self, wanted: CandleHistory, closed_ms: int) -> list[Missing]:
        """What is said of the candles in the wanted span that came and could not be used."""
        first_ms, result = closed_ms - wanted.count * wanted.timeframe_ms, []
        for symbol in wanted.symbols:
            known = self._series.get((symbol, wanted.timeframe_ms))
            sound = set(known.starts_ms) if known is not None and self._bad.get(symbol) else set()
            bad = self._bad[symbol] = {at for at in self._bad.get(symbol, ()) if at >= first_ms} - sound
            if bad:
                first = datetime.fromtimestamp(min(bad) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
                message = f"{len(bad)} of its candles cannot be read and are left out, the first opens {first} UTC"
                result.append(Missing(f"part of candles {symbol}", message))
        return result

    def _note_bad(
        self, symbol: str, page: CandleSeries, grown: CandleSeries | None, since_ms: int, end_ms: int
    ) -> None:
        """Remember which closed candles of a page are not in the series that it was joined to."""
        if grown is not None and not page.unread and grown.starts_ms[-len(page) :] == page.starts_ms:
            return  # all of it, as nearly always
        kept = set() if grown is None else set(grown.starts_ms)
        last_ms = end_ms - page.timeframe_ms
        unsound = {at for at in page.starts_ms if since_ms <= at <= last_ms and at not in kept}
        if unsound or page.unread:
            self._bad.setdefault(symbol, set()).update(unsound, (at or since_ms for at in page.unread))

    def _with_shared_times(self, series: CandleSeries) -> CandleSeries:
        """The same with the very times of the series before it where they are equal: most symbols have the same."""
        if series.starts_ms != self._times:
            self._times = series.starts_ms
            return series
        return CandleSeries(
            series.symbol,
            series.timeframe_ms,
            self._times,
            series.opens,
            series.highs,
            series.lows,
            series.closes,
            series.volumes_quote,
        )

    def _end_ms(self, symbol: str, wanted: CandleHistory) -> int:
        known = self._series.get((symbol, wanted.timeframe_ms))
        return known.end_ms if known is not None else 0

    async def _extended(self, venue: CandleSource, symbol: str, wanted: CandleHistory, closed_ms: int) -> CandleSeries:
        """What is known plus what has closed since. History that starts later than its page is asked for once more
        from where it goes on, until nothing new comes."""
        first_ms = closed_ms - wanted.count * wanted.timeframe_ms
        lineage = wanted.lineages.get(symbol, PLAIN)
        series = self._series.get((symbol, wanted.timeframe_ms))
        if series is not None and (series.end_ms < first_ms or symbol in self._without):
            series = None
        if series is None and lineage.own_ms > first_ms:
            series = await self._inherited(venue, symbol, wanted, first_ms)
        for _ in range(2 + wanted.count // PAGE):
            since_ms = max(first_ms, lineage.own_ms, series.end_ms if series is not None else 0)
            due = (closed_ms - since_ms) // wanted.timeframe_ms
            if due <= 0:
                break
            page = await venue.fetch_candles(symbol, wanted.timeframe_ms, since_ms, min(due, PAGE))
            grown = merge(series, page, closed_ms)
            self._note_bad(symbol, page, grown, since_ms, closed_ms)
            if grown is None or (series is not None and grown.end_ms <= series.end_ms):
                break
            known = len(series) if series is not None else 0
            is_seam = series is not None and series.starts_ms[-1] < lineage.own_ms
            series = without_older(grown, lineage.gap_ms, first=known + 1 if is_seam else known)
        return (series or _nothing(symbol, wanted.timeframe_ms)).tail(wanted.count)

    async def _inherited(
        self, venue: CandleSource, symbol: str, wanted: CandleHistory, first_ms: int
    ) -> CandleSeries | None:
        """Candles of the former names, in units of today, oldest first; None where there are none."""
        lineage, series = wanted.lineages[symbol], None
        self._without.pop(symbol, None)
        for span in lineage.spans(symbol)[:-1]:
            try:
                part = await _fetch_span(venue, span, wanted, first_ms, lineage.gap_ms)
            except Unavailable as error:
                message = f"{error}; the history of {symbol} goes on without its former name"
                self._without[symbol] = Missing(f"candles {span.symbol}", message)
                continue
            if part is not None and len(part):
                part = replace(part.scaled(float(1 / span.units)), symbol=symbol)
                series = merge(series, part, span.end_ms)
        return series


async def _fetch_span(
    venue: CandleSource, span: Span, wanted: CandleHistory, first_ms: int, gap_ms: int
) -> CandleSeries | None:
    since_ms, closed_ms = max(first_ms, span.start_ms), span.end_ms - span.end_ms % wanted.timeframe_ms
    series: CandleSeries | None = None
    for _ in range(2 + wanted.count // PAGE):
        due = (closed_ms - since_ms) // wanted.timeframe_ms
        if due <= 0:
            break
        page = await venue.fetch_candles(span.symbol, wanted.timeframe_ms, since_ms, min(due, PAGE))
        grown = merge(series, page, closed_ms)
        if grown is None or (series is not None and grown.end_ms <= series.end_ms):
            break
        series, since_ms = grown, grown.end_ms
    return None if series is None else without_older(series, gap_ms)


def merge(known: CandleSeries | None, page: CandleSeries, closed_ms: int) -> CandleSeries | None:
    """`known` extended by the page's later candles; None when both are empty.

    Rows that are unsound (a price that is NaN, infinite or not positive), unordered or not closed yet are left out.
    """
    last_ms = known.starts_ms[-1] if known is not None and len(known) else -1
    if len(page) and page.starts_ms[0] > last_ms and _is_valid_page(page, closed_ms):
        return replace(page, unread=()) if known is None or last_ms < 0 else _joined(known, page)
    rows = []
    columns = (page.starts_ms, page.opens, page.highs, page.lows, page.closes, page.volumes_quote)
    for row in zip(*columns, strict=True):
        start_ms = row[0]
        if last_ms < start_ms <= closed_ms - page.timeframe_ms and _is_valid_row(row[1:]):
            rows.append(row)
            last_ms = start_ms
    if not rows:
        return known
    starts, opens, highs, lows, closes, volumes = zip(*rows, strict=True)
    kept = CandleSeries(page.symbol, page.timeframe_ms, starts, opens, highs, lows, closes, volumes)
    return kept if known is None or not len(known) else _joined(known, kept)


def _joined(known: CandleSeries, later: CandleSeries) -> CandleSeries:
    return CandleSeries(
        known.symbol,
        known.timeframe_ms,
        known.starts_ms + later.starts_ms,
        known.opens + later.opens,
        known.highs + later.highs,
        known.lows + later.lows,
        known.closes + later.closes,
        known.volumes_quote + later.volumes_quote,
    )


def _is_valid_page(page: CandleSeries, closed_ms: int) -> bool:
    """Whether every row would be kept. A first page has hundreds of rows, and column by column is ten times as fast."""
    prices = (page.opens, page.highs, page.lows, page.closes)
    return (
        len(page) > 0
        and page.starts_ms[0] >= 0
        and page.end_ms <= closed_ms
        and all(map(operator.lt, page.starts_ms, page.starts_ms[1:]))
        and all(min(column) > 0 and math.isfinite(sum(column)) for column in prices)
        and min(page.volumes_quote) >= 0
        and math.isfinite(sum(page.volumes_quote))
    )


def _is_valid_row(row: tuple[float, ...]) -> bool:
    *prices, volume = row
    return all(0 < price < float("inf") for price in prices) and 0 <= volume < float("inf")


def _nothing(symbol: str, timeframe_ms: int) -> CandleSeries:
    return CandleSeries(symbol, timeframe_ms, (), (), (), (), (), ())


def _why(known: CandleSeries | None) -> str:
    return "the venue sent none" if known is None or not len(known) else f"the newest closed at {known.end_ms}"
