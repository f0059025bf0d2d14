"""From the start of a process to its first printed plan, markets cached, against importing ccxt whole in the same run.

python tests/bench/bench_plan.py [RUNS] [INSTRUMENTS]
"""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.bench import rig

BASELINE = "import ccxt.async_support"
# A plan asks as much as a start: at three a minute one waits for the exchange's weight until it gives up.
PAUSE_SECONDS = 25 * rig.PACE


def run_once(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], env=rig.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        words = process.stderr.read() if process.stderr is not None else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(words.decode()[-2000:])
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    figures: dict[str, list[tuple[float, float]]] = {BASELINE: [], "first printed plan": []}
    with rig.exchange_of(count) as (world, _):
        commands = {BASELINE: ["-c", BASELINE], "first printed plan": [str(rig.HERE), "plan", str(world)]}
        for number in range(runs + 1):
            for name, command in commands.items():
                figure = run_once(command)
                if name != BASELINE:
                    time.sleep(PAUSE_SECONDS)
                if number:  # the first round fills the caches
                    figures[name].append(figure)
    print(f"{runs} runs, {count} instruments; wall and CPU seconds, median (range), × the baseline's")
    wall, cpu = (sorted(column)[runs // 2] for column in zip(*figures[BASELINE], strict=True))
    for name, rows in figures.items():
        walls, cpus = zip(*rows, strict=True)
        print(
            f"{name:28} wall {rig.spread(walls)}, {sorted(walls)[runs // 2] / wall:.2f} ×   "
            f"CPU {rig.spread(cpus)}, {sorted(cpus)[runs // 2] / cpu:.2f} ×"
        )


if __name__ == "__main__":
    main()
