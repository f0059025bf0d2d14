"""From opening the journal to a reconciled account, with more and more past orders in it, × an empty journal.

The venue answers from memory: this is the bot's own share of a restart.

python tests/bench/bench_restart.py [RUNS] [COUNT ...]
"""

import asyncio
import statistics
import sys
import tempfile
import time
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


async def restart(path: Path) -> float:
    """Seconds of one restart."""
    started = time.perf_counter()
    world = await open_world(path, ScriptedVenue(balances={"USDT": Decimal(10_000)}))
    await world.reconciler.settle(SYMBOLS)
    found = time.perf_counter() - started
    await world.journal.close()
    return found


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    counts = [int(word) for word in sys.argv[2:]] or [0, 100, 10_000]
    base = 0.0
    with tempfile.TemporaryDirectory() as directory:
        for count in counts:
            path = Path(directory) / f"{count}.db"
            asyncio.run(fill_journal(path, count))
            times = [asyncio.run(restart(path)) for _ in range(runs)]
            base = base or statistics.median(times)
            print(f"{count:7} past orders: {rig.spread(times)} s, {statistics.median(times) / base:.2f} ×")


if __name__ == "__main__":
    main()
