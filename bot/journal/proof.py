"""Verification at start: projections are compared with their events, in a time that does not grow with the journal.

The order of events is the truth and has hashes; tables are read at every start and have none. So the newest events are
replayed into an empty database, and its rows must be the rows of the journal: all of them in a small journal. In a
large one: every order that may be live, the newest orders, fills, payments and cycles, the memory, the latch and the
locks. Which orders may be live is read from the newest `checkpoint` event, which is made of events alone.

`journal verify` compares everything, in the time that takes. docs/decisions/0010 has the choice and its price.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.journal.chain import check_chain, check_event
from bot.journal.errors import JournalCorrupt, corrupt
from bot.journal.parts import asking
from bot.journal.schema import (
    EVENTS_OF_ORDER,
    LIVE_STATES,
    PROJECTED_KINDS,
    PROJECTIONS,
    create_tables,
    migrations,
    rebuild,
    replay,
)

CHECKPOINT, REBUILT = "checkpoint", "projections_rebuilt"
CHECKPOINT_EVERY = 500  # events
WHOLE_MAX = 1_500  # events with a projection: up to here every table is compared as a whole
NEWEST = {"order_submitting": 500, "fill": 500, "payment": 500, "cycle": 50, "lock": 1_000, "unlock": 1_000}
SINCE_BASELINE_MAX = 1_000
FACTS_MAX = 100  # newest events of every kind whose own hash is checked
READ_BY_PEOPLE = ("opened", "note", "alert", REBUILT)  # no start decides by these
_COLUMNS = "seq, at_ms, kind, cycle, payload, prev_hash, hash"
_GIVEN = "SELECT value FROM json_each(?)"  # one question for a list instead of one for each of its members
_MARKS = ", ".join("?" * len(LIVE_STATES))

Row = tuple[Any, ...]


def check_file(db: Database, path: Path) -> str:
    """Every page and index of the file. What had to be rebuilt from the events, empty when nothing had to.

    Raises:
        JournalCorrupt: when the events themselves are damaged.
    """
    finding = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if finding == "ok":
        return ""
    rebuild_proven(db, path, finding)
    if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        raise corrupt(path, finding)
    return finding


def prove(db: Database, path: Path, *, reads_all: bool) -> str:
    """Compare what a start relies on with the events; the projections are rebuilt when they differ.

    Args:
        reads_all: the journal is small: read the events in their order, past every index.

    Returns:
        The first difference, empty when there was none.

    Raises:
        JournalCorrupt: when an event is not what was written.
    """
    _check_definitions(db, path)
    finding = _index_difference(db, path)
    if not finding:
        is_whole, chosen = _chosen_events(db, reads_all)
        for row in chosen:
            check_event(row, path)
        finding = _difference(db, is_whole, chosen)
    if finding:
        rebuild_proven(db, path, finding)
    return "; ".join(filter(None, (finding, _mended_lease(db))))


def rebuild_proven(db: Database, path: Path, finding: str) -> None:
    """Replay all events into empty tables, after a check of the whole chain.

    Raises:
        JournalCorrupt: when the chain is broken, or the file too damaged to be written.
        sqlite3.OperationalError: when another program has it locked.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        check_chain(db, path)
        rebuild(db)
        db.execute("REINDEX")
        db.execute("COMMIT")
    except JournalCorrupt:
        db.rollback()
        raise
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        db.rollback()
        raise corrupt(path, f"{finding}; its tables cannot be rebuilt: {error}") from error


def _check_definitions(db: Database, path: Path) -> None:
    """The names of columns are in the file too."""
    question = "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL"
    kept = dict(db.execute(question).fetchall())
    for name, sql in _definitions(question):
        if kept.get(name) != sql:
            raise corrupt(path, f"the definition of {name} is not the one that was written")


def _definitions(question: str) -> tuple[Row, ...]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        fresh = Database(connection)
        migrations.apply(fresh)
        return tuple(row for row in fresh.execute(question).fetchall() if not row[0].startswith("_"))


def _mended_lease(db: Database) -> str:
    """The account of the lease is the one that the newest events name; they are within the checked end of the chain."""
    row = db.execute(
        "SELECT json_extract(payload, '$.account') FROM (SELECT * FROM event ORDER BY seq DESC LIMIT 1000)"
        " WHERE +kind IN ('opened', ?) AND json_extract(payload, '$.account') IS NOT NULL LIMIT 1",
        [CHECKPOINT],
    ).fetchone()
    if row is None or not db.execute("SELECT 1 FROM lease WHERE account <> ?", [row[0]]).fetchone():
        return ""
    db.execute("UPDATE lease SET account = ?", [row[0]])
    return "table lease"


def live_orders(db: Database) -> tuple[str, ...]:
    """The orders that may still execute, by their events alone: those of the checkpoint before, and the newer ones."""
    known, after = _checkpoint(db)
    newer = _ids_of(db, "order_submitting", after, NEWEST["order_submitting"] if after == 0 else None)
    if after == 0:  # older orders of a journal without a checkpoint: those that the table knows
        known = _live_in_table(db)
    return tuple(sorted(name for name in {*known, *newer} if _last_state(db, name) in LIVE_STATES))


