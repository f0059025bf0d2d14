"""Reading a journal: a read-only connection of its own, so that no reader can damage or block the writer."""

import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from bot.domain.campaign import Memory
from bot.domain.codec import decode
from bot.domain.money import ZERO, dec
from bot.domain.order import FOREIGN, Fill, Order
from bot.domain.states import KillLevel, OrderState
from bot.journal.answers import (
    CYCLES,
    LATCH,
    LOCKS,
    MEMORY,
    ORDERS,
    PAYMENTS,
    remembered,
)
from bot.journal.chain import check_chain, check_projections, check_snapshots
from bot.journal.errors import SnapshotPruned, classify, corrupt
from bot.journal.facts import FactReader
from bot.journal.parts import PartDamaged
from bot.journal.record import CycleRecord, record_in
from bot.journal.schema import (
    LIVE_STATES,
    NEVER_CAME_TO_BE,
    NOT_SENT,
    ORDER_FIELDS,
)
from bot.journal.turns import read_seen
from bot.ports import Payment, Rejection

_ORDER_COLUMNS = ", ".join(ORDER_FIELDS)
_FILL_FIELDS = (
    "venue",
    "trade_id",
    "symbol",
    "client_id",
    "venue_order_id",
    "side",
    "price",
    "size",
    "fee",
    "fee_asset",
    "is_maker",
    "at_ms",
)
MAX_SEQ = 2**63 - 1
_FILL_COLUMNS = ", ".join(_FILL_FIELDS)


@dataclass(frozen=True, slots=True)
class CycleHead:
    """A cycle without what it saw and decided: for lists."""

    number: int
    kind: str
    at_ms: int
    config_digest: str


@dataclass(frozen=True, slots=True)
class Latch:
    """The kill switch as the journal remembers it."""

    level: KillLevel = KillLevel.OFF
    by: str = ""
    reason: str = ""
    at_ms: int = 0


_NOT_FLATTENED = (
    "NOT EXISTS (SELECT 1 FROM orders WHERE orders.client_id = fills.client_id AND orders.purpose = 'flatten')"
)


class BookedOrder(NamedTuple):
    """What profit asks about the order of a fill. Campaign 0: none. `decided` is the price at which it was decided, of
    a stop the price at which it triggers; None in journals of before."""

    purpose: str
    intent: str
    campaign: int
    sector: str
    decided: Decimal | None


