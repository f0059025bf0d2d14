"""Reads a directory of recorded candles into a market of years. Importing this module needs pyarrow (the extra `data`).

Tables are those of `bot.simex.market.parquet`, and `ohlcv_1d`, `perp_ohlcv_1d` (the same columns and `quote_volume`).
Hourly candles come first; the hours of a day that has none are drawn from the day's own candle, so that a symbol is
there from its first day to its last. Nothing is known before its time: a day's TVL is known when the day is over.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Tvl
from bot.domain.symbol import is_perp
from bot.lab.backtest.symbol_history import SymbolHistory, copy_rows, empty_path
from bot.lab.data.series_gaps import used_gaps
from bot.lab.data.table_shape import table_problems
from bot.playbook.policy.membership import Sectors
from bot.simex.market.path import CandlePath, rescaled
from bot.simex.market.replay import ReplayMarket

PRICES = ("open", "high", "low", "close")
HOURS = 24
LEG_HOURS = 8
ROWS_AT_ONCE = 20_000
TVL_DAYS, AGE_DAYS = 400, 4
SUPPLY = "stablecoin_supply"  # the scope whose values are no value locked
AFTER_MS = 2 * DAY_MS  # candles beyond the end, so that nothing ends because the reading did


class HistoryProblem(Exception):
    """The directory does not hold what was asked for; the message says what is missing and where."""


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """What is read: `warmup_ms` of history before the first decision, for the signals."""

    start_ms: int
    end_ms: int
    warmup_ms: int

    @property
    def first_ms(self) -> int:
        return self.start_ms - self.warmup_ms


@dataclass(frozen=True, slots=True)
class RecordedHistory:
    """A market and what is known beside prices. `listed` maps a spot symbol to its first and last moment, `drawn` to
    the number of its hours that were drawn from daily candles; `absent` names tokens without any candle, `cut` those
    whose candles before a time are another listing's; `gaps` has by table and series what it lacks in the window.
    `supply` is that of stablecoins, by day's start, ms."""

    market: ReplayMarket
    tvl: "RecordedTvl"
    listed: Mapping[str, tuple[int, int]]
    drawn: Mapping[str, int]
    absent: tuple[str, ...]
    cut: Mapping[str, int] = field(default_factory=dict)
    gaps: Mapping[str, Any] = field(default_factory=dict)
    supply: Sequence[tuple[int, float]] = ()


class RecordedTvl:
    """Total value locked as it was known at a time; implements `bot.ports.TvlSource` over a clock.

    `series` holds (day's start, value) by part in small letters, `parts` what is added up for a name. A name is left
    out while one of its parts has no recent value: half a sum is no sum.
    """

    def __init__(self, series: Mapping[str, Sequence[tuple[int, float]]], parts: Mapping[str, Sequence[str]]) -> None:
        named = {name: [part.lower() for part in own] for name, own in parts.items()}
        self._rows = {
            name: _added_up([series[part] for part in own]) if all(part in series for part in own) else ()
            for name, own in named.items()
        }
        self._clock: Any = None

    def at(self, clock: Any) -> "RecordedTvl":
        """The source by this clock."""
        self._clock = clock
        return self

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        """What was known at this time of the clock; names without a recent value are left out."""
        now_ms: int = self._clock.now_ms()
        result = {}
        for name in names:
            rows = self._rows.get(name, ())
            low = bisect_left(rows, now_ms - TVL_DAYS * DAY_MS, key=lambda row: row[0])
            known = rows[low : bisect_right(rows, now_ms - DAY_MS, key=lambda row: row[0])]
            if known and known[-1][0] > now_ms - AGE_DAYS * DAY_MS:
                result[name] = Tvl(name, tuple(at for at, _ in known), tuple(value for _, value in known))
        return result


def _added_up(rows: Sequence[Sequence[tuple[int, float]]]) -> tuple[tuple[int, Decimal], ...]:
    """Sums by time, for the times that all of them have."""
    columns = [dict(part) for part in rows]
    shared = sorted(set.intersection(*(set(column) for column in columns))) if columns else []
    return tuple((at, Decimal(round(sum(column[at] for column in columns)))) for at in shared)


def refuse_wrong(folder: Path) -> None:
    """Everything `data check` calls wrong keeps a back-test from running: it would change the result without a word.

    Raises:
        HistoryProblem: a table is wrong; the first problem in full, and how many more there are.
    """
    if result := table_problems(folder):
        first = next(f"{name}.parquet: {problems[0]}" for name, problems in result.items())
        count = sum(map(len, result.values()))
        more = f" (and {count - 1} more; see `sectorbot data check {folder}`)" if count > 1 else ""
        raise HistoryProblem(f"{folder}: {first}{more}")


