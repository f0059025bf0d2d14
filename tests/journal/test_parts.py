"""What a turn read and decided is kept in parts: small, complete, proven, in one transaction with the event."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from bot.domain.candles import CandleSeries
from bot.domain.codec import to_json
from bot.domain.durations import HOUR_MS
from bot.journal.disk.backup import back_up
from bot.journal.errors import JournalCorrupt, SnapshotPruned
from bot.journal.journal import Journal, JournalReader
from bot.journal.parts import FOR_EVER, PartDamaged, PartStore, Term, asking, delete_ended, read_part
from bot.journal.record import CycleRecord, payload_of
from bot.journal.schema import create_tables
from bot.journal.substitute import Substitute
from bot.journal.turns import TurnStore, _blocks
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT, make_order
from tests.journal.days import TURNS_OF_DAY, Days

MIB = 2**20


async def opened(path: Path, keep: int = 200) -> Journal:
    return await Journal.open(
        path, account=ACCOUNT, now_ms=lambda: START_MS, keep_snapshots=keep, threaded=False, token="t"
    )


def used_bytes(path: Path) -> int:
    """Pages in use: what is deleted leaves its pages to the next ones."""
    with closing(sqlite3.connect(path)) as db:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


@pytest.mark.parametrize(
    ("tokens", "candles", "days"),
    [(10, 500, 2), (4, 1500, 2), pytest.param(40, 500, 4, marks=pytest.mark.slow)],
    ids=["ten", "longer than a window of zlib", "forty"],
)
async def test_a_day_of_turns_adds_less_than_a_mebibyte(tmp_path: Path, tokens: int, candles: int, days: int) -> None:
    path, market, sizes = tmp_path / "j.db", Days(tokens, candles), [0]
    for day in range(days):
        journal = await opened(path)
        for record in market.records(day * TURNS_OF_DAY + 1, TURNS_OF_DAY):
            await journal.record_cycle(record)
        await journal.close()
        sizes.append(used_bytes(path))
    assert sizes[1] < 2 * MIB, "the first day keeps what its newest turns saw as well"
    assert (sizes[-1] - sizes[1]) / (days - 1) < MIB


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
@pytest.mark.parametrize("layout", ["blocks", "as before they were cut"])
async def test_a_series_is_read_as_it_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, layout: str
) -> None:
    """However long it is and wherever it is cut, with a gap in it and candles that could not be read."""

    def in_one_part(self: TurnStore, db: Database, candles: Mapping[str, CandleSeries], term: Term) -> Any:
        return {symbol: self._parts.put(db, symbol, to_json(series), term) for symbol, series in candles.items()}

    if layout != "blocks":
        monkeypatch.setattr(TurnStore, "_store_candles", in_one_part)
    (record,) = Days(2, 351).records(1, 1)
    seen = record.snapshot
    starts = tuple(at * HOUR_MS for at in range(7, 8 + count) if at != 9)[:count]
    series = replace(seen.candles["T00/USDT"].tail(count), starts_ms=starts, unread=(3, 4)) if count else None
    empty = CandleSeries("T00/USDT", HOUR_MS, (), (), (), (), (), ())
    snapshot = replace(seen, candles={**seen.candles, "T00/USDT": series or empty})
    changed = replace(record, inputs=replace(record.inputs, snapshot=snapshot))
    journal = await opened(tmp_path / "j.db")
    await journal.record_cycle(changed)
    monkeypatch.undo()
    assert journal.reader.load_cycle(1) == changed
    journal.reader.verify()
    await journal.close()


def rows_of(path: Path) -> list[str]:
    """Everything that turns write."""
    tables = tuple(f'INSERT INTO "{table}"' for table in ("event", "cycles", "snapshots", "parts"))
    with closing(sqlite3.connect(path)) as db:
        return [line for line in db.iterdump() if line.startswith(tables)]


async def test_candles_of_the_turn_before_are_named_without_writing_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is what it is where each turn has series of its own that are equal: with turns whose record is undone,
    parts that end, and a second process."""
    cut: list[str] = []
    monkeypatch.setattr("bot.journal.turns._blocks", lambda series: cut.append(series.symbol) or _blocks(series))
    monkeypatch.setattr("bot.journal.journal.os.getpid", lambda: 1)
    found, works = {}, {}
    for name in ("the same", "equal"):
        path, market = tmp_path / f"{name}.db", Days(4, 250)
        for first in (1, 61):
            journal = await opened(path, keep=20)
            for record in market.records(first, 60):
                seen = record.snapshot
                if name == "equal":
                    seen = replace(seen, candles={symbol: replace(series) for symbol, series in seen.candles.items()})
                told = replace(record, inputs=replace(record.inputs, snapshot=seen))
                if record.number % 13 == 0:  # the number is taken: nothing of it is kept
                    with pytest.raises(sqlite3.IntegrityError):
                        await journal._writer.run(partial(_refused, journal, told))
                await journal.record_cycle(told)
            journal.reader.verify()
            await journal.close()
        found[name], works[name] = rows_of(path), len(cut)
        cut.clear()
    assert found["the same"] == found["equal"]
    # Of 120 turns those that begin a process, or an hour; four series each, and again where a record was undone.
    assert works["the same"] < works["equal"] / 5