def _checkpoint(db: Database) -> tuple[set[str], int]:
    row = db.execute("SELECT seq, payload FROM event WHERE kind = ? ORDER BY seq DESC LIMIT 1", [CHECKPOINT]).fetchone()
    return (set(json.loads(row[1])["live"]), int(row[0])) if row else (set(), 0)


def _ids_of(db: Database, kind: str, after: int, limit: int | None) -> set[str]:
    rows = db.execute(
        "SELECT json_extract(payload, '$.order.client_id') FROM event WHERE kind = ? AND seq > ?"
        " ORDER BY seq DESC LIMIT ?",
        [kind, after, -1 if limit is None else limit],
    )
    return {row[0] for row in rows}


def _live_in_table(db: Database) -> set[str]:
    """By the index and by nothing else: it is what a start asks."""
    return {row[0] for row in db.execute(f"SELECT client_id FROM orders WHERE state IN ({_MARKS})", LIVE_STATES)}


def _last_state(db: Database, client_id: str) -> str:
    row = db.execute(
        f"SELECT coalesce(json_extract(payload, '$.state'), 'submitting') FROM event WHERE {EVENTS_OF_ORDER} = ?"
        " AND kind <> 'order_absent' ORDER BY seq DESC LIMIT 1",
        [client_id],
    ).fetchone()
    return str(row[0]) if row else "missing"


def _index_difference(db: Database, path: Path) -> str:
    """Whether events are missing in the index of their kinds: facts are read through it. The newest of each kind are
    checked by their own hash, because a start reads some that are older than the checked end of the chain."""
    newest: dict[str, int] = {}
    for seq, kind in db.execute("SELECT seq, kind FROM event ORDER BY seq DESC LIMIT 1000"):
        newest.setdefault(kind, seq)
    kinds, kind = [], ""
    while row := db.execute("SELECT min(kind) FROM event WHERE kind > ?", [kind]).fetchone():
        if row[0] is None:
            break
        kind = row[0]
        kinds.append(kind)
    for kind in kinds:
        if kind in PROJECTED_KINDS:
            continue  # these are compared by what they add up to
        limit = 0 if kind in READ_BY_PEOPLE else FACTS_MAX
        question = f"SELECT {_COLUMNS} FROM event WHERE kind = ? ORDER BY seq DESC LIMIT ?"
        for event in db.execute(question, [kind, limit]):
            check_event(event, path)
        if db.execute("SELECT max(seq) FROM event WHERE kind = ?", [kind]).fetchone()[0] < newest.get(kind, 0):
            return f"event {newest[kind]} is missing in the index of its kind"
    missing = sorted(set(newest) - set(kinds))
    return f"the index of kinds lacks {missing[0]}" if missing else ""


def _chosen_events(db: Database, reads_all: bool) -> tuple[bool, list[Row]]:
    """Whether these are all events with a projection, and the events to replay, in their order."""
    if not reads_all and _is_larger(db, WHOLE_MAX):
        return False, _events(db, _chosen_numbers(db))
    marks = ", ".join("?" * len(PROJECTED_KINDS))
    index = "NOT INDEXED" if reads_all else "INDEXED BY event_kind"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM event {index} WHERE kind IN ({marks}) ORDER BY seq LIMIT ?",
        [*PROJECTED_KINDS, WHOLE_MAX + 1],
    ).fetchall()
    if len(rows) <= WHOLE_MAX:
        return True, rows
    return False, _events(db, _chosen_numbers(db))


