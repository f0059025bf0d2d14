"""Tables of the journal, and how events become projections.

`event` is the only truth, with the `parts` that its payloads name by their digests; every other table is a function of
them and is thrown away and rebuilt by `rebuild`. Live writes and the rebuild share `project`, so that the two cannot
drift apart. `snapshots` and `lease` are storage of their own: a snapshot is found by its digest and may be pruned, a
lease is about processes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from bot.domain.codec import to_json
from bot.domain.money import ZERO, dec
from bot.domain.order import Order, OrderType
from bot.domain.order_ids import read_place
from bot.domain.states import OrderState
from bot.journal.parts import Ask, asking
from bot.journal.turns import whole_payload

GENESIS = "0" * 64
PROJECTIONS = ("orders", "fills", "payments", "cycles", "memory", "latch", "locks")
ORDER_FIELDS = tuple(field.name for field in fields(Order))
# How the reason of a rejected order begins when it was not the venue that rejected it.
NOT_SENT, NEVER_CAME_TO_BE = "not sent", "never came to be"
LIVE_STATES = ("submitting", "in_doubt", "open", "canceling")

_TABLES = """
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, cycle INTEGER,
    payload TEXT NOT NULL CHECK (json_valid(payload)), prev_hash TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE INDEX event_kind ON event (kind, seq);
