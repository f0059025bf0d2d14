"""Memory and CPU of a daemon with nothing to do, at its default cadence, and how they grow with the instruments.

The exchange runs in another process and is not counted. The first minute, which fetches the history, is left out of
the CPU.

python tests/bench/bench_idle.py [--streams] [MINUTES] [COUNT ...]
"""

import sys
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.bench import rig


def main() -> None:
    assignments = ["venue.streams=true"] if "--streams" in sys.argv else []
    minutes, *words = [word for word in sys.argv[1:] if word != "--streams"] or ["10"]
    counts = [int(word) for word in words] or [40]
    rows = []
    for count in counts:
        with rig.exchange_of(count) as (world, _):
            found = rig.measured("idle", str(world), minutes, *assignments)
        rows.append((count, found["cpu_per_minute"], found["rss"]))
        print(f"{count:5} instruments, {minutes} minutes: {rows[-1][1]:.3f} CPU s per minute, {rows[-1][2]:.0f} MiB")
    for (few, cpu, rss), (many, more_cpu, more_rss) in pairwise(rows):
        print(
            f"slope {few} to {many}: {(more_cpu - cpu) / (many - few):.4f} CPU s per minute and "
            f"{(more_rss - rss) / (many - few):.2f} MiB per instrument"
        )


if __name__ == "__main__":
    main()
