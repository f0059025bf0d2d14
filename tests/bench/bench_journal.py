"""Time of a write of the journal, and its growth: turns of many instruments, and orders among them.

Run it in two checkouts, one after the other, to compare a change: milliseconds of one machine mean nothing on another.

python tests/bench/bench_journal.py [TURNS] [TOKENS]
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from bot.journal.journal import Journal
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT, make_order
from tests.journal.days import Days


async def main() -> None:
    turns, tokens = (int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, 288), (2, 40)))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        journal = await Journal.open(path, account=ACCOUNT, now_ms=lambda: START_MS)
        writes: dict[str, list[float]] = {"turn": [], "order": [], "turn, CPU": []}
        for record in Days(tokens).records(1, turns):
            begun, cpu = time.perf_counter(), time.process_time()
            await journal.record_cycle(record)
            writes["turn"].append(time.perf_counter() - begun)
            writes["turn, CPU"].append(time.process_time() - cpu)
            begun = time.perf_counter()
            await journal.record_submitting(make_order(record.number))
            writes["order"].append(time.perf_counter() - begun)
        await journal.close()
        print(f"{turns} turns of {tokens} tokens: {path.stat().st_size / 2**20:.2f} MiB; milliseconds, p50 and p99")
        for name, seconds in writes.items():
            p99 = statistics.quantiles(seconds, n=100)[98]
            print(f"{name:10} {statistics.median(seconds) * 1000:7.2f} {p99 * 1000:7.2f}")


if __name__ == "__main__":
    asyncio.run(main())
