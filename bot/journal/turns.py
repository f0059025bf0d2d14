"""How a turn is stored: a short event, and beside it, as parts, the rest of its record and what it saw.

The event holds what a list of turns asks for and the digest of the rest, so that the hash chain covers all of it. The
rotation and the large fields of the snapshot are parts of their own, as they stay the same for many turns. A series of
candles is longer than what a part can be compared with: it is cut at fixed times into blocks, of which only the first
and the last ever change, and which blocks all series have is a part as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from sqlite_utils import Database

from bot.domain.candles import CandleSeries
from bot.domain.codec import to_json
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.journal.parts import FOR_EVER, Ask, PartDamaged, PartStore, Term, delete_ended, read_part
from bot.journal.record import CycleRecord, payload_of

_IN_HEAD = ("number", "kind", "at_ms", "config_digest", "snapshot")
_BY_SYMBOL = ("candles", "books")  # fields of a snapshot whose entries are parts
_COLUMNS = ("starts_ms", "opens", "highs", "lows", "closes", "volumes_quote")
BLOCK = 100  # candles
_AS_ONE = ("instruments", "macro", "tvl")  # fields of a snapshot that are parts
_EMPTY: Mapping[str, Any] = {name: {} for name in (*_BY_SYMBOL, *_AS_ONE)}


class TurnStore:
    """Writes turns. The caller holds a transaction.

    Args:
        keep: how many of the newest turns keep what they saw. The first cycle of each day keeps it for ever.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._parts = PartStore()
        # Of the last turn: most turns see the very same candles, whose blocks need not be written out to name them.
        self._series: dict[str, tuple[CandleSeries, list[str]]] = {}
        self._is_pruned = False

    def store(self, db: Database, record: CycleRecord) -> tuple[dict[str, Any], dict[str, Any]]:
        """Store all but the event: the event's own payload, and the payload with the parts."""
        is_daily = record.kind == "cycle" and not _has_daily(db, record.at_ms // DAY_MS)
        term = Term() if is_daily else Term(record.number + self._keep, record.number + self._keep + self._keep // 4)
        seen = self._store_seen(db, record.snapshot, term)
        db.execute(
            "INSERT INTO snapshots (digest, at_ms, body, kept_until) VALUES (?, ?, x'', ?)"
            " ON CONFLICT (digest) DO UPDATE SET kept_until = max(kept_until, excluded.kept_until)",
            [seen, record.at_ms, term.least],
        )
        payload = payload_of(record, seen)
        return self._store_payload(db, payload), payload

    def prune(self, db: Database, turn: int) -> None:
        """Drop what turns saw that are neither among the newest nor the first of a day, after the turn was written.
        All are looked through once, then one drops out a turn."""
        newest = "SELECT snapshot FROM cycles ORDER BY number DESC LIMIT ?"
        which, limits = "", [FOR_EVER, self._keep]
        if self._is_pruned:
            which = f"digest = ({newest} OFFSET ?) AND "
            limits = [1, self._keep, FOR_EVER, self._keep]
        db.execute(f"DELETE FROM snapshots WHERE {which}kept_until < ? AND digest NOT IN ({newest})", limits)
        # Zero: of a version whose snapshots are no parts.
        db.execute("DELETE FROM snapshots WHERE kept_until > 0 AND kept_until < ?", [turn])
        delete_ended(db, turn)
        self._is_pruned = True

    def _store_payload(self, db: Database, payload: Mapping[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in payload.items() if name not in _IN_HEAD}
        head = {name: payload[name] for name in _IN_HEAD} | {"condition": payload["decision"]["condition"]}
        for name in ("inputs", "decision"):
            memory = rest[name]["memory"]
            if memory.get("campaign") is not None:
                digest = self._parts.put(db, "campaign", to_json(memory["campaign"]))
                rest[name] = rest[name] | {"memory": memory | {"campaign": digest}}
        head["campaign"] = rest["decision"]["memory"]["campaign"]
        head["campaign_read"] = rest["inputs"]["memory"].get("campaign")
        return head | {"body": self._parts.put(db, "record", to_json(rest))}

    def _store_seen(self, db: Database, seen: Snapshot, term: Term) -> str:
        parts: dict[str, Any] = {
            "candles": self._store_candles(db, seen.candles, term),
            "books": {
                symbol: self._parts.put(db, f"books {symbol}", to_json(book), term)
                for symbol, book in seen.books.items()
            },
        }
        for name in _AS_ONE:
            parts[name] = self._parts.put(db, name, to_json(getattr(seen, name)), term)
        root = {"parts": parts, "rest": replace(seen, **_EMPTY)}
        return self._parts.put(db, "snapshot", to_json(root), term)

    def _store_candles(self, db: Database, candles: Mapping[str, CandleSeries], term: Term) -> str:
        """The digest of the list of all blocks, oldest first, by symbol."""
        blocks = {symbol: self._store_series(db, symbol, series, term) for symbol, series in candles.items()}
        self._series = {symbol: (series, blocks[symbol]) for symbol, series in candles.items()}
        return self._parts.put(db, "blocks", to_json(blocks), term)

    def _store_series(self, db: Database, symbol: str, series: CandleSeries, term: Term) -> list[str]:
        """The digests of its blocks, oldest first."""
        known = self._series.get(symbol)
        if known is not None and known[0] is series and self._parts.put_again(db, known[1], term):
            return known[1]
        return [
            self._parts.put(db, f"candles {symbol}, {'latest' if number else 'first'}", to_json(block), term)
            for number, block in enumerate(_blocks(series))
        ]


def _blocks(series: CandleSeries) -> list[CandleSeries]:
    """The series cut at multiples of `BLOCK` times its timeframe; one block where it is empty."""
    span_ms = series.timeframe_ms * BLOCK
    starts = series.starts_ms
    cuts = [at for at in range(1, len(starts)) if starts[at] // span_ms != starts[at - 1] // span_ms]
    edges = [0, *cuts, len(starts)]
    return [
        replace(series, **{name: getattr(series, name)[begin:end] for name in _COLUMNS})
        for begin, end in pairwise(edges)
    ]


def _whole_series(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A series from its blocks."""
    columns = {name: [value for block in blocks for value in block[name]] for name in _COLUMNS}
    return {**blocks[0], **columns}


def _digests(ask: Ask, parts: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """The parts of each entry of a field. Candles had one each before they had blocks, and no list of them."""
    entries = json.loads(read_part(ask, parts[name])) if isinstance(parts[name], str) else parts[name]
    return {symbol: [part] if isinstance(part, str) else part for symbol, part in entries.items()}


def whole_payload(ask: Ask, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a turn with its parts; the same where it has none, as in older versions.

    Raises:
        PartDamaged: one of them is missing or not what was written.
    """
    if "body" not in payload:
        return payload
    rest: dict[str, Any] = json.loads(read_part(ask, payload["body"]))
    for name in ("inputs", "decision"):
        memory = rest[name]["memory"]
        if memory.get("campaign") is not None:
            memory["campaign"] = json.loads(read_part(ask, memory["campaign"]))
    return {name: payload[name] for name in _IN_HEAD} | rest


def check_payload(ask: Ask, text: str) -> None:
    """Check the parts of the payload of a turn.

    Raises:
        PartDamaged: one of them is missing or not what was written.
    """
    payload = json.loads(text)
    for name in ("body", "campaign", "campaign_read"):
        if isinstance(payload.get(name), str):
            read_part(ask, payload[name])


def read_seen(ask: Ask, digest: str) -> dict[str, Any]:
    """What a turn saw.

    Raises:
        PartDamaged: a part of it is missing or not what was written.
    """
    root = json.loads(read_part(ask, digest))
    parts, seen = root["parts"], root["rest"]
    for name in _BY_SYMBOL:
        read = {
            symbol: [json.loads(read_part(ask, digest)) for digest in digests]
            for symbol, digests in _digests(ask, parts, name).items()
        }
        seen[name] = {symbol: _whole_series(all_) if len(all_) > 1 else all_[0] for symbol, all_ in read.items()}
    for name in _AS_ONE:
        seen[name] = json.loads(read_part(ask, parts[name]))
    return seen  # type: ignore[no-any-return]


def check_seen(ask: Ask, digest: str) -> None:
    """Check that all parts of what a turn saw are there; that they are what was written is checked part by part.

    Raises:
        PartDamaged: one is missing.
    """
    parts = json.loads(read_part(ask, digest))["parts"]
    named = [digest for name in _BY_SYMBOL for found in _digests(ask, parts, name).values() for digest in found]
    named += [parts[name] for name in _AS_ONE]
    for part in named:
        if not ask("SELECT 1 FROM parts WHERE digest = ?", [bytes.fromhex(part)]):
            raise PartDamaged(f"part {part[:12]} is missing")


def _has_daily(db: Database, day: int) -> bool:
    sql = "SELECT 1 FROM snapshots WHERE kept_until = ? AND at_ms >= ? AND at_ms < ? LIMIT 1"
    return db.execute(sql, [FOR_EVER, day * DAY_MS, (day + 1) * DAY_MS]).fetchone() is not None
