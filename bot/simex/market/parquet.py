"""Reads a folder of parquet tables into a `ReplayMarket`. Importing this module needs pyarrow (the extra `data`).

Tables, times in UTC milliseconds of the candle's open: `ohlcv_1h`, `perp_ohlcv_1h` (ts, symbol, open, high, low, close,
volume in base), `funding_8h` (ts, symbol, funding_rate), `open_interest` (ts, symbol, oi_usd), `tvl_daily` (ts, scope,
name, tvl_usd), and `universe.csv` (symbol, suggested_sector). Only the first is required.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.durations import HOUR_MS
from bot.simex.market.catalogue import perp_symbol, spot_symbol
from bot.simex.market.path import CandlePath
from bot.simex.market.replay import ReplayMarket, filled_from, longest_stretch, spot_path

HOLE_MS = 48 * HOUR_MS
CANDLE_COLUMNS = ("open", "high", "low", "close", "volume")


class MarketFolderError(Exception):
    """The folder lacks what is needed; the message says what and where."""


def load_market(
    folder: Path,
    tokens: Iterable[str],
    *,
    start_ms: int,
    end_ms: int,
    perps: Iterable[str] = (),
    hole_ms: int = HOLE_MS,
) -> ReplayMarket:
    """Hourly candles of the tokens' spot and perp symbols that open in [start, end), with funding, interest and TVL.

    A spot series with a hole of more than `hole_ms` is cut to its longest stretch without one. A perp follows spot
    where its own candles are missing; tokens without spot candles are left out. `perps` are those under other names
    than their token's. TVL names are the folder's: `total` and the protocols' names.

    Raises:
        MarketFolderError: when the folder has no `ohlcv_1h.parquet`, or no candle of any token in the window.
    """
    names = tuple(dict.fromkeys(tokens))
    spots, perps = [spot_symbol(t) for t in names], list(dict.fromkeys((*(perp_symbol(t) for t in names), *perps)))
    if not (folder / "ohlcv_1h.parquet").is_file():
        raise MarketFolderError(f"{folder}: there is no ohlcv_1h.parquet with hourly spot candles")
    candles = _candles(folder / "ohlcv_1h.parquet", spots, start_ms, end_ms)
    if not candles:
        raise MarketFolderError(f"{folder}: no candles of {', '.join(names)} between {start_ms} and {end_ms}")
    kept = {symbol: longest_stretch(path, hole_ms) for symbol, path in candles.items()}
    funding = _pairs(folder / "funding_8h.parquet", perps, "funding_rate", start_ms, end_ms)
    own = _candles(folder / "perp_ohlcv_1h.parquet", perps, start_ms, end_ms)
    for perp in perps:
        spot = spot_path(perp, kept)
        if spot is not None and (perp in own or perp in funding):
            kept[perp] = _perp(own.get(perp) or CandlePath(HOUR_MS), spot, [at for at, _ in funding.get(perp, ())])
    return ReplayMarket(
        kept,
        funding=funding,
        interest=_pairs(folder / "open_interest.parquet", perps, "oi_usd", start_ms, end_ms),
        tvl=_tvl(folder / "tvl_daily.parquet", start_ms, end_ms),
    )


def _perp(own: CandlePath, spot: CandlePath, settled: Sequence[int]) -> CandlePath:
    """A perp is there from its first sign of life to its last; in between it follows spot where candles are missing."""
    signs = (*own.starts[:1], *own.starts[-1:], *settled[:1], *settled[-1:])
    return filled_from(own, spot, min(signs), max(signs))


def _read(path: Path, symbols: Sequence[str] | None, columns: Sequence[str], start_ms: int, end_ms: int) -> Any:
    """Rows in [start, end) sorted by time, or None when the file is not there."""
    if not path.is_file():
        return None
    required = (pc.field("ts") >= start_ms) & (pc.field("ts") < end_ms)
    if symbols is not None:
        required &= pc.field("symbol").isin(pa.array(symbols))
    return pq.read_table(path, columns=list(columns), filters=required).sort_by("ts")


def _by_symbol(table: Any, symbols: Sequence[str]) -> dict[str, Any]:
    parts = {symbol: table.filter(pc.field("symbol") == symbol) for symbol in symbols}
    return {symbol: part for symbol, part in parts.items() if part.num_rows}


def _candles(path: Path, symbols: Sequence[str], start_ms: int, end_ms: int) -> dict[str, CandlePath]:
    table = _read(path, symbols, ("ts", "symbol", *CANDLE_COLUMNS), start_ms, end_ms)
    if table is None:
        return {}
    result = {}
    for symbol, part in _by_symbol(table, symbols).items():
        opens, highs, lows, closes, volumes = (part[name].to_pylist() for name in CANDLE_COLUMNS)
        quote = [volume * close for volume, close in zip(volumes, closes, strict=True)]
        result[symbol] = CandlePath(HOUR_MS, part["ts"].to_pylist(), opens, highs, lows, closes, quote)
    return result


def _pairs(
    path: Path, symbols: Sequence[str], column: str, start_ms: int, end_ms: int
) -> dict[str, list[tuple[int, float]]]:
    table = _read(path, symbols, ("ts", "symbol", column), start_ms, end_ms)
    if table is None:
        return {}
    return {symbol: _zipped(part, column) for symbol, part in _by_symbol(table, symbols).items()}


def _zipped(part: Any, column: str) -> list[tuple[int, float]]:
    """(time, value) with one value a time, missing ones left out."""
    rows = zip(part["ts"].to_pylist(), part[column].to_pylist(), strict=True)
    return list({at: value for at, value in rows if value is not None}.items())


def _tvl(path: Path, start_ms: int, end_ms: int) -> dict[str, list[tuple[int, float]]]:
    table = _read(path, None, ("ts", "scope", "name", "tvl_usd", "provider"), start_ms, end_ms)
    if table is None:
        return {}
    table = table.filter((pc.field("provider") == "defillama") & pc.field("scope").isin(["total", "protocol"]))
    names = set(table["name"].to_pylist())
    series = {name: _zipped(table.filter(pc.field("name") == name), "tvl_usd") for name in sorted(names)}
    return {"total" if name == "all_defi" else name: rows for name, rows in series.items()}
