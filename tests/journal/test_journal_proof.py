"""What a start relies on is what the events say, whatever happened to the tables while nobody looked."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.domain.campaign import Memory
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel, OrderEvent
from bot.journal import chain as journal_chain
from bot.journal import event_log
from bot.journal import proof as journal_proof
from bot.journal import recovery as recovery_module
from bot.journal.journal import Journal, JournalCorrupt, JournalError
from bot.journal.schema import PROJECTIONS
from tests.bench import bench_open
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import SPOT, START_MS
from tests.execution.worlds import make_order
from tests.journal.test_journal import cycle_record, full_journal

CHANGES = {
    "a live order is called filled": "UPDATE orders SET state = 'filled' WHERE state = 'open'",
    "an order of unknown state is called rejected": "UPDATE orders SET state = 'rejected' WHERE state = 'submitting'",
    "the size of an order": "UPDATE orders SET size = '7' WHERE state = 'open'",
    "the name of an order": "UPDATE orders SET client_id = 'x' || client_id WHERE state = 'open'",
    "an order is gone": "DELETE FROM orders WHERE state = 'open'",
    "an order is made up": "INSERT INTO orders SELECT 'new', intent_id, purpose, sector, symbol, side, size, price,"
    " order_type, time_in_force, reduce_only, state, sent_ms, receive_window_ms, trigger_price, venue_id, filled_size,"
    " filled_quote, reason, not_found_count, campaign, reported_size, reported_quote, updated_ms, 999"
    " FROM orders LIMIT 1",
    "the count of absences": "UPDATE orders SET not_found_count = 2",
    "the size of a fill": "UPDATE fills SET size = '3' WHERE rowid = (SELECT max(rowid) FROM fills)",
    "the side of a fill": "UPDATE fills SET side = 'sell'",
    "a fill is gone": "DELETE FROM fills WHERE seq = (SELECT max(seq) FROM fills)",
    "the owner of a fill": "UPDATE fills SET client_id = NULL",
    "the amount of a payment": "UPDATE payments SET amount = '0.10'",
    "the event of a payment": "UPDATE payments SET seq = seq + 1",
    "the memory": 'UPDATE memory SET body = replace(body, \'"stance":"\', \'"stance":"x\')',
    "no memory": "DELETE FROM memory",
    "the event of the memory": "UPDATE memory SET seq = 1",
    "the latch": "UPDATE latch SET level = 'off'",
    "no latch": "DELETE FROM latch",
    "a lock is gone": "DELETE FROM locks",
    "the reason of a lock": "UPDATE locks SET reason = 'none'",
    "a lock is made up": "INSERT INTO locks VALUES ('LDO/USDT', 'none', 'none', 1)",
    "the number of the newest cycle": "UPDATE cycles SET number = number + 4",
    "the account of the lease": "UPDATE lease SET account = 'mbin'",
}


def tables(path: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        kept: dict[str, list[object]] = {
            table: sorted(map(tuple, map(dict.items, Database(connection)[table].rows)), key=repr)
            for table in PROJECTIONS
        }
        return {**kept, "lease": connection.execute("SELECT account FROM lease").fetchall()}


def events(path: Path, kind: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM event WHERE kind = ?", [kind]).fetchone()[0])


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def put(path: Path, data: bytes) -> None:
    """The file of a journal that nobody has open."""
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    path.write_bytes(data)


async def opened(path: Path) -> Journal:
    return await Journal.open(path, account="main", now_ms=lambda: START_MS, threaded=False)


@pytest.fixture(params=["whole", "part"])
def compared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small journals are compared as a whole, large ones in what a start relies on."""
    if request.param == "part":
        monkeypatch.setattr(journal_proof, "WHOLE_MAX", 0)
        monkeypatch.setattr(recovery_module, "WHOLE_CHECK_MAX_BYTES", 0)


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
@pytest.mark.usefixtures("compared")
async def test_a_changed_table_is_rebuilt_from_the_events_at_the_next_start(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    before = tables(path)
    change(path, statement)
    assert tables(path) != before
    journal = await opened(path)
    assert "table" in journal.rebuilt or "live orders" in journal.rebuilt
    assert journal.reader.load_facts("projections_rebuilt")[0].payload == {"difference": journal.rebuilt}
    journal.reader.verify()
    await journal.close()
    assert tables(path) == before
    journal = await opened(path)
    assert not journal.rebuilt
    await journal.close()
    assert events(path, "projections_rebuilt") == 1


@pytest.mark.usefixtures("compared")
async def test_an_untouched_journal_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    before = tables(path)
    journal = await opened(path)
    assert not journal.rebuilt
    await journal.close()
    assert tables(path) == before


@pytest.mark.slow
@pytest.mark.usefixtures("compared")
async def test_a_flipped_bit_is_mended_or_stops_the_start_and_is_never_believed(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    before, clean = tables(path), path.read_bytes()
    mended, chance = 0, random.Random(11)
    for _ in range(400):
        data, place = bytearray(clean), chance.randrange(len(clean))
        data[place] ^= 1 << chance.randrange(8)
        put(path, data)
        try:
            journal = await opened(path)
        except JournalError:  # damaged events, the host of the lease, the list of migrations
            continue
        mended += bool(journal.rebuilt)
        await journal.close()
        assert tables(path) == before, f"bit in byte {place} is believed"
    assert mended


async def long_journal(path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int = 60) -> Journal:
    """An old stop that still rests, a lock, and then so many later orders that the newest ones do not reach it."""
    monkeypatch.setattr(journal_proof, "WHOLE_MAX", 20)
    monkeypatch.setattr(recovery_module, "WHOLE_CHECK_MAX_BYTES", 0)
    monkeypatch.setattr(journal_proof, "NEWEST", dict.fromkeys(journal_proof.NEWEST, 5))
    monkeypatch.setattr(journal_proof, "SINCE_BASELINE_MAX", 10)
    monkeypatch.setattr(journal_proof, "FACTS_MAX", 5)
    monkeypatch.setattr(event_log, "CHECKPOINT_EVERY", 25)
    journal = await opened(path)
    await journal.record_submitting(make_order(0))
    await journal.record_order_event(make_order(0).client_id, OrderEvent.ACKED, venue_id="v0")
    await journal.record_memory(Memory())
    await journal.record_lock(SPOT, Note(Reason.POSITION_MISMATCH, "differs"))
    await journal.record_latch(KillLevel.REDUCE_ONLY, by="operator", reason="a test")
    for number in range(1, rounds):
        base = make_order()
        order = replace(base, client_id=f"{base.client_id[:12]}{number:08}", intent_id=f"past.{number}")
        await journal.record_submitting(order)
        await journal.record_order_event(order.client_id, OrderEvent.ACKED, venue_id=f"v{number}")
        await journal.record_fills([make_fill(number, f"v{number}", client_id=None)])
        await journal.record_order_event(order.client_id, OrderEvent.FILLED)
    return journal


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET state = 'filled' WHERE state = 'open'",
        "DELETE FROM orders WHERE state = 'open'",
        "UPDATE orders SET trigger_price = '1' WHERE state = 'open'",
        "DELETE FROM locks",
        "UPDATE latch SET level = 'off'",
        "UPDATE memory SET body = '{}'",
    ],
)
async def test_a_stop_older_than_the_newest_events_is_known_by_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    path = tmp_path / "j.db"
    await (await long_journal(path, monkeypatch)).close()
    before = tables(path)
    journal = await opened(path)
    assert not journal.rebuilt
    assert journal.reader.load_facts("checkpoint")[0].payload["live"][-1] == make_order(0).client_id
    await journal.close()
    change(path, statement)
    journal = await opened(path)
    assert journal.rebuilt
    await journal.close()
    assert tables(path) == before


