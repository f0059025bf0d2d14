"""The checks of a journal: each event carries the hash of the one before it and its own, its parts are what their
digests say, and the projections and the snapshots are what the events say."""

import sqlite3
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.journal.errors import corrupt
from bot.journal.parts import PartDamaged, asking, check_parts
from bot.journal.schema import GENESIS, PROJECTIONS, chain_hash, migrations, replay
from bot.journal.turns import check_payload, check_seen


def check_chain(db: Database, path: Path, last: int | None = None) -> None:
    """Check the hash chain and the parts it covers, of the newest `last` events or of all.

    Raises:
        JournalCorrupt: naming the first event that does not fit.
    """
    first = 1
    if last is not None:
        first = max(1, int(db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]) - last + 1)
    prev, expected = GENESIS, first
    if first > 1:
        row = db.execute("SELECT hash FROM event WHERE seq = ?", [first - 1]).fetchone()
        if row is None:
            raise corrupt(path, f"event {first - 1} is missing")
        prev = row[0]
    columns = "seq, at_ms, kind, cycle, payload, prev_hash, hash"
    for row in db.execute(f"SELECT {columns} FROM event WHERE seq >= ? ORDER BY seq", [first]):
        if row[0] != expected:
            raise corrupt(path, f"event {expected} is missing")
        if row[5] != prev:
            raise corrupt(path, f"event {row[0]} breaks the hash chain")
        check_event(row, path)
        check_parts_of(db, row, path)
        prev, expected = row[6], row[0] + 1


def check_event(row: tuple[Any, ...], path: Path) -> None:
    """Check one event by its own hash; `row` has every column, in their order.

    Raises:
        JournalCorrupt: the event is not what was written.
    """
    seq, at_ms, kind, cycle, payload, prev_hash, own = row
    if own != chain_hash(prev_hash, seq, at_ms, kind, cycle, payload):
        raise corrupt(path, f"event {seq} breaks the hash chain")


def check_parts_of(db: Database, row: tuple[Any, ...], path: Path) -> None:
    """Check the parts of one event by their digests.

    Raises:
        JournalCorrupt: one is missing, or not what was written.
    """
    if row[2] == "cycle":
        try:
            check_payload(asking(db), row[4])
        except PartDamaged as error:
            raise corrupt(path, f"event {row[0]}: {error}") from error


def check_projections(db: Database, path: Path) -> None:
    """Check that every projection is the replay of the events.

    Raises:
        JournalCorrupt: naming the first table that is not.
    """
    fresh = Database(sqlite3.connect(":memory:", isolation_level=None))
    try:
        migrations.apply(fresh)
        fresh.execute("BEGIN")
        replay(fresh, db.execute("SELECT seq, at_ms, kind, payload FROM event ORDER BY seq"), asking(db))
        for table in PROJECTIONS:
            kept = db.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
            if kept != fresh.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall():
                raise corrupt(path, f"table {table} is not what its events add up to")
    finally:
        fresh.close()


def check_snapshots(db: Database, path: Path) -> None:
    """Check every part and every kept snapshot by its digest.

    Raises:
        JournalCorrupt: naming the first that does not match.
    """
    try:
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'parts'").fetchone():  # else nobody has migrated it yet
            check_parts(asking(db))
        for (digest,) in db.execute("SELECT digest FROM snapshots WHERE length(body) = 0"):
            check_seen(asking(db), digest)
    except PartDamaged as error:
        raise corrupt(path, str(error)) from error
    for digest, body in db.execute("SELECT digest, body FROM snapshots WHERE length(body) > 0"):
        try:
            found = sha256(zlib.decompress(body)).hexdigest()
        except zlib.error:
            found = ""
        if found != digest:
            raise corrupt(path, f"snapshot {digest[:12]} does not match its digest")
