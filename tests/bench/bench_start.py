"""Start of a process, as ratios of wall time and peak memory against importing ccxt whole, in the same run.

python tests/bench/bench_start.py [RUNS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASELINE = "import ccxt.async_support"
ROOT = Path(__file__).parent.parent.parent
COMMANDS = {
    BASELINE: ["-c", BASELINE],
    "sectorbot --help": ["-m", "bot", "--help"],
    "sectorbot healthcheck": ["-m", "bot", "healthcheck"],
    "sectorbot status": ["-m", "bot", "status"],
    "sectorbot config check": ["-m", "bot", "config", "check"],
    "lean ccxt, one exchange": ["-c", "from bot.venues.ccxt.loader import load_exchange_class as l; l('binance')"],
}


def run_once(arguments: list[str], directory: str) -> tuple[float, float]:
    """Wall seconds and peak MiB of one process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(runs + 1):
            for name, arguments in COMMANDS.items():
                figure = run_once(arguments, directory)
                if number:  # the first round warms the caches
                    figures[name].append(figure)
    median = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in figures.items()}
    wall, memory = median[BASELINE]
    print(f"median of {runs} runs; baseline: {BASELINE}, {wall:.2f} s, {memory:.0f} MiB")
    for name, (seconds, mebibytes) in median.items():
        print(
            f"{name:28} {seconds:6.2f} s  {seconds / wall:5.2f} ×   {mebibytes:6.0f} MiB  {mebibytes / memory:5.2f} ×"
        )


if __name__ == "__main__":
    main()
