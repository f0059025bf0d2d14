"""What a hedge removes of a sector's variance, out of sample, on recorded data (decision 0027).

Each day at 00:00 UTC the bot's own function chooses the hedge of each sector from candles closed by then, with weights
and lists of `config/sectors.toml`; the next day's returns of spot and perps judge it. Removed is 1 − variance of spot
with its hedge / variance of spot.

python tests/bench/bench_hedge.py FOLDER [--from 2020-11-01] [--to 2026-05-23]

FOLDER holds `ohlcv_1h`, `ohlcv_1d` and `perp_ohlcv_1d` as parquet. Prints a table by sector, hedge and year.
"""

import argparse
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Snapshot
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import read_weights
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.hedge import plan_hedges
from tests.playbook.builders import World

STEP, WINDOW = 4 * HOUR_MS, 200
BOOK = Decimal(1_000_000)
CONFIG = Path(__file__).parent.parent.parent / "config" / "sectors.toml"
HEDGES: Mapping[str, Mapping[str, object]] = {
    "leader": {"hedge_with": "leader"},
    "leader by beta": {"hedge_with": "leader", "hedge_by_beta": True},
    "basket": {"hedge_with": "basket"},
}

Rows = dict[str, dict[int, tuple[float, float]]]


@dataclass
class Recorded(World):
    """A world with the candles of one recorded instant."""

    candles: dict[str, CandleSeries] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), candles=self.candles)


def read_rows(path: Path, symbols: list[str], volume: str) -> Rows:
    """Close and traded value by symbol and time."""
    columns = ["ts", "symbol", "close", volume]
    table = pq.read_table(path, columns=columns, filters=pc.field("symbol").isin(symbols))
    found: Rows = defaultdict(dict)
    for at, symbol, close, traded in zip(*(table.column(name).to_pylist() for name in columns), strict=True):
        value = traded if volume == "quote_volume" else traded * close
        found[symbol][int(at)] = (close, value if value is not None else 0.0)
    return found


def four_hours(rows: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Candles of four hours by their start; one whose last hour is missing is missing."""
    found = {}
    for at, (close, _) in rows.items():
        if at % STEP == STEP - HOUR_MS:
            start = at - at % STEP
            found[start] = (close, sum(rows[start + h * HOUR_MS][1] for h in range(4) if start + h * HOUR_MS in rows))
    return found


def series_until(symbol: str, rows: Mapping[int, tuple[float, float]], at_ms: int) -> CandleSeries | None:
    """The candles that have closed by `at_ms`."""
    starts = tuple(at for at in range(at_ms - WINDOW * STEP, at_ms, STEP) if at in rows)
    if not starts:
        return None
    closes = tuple(rows[at][0] for at in starts)
    return CandleSeries(symbol, STEP, starts, closes, closes, closes, closes, tuple(rows[at][1] for at in starts))


@dataclass(frozen=True)
class Data:
    """Recorded rows, and the sectors they are read for."""

    sectors: Sectors
    hourly: Rows
    daily: Rows
    perps: Rows

    @classmethod
    def read(cls, folder: Path) -> "Data":
        sectors = Sectors.model_validate(tomllib.loads(CONFIG.read_text()))
        spots, perps = list(sectors.spot_symbols), [sectors.perp(token) for token in sectors.tokens]
        hourly = read_rows(folder / "ohlcv_1h.parquet", spots, "volume")
        return cls(
            sectors,
            {symbol: four_hours(rows) for symbol, rows in hourly.items()},
            read_rows(folder / "ohlcv_1d.parquet", spots, "quote_volume"),
            read_rows(folder / "perp_ohlcv_1d.parquet", perps, "volume"),
        )

    def move(self, rows: Rows, symbol: str, at_ms: int) -> float | None:
        """Return of a symbol over the day that begins at `at_ms`."""
        before, after = (rows.get(symbol, {}).get(at) for at in (at_ms - DAY_MS, at_ms))
        return after[0] / before[0] - 1 if before and after else None

    def world(self, at_ms: int, policy: Policy) -> Recorded | None:
        """The market as it stood at `at_ms`, with a book of half of each sector."""
        prices, candles, halted = {}, {}, set()
        for token in self.sectors.tokens:
            symbol, perp = self.sectors.spot(token), self.sectors.perp(token)
            before = self.daily.get(symbol, {}).get(at_ms - DAY_MS)
            series = series_until(symbol, self.hourly.get(symbol, {}), at_ms)
            if before is None or self.move(self.daily, symbol, at_ms) is None:
                continue
            prices[token] = Decimal(str(before[0]))
            if series is not None:
                candles[symbol] = series
            if self.move(self.perps, perp, at_ms) is None:
                halted.add(perp)
        found = Recorded(self.sectors, policy, prices, perp_wallet=BOOK, at_ms=at_ms, halted=halted, candles=candles)
        snapshot = found.snapshot()
        for name in self.sectors.sectors:
            for token, weight in read_weights(name, snapshot, self.sectors)[0].items():
                found.spot[token] = BOOK / 2 * weight / prices[token]
        return found if found.spot else None


def next_day(data: Data, world: Recorded, sector: str) -> tuple[float, float] | None:
    """The next day's return of a sector's spot, and of the spot with its hedge."""
    context = PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())
    spot = context.portfolio.sectors[sector].spot
    if spot <= 0:
        return None
    plans, _ = plan_hedges(sector, spot, context, sleeve_margin=BOOK, closing=frozenset())
    held = [(float(h.value / spot), h.symbol) for h in context.portfolio.holdings if h.sector == sector]
    own = sum(part * (data.move(data.daily, symbol, world.at_ms) or 0.0) for part, symbol in held)
    short = sum(
        float(plan.notional_quote / spot) * (data.move(data.perps, plan.symbol, world.at_ms) or 0.0) for plan in plans
    )
    return own, own - short


def removed(pairs: list[tuple[float, float]]) -> float:
    """Part of the variance that the hedge removes."""
    return 1 - statistics.pvariance(after for _, after in pairs) / statistics.pvariance(before for before, _ in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="start", default="2020-11-01")
    parser.add_argument("--to", dest="end", default="2026-05-23")
    asked = parser.parse_args()
    data = Data.read(asked.folder)
    first, last = (
        int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000 for day in (asked.start, asked.end)
    )
    found: dict[tuple[str, str], dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for name, changes in HEDGES.items():
        policy = Policy.model_validate({"order_share_max": 1, "order_max_quote": BOOK} | dict(changes))
        for at_ms in range(first, last, DAY_MS):
            world = data.world(at_ms, policy)
            for sector in data.sectors.sectors if world is not None else ():
                pair = next_day(data, world, sector) if world is not None else None
                if pair is not None:
                    found[sector, name][datetime.fromtimestamp(at_ms / 1000, UTC).year].append(pair)
    years = sorted({year for by_year in found.values() for year in by_year})
    print(f"{'sector':8}{'hedge':16}{'days':>6}{'all':>8}" + "".join(f"{year:>8}" for year in years))
    for (sector, name), by_year in sorted(found.items()):
        whole = [pair for pairs in by_year.values() for pair in pairs]
        cells = "".join(f"{removed(by_year[year]):8.3f}" for year in years)
        print(f"{sector:8}{name:16}{len(whole):6}{removed(whole):8.3f}{cells}")


if __name__ == "__main__":
    main()