CREATE TRIGGER event_is_never_updated BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;
CREATE TRIGGER event_is_never_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;
CREATE TABLE orders (
    client_id TEXT PRIMARY KEY, intent_id TEXT NOT NULL, purpose TEXT NOT NULL, sector TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, size TEXT NOT NULL, price TEXT, order_type TEXT NOT NULL,
    time_in_force TEXT NOT NULL, reduce_only INTEGER NOT NULL, state TEXT NOT NULL, sent_ms INTEGER NOT NULL,
    receive_window_ms INTEGER NOT NULL, trigger_price TEXT, venue_id TEXT, filled_size TEXT NOT NULL,
    filled_quote TEXT NOT NULL, reason TEXT NOT NULL, not_found_count INTEGER NOT NULL,
    campaign INTEGER, reported_size TEXT NOT NULL, reported_quote TEXT NOT NULL, updated_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_state ON orders (state);
CREATE INDEX orders_intent ON orders (intent_id);
CREATE INDEX orders_venue_id ON orders (symbol, venue_id);
CREATE INDEX orders_sent ON orders (sent_ms);
CREATE TABLE fills (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, trade_id TEXT NOT NULL, client_id TEXT, venue_order_id TEXT,
    side TEXT NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL, quote TEXT NOT NULL, fee TEXT NOT NULL,
    fee_asset TEXT NOT NULL, is_maker INTEGER NOT NULL, at_ms INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, trade_id)
) STRICT;
CREATE INDEX fills_order ON fills (client_id);
CREATE INDEX fills_venue_order ON fills (symbol, venue_order_id);
CREATE INDEX fills_at ON fills (at_ms);
CREATE INDEX fills_seq ON fills (seq);
CREATE TABLE payments (
    kind TEXT NOT NULL, id TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL, symbol TEXT,
    at_ms INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE cycles (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, snapshot TEXT NOT NULL,
    config_digest TEXT NOT NULL, seq INTEGER NOT NULL
) STRICT;
CREATE TABLE memory (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE latch (
    id INTEGER PRIMARY KEY CHECK (id = 1), level TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE locks (
    symbol TEXT PRIMARY KEY, reason TEXT NOT NULL, words TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshots (digest TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), account TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
    opened_ms INTEGER NOT NULL, renewed_ms INTEGER NOT NULL, is_released INTEGER NOT NULL
) STRICT;
"""

migrations = Migrations("sectorbot.journal")


@migrations()
def m001_tables(db: Database) -> None:
    """Every table of the first version."""
    for statement in _statements(_TABLES):
        db.execute(statement)


@migrations()
def m002_cycles_by_time(db: Database) -> None:
    """A report asks which cycle looked at a moment; among months of cycles that must not be a walk over all."""
    db.execute("CREATE INDEX cycles_at ON cycles (kind, at_ms)")


# Which order an event is about: an index of the same expression finds all events of one order.
_IS_OF_ORDER = "kind IN ('order_submitting', 'order_event', 'order_absent')"
_ORDER_NAMED = "coalesce(json_extract(payload, '$.client_id'), json_extract(payload, '$.order.client_id'))"
EVENTS_OF_ORDER = f"{_IS_OF_ORDER} AND {_ORDER_NAMED}"


@migrations()
def m003_events_by_order(db: Database) -> None:
    """A start proves the orders it relies on by their events; among millions these must not be a walk over all."""
    db.execute(f"CREATE INDEX event_order ON event ({_ORDER_NAMED}, seq) WHERE {_IS_OF_ORDER}")
    db.execute("CREATE INDEX orders_seq ON orders (seq)")
    db.execute("CREATE INDEX payments_seq ON payments (seq)")


@migrations()
def m004_records_nest_inputs(db: Database) -> None:
    """No table changes. Records of turns have another form from here on (`bot.journal.record`), so an older program
    must refuse the journal instead of failing at the first record."""


_PARTS = """
CREATE TABLE parts (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, place TEXT, base INTEGER, kept_until INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX parts_place ON parts (place, id) WHERE place IS NOT NULL;
CREATE INDEX parts_kept ON parts (kept_until) WHERE kept_until < 4611686018427387904;
CREATE TRIGGER part_is_never_changed BEFORE UPDATE ON parts
WHEN NEW.kept_until < OLD.kept_until OR (NEW.id, NEW.digest, NEW.body) IS NOT (OLD.id, OLD.digest, OLD.body)
    OR (NEW.place, NEW.base) IS NOT (OLD.place, OLD.base)
BEGIN SELECT RAISE(ABORT, 'parts are append-only'); END;
CREATE TRIGGER part_of_an_event_is_never_deleted BEFORE DELETE ON parts WHEN OLD.kept_until = 4611686018427387904
BEGIN SELECT RAISE(ABORT, 'parts of events are append-only'); END;
ALTER TABLE snapshots ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX snapshots_kept ON snapshots (kept_until, at_ms);
"""


@migrations()
def m005_parts(db: Database) -> None:
    """Turns are stored in parts (`bot.journal.turns`); those of before stay as they are."""
    for statement in _statements(_PARTS):
        db.execute(statement)


def create_tables(db: Database) -> None:
    """The tables alone, without a record of migrations: for a replay in memory."""
    for statement in (*_statements(_TABLES), *_statements(_PARTS)):
        db.execute(statement)


def foreign_tables(db: Database) -> list[str]:
    """Tables of another program's database: there are some, and none that this one begins with."""
    named = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return [] if {"event", "_sqlite_migrations"} & set(named) else named


def unknown_migrations(db: Database) -> list[str]:
    """Migrations this program does not have: a newer one wrote the journal."""
    known = {migration.name for migration in migrations._migrations}
    return sorted(m.name for m in migrations.applied(db) if m.name not in known)


def missing_migrations(db: Database) -> list[str]:
    """Migrations that a journal of an older version has not had yet; none for a file without events."""
    is_new = not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'event'").fetchone()
    return [] if is_new else [migration.name for migration in migrations.pending(db)]


def canonical(payload: Any) -> str:
    """JSON text with one spelling per value."""
    return to_json(payload).decode()


def chain_hash(prev_hash: str, seq: int, at_ms: int, kind: str, cycle: int | None, payload: str) -> str:
    """SHA-256 over the previous hash and every column of the event."""
    text = "\n".join((prev_hash, str(seq), str(at_ms), kind, "" if cycle is None else str(cycle), payload))
    return hashlib.sha256(text.encode()).hexdigest()


def project(db: Database, seq: int, at_ms: int, kind: str, payload: Mapping[str, Any]) -> None:
    """Bring the projections up to date with one event. Kinds without a projection are left alone."""
    projector = _PROJECTORS.get(kind)
    if projector is not None and (changed := projector(db, seq, at_ms, payload)) is not None:
        _refresh_filled(db, changed)


def rebuild(db: Database) -> None:
    """Empty the projections and replay every event into them. The caller holds a transaction."""
    for table in PROJECTIONS:
        db.execute(f"DELETE FROM {table}")
    replay(db, db.execute("SELECT seq, at_ms, kind, payload FROM event ORDER BY seq"), asking(db))


def replay(db: Database, events: Any, ask: Ask) -> None:
    """Project (seq, at_ms, kind, payload text) rows, in order. No projector reads the executed amounts of an order, so
    these are added up once, at the end; of turns that are stored in parts only the last one's memory is read.

    Args:
        ask: reads the parts.

    Raises:
        PartDamaged: the memory cannot be read.
    """
    changed: dict[str, None] = {}
    last: tuple[int, int, str, Any] | None = None
    for seq, at_ms, kind, text in events:
        if kind not in _PROJECTORS:
            continue
        payload = json.loads(text)
        if kind in ("cycle", "memory"):
            last = (seq, at_ms, kind, payload)
        if (name := _PROJECTORS[kind](db, seq, at_ms, payload)) is not None:
            changed[name] = None
    if last is not None and "body" in last[3] and last[2] == "cycle":
        _project_memory(db, last[0], last[1], whole_payload(ask, last[3])["decision"]["memory"])
    for name in changed:
        _refresh_filled(db, name)


def campaign_of(client_id: str) -> int | None:
    """The campaign a client order id was made for, None when it is not one of ours."""
    place = read_place(client_id)
    return None if place is None else place[0]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        is_open_trigger = "CREATE TRIGGER" in statement and "END;" not in statement
        if line.rstrip().endswith(";") and not is_open_trigger:
            yield statement
            statement = ""


def _project_submitting(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    row = {
        **payload["order"],
        "reduce_only": int(payload["order"]["reduce_only"]),
        "campaign": campaign_of(payload["order"]["client_id"]),
        "reported_size": "0",
        "reported_quote": "0",
        "updated_ms": at_ms,
        "seq": seq,
    }
    names = ", ".join(row)
    db.execute(f"INSERT INTO orders ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def _project_order_event(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> str:
    client_id = payload["client_id"]
    row = db.execute("SELECT symbol, reported_size FROM orders WHERE client_id = ?", [client_id]).fetchone()
    symbol, reported = row[0], dec(row[1])
    if payload["venue_id"] is not None:
        db.execute("UPDATE orders SET venue_id = ? WHERE client_id = ?", [payload["venue_id"], client_id])
        db.execute(
            "UPDATE fills SET client_id = ? WHERE symbol = ? AND venue_order_id = ? AND client_id IS NULL",
            [client_id, symbol, payload["venue_id"]],
        )
    if payload["filled_size"] is not None and dec(payload["filled_size"]) >= reported:
        db.execute(
            "UPDATE orders SET reported_size = ?, reported_quote = ? WHERE client_id = ?",
            [payload["filled_size"], payload["filled_quote"] or "0", client_id],
        )
    db.execute(
        "UPDATE orders SET state = ?, reason = ?, not_found_count = 0, updated_ms = ? WHERE client_id = ?",
        [payload["state"], payload["reason"], at_ms, client_id],
    )
    return str(client_id)


def _project_absent(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute(
        "UPDATE orders SET not_found_count = ?, updated_ms = ? WHERE client_id = ?",
        [payload["count"], at_ms, payload["client_id"]],
    )


def _project_fill(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> str | None:
    row = {**payload, "is_maker": int(payload["is_maker"]), "seq": seq}
    owner, is_contradicted = _owner_of(db, payload)
    row["client_id"] = None if is_contradicted else owner or payload["client_id"]
    names = ", ".join(row)
    db.execute(f"INSERT INTO fills ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    return owner


def is_refused_for_certain(state: str, reason: str) -> bool:
    """Whether an order was never sent or the venue itself refused it, rather than that it was not to be found."""
    return state == OrderState.REJECTED and bool(reason) and not reason.startswith(NEVER_CAME_TO_BE)


def _owner_of(db: Database, fill: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The order an execution is of, and whether it names one that it cannot be of (`another_writer`)."""
    columns = "SELECT client_id, symbol, side, venue_id, order_type, state, reason FROM orders"
    row = None
    if fill["client_id"] is not None:
        row = db.execute(f"{columns} WHERE client_id = ?", [fill["client_id"]]).fetchone()
    if row is None and fill["venue_order_id"] is not None:
        which = [fill["symbol"], fill["venue_order_id"]]
        # an exchange that was reset gives numbers of old orders to new ones
        row = db.execute(f"{columns} WHERE symbol = ? AND venue_id = ? ORDER BY seq DESC", which).fetchone()
    if row is None:
        return None, False
    client_id, symbol, side, venue_id, order_type, state, reason = row
    if venue_id is not None and fill["venue_order_id"] in (None, venue_id):
        return client_id, False
    is_other = venue_id is not None and not OrderType(order_type).is_trigger
    is_refused = is_refused_for_certain(state, reason)
    is_contradicted = is_other or is_refused or (fill["symbol"], fill["side"]) != (symbol, side)
    return (None if is_contradicted else client_id), is_contradicted


def _refresh_filled(db: Database, client_id: str) -> None:
    """Executed amounts: the larger of what the venue reported and what the fills add up to, whatever came first."""
    reported = db.execute(
        "SELECT reported_size, reported_quote FROM orders WHERE client_id = ?", [client_id]
    ).fetchone()
    reported_size, reported_quote = dec(reported[0]), dec(reported[1])
    size = quote = ZERO
    for row in db.execute("SELECT size, quote FROM fills WHERE client_id = ? ORDER BY trade_id", [client_id]):
        size, quote = size + dec(row[0]), quote + dec(row[1])
    if reported_size > size or (reported_size == size and reported_quote > 0):
        size, quote = reported_size, reported_quote or quote
    db.execute(
        "UPDATE orders SET filled_size = ?, filled_quote = ? WHERE client_id = ?", [str(size), str(quote), client_id]
    )


def _project_payment(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    row = {**payload, "seq": seq}
    names = ", ".join(row)
    db.execute(f"INSERT INTO payments ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def _project_cycle(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT INTO cycles (number, kind, at_ms, snapshot, config_digest, seq) VALUES (?, ?, ?, ?, ?, ?)",
        [payload["number"], payload["kind"], payload["at_ms"], payload["snapshot"], payload["config_digest"], seq],
    )
    memory = payload.get("decision", {}).get("memory")  # a stored head has none: `replay` reads the last one's
    if memory is not None:
        _project_memory(db, seq, at_ms, memory)


def _project_memory(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute("INSERT OR REPLACE INTO memory (id, body, seq) VALUES (1, ?, ?)", [canonical(payload), seq])


def _project_latch(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO latch (id, level, by, reason, at_ms) VALUES (1, ?, ?, ?, ?)",
        [payload["level"], payload["by"], payload["reason"], at_ms],
    )


def _project_lock(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO locks (symbol, reason, words, at_ms) VALUES (?, ?, ?, ?)",
        [payload["symbol"], payload["note"]["reason"], payload["note"]["words"], at_ms],
    )


def _project_unlock(db: Database, seq: int, at_ms: int, payload: Mapping[str, Any]) -> None:
    db.execute("DELETE FROM locks WHERE symbol = ?", [payload["symbol"]])


_PROJECTORS = {
    "order_submitting": _project_submitting,
    "order_event": _project_order_event,
    "order_absent": _project_absent,
    "fill": _project_fill,
    "payment": _project_payment,
    "cycle": _project_cycle,
    "memory": _project_memory,
    "latch": _project_latch,
    "lock": _project_lock,
    "unlock": _project_unlock,
}
PROJECTED_KINDS = tuple(_PROJECTORS)
RESERVED_KINDS = frozenset(_PROJECTORS) | {"checkpoint"}
