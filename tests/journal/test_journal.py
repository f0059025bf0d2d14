"""The journal: what it acknowledges is on disk, what it refuses leaves no trace, and its tables are its events."""

import asyncio
import contextlib
import errno
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.domain.campaign import Condition, Memory, Stance
from bot.domain.durations import HOUR_MS
from bot.domain.market import Quote, Snapshot
from bot.domain.reason import Note, Reason
from bot.domain.states import ORDER_TABLE, IllegalTransition, KillLevel, OrderEvent, OrderState
from bot.domain.turn.decision import Decision, Verdict
from bot.domain.turn.inputs import TurnInputs
from bot.journal import errors as journal_errors
from bot.journal import recovery as recovery_module
from bot.journal.disk.lease import LEASE_MS, LockFile
from bot.journal.journal import (
    CycleRecord,
    DuplicateOrder,
    Journal,
    JournalBusy,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalNewer,
    JournalReader,
    JournalReadOnly,
    SnapshotPruned,
)
from bot.ports import Payment
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import SPOT, START_MS, ScriptedVenue
from tests.execution.worlds import make_order


async def opened(path: Path, **options: object) -> Journal:
    return await Journal.open(path, account="main", now_ms=lambda: START_MS, **options)  # type: ignore[arg-type]


def shortest_way(goal: OrderState) -> tuple[OrderEvent, ...]:
    """Events that lead from SUBMITTING to a state."""
    ways: list[tuple[OrderState, tuple[OrderEvent, ...]]] = [(OrderState.SUBMITTING, ())]
    for state, way in ways:
        if state is goal:
            return way
        seen = {known for known, _ in ways}
        ways.extend((after, (*way, event)) for event, after in ORDER_TABLE[state].items() if after not in seen)
    raise AssertionError(f"{goal} cannot be reached")


@pytest.mark.parametrize(("state", "event"), list(itertools.product(OrderState, OrderEvent)))
async def test_the_journal_accepts_the_rows_of_the_order_table_and_nothing_else(
    tmp_path: Path, state: OrderState, event: OrderEvent
) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    order = make_order()
    await journal.record_submitting(order)
    for step in shortest_way(state):
        await journal.record_order_event(order.client_id, step)
    before = journal.reader.count_events()
    if event in ORDER_TABLE[state]:
        after = await journal.record_order_event(order.client_id, event, venue_id="v1", reason="because")
        assert after.state is ORDER_TABLE[state][event]
        assert (after.venue_id, after.reason) == ("v1", "because")
    else:
        with pytest.raises(IllegalTransition):
            await journal.record_order_event(order.client_id, event)
        assert journal.reader.count_events() == before
        unchanged = journal.reader.load_order(order.client_id)
        assert unchanged is not None
        assert unchanged.state is state
    journal.reader.verify()
    await journal.close()


async def full_journal(path: Path) -> Journal:
    """Something of everything."""
    journal = await opened(path, threaded=False)
    await journal.record_submitting(make_order(0))
    await journal.record_order_event(make_order(0).client_id, OrderEvent.ACKED, venue_id="v1")
    await journal.record_submitting(make_order(1))
    await journal.record_not_found(make_order(1).client_id)
    await journal.record_fills([make_fill(1, "v1"), make_fill(2, "v1"), make_fill(3, None)])
    await journal.record_payments([Payment("p1", "funding", "USDT", Decimal("-0.10"), SPOT, START_MS)])
    await journal.record_memory(Memory(stance=Stance.INTO_DEFI, equity_peak=Decimal("105000.10")))
    await journal.record_latch(KillLevel.REDUCE_ONLY, by="operator", reason="a test")
    await journal.record_lock(SPOT, Note(Reason.POSITION_MISMATCH, "differs"))
    await journal.record_lock("ARB/USDT", Note(Reason.POSITION_MISMATCH, "differs"))
    await journal.record_unlock("ARB/USDT", "agrees")
    await journal.record_cycle(await cycle_record(1))
    await journal.record_fact("config", {"digest": "abc"})
    return journal


