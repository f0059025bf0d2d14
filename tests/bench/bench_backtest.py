"""A back-test against a loop that only multiplies: whole processes, from the first import to the written report.

`sectorbot` is the trading cycle with its journal on disk, decisions daily and the guard hourly, over seeded hourly
candles with funding; the breaker of drawdown is off, or it would soon have nothing to do. The baseline, `target-weight
loop`, reads the same tables with the same reader and keeps equal weights daily in a few lines of plain Python: no
orders, no book, no journal, no signals. What it takes is what reading costs. Other back-testers that are installed run
on the same tables in the same run (`peers.py`).

python tests/bench/bench_backtest.py [RUNS] [--counts 10,20,40,80,160] [--span 3] [--years 1,2,3,6] [--hourly]

`--counts` are measured over `--span` years, `--years` at 20 instruments; half of these are spot, half perps over it.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench import peers, rig

START_MS, H, DAY = 1_577_836_800_000, 3_600_000, 86_400_000  # 2020-01-01
YEAR_DAYS, WARMUP_DAYS = 365, 175
COUNT, YEARS = 20, 3
FEE = 0.001
OURS, BASELINE = "sectorbot", "target-weight loop"


@dataclass(frozen=True, slots=True)
class Figure:
    """One process: seconds of wall and CPU time, peak MiB."""

    wall: float
    cpu: float
    rss: float


def write_world(folder: Path, count: int, years: float) -> None:
    """Hourly candles of `count` instruments, in phases so that conditions change; funding three times a day."""
    hours = (WARMUP_DAYS + round(years * YEAR_DAYS) + 2) * 24
    first_ms = START_MS - WARMUP_DAYS * DAY
    tides = random.Random(1)
    drift = [tides.gauss(0, 0.0006) for _ in range(hours // (24 * 45) + 1)]  # a market that turns every 45 days
    spots, perps, paid = [], [], []
    for number, token in enumerate(rig.universe(count).tokens):
        chance, price = random.Random(number), 20.0 + number
        columns = [array("d") for _ in range(5)]
        for hour in range(hours):
            after = price * (1 + drift[hour // (24 * 45)] + chance.gauss(0, 0.008))
            values = (price, max(price, after) * 1.001, min(price, after) * 0.999, after, 2e6 / after)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
            price = after
        spots.append((f"{token}/USDT", columns))
        perps.append((f"{token}/USDT:USDT", columns))
        paid.append((f"{token}/USDT:USDT", [chance.gauss(1e-4, 2e-4) for _ in range(hours // 8)]))
    times = pa.array(range(first_ms, first_ms + hours * H, H), pa.int64())
    names = ("open", "high", "low", "close", "volume")
    for file, rows in (("ohlcv_1h", spots), ("perp_ohlcv_1h", perps)):
        parts = [
            pa.table(
                {"ts": times, "symbol": pa.array([symbol] * hours)}
                | {name: pa.array(column) for name, column in zip(names, columns, strict=True)}
            )
            for symbol, columns in rows
        ]
        pq.write_table(pa.concat_tables(parts), folder / f"{file}.parquet")
    settled = pa.array(range(first_ms, first_ms + hours * H, 8 * H), pa.int64())
    rates = [pa.table({"ts": settled, "symbol": pa.array([s] * (hours // 8)), "funding_rate": r}) for s, r in paid]
    pq.write_table(pa.concat_tables(rates), folder / "funding_8h.parquet")


def backtest(folder: Path, count: int, years: float, decide_hours: int) -> None:
    """What `sectorbot backtest --out --journal` does, for a universe of `count` instruments."""
    from bot.lab.backtest import command
    from bot.lab.backtest.page import page_of
    from bot.lab.backtest.record import csv_of, document_of
    from bot.runtime import logs

    logs.configure(level="error")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        asked = command.BacktestRequest(
            folder,
            START_MS,
            START_MS + round(years * YEAR_DAYS) * DAY,
            journal=place / "journal.db",
            assignments=("playbook.signals.market_symbol=T000/USDT", "risk.drawdown_max=1"),
            decide_hours=decide_hours,
        )
        settings = command.settings_of(asked, place).model_copy(update={"universe": rig.universe(count)})
        record = command.run_record(asked, settings, command.read_history(asked, settings), on_progress=lambda _: None)
        document = document_of(record)
        (place / "page.html").write_text(page_of(record, document))
        (place / "page.csv").write_text(csv_of(record))
    assert document["reconciled"]
    print(json.dumps(document["counts"]))


def loop(folder: Path, count: int, years: float, _decide_hours: int) -> None:
    """The baseline."""
    from bot.lab.backtest.history import HistoryWindow, load_history

    sectors = rig.universe(count)
    window = HistoryWindow(START_MS, START_MS + round(years * YEAR_DAYS) * DAY, WARMUP_DAYS * DAY)
    history = load_history(folder, sectors, window, market_symbol="T000/USDT", tvl_parts={})
    tracks = [history.market.track(symbol).last for symbol in history.market.symbols]
    closes = [path.closes for path in tracks]  # type: ignore[attr-defined]
    equity, held = 100_000.0, [0.0] * len(closes)
    orders = 0
    for hour in range(WARMUP_DAYS * 24, len(closes[0])):
        prices = [column[hour] for column in closes]
        invested = sum(size * price for size, price in zip(held, prices, strict=True))
        if hour % 24 == 0:
            worth = equity if not orders else invested
            wanted = [worth / len(prices) / price for price in prices]
            traded = sum(abs(a - b) * price for a, b, price in zip(wanted, held, prices, strict=True))
            held = [size * (1 - traded * FEE / worth) for size in wanted]
            orders += len(held)
        equity = invested or equity
    print(json.dumps({"orders": orders, "equity": round(equity)}))


def run_once(folder: Path, name: str, count: int, years: float, decide_hours: int) -> tuple[Figure, dict[str, int]]:
    """One measured process, and what it printed."""
    arguments = [sys.executable, __file__, "measured", name, str(folder), str(count), str(years), str(decide_hours)]
    started = time.perf_counter()
    with subprocess.Popen(arguments, env=rig.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    wall = time.perf_counter() - started
    return Figure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), json.loads(printed)


def measure(count: int, years: float, runs: int, decide_hours: int) -> Figure:
    """Both of them, in turns; prints a line each and returns the median of ours."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_world(folder, count, years)
        rows: dict[str, list[Figure]] = {name: [] for name in (BASELINE, OURS, *peers.installed())}
        words = {}
        for _ in range(runs):
            for name, own in rows.items():
                figure, words[name] = run_once(folder, name, count, years, decide_hours)
                own.append(figure)
    bars = count * round(years * YEAR_DAYS) * 24
    print(f"{count} instruments × {years:g} years hourly ({bars:,} bars), decisions every {decide_hours} h")
    middle = {
        name: Figure(*(statistics.median(column) for column in zip(*map(_tuple, own), strict=True)))
        for name, own in rows.items()
    }
    for name, own in rows.items():
        found, base = middle[name], middle[BASELINE]
        print(
            f"  {name:20} wall {rig.spread([row.wall for row in own])} s  CPU {found.cpu:7.2f} s "
            f"{found.cpu / base.cpu:6.2f} ×  peak {found.rss:5.0f} MiB {found.rss / base.rss:5.2f} ×  {words[name]}"
        )
    return middle[OURS]