class JournalReader(FactReader):
    """Read-only view of a journal file. May be used from any thread. Every method raises JournalError.

    Amounts are Decimals, times UTC ms. Lists of orders, fills and facts are newest first unless said otherwise.
    `ORDER BY +seq` behind a window of time: with `seq` SQLite walks over every row in that order instead of the window.
    """

    @remembered(*MEMORY)
    def load_memory(self) -> Memory:
        rows = self._rows("SELECT body FROM memory")
        return decode(Memory, json.loads(rows[0][0])) if rows else Memory()

    @remembered(*MEMORY)
    def load_memory_seq(self) -> int:
        """The event that wrote the present memory; 0 when there is none."""
        rows = self._rows("SELECT seq FROM memory")
        return int(rows[0][0]) if rows else 0

    @remembered(*ORDERS)
    def load_working(self) -> tuple[Order, ...]:
        """Orders that may still execute, doubt included; oldest first."""
        marks = ", ".join("?" * len(LIVE_STATES))
        return self._orders(f"WHERE state IN ({marks}) ORDER BY seq", LIVE_STATES)

    def load_order(self, client_id: str) -> Order | None:
        orders = self._orders("WHERE client_id = ?", [client_id])
        return orders[0] if orders else None

    def load_orders(self, limit: int = 100, campaign: int | None = None) -> tuple[Order, ...]:
        if campaign is None:
            return self._orders("ORDER BY seq DESC LIMIT ?", [limit])
        return self._orders("WHERE campaign = ? ORDER BY seq DESC LIMIT ?", [campaign, limit])

    @remembered(*ORDERS)
    def load_ordered_symbols(self, limit: int) -> frozenset[str]:
        """The symbols of the newest orders, at most `limit` of these."""
        newest = "SELECT symbol FROM orders ORDER BY seq DESC LIMIT ?"
        return frozenset(row[0] for row in self._rows(f"SELECT DISTINCT symbol FROM ({newest})", [limit]))

    @remembered(*ORDERS)
    def load_orders_of_intent(self, intent_id: str) -> tuple[Order, ...]:
        """Every order of one intent, oldest first."""
        return self._orders("WHERE intent_id = ? ORDER BY seq", [intent_id])

    @remembered(*ORDERS)
    def has_opened(self, symbol: str) -> bool:
        """Whether an order of ours that does not only reduce has executed in the instrument."""
        rows = self._rows(
            "SELECT filled_size FROM orders WHERE symbol = ? AND reduce_only = 0 AND intent_id <> ?", [symbol, FOREIGN]
        )
        return any(dec(row[0]) > 0 for row in rows)

    def load_order_by_venue_id(self, symbol: str, venue_id: str) -> Order | None:
        orders = self._orders("WHERE symbol = ? AND venue_id = ?", [symbol, venue_id])
        return orders[0] if orders else None

    def load_executed_size(self, symbol: str, venue_id: str) -> Decimal:
        """What the recorded executions of an order add up to, by the venue's id of it."""
        rows = self._rows("SELECT size FROM fills WHERE symbol = ? AND venue_order_id = ?", [symbol, venue_id])
        return sum((dec(size) for (size,) in rows), ZERO)

    def load_last_of_prefix(self, prefix: str) -> Order | None:
        """The order with the greatest client id that starts with `prefix`: ids sort in the order they were made."""
        orders = self._orders(
            "WHERE client_id >= ? AND client_id < ? ORDER BY client_id DESC LIMIT 1", [prefix, prefix + "{"]
        )
        return orders[0] if orders else None

    @remembered(*ORDERS)
    def load_unfilled_reports(self, since_ms: int) -> tuple[Order, ...]:
        """Orders sent since `since_ms` that executed more than their recorded fills add up to."""
        sizes_of = "SELECT group_concat(size, ' ') FROM fills WHERE fills.client_id = orders.client_id"
        rows = self._rows(
            f"SELECT client_id, filled_size, ({sizes_of}) FROM orders WHERE sent_ms >= ? ORDER BY +seq", [since_ms]
        )
        short = [  # nearly every order has one fill of its size, whose text is the same
            name
            for name, filled, sizes in rows
            if filled != sizes and sum(map(dec, (sizes or "0").split()), ZERO) < dec(filled)
        ]
        found = (self.load_order(name) for name in short)
        return tuple(order for order in found if order is not None)

    def load_fills(self, limit: int = 100, since_ms: int = 0) -> tuple[Fill, ...]:
        rows = self._rows(
            f"SELECT {_FILL_COLUMNS} FROM fills WHERE at_ms >= ? ORDER BY at_ms DESC, seq DESC LIMIT ?",
            [since_ms, limit],
        )
        return tuple(_fill(row) for row in rows)

    @remembered(*ORDERS)
    def load_fills_after(
        self, seq: int, foreign_after_ms: int, upto_seq: int = MAX_SEQ
    ) -> tuple[tuple[Fill, Decimal], ...]:
        """Fills recorded after event `seq` up to another, each with its quote value; in the order of their execution.

        Those of orders the journal does not know count only when they are younger than `foreign_after_ms`.
        """
        rows = self._rows(
            f"SELECT {_FILL_COLUMNS}, quote FROM fills WHERE seq > ? AND seq <= ?"
            " AND (at_ms > ? OR client_id IN (SELECT client_id FROM orders)) ORDER BY at_ms, seq",
            [seq, upto_seq, foreign_after_ms],
        )
        return tuple((_fill(row[:-1]), dec(row[-1])) for row in rows)

    def load_booked_fills(self) -> tuple[tuple[int, Fill, Decimal, BookedOrder | None], ...]:
        """Every fill with its event, its quote value, and what profit asks about its order, None where it is of an
        order that the journal does not know; in the order of their recording."""
        columns = ", ".join(f"fills.{name}" for name in _FILL_FIELDS)
        rows = self._rows(
            f"SELECT {columns}, fills.quote, fills.seq, purpose, intent_id, orders.campaign, sector,"
            " json_extract(payload, '$.decided') FROM fills LEFT JOIN orders ON orders.client_id = fills.client_id"
            " LEFT JOIN event ON event.seq = orders.seq ORDER BY fills.seq"
        )
        count = len(_FILL_FIELDS)
        return tuple(
            (row[count + 1], _fill(row[:count]), dec(row[count]), _booked_order(row[count + 2 :])) for row in rows
        )

    def load_payments(self, since_ms: int = 0) -> tuple[Payment, ...]:
        """Oldest first."""
        return tuple(payment for payment, _ in self._payments("WHERE at_ms >= ? ORDER BY at_ms, seq", [since_ms]))

    @remembered(*PAYMENTS)
    def load_payments_after(self, seq: int) -> tuple[tuple[Payment, int], ...]:
        """Payments recorded after event `seq`, each with its own event number; oldest first."""
        return self._payments("WHERE seq > ? ORDER BY at_ms, seq", [seq])

    @remembered(*LATCH)
    def load_latch(self) -> Latch:
        rows = self._rows("SELECT level, by, reason, at_ms FROM latch")
        if not rows:
            return Latch()
        if rows[0][0] not in set(KillLevel):
            raise corrupt(self.path, f"its latched level is {rows[0][0]!r}")
        return Latch(KillLevel(rows[0][0]), *rows[0][1:])

    @remembered(*LOCKS)
    def load_locks(self) -> Mapping[str, str]:
        """Locked symbols and why, in words."""
        return dict(self._rows("SELECT symbol, words FROM locks ORDER BY symbol"))

    @remembered(*LOCKS)
    def load_lock_reasons(self) -> Mapping[str, str]:
        """Locked symbols and the Reason value of each lock."""
        return dict(self._rows("SELECT symbol, reason FROM locks ORDER BY symbol"))

    def load_cycle(self, number: int) -> CycleRecord | None:
        """Raises SnapshotPruned when the cycle is known but what it saw is gone."""
        payload = self._payload_of_turn(number)
        return None if payload is None else self._record(payload)

    def load_cycle_seq(self, number: int) -> int | None:
        """The event of a cycle."""
        rows = self._rows("SELECT seq FROM cycles WHERE number = ?", [number])
        return int(rows[0][0]) if rows else None

    def load_last_cycle(self) -> CycleRecord | None:
        number = self.next_cycle_number() - 1
        return self.load_cycle(number) if number > 0 else None

    def load_decided(self, number: int, path: str) -> Any:
        """One value of what a cycle decided, by its JSON path (`memory.campaign`), without what the cycle saw: it is
        there for longer than snapshots are kept. None where there is none."""
        value = (self._payload_of_turn(number) or {}).get("decision")
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def load_cycle_heads(self, limit: int = 50) -> tuple[CycleHead, ...]:
        rows = self._rows("SELECT number, kind, at_ms, config_digest FROM cycles ORDER BY number DESC LIMIT ?", [limit])
        return tuple(CycleHead(*row) for row in rows)

    def load_cycle_number_at(self, kind: str, at_ms: int) -> int | None:
        """The newest cycle of this kind that looked at that moment."""
        value = self._rows("SELECT max(number) FROM cycles WHERE kind = ? AND at_ms = ?", [kind, at_ms])[0][0]
        return None if value is None else int(value)

    def load_first_cycle(self, since_ms: int, until_ms: int) -> tuple[int, int] | None:
        """Number and time of the first full cycle between two moments; None where there is none."""
        sql = (
            "SELECT number, at_ms FROM cycles WHERE kind = 'cycle' AND at_ms >= ? AND at_ms < ? ORDER BY at_ms LIMIT 1"
        )
        rows = self._rows(sql, [since_ms, until_ms])
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    @remembered(*CYCLES)
    def next_cycle_number(self) -> int:
        return int(self._rows("SELECT coalesce(max(number), 0) + 1 FROM cycles")[0][0])

    @remembered(*ORDERS)
    def load_turnover(self, since_ms: int) -> Decimal:
        """Quote value executed since; what a flatten did is no reason to stop anything after it."""
        rows = self._rows(f"SELECT quote FROM fills WHERE at_ms >= ? AND {_NOT_FLATTENED}", [since_ms])
        return sum((dec(row[0]) for row in rows), ZERO)

    def count_orders(self, since_ms: int) -> int:
        if self._is_quiet_since("orders", "sent_ms", since_ms):
            return 0
        return int(self._rows("SELECT count(*) FROM orders WHERE sent_ms >= ?", [since_ms])[0][0])

    def load_conditions_since(self, since_ms: int) -> tuple[tuple[int, int, str], ...]:
        """Time, number and condition of every recorded turn since, oldest first; before them the last one earlier."""
        condition = "coalesce(json_extract(payload, '$.condition'), json_extract(payload, '$.decision.condition'))"
        source = f"SELECT cycles.at_ms, number, {condition} FROM cycles JOIN event ON event.seq = cycles.seq"
        before = self._rows(f"{source} WHERE cycles.at_ms < ? ORDER BY number DESC LIMIT 1", [since_ms])
        rows = self._rows(f"{source} WHERE cycles.at_ms >= ? ORDER BY number", [since_ms])
        return tuple((row[0], row[1], row[2]) for row in (*before, *rows))

    def load_rotations_since(self, since_ms: int) -> tuple[tuple[int, Any], ...]:
        """Time, and number, state and tranches of the rotation after every recorded turn since, oldest first; before
        them the last one earlier."""
        inline = "json_extract(payload, '$.decision.memory.campaign')"
        columns = f"cycles.at_ms, json_extract(payload, '$.campaign'), {inline}"
        source = f"SELECT {columns} FROM cycles JOIN event ON event.seq = cycles.seq"
        before = self._rows(f"{source} WHERE cycles.at_ms < ? ORDER BY cycles.number DESC LIMIT 1", [since_ms])
        rows = self._rows(f"{source} WHERE cycles.at_ms >= ? ORDER BY cycles.number", [since_ms])
        states: dict[Any, Any] = {}
        for _, part, text in (*before, *rows):
            if (part, text) not in states:
                content = json.loads(text or (self._part(part) if part else "{}"))
                states[part, text] = [content.get(name) for name in ("number", "state", "tranches")]
        return tuple((at_ms, states[part, text]) for at_ms, part, text in (*before, *rows))

    def load_executions_since(self, since_ms: int) -> tuple[tuple[int, str, str, Decimal], ...]:
        """Time, purpose, side and quote value of every execution of our orders since, oldest first."""
        sql = "SELECT fills.at_ms, purpose, fills.side, quote FROM fills JOIN orders USING (client_id)"
        rows = self._rows(f"{sql} WHERE fills.at_ms >= ? ORDER BY fills.at_ms, fills.seq", [since_ms])
        return tuple((row[0], row[1], row[2], dec(row[3])) for row in rows)

    def count_orders_by_state(self) -> Mapping[OrderState, int]:
        """How many orders there are in each state."""
        rows = self._rows("SELECT state, count(*) FROM orders GROUP BY state", [])
        return {OrderState(state): int(count) for state, count in rows}

    def count_fills(self, since_ms: int) -> int:
        """Executions since, without those of a flatten."""
        if self._is_quiet_since("fills", "at_ms", since_ms):
            return 0
        return int(self._rows(f"SELECT count(*) FROM fills WHERE at_ms >= ? AND {_NOT_FLATTENED}", [since_ms])[0][0])

    def count_rejections(self, since_ms: int) -> int:
        """Orders sent since that the venue rejected; those that were held back, were lost on the way or came too late
        to rest without taking do not count."""
        if self._is_quiet_since("orders", "sent_ms", since_ms):
            return 0
        harmless = (NOT_SENT, NEVER_CAME_TO_BE, Rejection.WOULD_TAKE.value)
        sql = "SELECT count(*) FROM orders WHERE sent_ms >= ? AND state = ?" + " AND reason NOT LIKE ?" * len(harmless)
        values = [since_ms, OrderState.REJECTED.value, *(f"{message}%" for message in harmless)]
        return int(self._rows(sql, values)[0][0])

    def count_executed(self, since_ms: int) -> Mapping[tuple[str, str], int]:
        """Orders sent since that executed at least in part, by symbol and side; without those of a flatten."""
        if self._is_quiet_since("orders", "sent_ms", since_ms):
            return {}
        rows = self._rows(
            "SELECT symbol, side, count(*) FROM orders WHERE sent_ms >= ? AND CAST(filled_size AS REAL) > 0"
            " AND purpose != 'flatten' GROUP BY +symbol, side",
            [since_ms],
        )
        return {(row[0], row[1]): int(row[2]) for row in rows}

    @remembered(*ORDERS)
    def load_fees(self, since_ms: int = 0) -> Mapping[str, Decimal]:
        """Fees paid since, by asset."""
        fees: dict[str, Decimal] = {}
        for asset, fee in self._rows("SELECT fee_asset, fee FROM fills WHERE at_ms >= ? ORDER BY +seq", [since_ms]):
            fees[asset] = fees.get(asset, ZERO) + dec(fee)
        return fees

    def verify(self) -> None:
        """Check the file, the whole hash chain, every kept snapshot, and that the projections are the replay of events.

        Raises:
            JournalCorrupt: naming the first difference.
        """
        with self._lock:
            try:
                check = self._connection().execute("PRAGMA integrity_check").fetchone()[0]
                if check != "ok":
                    raise corrupt(self.path, check)
                self._connection().execute("BEGIN")
                try:
                    check_chain(self._connection(), self.path)
                    check_projections(self._connection(), self.path)
                    check_snapshots(self._connection(), self.path)
                finally:
                    self._connection().execute("ROLLBACK")
            except sqlite3.Error as error:
                raise classify(error, self.path) from error

    def _record(self, payload: dict[str, Any]) -> CycleRecord:
        rows = self._rows("SELECT body FROM snapshots WHERE digest = ?", [payload["snapshot"]])
        pruned = SnapshotPruned(
            self.path,
            f"no longer keeps what cycle {payload['number']} saw",
            "raise the number of snapshots kept to replay older cycles in future; the first of each day is kept",
        )
        if not rows:
            raise pruned
        try:
            body = rows[0][0]
            seen = json.loads(zlib.decompress(body)) if body else read_seen(self._rows, payload["snapshot"])
        except (PartDamaged, zlib.error) as error:
            if not self._rows("SELECT 1 FROM snapshots WHERE digest = ?", [payload["snapshot"]]):
                raise pruned from error  # by the bot, between the two questions
            raise corrupt(self.path, str(error)) from error
        return record_in(payload, seen)

    def _is_quiet_since(self, table: str, column: str, since_ms: int) -> bool:
        """Whether a table is known to have no row of that time or later; a window of minutes moves with every look."""
        if self._newest is None:
            return False
        newest = self._recalled(
            ("newest", table), ORDERS, lambda: self._rows(f"SELECT max({column}) FROM {table}")[0][0]
        )
        return newest is None or newest < since_ms

    def _orders(self, clause: str, parameters: Sequence[Any]) -> tuple[Order, ...]:
        rows = self._rows(f"SELECT {_ORDER_COLUMNS} FROM orders {clause}", parameters)
        return tuple(order_of(row) for row in rows)

    def _payments(self, clause: str, parameters: Sequence[Any]) -> tuple[tuple[Payment, int], ...]:
        rows = self._rows(f"SELECT id, kind, asset, amount, symbol, at_ms, seq FROM payments {clause}", parameters)
        return tuple((Payment(row[0], row[1], row[2], dec(row[3]), row[4], row[5]), row[6]) for row in rows)


def order_of(row: tuple[Any, ...]) -> Order:
    """The order in a row of ORDER_FIELDS."""
    values = dict(zip(ORDER_FIELDS, row, strict=True))
    return decode(Order, {**values, "reduce_only": bool(values["reduce_only"])})


def _booked_order(row: tuple[Any, ...]) -> BookedOrder | None:
    purpose, intent, campaign, sector, decided = row
    if purpose is None:
        return None
    return BookedOrder(purpose, intent, campaign or 0, sector, None if decided is None else dec(decided))


def _fill(row: tuple[Any, ...]) -> Fill:
    values = dict(zip(_FILL_FIELDS, row, strict=True))
    return decode(Fill, {**values, "is_maker": bool(values["is_maker"])})