async def cycle_record(number: int) -> CycleRecord:
    quote = Quote(SPOT, Decimal("9.90"), Decimal("10.10"), START_MS + number)
    return CycleRecord(
        number=number,
        inputs=TurnInputs(
            kind="cycle",
            kill=KillLevel.OFF,
            is_canary=False,
            snapshot=Snapshot(START_MS + number, {}, {SPOT: quote}),
            account=await ScriptedVenue().fetch_account(),
            memory=Memory(),
            working=(make_order(7),),
        ),
        decision=Decision(
            at_ms=START_MS + number,
            signals=(),
            condition=Condition.DOWNTREND,
            confidence=Decimal("0.60"),
            phases={},
            stance=Stance.DE_RISK,
            target={},
            intents=(),
            transfers=(),
            notes=(),
            memory=Memory(stance=Stance.DE_RISK),
        ),
        verdicts=(Verdict("1.1.1", False, note=Note(Reason.PRICE_BAD, "because")),),
        config_digest="abc",
    )


async def test_projections_are_the_replay_of_events(tmp_path: Path) -> None:
    journal = await full_journal(tmp_path / "j.db")
    journal.reader.verify()
    before = dump(tmp_path / "j.db")
    await journal.rebuild()
    assert dump(tmp_path / "j.db") == before
    await journal.close()


