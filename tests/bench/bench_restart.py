"""From opening the journal to a reconciled account, with more and more past orders in it, × an empty journal.

The venue answers from memory: this is the bot's own share of a restart. All orders are of the last day, whose
executions a restart compares with what was reported. The floor beside it: SQLite's own check of every page of the file.

python tests/bench/bench_restart.py [RUNS] [COUNT ...]
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from bot.domain.states import OrderEvent
from bot.journal.journal import Journal
from tests.bench import rig
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import START_MS, ScriptedVenue
from tests.execution.worlds import ACCOUNT, SYMBOLS, make_order, open_world


async def fill_journal(path: Path, count: int) -> None:
    """Past orders, each filled by one execution."""
    journal = await Journal.open(path, account=ACCOUNT, now_ms=lambda: START_MS)
    for number in range(count):
        base = make_order()
        order = replace(base, client_id=f"{base.client_id[:12]}{number:08}", intent_id=f"past.{number}")
        await journal.record_submitting(order)
        await journal.record_order_event(
            order.client_id,
            OrderEvent.FILLED,
            venue_id=f"v{number}",
            filled_size=order.size,
            filled_quote=order.size * 10,
        )
        fill = make_fill(number + 1, f"v{number}", client_id=order.client_id, size=str(order.size))
        await journal.record_fills([fill])
    await journal.close()


async def restart(path: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one restart.

    Raises:
        SystemExit: books and account do not agree.
    """
    began, began_cpu = time.perf_counter(), time.process_time()
    world = await open_world(path, ScriptedVenue(balances={"USDT": Decimal(10_000)}))
    truth = await world.reconciler.settle(SYMBOLS)
    found = time.perf_counter() - began, time.process_time() - began_cpu
    await world.journal.close()
    if not truth.is_agreed:
        raise SystemExit(f"{path.name}: books and account do not agree: {[note.words for note in truth.notes]}")
    return found


def check_pages(path: Path) -> float:
    """CPU seconds of SQLite's check alone, which a start makes of a journal up to 32 MiB."""
    with closing(sqlite3.connect(path)) as db:
        began = time.process_time()
        db.execute("PRAGMA integrity_check(1)").fetchall()
        return time.process_time() - began


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    counts = [int(word) for word in sys.argv[2:]] or [0, 100, 10_000]
    base = base_cpu = 0.0
    with tempfile.TemporaryDirectory() as directory:
        for count in counts:
            path = Path(directory) / f"{count}.db"
            asyncio.run(fill_journal(path, count))
            walls, cpus = zip(*(asyncio.run(restart(path)) for _ in range(runs)), strict=True)
            floor = [check_pages(path) for _ in range(runs)]
            base, base_cpu = base or statistics.median(walls), base_cpu or statistics.median(cpus)
            print(
                f"{count:7} past orders, {path.stat().st_size / 2**20:.1f} MiB: {rig.spread(walls)} s, "
                f"{statistics.median(walls) / base:.2f} ×   CPU {rig.spread(cpus)} s, "
                f"{statistics.median(cpus) / base_cpu:.2f} ×, floor {statistics.median(floor):.3f} s"
            )


if __name__ == "__main__":
    main()