async def test_an_index_that_lost_an_entry_is_built_anew(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'orders_state'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    place = data.index(b"open", (root - 1) * size, root * size)
    data[place] ^= 1  # "open" becomes another word: who asks for live orders does not see this one
    path.write_bytes(data)
    journal = await opened(path)
    assert journal.rebuilt
    assert {order.state.value for order in journal.reader.load_working()} == {"open", "submitting"}
    journal.reader.verify()
    await journal.close()


async def test_a_damaged_event_is_never_the_source_of_a_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    change(path, "DROP TRIGGER event_is_never_updated")
    change(path, 'UPDATE event SET payload = replace(payload, \'"level":"reduce-only"\', \'"level":"off"\')')
    change(path, "UPDATE latch SET level = 'off'")
    with pytest.raises(JournalCorrupt, match="breaks the hash chain"):
        await opened(path)


async def test_a_journal_of_the_version_before_is_migrated_once_and_proven(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    for statement in (
        "DROP INDEX event_order",
        "DROP INDEX orders_seq",
        "DROP INDEX payments_seq",
        "DELETE FROM _sqlite_migrations WHERE name = 'm003_events_by_order'",
        "UPDATE latch SET level = 'off'",
    ):
        change(path, statement)
    journal = await opened(path)
    assert journal.rebuilt == "table latch"
    assert journal.reader.load_latch().level is KillLevel.REDUCE_ONLY
    await journal.close()


async def test_a_start_reads_as_much_whatever_lies_before_the_newest_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_module, "CHECKED_AT_OPEN", 50)
    read: list[int] = []
    for rounds in (100, 1_000):
        path = tmp_path / f"{rounds}.db"
        await (await long_journal(path, monkeypatch, rounds)).close()
        checked: list[int] = []
        with monkeypatch.context() as patch:
            for module in (journal_proof, journal_chain):
                patch.setattr(module, "check_event", lambda row, _, numbers=checked: numbers.append(row[0]))
            await (await opened(path)).close()
        read.append(len(checked))
    assert read[1] < 1.5 * read[0]


async def test_cycles_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.db"
    journal = await long_journal(path, monkeypatch)
    for number in range(1, 9):
        await journal.record_cycle(await cycle_record(number))
    await journal.close()
    change(path, "DELETE FROM cycles WHERE number = 8")
    journal = await opened(path)
    assert journal.rebuilt
    assert journal.reader.next_cycle_number() == 9
    await journal.close()


@pytest.mark.slow
def test_the_work_of_a_proof_does_not_grow_with_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of sqlite: a question that walks over all events of a kind takes more of them in a larger journal."""
    past = bench_open.past
    monkeypatch.setattr(bench_open, "past", lambda: (event for event in past() if event[0] != "note"))
    steps = {}
    for count in (6_000, 24_000):
        path = tmp_path / f"{count}.db"
        bench_open.write(path, count)
        steps[count] = 0

        def step(count: int = count) -> None:
            steps[count] += 1

        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.set_progress_handler(step, 100)
            assert journal_proof.prove(Database(connection), path, reads_all=False) == ""
    assert steps[24_000] < 1.1 * steps[6_000]