def dump(path: Path) -> list[str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        lines = [line for line in connection.iterdump() if 'INTO "lease"' not in line]
    connection.close()
    return lines


async def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal = await full_journal(tmp_path / "j.db")
    reader = journal.reader
    order = reader.load_order(make_order(0).client_id)
    assert order is not None
    assert (order.filled_size, order.filled_quote) == (Decimal(2), Decimal("20.0"))
    assert {o.client_id for o in reader.load_working()} == {make_order(0).client_id, make_order(1).client_id}
    assert [o.not_found_count for o in reader.load_working()] == [0, 1]
    assert [o.client_id for o in reader.load_orders(campaign=1)] == [make_order(1).client_id, make_order(0).client_id]
    assert reader.load_orders(campaign=2) == ()
    assert reader.load_memory().stance is Stance.DE_RISK
    assert (reader.load_latch().level, reader.load_latch().by) == (KillLevel.REDUCE_ONLY, "operator")
    assert reader.load_locks() == {SPOT: "differs"}
    assert reader.load_turnover(0) == Decimal(30)
    assert reader.load_fees() == {"USDT": Decimal("0.030")}
    assert (reader.count_orders(0), reader.count_fills(0), reader.next_cycle_number()) == (2, 3, 2)
    assert reader.load_payments()[0].amount == Decimal("-0.10")
    assert reader.load_facts("config")[0].payload == {"digest": "abc"}
    assert reader.load_last_cycle() == await cycle_record(1)
    assert reader.load_cycle(99) is None
    await journal.close()
    alone = JournalReader(tmp_path / "j.db")
    assert alone.load_memory().stance is Stance.DE_RISK
    alone.close()


async def test_the_newest_snapshots_and_the_first_of_the_day_are_kept_and_the_events_stay(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False, keep_snapshots=2)
    for number in (1, 2, 3, 4):
        await journal.record_cycle(await cycle_record(number))
    with pytest.raises(SnapshotPruned, match="cycle 2"):
        journal.reader.load_cycle(2)
    assert journal.reader.load_cycle(1) == await cycle_record(1)
    assert journal.reader.load_cycle(3) == await cycle_record(3)
    assert [head.number for head in journal.reader.load_cycle_heads()] == [4, 3, 2, 1]
    journal.reader.verify()
    await journal.close()


async def test_the_cycle_of_a_moment_is_found_through_an_index_however_many_there_are(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    one = await cycle_record(1)
    for number in range(1, 301):
        kind = "guard" if number % 3 == 0 else "cycle"
        snapshot = replace(one.snapshot, at_ms=one.at_ms + number // 2)
        await journal.record_cycle(
            replace(one, number=number, inputs=replace(one.inputs, kind=kind, snapshot=snapshot))
        )
    asked: list[str] = []
    with closing(sqlite3.connect(tmp_path / "j.db")) as db:
        reader = JournalReader(tmp_path / "j.db")
        db.set_trace_callback(asked.append)
        reader.read_through(Database(db))
        # 100 and 101 looked at the same moment; so did 98 and 99, a guard.
        assert [reader.load_cycle_number_at("cycle", one.at_ms + half) for half in (50, 49)] == [101, 98]
        assert reader.load_cycle_number_at("guard", one.at_ms + 49) == 99
        assert reader.load_cycle_number_at("cycle", one.at_ms + 151) is None
        db.set_trace_callback(None)
        plans = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(plans) == 4
    assert {plan.split(" (")[0] for plan in plans} == {"SEARCH cycles USING COVERING INDEX cycles_at"}
    await journal.close()


async def test_a_journal_of_the_first_version_gets_the_index_when_it_is_opened(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    await journal.record_cycle(await cycle_record(1))
    await journal.close()
    with closing(sqlite3.connect(tmp_path / "j.db")) as db, db:
        db.execute("DROP INDEX cycles_at")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm002_cycles_by_time'")
    at_ms = (await cycle_record(1)).at_ms
    alone = JournalReader(tmp_path / "j.db")
    assert alone.load_cycle_number_at("cycle", at_ms) == 1  # one that only reads does without
    alone.close()
    journal = await opened(tmp_path / "j.db", threaded=False)
    with closing(sqlite3.connect(tmp_path / "j.db")) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'cycles_at'").fetchone() == (1,)
    journal.reader.verify()
    await journal.close()


async def test_no_two_orders_share_an_id_and_no_two_live_ones_an_intent(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    await journal.record_submitting(make_order(0))
    with pytest.raises(DuplicateOrder, match="used before") as taken:
        await journal.record_submitting(make_order(0, intent_id="another"))
    assert taken.value.is_id_taken
    for event in (OrderEvent.ACKED, OrderEvent.CANCEL_SENT):
        await journal.record_order_event(make_order(0).client_id, event)
        with pytest.raises(DuplicateOrder, match="still"):
            await journal.record_submitting(make_order(1, intent_id="intent-0"))
    await journal.record_order_event(make_order(0).client_id, OrderEvent.CANCELED)
    await journal.record_submitting(make_order(1, intent_id="intent-0"))
    with pytest.raises(DuplicateOrder, match="used before"):
        await journal.record_submitting(make_order(0, intent_id="intent-0"))
    await journal.close()


async def test_of_a_hundred_racing_orders_of_one_intent_one_is_written(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    orders = [make_order(number, intent_id="one") for number in range(100)]
    results = await asyncio.gather(*(journal.record_submitting(o) for o in orders), return_exceptions=True)
    assert [type(result) for result in results].count(DuplicateOrder) == 99
    assert len(journal.reader.load_working()) == 1
    journal.reader.verify()
    await journal.close()


async def test_the_event_table_can_only_grow(tmp_path: Path) -> None:
    journal = await full_journal(tmp_path / "j.db")
    await journal.close()
    connection = sqlite3.connect(tmp_path / "j.db")
    for statement in (
        "UPDATE event SET payload = '{}' WHERE seq = 1",
        "DELETE FROM event WHERE seq = 1",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


async def test_the_journal_is_private_and_has_one_account(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "j.db"
    journal = await opened(path)
    assert path.stat().st_mode & 0o777 == 0o600
    await journal.close()
    with pytest.raises(JournalError, match="belongs to account 'main'"):
        await Journal.open(path, account="other", now_ms=lambda: START_MS)


async def test_a_second_daemon_is_told_who_has_the_journal(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    with pytest.raises(JournalBusy, match=f"process {os.getpid()} on host"):
        await opened(tmp_path / "j.db")
    await journal.record_fact("config", {})
    await journal.close()
    again = await opened(tmp_path / "j.db")
    await again.close()


async def test_a_lock_holds_on_a_full_disk_where_nobody_can_read_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a start on a full disk ended with the words of the system, before the journal could say more."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, second = LockFile(tmp_path / "j.db"), LockFile(tmp_path / "j.db")
    monkeypatch.setattr(os, "pwrite", refuse)
    first.acquire()
    with pytest.raises(JournalBusy, match="is in use by another process"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


async def test_the_lease_of_another_host_is_believed_until_it_runs_out(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await opened(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE lease SET host = 'elsewhere', pid = 4711, is_released = 0")
    connection.commit()
    connection.close()
    with pytest.raises(JournalBusy, match="process 4711 on host elsewhere"):
        await opened(path)
    later = await Journal.open(path, account="main", now_ms=lambda: START_MS + LEASE_MS)
    await later.close()


@pytest.mark.parametrize("behind_ms", [1, LEASE_MS - 1, LEASE_MS + 1, 86_400_000])
async def test_a_lease_stamped_by_a_clock_ahead_of_ours_is_believed(tmp_path: Path, behind_ms: int) -> None:
    path = tmp_path / "j.db"
    await (await opened(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE lease SET host = 'elsewhere', pid = 4711, is_released = 0")
    connection.commit()
    with pytest.raises(JournalBusy, match=r"host elsewhere \(its clock is .* ahead of ours\)"):
        await Journal.open(path, account="main", now_ms=lambda: START_MS - behind_ms)
    connection.execute("UPDATE lease SET is_released = 1")
    connection.commit()
    connection.close()
    await (await Journal.open(path, account="main", now_ms=lambda: START_MS - behind_ms)).close()


async def test_an_idle_daemon_keeps_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.journal.writer.HEARTBEAT_SECONDS", 0.005)
    times = itertools.count(START_MS, 1_000)
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: next(times))
    connection = sqlite3.connect(f"file:{tmp_path / 'j.db'}?mode=ro", uri=True)
    seen: set[int] = set()
    while len(seen) < 3:
        seen.add(connection.execute("SELECT renewed_ms FROM lease").fetchone()[0])
        await asyncio.sleep(0.005)
    connection.close()
    events = journal.reader.count_events()
    assert events == 1
    await journal.close()


async def test_a_second_writer_that_got_past_the_lock_stops_the_first(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute("INSERT INTO event SELECT seq + 1, at_ms, kind, cycle, payload, hash, 'x' FROM event")
    connection.commit()
    connection.close()
    with pytest.raises(JournalBusy, match="another process"):
        await journal.record_submitting(make_order())
    assert isinstance(journal.failed, JournalBusy)
    await journal.close()


async def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await opened(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('sectorbot.journal', 'm999_x', '')"
    )
    connection.commit()
    connection.close()
    with pytest.raises(JournalNewer, match=r"m999_x.*update the program"):
        await opened(path)


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tradesv3.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE trades (id INTEGER)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"another program \(tables: trades\)"):
        await opened(path)
    assert path.read_bytes() == before


async def test_a_changed_event_is_found_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    await (await full_journal(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER event_is_never_updated")
    connection.execute("UPDATE event SET payload = '{}' WHERE seq = 5")
    connection.commit()
    connection.close()
    with pytest.raises(JournalCorrupt, match="event 5 breaks the hash chain"):
        await opened(path)


async def test_a_changed_projection_is_found_by_verify(tmp_path: Path) -> None:
    journal = await full_journal(tmp_path / "j.db")
    await journal.close()
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute("UPDATE orders SET filled_size = '3'")
    connection.commit()
    connection.close()
    reader = JournalReader(tmp_path / "j.db")
    with pytest.raises(JournalCorrupt, match="table orders"):
        reader.verify()
    reader.close()


async def test_a_file_that_is_no_journal_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(JournalCorrupt, match="not a database"):
        await opened(tmp_path / "j.db")


async def test_a_journal_of_years_opens_without_reading_every_page_and_verify_still_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    journal = await opened(path)
    for number in range(1_500):
        await journal.record_fact("note", {"number": number, "words": "old and long forgotten"})
    await journal.close()
    content = path.read_bytes()
    place = content.index(b'"number": 3,' if b'"number": 3,' in content else b'"number":3,')
    path.write_bytes(content[:place] + b"\xff" * 2_000 + content[place + 2_000 :])
    with pytest.raises(JournalCorrupt):
        await opened(path)
    monkeypatch.setattr(recovery_module, "WHOLE_CHECK_MAX_BYTES", 0)
    journal = await opened(path)
    with pytest.raises(JournalCorrupt):
        journal.reader.verify()
    await journal.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
async def test_a_read_only_file_is_named(tmp_path: Path) -> None:
    await (await opened(tmp_path / "j.db")).close()
    (tmp_path / "j.db").chmod(0o400)
    with pytest.raises(JournalReadOnly, match="make the file and its directory writable"):
        await opened(tmp_path / "j.db")


@pytest.mark.parametrize(
    ("pragma", "kind"), [("max_page_count = 1", JournalFull), ("query_only = ON", JournalReadOnly)]
)
@pytest.mark.parametrize("threaded", [True, False])
async def test_after_a_failed_write_nothing_is_accepted_and_nothing_acknowledged_is_lost(
    tmp_path: Path, pragma: str, kind: type[JournalError], threaded: bool
) -> None:
    journal = await opened(tmp_path / "j.db", threaded=threaded)
    written = 0
    with contextlib.suppress(kind):
        await journal._writer.run(lambda db: db.execute(f"PRAGMA {pragma}").fetchall())
    while not isinstance(journal.failed, JournalError):
        with contextlib.suppress(kind):
            await journal.record_fact("config", {"padding": "x" * 2_000})
            written += 1
    assert isinstance(journal.failed, kind)
    assert "j.db" in str(journal.failed)
    with pytest.raises(kind):
        await journal.record_submitting(make_order())
    assert len(journal.reader.load_facts("config", limit=2_000)) == written
    await journal.close()
    again = await opened(tmp_path / "j.db")
    again.reader.verify()
    await again.close()


async def test_a_write_lock_of_another_program_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.journal.journal.BUSY_SECONDS", 0.01)
    journal = await opened(tmp_path / "j.db")
    other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalBusy, match="locked by another program"):
        await journal.record_fact("config", {})
    other.close()
    await journal.close()


def test_errors_of_the_operating_system_have_names_too(tmp_path: Path) -> None:
    assert isinstance(journal_errors.classify(OSError(28, "No space left"), tmp_path), JournalFull)
    assert isinstance(journal_errors.classify(OSError(30, "Read-only file system"), tmp_path), JournalReadOnly)


async def test_facts_may_not_pass_for_events_with_a_method_of_their_own(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    with pytest.raises(ValueError, match="method of their own"):
        await journal.record_fact("latch", {"level": "off"})
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.record_fact("config", {})


CHILD = """
import asyncio, sys, time
from pathlib import Path
from bot.journal.journal import Journal

async def main():
    journal = await Journal.open(Path(sys.argv[1]), account="main", now_ms=lambda: time.time_ns() // 1_000_000)
    async def append(worker):
        for number in range(100_000):
            await journal.record_fact("note", {"worker": worker, "number": number})
            print(worker, number, flush=True)
    await asyncio.gather(*(append(worker) for worker in range(8)))

asyncio.run(main())
"""


def test_no_acknowledged_event_is_missing_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    acknowledged = set()
    for life in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(150):
            worker, number = child.stdout.readline().split()
            acknowledged.add((life, int(worker), int(number)))
        child.send_signal(signal.SIGKILL)
        rest = child.communicate()[0]
        complete = [line.split() for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged |= {(life, int(worker), int(number)) for worker, number in complete}
    reader = JournalReader(path)
    found, life = set(), -1
    for event in reader.load_events(limit=1_000_000):
        if event.kind == "opened":
            life += 1
        elif event.kind == "note":
            found.add((life, event.payload["worker"], event.payload["number"]))
    assert acknowledged <= found
    assert len(acknowledged) >= 450
    reader.verify()
    reader.close()


async def test_what_was_handed_in_before_the_end_is_written_before_it(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    held, released = threading.Event(), threading.Event()

    def hold(db: object) -> None:
        held.set()
        released.wait()

    first = asyncio.create_task(journal._writer.run(hold))
    await asyncio.to_thread(held.wait)
    writes = [asyncio.create_task(journal.record_fact("note", {"number": number})) for number in range(5)]
    await asyncio.sleep(0)
    ending = asyncio.create_task(journal._writer.stop())
    await asyncio.sleep(0)
    with pytest.raises(JournalError, match=r"j\.db: is closed; open it again"):
        await journal.record_fact("note", {"number": "too late"})
    released.set()
    await asyncio.gather(first, *writes, ending)
    await journal.close()
    reader = JournalReader(tmp_path / "j.db")
    assert [fact.payload["number"] for fact in reader.load_facts("note")] == [4, 3, 2, 1, 0]
    reader.close()


async def test_of_one_batch_a_refused_record_takes_no_other_with_it(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    await journal.record_submitting(make_order(0))
    held, released = threading.Event(), threading.Event()

    def hold(db: object) -> None:
        held.set()
        released.wait()

    first = asyncio.create_task(journal._writer.run(hold))
    await asyncio.to_thread(held.wait)
    works = [
        journal.record_fact("note", {"number": 0}),
        journal.record_submitting(make_order(0)),
        journal.record_fact("note", {"number": 1}),
        journal.record_submitting(make_order(1)),
    ]
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0)
    released.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    assert [type(answer) for answer in answers] == [type(None), DuplicateOrder, type(None), type(None)]
    assert [fact.payload["number"] for fact in journal.reader.load_facts("note")] == [1, 0]
    assert len(journal.reader.load_working()) == 2
    journal.reader.verify()
    await journal.close()


async def test_payments_that_are_known_need_no_transaction_and_new_ones_beside_them_count_once(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    paid = [Payment(str(n), "funding", "USDT", Decimal(n), "UNI/USDT:USDT", START_MS + n) for n in (1, 2, 3)]
    assert await journal.record_payments(paid[:2]) == tuple(paid[:2])
    with closing(sqlite3.connect(tmp_path / "j.db", timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write now
        assert await journal.record_payments(paid[:2]) == ()
        assert await journal.record_payments(paid[1:2]) == ()
    assert await journal.record_payments(paid) == (paid[2],)
    assert await journal.record_payments(paid[:1]) == ()
    assert journal.reader.load_payments() == tuple(paid)
    await journal.close()


async def test_a_number_that_a_venue_gives_again_after_a_reset_is_another_trade(tmp_path: Path) -> None:
    """A test network that was reset begins its numbers anew, of orders as well. What a venue lists of one trade twice
    has the time of that trade, or differs in nothing else."""
    journal = await opened(tmp_path / "j.db", threaded=False)
    first = make_fill(1, "v1")
    second = replace(first, size=Decimal(2), at_ms=first.at_ms + 2 * HOUR_MS)
    for number, fill in enumerate((first, second)):
        await journal.record_submitting(make_order(number))
        await journal.record_order_event(make_order(number).client_id, OrderEvent.ACKED, venue_id="v1")
        assert len(await journal.record_fills([fill])) == 1
        assert await journal.record_fills([first, fill]) == (), "they are listed again and again"
    assert await journal.record_fills([replace(first, at_ms=second.at_ms)]) == (), "listed with another time"
    assert await journal.record_fills([replace(first, size=Decimal(9))]) == (), "listed with another size"
    orders = {order.client_id: order.filled_size for order in journal.reader.load_orders()}
    assert orders == {make_order(0).client_id: first.size, make_order(1).client_id: second.size}
    journal.reader.verify()
    await journal.close()


async def test_a_trade_under_a_number_given_again_counts_once_whatever_its_time(tmp_path: Path) -> None:
    """The answer to an order may have its own time, none or no number of the order; the list has that of the trade."""
    journal = await opened(tmp_path / "j.db", threaded=False)
    old = make_fill(1, "v1")
    new = replace(old, size=Decimal(2), at_ms=old.at_ms + 2 * HOUR_MS)
    third = replace(new, size=Decimal(3), at_ms=new.at_ms + 2 * HOUR_MS)
    for fill in (old, new, third):
        assert len(await journal.record_fills([fill])) == 1
        for at_ms in (fill.at_ms, fill.at_ms + 1, fill.at_ms - 1, fill.at_ms + 5 * HOUR_MS, 0):
            assert await journal.record_fills([replace(fill, at_ms=at_ms)]) == (), at_ms
            assert await journal.record_fills([replace(fill, at_ms=at_ms, venue_order_id=None)]) == (), at_ms
    for fill in (new, third):
        assert await journal.record_fills([replace(fill, price=fill.price + 1)]) == (), "its price is put right"
    assert await journal.record_fills([replace(old, price=old.price + 1, at_ms=0)]) == (), "no time makes it no other"
    other = replace(third, trade_id=f"{old.trade_id}0", at_ms=third.at_ms + 1)
    assert len(await journal.record_fills([other])) == 1, "another number that begins like it"
    journal.reader.verify()
    await journal.close()
