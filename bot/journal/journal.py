"""The write-ahead journal: every write is committed and on disk when it returns (DESIGN §5).

One writer thread owns the database. Events are appended, never changed; projections are kept in the same transaction.
When a write fails, `failed` says so and the journal accepts nothing more: without it no order may be sent.
"""

import asyncio
import contextlib
import os
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from bot.domain.campaign import Memory
from bot.domain.codec import encode
from bot.domain.durations import HOUR_MS
from bot.domain.money import ONE, dec
from bot.domain.order import Fill, Order
from bot.domain.order_ids import epoch_of
from bot.domain.reason import Note
from bot.domain.states import ORDER_TABLE, KillLevel, OrderEvent, OrderState, advance, is_late
from bot.journal.disk.files import make_private, set_aside
from bot.journal.disk.lease import LockFile, release_lease, renew_lease, take_lease
from bot.journal.disk.reserve import Reserve
from bot.journal.errors import (
    DuplicateOrder,
    JournalBusy,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalNewer,
    JournalReadOnly,
    SnapshotPruned,
    classify,
    newer,
)
from bot.journal.event_log import EventLog
from bot.journal.facts import Fact
from bot.journal.proof import REBUILT
from bot.journal.reader import CycleHead, JournalReader, Latch, order_of
from bot.journal.record import CycleRecord
from bot.journal.recovery import Recovery, open_file
from bot.journal.schema import (
    LIVE_STATES,
    ORDER_FIELDS,
    RESERVED_KINDS,
    foreign_tables,
    missing_migrations,
    rebuild,
    unknown_migrations,
)
from bot.journal.turns import TurnStore
from bot.journal.writer import Writer
from bot.ports import Payment

__all__ = [
    "CycleHead",
    "CycleRecord",
    "DuplicateOrder",
    "Fact",
    "Journal",
    "JournalBusy",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalLocked",
    "JournalNewer",
    "JournalReadOnly",
    "JournalReader",
    "Latch",
    "SnapshotPruned",
]

T = TypeVar("T")
BUSY_SECONDS = 10.0
NUMBERED_ANEW_MS = HOUR_MS  # two trades of one number are further apart than this


