"""Opening a journal of millions of events, × opening its file with sqlite alone and × a journal of a thousand.

python tests/bench/bench_open.py [RUNS] [COUNT ...]
"""

import asyncio
import itertools
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from bot.domain.codec import encode
from bot.journal.journal import Journal
from bot.journal.proof import CHECKPOINT_EVERY
from bot.journal.schema import canonical, chain_hash, migrations, project
from tests.bench import rig
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT, make_order


def past() -> Iterator[tuple[str, dict[str, Any]]]:
    """Orders that execute, their notes, and a stop that rests from the first day on."""
    base, empty = make_order(), {"reason": "", "filled_size": None, "filled_quote": None}
    yield "order_submitting", {"order": encode(base)}
    yield "order_event", {"client_id": base.client_id, "state": "open", "venue_id": "v0", **empty}
    fill = encode(make_fill(1, "v1"))
    for number in itertools.count(1):
        name = f"{base.client_id[:10]}{number:010}"
        order = encode(replace(base, client_id=name, intent_id=f"past.{number}"))
        yield "order_submitting", {"order": order}
        yield "order_event", {"client_id": name, "state": "open", "venue_id": f"v{number}", **empty}
        yield (
            "fill",
            {**fill, "trade_id": str(number), "venue_order_id": f"v{number}", "client_id": name, "quote": "10"},
        )
        yield "order_event", {"client_id": name, "state": "filled", "venue_id": None, **empty}
        for look in range(96):
            yield "note", {"number": number, "look": look, "words": "nothing to do"}


def write(path: Path, count: int) -> None:
    """As the journal writes them, in one transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        db, before, live = Database(connection), "0" * 64, make_order().client_id
        db.execute("PRAGMA synchronous = OFF")
        migrations.apply(db)
        db.execute("BEGIN")
        events = past()
        for seq in range(1, count + 1):
            kind, payload = next(events)
            if seq % CHECKPOINT_EVERY == 0:
                kind, payload = "checkpoint", {"account": ACCOUNT, "live": [live, name_of(payload) or live]}
            text = canonical(payload)
            own = chain_hash(before, seq, START_MS, kind, None, text)
            db.execute("INSERT INTO event VALUES (?, ?, ?, NULL, ?, ?, ?)", [seq, START_MS, kind, text, before, own])
            project(db, seq, START_MS, kind, payload)
            before = own
        db.execute("COMMIT")


def name_of(payload: dict[str, Any]) -> str | None:
    name = payload.get("client_id")
    return None if name is None else str(name)


async def open_once(path: Path) -> float:
    started = time.perf_counter()
    journal = await Journal.open(path, account=ACCOUNT, now_ms=lambda: START_MS)
    taken = time.perf_counter() - started
    if journal.rebuilt:
        raise SystemExit(f"rebuilt: {journal.rebuilt}")
    await journal.close()
    return taken


def open_file(path: Path) -> float:
    started = time.perf_counter()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT max(seq) FROM event").fetchone()
    return time.perf_counter() - started


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    counts = [int(word) for word in sys.argv[2:]] or [1_000, 100_000, 10_000_000]
    base = 0.0
    with tempfile.TemporaryDirectory() as directory:
        for count in counts:
            path = Path(directory) / f"{count}.db"
            write(path, count)
            first = asyncio.run(open_once(path))
            times = [asyncio.run(open_once(path)) for _ in range(runs)]
            plain = statistics.median(open_file(path) for _ in range(runs))
            base = base or statistics.median(times)
            print(
                f"{count:9} events: first {first:.3f} s, then {rig.spread(times)} s,"
                f" {statistics.median(times) / base:.2f} ×, {statistics.median(times) / plain:.0f} × sqlite alone",
                flush=True,
            )


if __name__ == "__main__":
    main()