def _refused(journal: Journal, record: CycleRecord, db: Database) -> None:
    journal._write_cycle(db, record)
    db.execute("INSERT INTO cycles SELECT * FROM cycles WHERE number = ?", [record.number])


def test_what_is_not_compared_with_is_kept_no_longer() -> None:
    """A day's first turn, which is kept for ever, has little in common with the newest whole part."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db, store, chance = Database(connection), PartStore(), Random(1)
        create_tables(db)
        texts = [chance.randbytes(500) for _ in range(2)]
        ended = store.put(db, "a", texts[0], Term(5, 6))
        kept = store.put(db, "a", texts[1])
        delete_ended(db, 7)
        assert read_part(asking(db), kept) == texts[1]
        with pytest.raises(PartDamaged, match="is missing"):
            read_part(asking(db), ended)


async def test_every_turn_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    """Across restarts, a pruned past and the first of each day."""
    path, market = tmp_path / "j.db", Days(4, 60)
    records = {}
    for start in (1, 201, 401):
        journal = await opened(path, keep=20)
        for record in market.records(start, 200):
            await journal.record_cycle(record)
            records[record.number] = record
        await journal.close()
    reader = JournalReader(path)
    reader.verify()
    kept = []
    for number, record in records.items():
        seq = reader.load_cycle_seq(number)
        assert seq is not None
        (fact,) = reader.load_events(1, seq - 1)
        assert fact.payload == json.loads(to_json(payload_of(record, fact.payload["snapshot"])))
        try:
            assert reader.load_cycle(number) == record
            kept.append(number)
        except SnapshotPruned:
            continue
    dailies = [number for number in kept if number <= max(records) - 20]
    assert kept[len(dailies) :] == sorted(records)[-20:]
    days = [records[number].at_ms // 86_400_000 for number in dailies]
    assert len(days) == len(set(days)) >= 2
    states = {state for _, (_, state, _) in reader.load_rotations_since(0)}
    assert states == {"running"}
    assert len(reader.load_conditions_since(0)) == len(records)
    assert reader.load_decided(3, "memory.campaign.number") == 1
    reader.close()


@given(
    texts=st.lists(
        st.tuples(st.sampled_from("ab"), st.binary(max_size=300), st.integers(1, 3)), min_size=1, max_size=40
    ),
    keep=st.integers(1, 5),
)
def test_a_part_is_read_until_its_term_ends(texts: list[tuple[str, bytes, int]], keep: int) -> None:
    """Also where another that it is a difference to has a shorter term, and where the same text comes again."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db, store = Database(connection), PartStore()
        create_tables(db)
        ends: dict[str, int] = {}
        content: dict[str, bytes] = {}
        for turn, (place, text, times) in enumerate(texts, 1):
            is_for_ever = turn % 7 == 0
            term = Term() if is_for_ever else Term(turn + keep, turn + keep + keep // 4)
            whole = (b"a common beginning of every text in this place " * 3 + text) * times
            digest = store.put(db, place, whole, term)
            ends[digest], content[digest] = max(term.least, ends.get(digest, 0)), whole
            delete_ended(db, turn)
            for known, end in ends.items():
                if end >= turn:
                    assert read_part(asking(db), known) == content[known]
        last = len(texts) + 3 * keep + 2
        delete_ended(db, last)
        left = {row[0].hex() for row in db.execute("SELECT digest FROM parts WHERE kept_until < ?", [FOR_EVER])}
        assert not left


def test_what_is_remembered_of_another_file_is_not_used(tmp_path: Path) -> None:
    """A transaction that was rolled back leaves numbers of parts that others have now."""
    store, chance = PartStore(), Random(1)
    texts = [chance.randbytes(500) + bytes([at]) for at in range(6)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db = Database(connection)
        create_tables(db)
        db.execute("BEGIN")
        store.put(db, "a", texts[0])
        db.execute("ROLLBACK")
        store.put(db, "b", texts[1])
        digest = store.put(db, "a", texts[0] + b"more")
        assert read_part(asking(db), digest) == texts[0] + b"more"


async def test_an_event_and_its_parts_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = await opened(path)
    records = list(Days(4, 60).records(1, 4))
    await journal.record_cycle(records[0])

    def contents() -> list[int]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return [Database(db)[name].count for name in ("event", "parts", "snapshots")]

    before = contents()

    def abandoned(db: Database) -> None:
        journal._write_cycle(db, records[1])
        raise KeyError("a crash after the last statement and before the commit")

    with pytest.raises(KeyError):
        await journal._writer.run(abandoned)
    assert contents() == before
    for record in records[1:]:
        await journal.record_cycle(record)
    assert journal.reader.load_cycle(2) == records[1]
    journal.reader.verify()
    await journal.close()


async def damaged(path: Path, statement: str) -> None:
    journal = await opened(path)
    for record in Days(4, 60).records(1, 3):
        await journal.record_cycle(record)
    await journal.close()
    with closing(sqlite3.connect(path)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement).rowcount > 0
        db.commit()


DAMAGES = (
    "DELETE FROM parts WHERE id = OF_EVENT",
    "UPDATE parts SET body = CAST(substr(body, 1, length(body) - 5) || x'0000000000' AS BLOB) WHERE id = OF_EVENT",
    "UPDATE parts SET base = base + 1 WHERE id = OF_EVENT",
    "UPDATE parts SET digest = randomblob(32) WHERE place = 'campaign'",
)
OF_EVENT = "(SELECT max(id) FROM parts WHERE kept_until = 4611686018427387904 AND base IS NOT NULL)"


@pytest.mark.parametrize("statement", DAMAGES)
async def test_a_damaged_part_of_an_event_is_found_at_the_start_and_by_verify(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "j.db"
    await damaged(path, statement.replace("OF_EVENT", OF_EVENT))
    reader = JournalReader(path)
    with pytest.raises(JournalCorrupt, match="part"):
        reader.verify()
    reader.close()
    with pytest.raises(JournalCorrupt, match=r"event \d+: .*part"):
        await opened(path)


async def test_a_damaged_part_of_what_a_turn_saw_is_found_by_verify_and_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await damaged(path, "DELETE FROM parts WHERE place LIKE 'candles T02/USDT%'")
    reader = JournalReader(path)
    with pytest.raises(JournalCorrupt, match="is missing"):
        reader.verify()
    with pytest.raises(JournalCorrupt, match="is missing"):
        reader.load_cycle(1)
    reader.close()
    await (await opened(path)).close()  # no start relies on it


DAMAGES_OF_A_WHOLE = (
    "UPDATE parts SET body = CAST(x'00' || substr(body, 2) AS BLOB)",
    "UPDATE parts SET digest = randomblob(32)",
)


@pytest.mark.parametrize("damage", DAMAGES_OF_A_WHOLE)
def test_no_part_is_stored_as_a_difference_to_a_damaged_one(damage: str) -> None:
    words = [f"word {number} of a part".encode() * 9 for number in range(3)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db = Database(connection)
        create_tables(db)
        PartStore().put(db, "a", words[0])
        db.execute("DROP TRIGGER part_is_never_changed")
        assert db.execute(f"{damage} WHERE place = 'a'").rowcount == 1
        store = PartStore()  # of a process that has only the file
        for text in words[1:]:
            assert read_part(asking(db), store.put(db, "a", text)) == text


@pytest.mark.parametrize("damage", DAMAGES_OF_A_WHOLE)
async def test_turns_are_recorded_beside_a_damaged_part(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "j.db"
    await damaged(path, f"{damage} WHERE place LIKE 'candles T02/USDT%'")
    journal = await opened(path)
    for record in Days(4, 60).records(4, 57):
        await journal.record_cycle(record)
    assert journal.reader.load_cycle(60) == record, "its candles are others than the damaged ones"
    with pytest.raises(JournalCorrupt, match="part"):
        journal.reader.verify()
    await journal.close()


async def test_a_damaged_snapshot_of_an_earlier_version_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await damaged(path, "UPDATE snapshots SET body = x'0011'")
    reader = JournalReader(path)
    with pytest.raises(JournalCorrupt, match="is damaged"):
        reader.load_cycle(1)
    reader.close()


def test_parts_of_events_cannot_be_changed_or_deleted() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db = Database(connection)
        create_tables(db)
        digest = PartStore().put(db, "a", b"text")
        for statement in ("DELETE FROM parts", "UPDATE parts SET body = x''", "UPDATE parts SET kept_until = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)
        assert read_part(asking(db), digest) == b"text"
        with pytest.raises(PartDamaged, match="is missing"):
            read_part(asking(db), "00" * 32)


async def test_a_backup_and_the_copy_of_a_locked_journal_keep_the_parts(tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    records = list(Days(4, 60).records(1, 40))
    journal = await opened(path, keep=10)
    for record in records[:20]:
        await journal.record_cycle(record)
    await journal.close()
    back_up(path, copy)
    reader = JournalReader(copy)
    assert reader.load_cycle(20) == records[19]
    reader.close()
    assert Substitute(path).make()
    in_copy = await opened(Substitute(path).path, keep=10)
    for record in records[20:]:
        await in_copy.record_cycle(record)
    await in_copy.close()
    with closing(sqlite3.connect(Substitute(path).path)) as db:
        db.execute("UPDATE lease SET is_released = 1")
        db.commit()
    journal = await opened(path, keep=10)  # brings back what the copy has more
    assert [journal.reader.load_cycle(number) for number in (1, 35, 40)] == [records[0], records[34], records[39]]
    journal.reader.verify()
    await journal.record_cycle(replace(records[39], number=41))
    await journal.record_submitting(make_order(1))
    journal.reader.verify()
    await journal.close()
