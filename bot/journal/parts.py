"""Parts of records: texts that are stored once, under their digest, compressed against an earlier one like them.

A part is whole, or it is the difference to a whole one: the whole one is the dictionary of its compression, and is
replaced when the differences to it have grown. Which whole part a new one is compared with is a matter of its place,
a name such as `candles UNI/USDT`: what stands in one place changes little from turn to turn.

Parts of events are kept for ever, as the events are; others until a turn (`Term`). docs/decisions/0028 has the choice
and its price.
"""

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlite_utils import Database

FOR_EVER = 2**62
WINDOW = 32_768  # bytes of a dictionary that zlib uses
TEMPORARY_COST = 8  # × the size of a whole part
_LEVEL = 6

Ask = Callable[[str, Sequence[Any]], list[Any]]  # SQL and its values → rows


class PartDamaged(ValueError):
    """A part is missing, or it is not what was written."""


@dataclass(frozen=True, slots=True)
class Term:
    """Until which turn a part is kept. One that is kept less long than `least` is kept until `until` from now on: the
    two differ, so that a part that stays the same is not written again every turn."""

    least: int = FOR_EVER
    until: int = FOR_EVER

    def of_base(self) -> "Term":
        """How long the whole part is kept that one with this term is a difference to: never less long."""
        return Term(self.until, self.until + (self.until - self.least))


@dataclass(slots=True)
class _Whole:
    """The newest whole part of a place, and until which turn it is kept; `spent` counts what differences to it took
    beyond the smallest."""

    id: int
    digest: bytes
    text: bytes
    size: int
    kept_until: int = 0
    least: int | None = None
    spent: int = 0


class PartStore:
    """Writes parts. What it remembers is checked against the file before it is used, so that a transaction that was
    rolled back, or another file, does no harm."""

    def __init__(self) -> None:
        self._wholes: dict[str, _Whole] = {}

    def put(self, db: Database, place: str, text: bytes, term: Term = Term()) -> str:
        """Store a text unless it is stored; its digest. The caller holds a transaction."""
        digest = sha256(text).digest()
        if _is_kept(db, digest, term):
            return digest.hex()
        whole = self._whole_of(db, place)
        body = None if whole is None else _difference(whole, text, term)
        if whole is not None and body is not None:
            _keep(db, whole.id, whole.kept_until, term.of_base())
            _insert(db, [digest, None, whole.id, term.until, body])
            return digest.hex()
        body = zlib.compress(text, _LEVEL)
        number = _insert(db, [digest, place, None, term.until, body])
        self._wholes[place] = _Whole(number, digest, text[-WINDOW:], len(body))
        return digest.hex()

    @staticmethod
    def put_again(db: Database, digests: Sequence[str], term: Term) -> bool:
        """What `put` does with texts that are stored, by their digests alone. False where one is not stored any more:
        then the texts have to be put."""
        return all(_is_kept(db, bytes.fromhex(digest), term) for digest in digests)

    def _whole_of(self, db: Database, place: str) -> _Whole | None:
        """The newest whole part of a place."""
        whole = self._wholes.get(place)
        columns = "SELECT id, digest, kept_until"
        row = None
        if whole is not None:
            row = db.execute(f"{columns} FROM parts WHERE id = ?", [whole.id]).fetchone()
        if whole is None or row is None or row[1] != whole.digest:
            of_place = "FROM parts WHERE place = ? ORDER BY id DESC LIMIT 1"
            row = db.execute(f"{columns}, length(body) {of_place}", [place]).fetchone()
            if row is None:
                return None
            try:
                text = read_part(asking(db), row[1].hex())[-WINDOW:]
            except PartDamaged:
                return None  # `check_parts` names it; what comes now is stored whole, and can be read
            whole = self._wholes[place] = _Whole(
                row[0], row[1], text, row[3], least=0
            )  # what differences took: unknown
        whole.kept_until = row[2]
        return whole


def delete_ended(db: Database, turn: int) -> None:
    """Delete the parts that are kept no longer."""
    db.execute(f"DELETE FROM parts WHERE kept_until < ? AND kept_until < {FOR_EVER}", [turn])