def load_history(
    folder: Path,
    sectors: Sectors,
    window: HistoryWindow,
    *,
    market_symbol: str,
    tvl_parts: Mapping[str, Sequence[str]],
    is_checked: bool = False,
) -> RecordedHistory:
    """The market of the sectors' tokens and of `market_symbol` in the window; `is_checked`: `refuse_wrong` has run.

    Raises:
        HistoryProblem: no such directory, no candle table in it, a table that `data check` calls wrong, or no candle
            of any token in the window.
    """
    if not folder.is_dir():
        raise HistoryProblem(f"{folder}: there is no such directory of candles")
    if not any((folder / f"{name}.parquet").is_file() for name in ("ohlcv_1h", "ohlcv_1d")):
        raise HistoryProblem(f"{folder}: there is neither ohlcv_1h.parquet nor ohlcv_1d.parquet with spot candles")
    if not is_checked:
        refuse_wrong(folder)
    pa.set_memory_pool(pa.system_memory_pool())  # the others keep for later what a run of hours never needs again
    first_ms, end_ms = window.first_ms, window.end_ms + AFTER_MS
    spots = list(dict.fromkeys((market_symbol, *sectors.spot_symbols)))
    history = SymbolHistory(sectors)
    result, hours = _spot_paths(folder, history.with_formers(spots), first_ms, end_ms)
    paths, drawn, cut = history.joined(spots, result, hours, window.end_ms)
    if not any(window.start_ms < path.end_ms and path.starts[0] < window.end_ms for path in paths.values()):
        raise HistoryProblem(f"{folder}: none of {', '.join(spots)} has a candle in the time asked for")
    perps = list(sectors.perp_symbols)
    requested = history.with_formers(perps)
    funding = history.rows_of(
        perps, _of_one_exchange(folder / "funding_8h.parquet", requested, "funding_rate", first_ms, end_ms)
    )
    hourly = _candles(folder / "perp_ohlcv_1h.parquet", requested, first_ms, end_ms, HOUR_MS)
    own, _, _ = history.joined(perps, hourly, {}, window.end_ms)
    daily = history.first_days(perps, _first_days(folder / "perp_ohlcv_1d.parquet", requested))
    for perp in perps:
        spot = _spot_of(perp, paths, sectors)
        signs = [
            at
            for at in (
                daily.get(perp),
                *(own[perp].starts[:1] if perp in own else ()),
                *(at for at, _ in funding.get(perp, ())[:1]),
            )
            if at is not None
        ]
        if spot is not None and signs:
            paths[perp] = _perp_path(own.pop(perp, None), spot, min(signs))
    interest = history.rows_of(
        perps, _of_one_exchange(folder / "open_interest.parquet", requested, "oi_usd", first_ms, end_ms)
    )
    market = ReplayMarket(paths, funding=funding, interest=interest)
    listed = {symbol: (path.starts[0], path.end_ms) for symbol, path in paths.items() if not is_perp(symbol)}
    absent = tuple(symbol for symbol in spots if symbol not in paths and symbol not in history.continued)
    locked, supply = _tvl(folder, first_ms - TVL_DAYS * DAY_MS, end_ms)
    gaps = (
        {}
        if is_checked
        else used_gaps(
            folder,
            spots,
            perps,
            set(history.with_formers((*spots, *perps))) - {*spots, *perps},
            {part for own in tvl_parts.values() for part in own},
            (first_ms, window.end_ms),
        )
    )
    return RecordedHistory(market, RecordedTvl(locked, tvl_parts), listed, drawn, absent, cut, gaps, supply)


def _spot_of(perp: str, paths: Mapping[str, CandlePath], sectors: Sectors) -> CandlePath | None:
    """The spot candles behind a perp in the perp's unit, None where there are none."""
    spot, scale = paths.get(sectors.spot_of(perp)), sectors.scale_of(perp)
    return spot if spot is None or scale == 1 else rescaled(spot, float(scale))


def _spot_paths(
    folder: Path, symbols: Sequence[str], first_ms: int, end_ms: int
) -> tuple[dict[str, CandlePath], dict[str, int]]:
    hourly = _candles(folder / "ohlcv_1h.parquet", symbols, first_ms, end_ms, HOUR_MS)
    daily = _candles(folder / "ohlcv_1d.parquet", symbols, first_ms - first_ms % DAY_MS, end_ms, DAY_MS)
    paths, drawn = {}, {}
    for symbol in symbols:
        own, days = hourly.get(symbol), daily.get(symbol)
        if own is None and days is None:
            continue
        paths[symbol], drawn[symbol] = _filled(own or CandlePath(HOUR_MS), days or CandlePath(DAY_MS))
    return paths, drawn