class Journal:
    """The writing side. Make one with `open`; read through `reader`.

    Every `record_` method raises JournalError when the storage fails, and returns only after the commit (fsync).
    """

    def __init__(
        self,
        path: Path,
        *,
        account: str,
        now_ms: Callable[[], int],
        keep_snapshots: int,
        threaded: bool,
        token: str = "",
    ) -> None:
        self.path = path
        self.token = token or secrets.token_hex(8)
        self.account = account
        self.reader = JournalReader(path)
        self._now_ms = now_ms
        self._turns = TurnStore(keep_snapshots)
        self._events = EventLog(path, now_ms)
        self._known_payments: frozenset[tuple[str, str]] = frozenset()
        self.former: Path | None = None  # the journal that a fresh one has taken the place of, under its new name
        self.migrated: list[str] = []  # what a journal of an older version lacked when the file was opened last
        self.rebuilt = ""  # which table was not what its events say when the file was opened last, empty for none
        self._lock_file = LockFile(path)
        self.reserve = Reserve(path)
        self._writer = Writer(
            path,
            self._connect,
            on_batch=self._finish_batch,
            mark=self._events.mark,
            restore=self._events.restore,
            on_commit=self._events.note_commit,
            threaded=threaded,
        )
        self._recovery = Recovery(
            path, self.reader, self._writer, self.reserve, head=lambda: self._events.head, claim=self._claim
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        account: str,
        now_ms: Callable[[], int],
        keep_snapshots: int = 200,
        threaded: bool = True,
        fresh: bool = False,
        token: str = "",
        substituted: bool = False,
    ) -> "Journal":
        """Open or create the journal of one account: lock, migrations, checks, lease.

        Args:
            keep_snapshots: how many of the newest turns keep what they saw; the first cycle of each day keeps it.
            threaded: False writes on the caller's thread, for loops that run on virtual time.
            fresh: begin a new journal; one that is there is renamed, once nobody else has it.
            token: what the epoch of this opening is made of; random where none is given.
            substituted: go on in the copy of a journal that another program has locked; only for the kill switch.

        Raises:
            JournalBusy: another daemon has it; names the process and its host.
            JournalLocked: another program's write lock; no copy could be made either where one was asked for.
            JournalNewer: written by a newer version.
            JournalReadOnly: the file or its directory cannot be written.
            JournalCorrupt: damaged file or hash chain.
            JournalError: anything else.
        """
        journal = cls(
            path, account=account, now_ms=now_ms, keep_snapshots=keep_snapshots, threaded=threaded, token=token
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            journal._lock_file.acquire()
        except OSError as error:
            raise classify(error, path) from error
        try:
            if fresh:
                journal.former = set_aside(path)
            if substituted:
                journal._recovery.enter_at_start()
            make_private(path)  # under the lock: closing a descriptor of the file drops this process's SQLite locks
            await journal._writer.start()
            journal._events.note_commit()
            journal.reader.remember(journal._events.newest_on_disk)
        except asyncio.CancelledError:
            journal._abandon()
            raise
        except (OSError, sqlite3.Error) as error:
            journal._lock_file.release()
            raise classify(error, path) from error
        except BaseException:
            journal._lock_file.release()
            raise
        return journal

    def _abandon(self) -> None:
        """Nobody waits for the file to be opened any more: its thread gives lease and lock back once it has it."""
        self.reader.close()
        self._writer.abandon(lambda db: release_lease(db, self._now_ms()), self._lock_file.release)

    async def close(self) -> None:
        """Finish what is queued, give lease and lock back. Safe to call twice, also after a failure."""
        if not self._writer.is_closed and self.failed is None:
            with contextlib.suppress(JournalError):  # the lease of a dead process runs out by itself
                await self._writer.run(lambda db: release_lease(db, self._now_ms()))
        self.reader.close()  # the last connection to close writes the log back into the file, and a reader cannot
        await self._writer.stop()
        self._lock_file.release()

    @property
    def epoch(self) -> int:
        """The part of every client order id that no other opening of a journal shares."""
        return epoch_of(self.token)

    @property
    def failed(self) -> JournalError | None:
        """Why the journal refuses writes, None while it works."""
        return self._writer.failed

    @property
    def is_substituted(self) -> bool:
        """Whether records go into a copy, because another program has the journal locked."""
        return self._recovery.is_substituted

    async def recover(self) -> bool:
        """After a failure that kept nothing: accept records again if that is possible; see `Recovery`."""
        return await self._recovery.recover()

    async def return_if_unlocked(self, *, may_stay: bool) -> bool:
        """Back from the copy of a locked journal, if it can be written again; whether the journal itself is in use.

        Args:
            may_stay: a level of the kill switch is in force, which may go on in the copy.

        Raises:
            JournalLocked: the journal still is locked, and nothing may go on in the copy.
            JournalError: the copy and the journal do not belong together.
        """
        return await self._recovery.return_if_unlocked(may_stay=may_stay)

    def hurry_while(self, is_hurried: Callable[[], bool]) -> None:
        """While it is true, a write waits only a moment for another program's lock before it fails and `recover` may go
        on in a copy. It is asked in the writer's thread."""
        self._writer.is_hurried = is_hurried

    def silent_seconds(self) -> float:
        """How long ago the writer finished its last turn; it makes one every few seconds, with or without work."""
        return self._writer.silent_seconds()

    async def record_cycle(self, record: CycleRecord) -> None:
        """What a cycle saw and decided, in one transaction; its decision's memory becomes the current one."""
        await self._writer.run(lambda db: self._write_cycle(db, record))

    def begin_cycle(self, record: CycleRecord) -> Awaitable[None]:
        """The same in one transaction with what is recorded next, which is kept only with it: the caller asks for that,
        such as the order it leads to, before it awaits the result. Raises JournalError, at once or when awaited."""
        return self._writer.begin(lambda db: self._write_cycle(db, record))

    async def record_submitting(self, order: Order, decided: Decimal | None = None) -> None:
        """The order as it is about to be sent, and the price at which it was decided, None where there is none.

        Raises:
            DuplicateOrder: the id was used before, or another order of the intent is live. Nothing was written.
            ValueError: the order is not in state SUBMITTING.
        """
        if order.state is not OrderState.SUBMITTING:
            raise ValueError(f"order {order.client_id} is {order.state}, not {OrderState.SUBMITTING}")
        await self._writer.run(lambda db: self._write_submitting(db, order, decided))

    async def record_order_event(
        self,
        client_id: str,
        event: OrderEvent,
        *,
        venue_id: str | None = None,
        reason: str = "",
        filled_size: Decimal | None = None,
        filled_quote: Decimal | None = None,
    ) -> Order:
        """One step of an order through `ORDER_TABLE`; the order after it.

        Raises:
            IllegalTransition: no row for the pair. Nothing was written.
            KeyError: no such order.
        """
        amounts = (filled_size, filled_quote)
        return await self._writer.run(
            lambda db: self._write_order_event(db, client_id, event, venue_id, reason, amounts)
        )

    async def record_not_found(self, client_id: str) -> Order:
        """The venue said on every endpoint that it does not know the order; the order with its count raised."""
        return await self._writer.run(lambda db: self._write_not_found(db, client_id))

    async def record_fills(
        self, fills: Sequence[Fill], *, contract_sizes: Mapping[str, Decimal] | None = None
    ) -> tuple[Fill, ...]:
        """The new ones among them: a fill counts once per (venue, symbol, trade id).

        An exchange that was reset gives numbers of old trades to new ones: such a trade gets its time into its number.

        `contract_sizes` gives base units per contract where that is not 1, for the quote value.
        """
        sizes = contract_sizes or {}
        return await self._writer.run(lambda db: self._write_fills(db, fills, sizes)) if fills else ()

    async def record_payments(self, payments: Sequence[Payment]) -> tuple[Payment, ...]:
        """The new ones among them: a payment counts once per (kind, id)."""
        asked = frozenset((payment.kind, payment.id) for payment in payments)
        is_news = not asked <= self._known_payments  # a venue is asked for a day's again and again
        new = await self._writer.run(lambda db: self._write_payments(db, payments)) if is_news else ()
        self._known_payments = asked
        return new

    async def record_memory(self, memory: Memory) -> None:
        """What the pure part carries to its next cycle."""
        await self._append("memory", encode(memory))

    async def record_latch(self, level: KillLevel, *, by: str, reason: str) -> None:
        """The kill switch. It survives restarts."""
        await self._append("latch", {"level": level.value, "by": by, "reason": reason})

    async def record_lock(self, symbol: str, note: Note) -> None:
        """Lock an instrument for everything but reduce-only, until `record_unlock`."""
        await self._append("lock", {"symbol": symbol, "note": encode(note)})

    async def record_unlock(self, symbol: str, reason: str) -> None:
        """Unlock an instrument; `reason` says what settled it."""
        await self._append("unlock", {"symbol": symbol, "reason": reason})

    async def record_fact(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Anything else worth a row: `baseline`, `adjustment`, `alert`, `config`, `note`; `codec.encode` is applied.

        Raises:
            ValueError: for a kind that has its own method.
        """
        if kind in RESERVED_KINDS:
            raise ValueError(f"events of kind {kind!r} have a method of their own")
        await self._append(kind, encode(payload))

    async def rebuild(self) -> None:
        """Throw the projections away and replay every event into them."""
        await self._writer.run(rebuild)
        self.reader.forget()

    async def _append(self, kind: str, payload: Any) -> None:
        await self._writer.run(lambda db: self._events.append(db, kind, payload))

    def _connect(self) -> Database:
        db = open_file(self._recovery.path, BUSY_SECONDS)
        try:
            if foreign := foreign_tables(db):
                raise JournalError(
                    self.path,
                    f"is the database of another program (tables: {', '.join(foreign[:5])})",
                    "give the journal a file of its own in [journal]",
                )
            if unknown := unknown_migrations(db):
                raise newer(self.path, unknown)
            self.migrated = missing_migrations(db)
            self.rebuilt = self._recovery.prove_at_start(db)
            self._events.load(db)
            db.execute("BEGIN IMMEDIATE")
            take_lease(db, self.path, account=self.account, now_ms=self._now_ms())
            self._events.append(db, "opened", {"account": self.account, "pid": os.getpid(), "token": self.token})
            self._record_rebuilt(db, self.rebuilt)
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _claim(self, db: Database, rebuilt: str) -> None:
        """Go on in the journal after a copy of it."""
        take_lease(db, self.path, account=self.account, now_ms=self._now_ms())
        if rebuilt:
            db.execute("BEGIN IMMEDIATE")
            self._record_rebuilt(db, rebuilt)
            db.execute("COMMIT")
            self.rebuilt = rebuilt

    def _record_rebuilt(self, db: Database, difference: str) -> None:
        if difference:
            self._events.append(db, REBUILT, {"difference": difference})

    def _finish_batch(self, db: Database) -> None:
        renew_lease(db, self._now_ms())
        self._events.checkpoint_if_due(db, self.account)

    def _write_cycle(self, db: Database, record: CycleRecord) -> None:
        stored, payload = self._turns.store(db, record)
        self._events.cycle = record.number
        self._events.append(db, "cycle", payload, stored)
        self._turns.prune(db, record.number)

    def _write_submitting(self, db: Database, order: Order, decided: Decimal | None) -> None:
        if db.execute("SELECT 1 FROM orders WHERE client_id = ?", [order.client_id]).fetchone():
            raise DuplicateOrder(f"client order id {order.client_id} was used before", is_id_taken=True)
        marks = ", ".join("?" * len(LIVE_STATES))
        live = db.execute(
            f"SELECT client_id, state FROM orders WHERE intent_id = ? AND state IN ({marks})",
            [order.intent_id, *LIVE_STATES],
        ).fetchone()
        if live:
            raise DuplicateOrder(f"order {live[0]} of intent {order.intent_id} is still {live[1]}", is_id_taken=False)
        price = {} if decided is None else {"decided": str(decided)}
        self._events.append(db, "order_submitting", {"order": encode(order), **price})

    def _write_order_event(
        self,
        db: Database,
        client_id: str,
        event: OrderEvent,
        venue_id: str | None,
        reason: str,
        amounts: tuple[Decimal | None, Decimal | None],
    ) -> Order:
        before = _load(db, client_id)
        after = advance(ORDER_TABLE, before.state, event)
        filled_size, filled_quote = amounts
        payload = {
            "client_id": client_id,
            "event": event.value,
            "before": before.state.value,
            "state": after.value,
            "is_late": is_late(before.state, event),
            "venue_id": venue_id,
            "reason": reason,
            "filled_size": None if filled_size is None else str(filled_size),
            "filled_quote": None if filled_quote is None else str(filled_quote),
        }
        self._events.append(db, "order_event", payload)
        return _load(db, client_id)

    def _write_not_found(self, db: Database, client_id: str) -> Order:
        count = _load(db, client_id).not_found_count + 1
        self._events.append(db, "order_absent", {"client_id": client_id, "count": count})
        return _load(db, client_id)

    def _write_fills(self, db: Database, fills: Sequence[Fill], sizes: Mapping[str, Decimal]) -> tuple[Fill, ...]:
        new = []
        for given in fills:
            fill = given
            if known := _known_fills(db, fill):
                if not all(_is_another_trade(fill, one) for one in known):
                    continue
                fill = replace(fill, trade_id=f"{fill.trade_id}@{fill.at_ms}")
            quote = fill.price * fill.size * sizes.get(fill.symbol, ONE)
            self._events.append(db, "fill", {**encode(fill), "quote": str(quote)})
            new.append(fill)
        return tuple(new)

    def _write_payments(self, db: Database, payments: Sequence[Payment]) -> tuple[Payment, ...]:
        new = []
        for payment in payments:
            key = [payment.kind, payment.id]
            if not db.execute("SELECT 1 FROM payments WHERE kind = ? AND id = ?", key).fetchone():
                self._events.append(db, "payment", encode(payment))
                new.append(payment)
        return tuple(new)


def _known_fills(db: Database, fill: Fill) -> list[tuple[str, ...]]:
    """The trades of a fill's number: the first, and those that got their time into it."""
    columns = "SELECT at_ms, side, price, size, venue_order_id FROM fills WHERE venue = ? AND symbol = ? AND trade_id"
    key = [fill.venue, fill.symbol]
    if not (first := db.execute(f"{columns} = ?", [*key, fill.trade_id]).fetchall()):
        return []
    after_at_sign = chr(ord("@") + 1)
    bounds = [f"{fill.trade_id}@", f"{fill.trade_id}{after_at_sign}"]
    return [*first, *db.execute(f"{columns} > ? AND trade_id < ?", [*key, *bounds]).fetchall()]


def _is_another_trade(fill: Fill, known: tuple[str, ...]) -> bool:
    """Whether a number is that of two trades: neither their times agree nor all else that does not change. A time or
    an order that is not given says nothing: a new trade without its time waits for the venue's list, which has it."""
    at_ms, side, price, size, order = known
    is_same = (fill.side, fill.price, fill.size) == (side, dec(price), dec(size))
    is_of_it = None in (fill.venue_order_id, order) or fill.venue_order_id == order
    if fill.at_ms <= 0 or int(at_ms) <= 0:
        return False
    return abs(fill.at_ms - int(at_ms)) > NUMBERED_ANEW_MS and not (is_same and is_of_it)


def _load(db: Database, client_id: str) -> Order:
    row = db.execute(f"SELECT {', '.join(ORDER_FIELDS)} FROM orders WHERE client_id = ?", [client_id]).fetchone()
    if row is None:
        raise KeyError(f"no order {client_id} in the journal")
    return order_of(row)