def _tuple(figure: Figure) -> tuple[float, float, float]:
    return figure.wall, figure.cpu, figure.rss


def slopes(unit: str, rows: list[tuple[float, Figure]]) -> None:
    """How CPU and memory grow from one size to the next."""
    for (few, one), (many, other) in pairwise(rows):
        print(
            f"slope {few:g} to {many:g} {unit}s: {(other.cpu - one.cpu) / (many - few):.2f} CPU s and "
            f"{(other.rss - one.rss) / (many - few):.2f} MiB per {unit}"
        )


def main() -> None:
    if sys.argv[1:2] == ["measured"]:
        name, folder, *numbers = sys.argv[2:]
        if name in peers.installed():
            print(json.dumps(peers.installed()[name](Path(folder))))
        else:
            count, years, hours = numbers
            {OURS: backtest, BASELINE: loop}[name](Path(folder), int(count), float(years), int(hours))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=3)
    parser.add_argument("--counts", default="", help="numbers of instruments, over --span years")
    parser.add_argument("--span", type=float, default=YEARS, help="years of --counts and of a run without lists")
    parser.add_argument("--years", default="", help="years, at 20 instruments")
    parser.add_argument("--hourly", action="store_true", help="decide every hour")
    given = parser.parse_args()
    decide_hours = 1 if given.hourly else 24
    counts = [int(word) for word in given.counts.split(",") if word]
    years = [float(word) for word in given.years.split(",") if word]
    if not counts and not years:
        measure(COUNT, given.span, given.runs, decide_hours)
    slopes("instrument", [(count, measure(count, given.span, given.runs, decide_hours)) for count in counts])
    slopes("year", [(span, measure(COUNT, span, given.runs, decide_hours)) for span in years])


if __name__ == "__main__":
    main()