def asking(db: Database) -> Ask:
    """Questions through a connection."""
    return lambda sql, values: db.execute(sql, list(values)).fetchall()


def read_part(ask: Ask, digest: str) -> bytes:
    """The text of a digest.

    Raises:
        PartDamaged: it is missing, or not what was written.
    """
    rows = ask("SELECT base, body FROM parts WHERE digest = ?", [bytes.fromhex(digest)])
    if not rows:
        raise PartDamaged(f"part {digest[:12]} is missing")
    text = _expand(ask, *rows[0])
    if sha256(text).hexdigest() != digest:
        raise PartDamaged(f"part {digest[:12]} is not what was written")
    return text


def check_parts(ask: Ask) -> None:
    """Check every part by its digest.

    Raises:
        PartDamaged: naming the first that does not match.
    """
    for (digest,) in ask("SELECT digest FROM parts ORDER BY id", []):
        read_part(ask, digest.hex())


def copy_parts(db: Database, source: sqlite3.Connection) -> None:
    """Bring the parts of another journal file that `db` lacks. The caller holds a transaction."""
    numbers: dict[int, int] = {}
    for number, digest, place, base, kept_until in source.execute(
        "SELECT id, digest, place, base, kept_until FROM parts ORDER BY id"
    ):
        known = db.execute("SELECT id, kept_until FROM parts WHERE digest = ?", [digest]).fetchone()
        if known is not None:
            numbers[number] = known[0]
            _keep(db, known[0], known[1], Term(kept_until, kept_until))
            continue
        body = source.execute("SELECT body FROM parts WHERE id = ?", [number]).fetchone()[0]
        numbers[number] = _insert(db, [digest, place, None if base is None else numbers[base], kept_until, body])


def _is_kept(db: Database, digest: bytes, term: Term) -> bool:
    """Keep a part for a term, and what it is a difference to; whether it is stored at all."""
    known = db.execute("SELECT id, base, kept_until FROM parts WHERE digest = ?", [digest]).fetchone()
    if known is None:
        return False
    _keep(db, known[0], known[2], term)
    if known[1] is not None and known[2] < term.least:
        _keep(db, known[1], 0, term.of_base())
    return True


def _insert(db: Database, row: list[Any]) -> int:
    sql = "INSERT INTO parts (digest, place, base, kept_until, body) VALUES (?, ?, ?, ?, ?)"
    return int(db.execute(sql, row).lastrowid or 0)


def _keep(db: Database, number: int, kept_until: int, term: Term) -> None:
    if kept_until < term.least:
        db.execute("UPDATE parts SET kept_until = max(kept_until, ?) WHERE id = ?", [term.until, number])


def _difference(whole: _Whole, text: bytes, term: Term) -> bytes | None:
    """A text compressed against a whole part; None where a new whole one is due: the differences to this one have cost
    as much as it did, or the two have little in common. Differences that are deleted again may cost more: a whole part
    of theirs may become one of a day's, and stay."""
    packer = zlib.compressobj(_LEVEL, zdict=whole.text)
    body = packer.compress(text) + packer.flush()
    whole.least = len(body) if whole.least is None else min(whole.least, len(body))
    whole.spent += len(body) - whole.least
    most = whole.size * (1 if term.until == FOR_EVER else TEMPORARY_COST)
    return None if whole.spent > most or len(body) * 2 > whole.size else body


def _expand(ask: Ask, base: int | None, body: bytes) -> bytes:
    try:
        if base is None:
            return zlib.decompress(body)
        rows = ask("SELECT body FROM parts WHERE id = ? AND base IS NULL", [base])
        if not rows:
            raise PartDamaged(f"the part that another one is based on is missing ({base})")
        unpacker = zlib.decompressobj(zdict=zlib.decompress(rows[0][0])[-WINDOW:])
        return unpacker.decompress(body) + unpacker.flush()
    except zlib.error as error:
        raise PartDamaged(f"a part cannot be unpacked ({error})") from error
