"""Small markets whose prices are known, and a directory of tables made of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bot.simex.market.path import CandlePath

H, DAY = 3_600_000, 86_400_000
START_MS = 1_704_067_200_000  # 2024-01-01
Price = Callable[[int], float]


def path_of(price: Price, first_ms: int, hours: int, volume: float = 1e9) -> CandlePath:
    """Hourly candles that go straight from one hour's price to the next."""
    made = CandlePath(H)
    for at in range(first_ms, first_ms + hours * H, H):
        opened, closed = price(at), price(at + H)
        made.starts.append(at)
        made.opens.append(opened)
        made.highs.append(max(opened, closed))
        made.lows.append(min(opened, closed))
        made.closes.append(closed)
        made.volumes.append(volume)
    return made


def wandering(seed: int, start: float, step: float = 0.01) -> Price:
    """A seeded walk, the same whatever is asked in which order."""
    levels: list[float] = [start]
    chance = random.Random(seed)

    def price(at_ms: int) -> float:
        index = (at_ms - START_MS) // H + 24 * 400
        while len(levels) <= index:
            levels.append(levels[-1] * (1 + chance.gauss(0, step)))
        return levels[index]

    return price


def write_table(path: Path, rows: Mapping[str, Sequence[tuple[int, float, float, float, float, float]]]) -> None:
    """Candle rows (ts, open, high, low, close, volume) by symbol."""
    flat = [(symbol, *row) for symbol, part in rows.items() for row in part]
    names = ("symbol", "ts", "open", "high", "low", "close", "volume")
    columns = zip(*flat, strict=True) if flat else [()] * len(names)
    pq.write_table(pa.table({name: list(column) for name, column in zip(names, columns, strict=True)}), path)


def rows_of(path: CandlePath) -> list[tuple[int, float, float, float, float, float]]:
    columns = (path.starts, path.opens, path.highs, path.lows, path.closes)
    return [(*row, volume / row[4]) for *row, volume in zip(*columns, path.volumes, strict=True)]


def write_history(folder: Path, prices: Mapping[str, Price], first_ms: int, hours: int) -> None:
    """A directory with hourly candles of some symbols."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(
        folder / "ohlcv_1h.parquet",
        {symbol: rows_of(path_of(price, first_ms, hours)) for symbol, price in prices.items()},
    )