def _filled(hours: CandlePath, days: CandlePath) -> tuple[CandlePath, int]:
    """Hourly candles, with those of days that have none drawn from the day's candle; and how many were drawn."""
    having = {at // DAY_MS for at in hours.starts}
    lacking = [index for index, at in enumerate(days.starts) if at // DAY_MS not in having]
    if not lacking:
        return hours, 0
    created, row, count = empty_path(), 0, len(hours.starts)
    for index in lacking:
        day_ms = days.starts[index]
        upto = row
        while upto < count and hours.starts[upto] < day_ms:
            upto += 1
        copy_rows(hours, created, row, upto)
        row = upto
        _draw(days, index, created)
    copy_rows(hours, created, row, count)
    return created, len(lacking) * HOURS


def _draw(days: CandlePath, index: int, made: CandlePath) -> None:
    """A day's hours along the way the engine walks a candle: open, low and high in their order, close."""
    start_ms, opened, closed = days.starts[index], days.opens[index], days.closes[index]
    low, high = days.lows[index], days.highs[index]
    knots = (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
    for hour in range(HOURS):
        leg, step = divmod(hour, LEG_HOURS)
        a, b = knots[leg], knots[leg + 1]
        first, last = a + (b - a) * step / LEG_HOURS, a + (b - a) * (step + 1) / LEG_HOURS
        made.starts.append(start_ms + hour * HOUR_MS)
        made.opens.append(first)
        made.highs.append(max(first, last))
        made.lows.append(min(first, last))
        made.closes.append(last)
        made.volumes.append(days.volumes[index] / HOURS)


def _perp_path(own: CandlePath | None, spot: CandlePath, start_ms: int) -> CandlePath:
    """A perp's candles from its first sign of life, with the spot candle wherever it has none of its own."""
    first = bisect_left(spot.starts, start_ms)
    if first == len(spot.starts):
        return spot
    if own is not None and own.starts == spot.starts[first:]:
        return own
    rows = dict(zip(own.starts, range(len(own.starts)), strict=True)) if own is not None else {}
    created = empty_path()
    row, count = first, len(spot.starts)
    while row < count:
        # One stretch after the other: candles of its own that follow each other, or spot candles without any.
        mine, low = rows.get(spot.starts[row]), row
        while row < count and rows.get(spot.starts[row]) == (None if mine is None else mine + row - low):
            row += 1
        if own is not None and mine is not None:
            copy_rows(own, created, mine, mine + row - low)
        else:
            copy_rows(spot, created, low, row)
    return created


def _read(path: Path, columns: Sequence[str], condition: Any) -> Any:
    """The rows sorted by time, or None when the file is not there."""
    known = columns_of(path)
    _require(path, columns, known)
    return pq.read_table(path, columns=list(columns), filters=condition).sort_by("ts") if known else None


def _require(path: Path, columns: Sequence[str], known: Sequence[str]) -> None:
    missing = [name for name in columns if known and name not in known]
    if missing:
        raise HistoryProblem(f"{path}: has no column {missing[0]!r}")


def columns_of(path: Path) -> tuple[str, ...]:
    """The columns of a table; none when the file is not there.

    Raises:
        HistoryProblem: the file is no table.
    """
    if not path.is_file():
        return ()
    try:
        return tuple(pq.read_schema(path).names)
    except pa.ArrowInvalid as error:
        raise HistoryProblem(f"{path}: cannot be read as a table ({str(error).splitlines()[0]})") from error


def _between(symbols: Iterable[str], start_ms: int, end_ms: int) -> Any:
    within = (pc.field("ts") >= start_ms) & (pc.field("ts") < end_ms)
    return within & pc.field("symbol").isin(pa.array(list(symbols)))


def _candles(
    path: Path, symbols: Sequence[str], start_ms: int, end_ms: int, timeframe_ms: int
) -> dict[str, CandlePath]:
    """Candles by symbol, read in pieces: a table of all symbols and years is several times what is wanted of it."""
    known = columns_of(path)
    volume = "quote_volume" if "quote_volume" in known else "volume"
    columns = ["ts", "symbol", *PRICES, volume]
    _require(path, columns, known)
    result: dict[str, CandlePath] = {}
    required = pa.array(list(symbols))
    table = pq.ParquetFile(path, pre_buffer=False) if known else None
    for piece in table.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False) if table is not None else ():
        # By masks: a filter by expression runs on threads, each of which keeps memory of its own.
        within = pc.and_(pc.greater_equal(piece["ts"], start_ms), pc.less(piece["ts"], end_ms))
        known_ones = pc.is_in(piece["symbol"].cast(pa.string()), value_set=required)
        rows = piece.filter(pc.and_(within, known_ones))
        for symbol in rows["symbol"].unique().to_pylist():
            own = rows.filter(pc.equal(rows["symbol"], symbol))
            amounts = own[volume] if volume != "volume" else pc.multiply(own["volume"], own["close"])
            created = result.setdefault(symbol, empty_path(timeframe_ms))
            _take(own["ts"].cast(pa.int64()), created.starts)
            for column, values in zip((*PRICES, volume), (*(own[name] for name in PRICES), amounts), strict=True):
                _take(values.cast(pa.float64()), getattr(created, "volumes" if column == volume else f"{column}s"))
    return {symbol: _ordered(path, symbol, result[symbol]) for symbol in symbols if symbol in result}


def _ordered(path: Path, symbol: str, made: CandlePath) -> CandlePath:
    """Oldest first, whatever the order of the table."""
    if all(a < b for a, b in pairwise(made.starts)):
        return made
    order = sorted(range(len(made.starts)), key=made.starts.__getitem__)
    starts = array("q", (made.starts[row] for row in order))
    if any(a == b for a, b in pairwise(starts)):
        raise HistoryProblem(f"{path}: {symbol} has two candles of one time; `data check` names them")
    columns = (made.opens, made.highs, made.lows, made.closes, made.volumes)
    return CandlePath(made.timeframe_ms, starts, *(array("d", (column[row] for row in order)) for column in columns))


def _take(column: Any, found: Any) -> None:
    """Append a column to a flat array: candles of years must not be a million objects each."""
    filled = column.fill_null(0)
    found.frombytes(memoryview(filled.buffers()[1])[filled.offset * 8 : (filled.offset + len(filled)) * 8])


def _pairs(
    path: Path, symbols: Sequence[str], column: str, start_ms: int, end_ms: int
) -> dict[str, list[tuple[int, float]]]:
    table = _read(path, ("ts", "symbol", column), _between(symbols, start_ms, end_ms))
    if table is None:
        return {}
    return {symbol: rows for symbol in symbols if (rows := _zipped(table.filter(pc.field("symbol") == symbol), column))}


def _zipped(part: Any, column: str) -> list[tuple[int, float]]:
    """(time, value) with one value a time, missing ones left out."""
    rows = zip(part["ts"].to_pylist(), part[column].to_pylist(), strict=True)
    return list({at: value for at, value in rows if value is not None}.items())


def _first_days(path: Path, symbols: Sequence[str]) -> dict[str, int]:
    table = _read(path, ("ts", "symbol"), pc.field("symbol").isin(pa.array(list(symbols))))
    if table is None:
        return {}
    rows = table.group_by("symbol").aggregate([("ts", "min")]).to_pylist()
    return {row["symbol"]: row["ts_min"] for row in rows}


def _of_one_exchange(
    path: Path, symbols: Sequence[str], column: str, start_ms: int, end_ms: int
) -> dict[str, list[tuple[int, float]]]:
    """Rates or open interest by perp, each of one exchange only, the one with most rows: two differ in level."""
    if "exchange" not in columns_of(path):
        return _pairs(path, symbols, column, start_ms, end_ms)
    table = _read(path, ("ts", "symbol", column, "exchange"), _between(symbols, start_ms, end_ms))
    result = {}
    for symbol in symbols:
        part = table.filter(pc.field("symbol") == symbol)
        sources = [
            _zipped(part.filter(pc.field("exchange") == name), column)
            for name in sorted(part["exchange"].unique().to_pylist())
        ]
        if any(sources):
            result[symbol] = max(sources, key=len)
    return result


def _tvl(
    folder: Path, start_ms: int, end_ms: int
) -> tuple[dict[str, list[tuple[int, float]]], list[tuple[int, float]]]:
    """Series by part: `all`, `chain:name`, `protocol:slug`; and that of the supply of stablecoins. DefiLlama's where a
    column names the source."""
    within = (pc.field("ts") >= start_ms) & (pc.field("ts") < end_ms)
    path = folder / "tvl_daily.parquet"
    provider_column = ("provider",) if "provider" in columns_of(path) else ()
    table = _read(path, ("ts", "scope", "name", "tvl_usd", *provider_column), within)
    if table is None:
        return {}, []
    table = table.filter(pc.field("provider") == "defillama") if provider_column else table
    result = {}
    for scope, kind in (("total", ""), ("chain", "chain:"), ("protocol", "protocol:")):
        part = table.filter(pc.field("scope") == scope)
        for name in sorted(set(part["name"].to_pylist())):
            rows = _zipped(part.filter(pc.field("name") == name), "tvl_usd")
            result["all" if scope == "total" else f"{kind}{name}".lower()] = rows
    return result, _zipped(table.filter(pc.field("scope") == SUPPLY), "tvl_usd")
