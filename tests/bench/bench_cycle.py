"""CPU of one cycle and memory of the process at 10, 40, 160 and 640 instruments, and how they grow.

The exchange runs in another process and is not counted. Ratios are against the smallest size of the same run.

python tests/bench/bench_cycle.py [CYCLES] [COUNT ...]
"""

import statistics
import sys
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.bench import rig


def main() -> None:
    cycles = sys.argv[1] if len(sys.argv) > 1 else "10"
    counts = [int(word) for word in sys.argv[2:]] or [10, 40, 160, 640]
    rows = []
    for count in counts:
        with rig.exchange_of(count) as (world, refused):
            found = rig.measured("cycles", str(world), cycles)
            if any(refused()):
                raise SystemExit(f"{count} instruments: the exchange refused (limits, others) {refused()} requests")
        rows.append((count, found["cpu"], found["rss"]))
    base = statistics.median(rows[0][1])
    print(f"{cycles} cycles each; CPU milliseconds of a cycle, median (range), × that of {counts[0]} instruments; MiB")
    for count, cpu, rss in rows:
        ms = [seconds * 1000 for seconds in cpu]
        print(f"{count:5} instruments  {rig.spread(ms)}  {statistics.median(cpu) / base:6.2f} ×  {rss:6.0f} MiB")
    for (few, cpu, rss), (many, more_cpu, more_rss) in pairwise(rows):
        slope = (statistics.median(more_cpu) - statistics.median(cpu)) * 1000 / (many - few)
        print(f"slope {few} to {many}: {slope:.2f} CPU ms and {(more_rss - rss) / (many - few):.2f} MiB per instrument")


if __name__ == "__main__":
    main()