def _is_larger(db: Database, most: int) -> bool:
    """Whether there are more events with a projection than `most`. Each kind is counted up to there, in the index."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM event INDEXED BY event_kind WHERE kind = ? LIMIT ?)"
    return sum(int(db.execute(counted, [kind, most + 1]).fetchone()[0]) for kind in PROJECTED_KINDS) > most


def _chosen_numbers(db: Database) -> set[int]:
    chosen: set[int] = set()
    since = _since_baseline(db)
    for kind, count in NEWEST.items():
        chosen |= _numbers(db, "SELECT seq FROM event WHERE kind = ? ORDER BY seq DESC LIMIT ?", [kind, count])
    newest = "SELECT seq FROM event WHERE kind = ? AND seq > ? ORDER BY seq DESC LIMIT ?"
    chosen |= _numbers(db, newest, ["payment", since, SINCE_BASELINE_MAX])
    fills = _numbers(db, newest, ["fill", since, SINCE_BASELINE_MAX])
    fills |= _numbers(db, newest, ["fill", 0, NEWEST["fill"]])
    for question in (
        "SELECT max(seq) FROM event WHERE kind = 'latch'",
        "SELECT max(seq) FROM event WHERE kind = 'memory'",
        "SELECT seq FROM event WHERE kind = 'cycle' AND coalesce(json_extract(payload, '$.body'),"
        " json_extract(payload, '$.decision.memory')) IS NOT NULL ORDER BY seq DESC LIMIT 1",
    ):
        chosen |= _numbers(db, question, [])
    names = json.dumps(sorted(_orders_to_prove(db, fills)))
    of_orders = f"SELECT seq FROM event INDEXED BY event_order WHERE {EVENTS_OF_ORDER} IN ({_GIVEN})"
    chosen |= _numbers(db, of_orders, [names])
    chosen |= _numbers(db, f"SELECT seq FROM fills WHERE client_id IN ({_GIVEN})", [names])
    return chosen | fills


def _orders_to_prove(db: Database, fills: set[int]) -> set[str]:
    listed, after = _checkpoint(db)
    newest = _ids_of(db, "order_submitting", 0, NEWEST["order_submitting"])
    newer = _ids_of(db, "order_submitting", after, None) if after else set()
    first = min(fills, default=0)
    owners = {
        row[0]
        for row in db.execute("SELECT DISTINCT client_id FROM fills WHERE seq >= ? AND client_id IS NOT NULL", [first])
    }
    return {*listed, *newest, *newer, *_live_in_table(db), *owners}


def _since_baseline(db: Database) -> int:
    row = db.execute("SELECT payload FROM event WHERE kind = 'baseline' ORDER BY seq DESC LIMIT 1").fetchone()
    return int(json.loads(row[0]).get("upto_seq", 0)) if row else 0


def _numbers(db: Database, sql: str, values: Sequence[Any]) -> set[int]:
    return {row[0] for row in db.execute(sql, list(values)) if row[0] is not None}


def _events(db: Database, numbers: Iterable[int]) -> list[Row]:
    question = f"SELECT {_COLUMNS} FROM event WHERE seq IN ({_GIVEN}) ORDER BY seq"
    return [row for row in db.execute(question, [json.dumps(sorted(numbers))]) if row[2] in PROJECTED_KINDS]


def _difference(db: Database, is_whole: bool, chosen: list[Row]) -> str:
    """The first row of a table that is not what its events say."""
    fresh = Database(sqlite3.connect(":memory:", isolation_level=None))
    try:
        create_tables(fresh)
        fresh.execute("BEGIN")
        try:
            rows = ((seq, at_ms, kind, payload) for seq, at_ms, kind, _, payload, _, _ in chosen)
            replay(fresh, rows, asking(db))
        except (TypeError, ValueError, KeyError, sqlite3.Error) as error:
            return f"the events of an order are not found together ({error})"
        compare = _whole_difference if is_whole else _part_difference
        return compare(db, fresh)
    finally:
        fresh.close()


def _whole_difference(db: Database, fresh: Database) -> str:
    for table in PROJECTIONS:
        question = f"SELECT * FROM {table}"
        if sorted(db.execute(question).fetchall(), key=repr) != sorted(fresh.execute(question).fetchall(), key=repr):
            return f"table {table}"
    return _live_difference(db, fresh)


def _part_difference(db: Database, fresh: Database) -> str:
    for table, key in (("orders", "client_id"), ("fills", "seq"), ("payments", "seq"), ("cycles", "number")):
        expected = fresh.execute(f"SELECT {key}, * FROM {table}").fetchall()
        kept: dict[Any, list[Row]] = {}
        names = json.dumps([row[0] for row in expected])
        for row in db.execute(f"SELECT {key}, * FROM {table} WHERE {key} IN ({_GIVEN})", [names]):
            kept.setdefault(row[0], []).append(row[1:])
        for row in expected:
            if kept.get(row[0]) != [row[1:]]:
                return f"table {table}, {key} {row[0]}"
    for table in ("memory", "latch"):
        if db.execute(f"SELECT * FROM {table}").fetchall() != fresh.execute(f"SELECT * FROM {table}").fetchall():
            return f"table {table}"
    return _locks_difference(db, fresh) or _unknown_rows(db, fresh) or _live_difference(db, fresh)


def _locks_difference(db: Database, fresh: Database) -> str:
    """All locks, or those of the symbols that the newest events name when there are more of them."""
    question = "SELECT * FROM locks ORDER BY symbol"
    kept, expected = db.execute(question).fetchall(), fresh.execute(question).fetchall()
    if any(_count(db, kind) >= NEWEST[kind] for kind in ("lock", "unlock")):
        kept = [row for row in kept if row in expected]
    return "" if kept == expected else "table locks"


def _count(db: Database, kind: str) -> int:
    limited = "SELECT 1 FROM event WHERE kind = ? LIMIT ?"
    return int(db.execute(f"SELECT count(*) FROM ({limited})", [kind, NEWEST[kind]]).fetchone()[0])


def _unknown_rows(db: Database, fresh: Database) -> str:
    """Rows that no event wrote, among the newest of each table."""
    for table, column in (("fills", "seq"), ("payments", "seq"), ("cycles", "number"), ("orders", "seq")):
        newest = f"SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT {min(NEWEST.values())}"
        if db.execute(newest).fetchall() != fresh.execute(newest).fetchall():
            return f"table {table}, its newest rows"
    return ""


def _live_difference(db: Database, fresh: Database) -> str:
    """The index that finds the live orders is a table too."""
    different = _live_in_table(db) ^ _live_in_table(fresh)
    return f"the list of live orders, {min(different)}" if different else ""
