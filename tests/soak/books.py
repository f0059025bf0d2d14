"""The comparison at the end: what the journal says against what the exchange knows, to the last digit.

`compare` takes the exchange's dump (see `tests.soak.exchange`) and a journal reader, and returns one sentence per
difference. It shares no code with the bot's own reconciliation.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.order import Fill, Order
from bot.domain.order_ids import is_ours
from bot.domain.states import KillLevel, OrderState
from bot.execution.another_writer import ACCEPTED, UNKNOWN_RESTS
from bot.journal.journal import JournalReader
from bot.ports import Payment
from tests.sim.wire import engine_number

ZERO = Decimal(0)
PROFIT_ROUNDING = Decimal("0.00000002")  # per fill: the exchange rounds entry prices and profits
_UNKNOWN_BEFORE = """
WITH sent AS (
    SELECT min(seq) AS seq FROM event
    WHERE kind = 'order_submitting' AND json_extract(payload, '$.order.client_id') = :client_id
), accepted AS (
    SELECT coalesce(max(event.seq), 0) AS seq FROM event, sent
    WHERE event.kind = :accepted AND event.seq < sent.seq
)
SELECT json_extract(payload, '$.client_id') FROM event, sent, accepted
WHERE kind = :unknown AND event.seq > accepted.seq AND event.seq < sent.seq
"""
LEG_ROOM = Decimal("1.005")  # fees taken in the bought token make a leg buy that much more
ENDED = {
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.EXPIRED,
}


@dataclass(slots=True)
class Verdict:
    """Differences, and how much was compared."""

    mismatches: list[str] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    legs: int = 0

    def check(self, is_right: bool, words: str) -> None:
        if not is_right:
            self.mismatches.append(words)


def compare(dump: Mapping[str, Any], journal: Path, account: str, lost: Sequence[Path] = ()) -> Verdict:
    """Everything that must agree once the faults have stopped and a life has settled.

    `lost` are journals that a restore has replaced: what only they know counts as known, as far as they saw it.
    """
    verdict, reader = Verdict(), JournalReader(journal)
    try:
        reader.verify()
        orders = {order.client_id: order for order in reader.load_orders(10**9)}
        fills = reader.load_fills(10**9)
        once_known = _known_to(lost)
        every_fill = (*once_known.fills, *fills)
        _compare_orders(verdict, dump["orders"], orders, account, once_known.orders)
        _compare_fills(verdict, dump["trades"], every_fill, is_once=not lost)
        payments = {(one.kind, one.id): one for one in (*once_known.payments, *reader.load_payments(0))}
        _compare_holdings(verdict, dump, every_fill, payments.values())
        _check_exits(verdict, dump, orders)
        _check_legs(verdict, journal, fills, orders)
        locks = {symbol: reader.load_lock_reasons().get(symbol) for symbol in reader.load_locks()}
        verdict.check(not locks, f"instruments are locked: {locks}")
        verdict.check(reader.load_latch().level is KillLevel.OFF, f"the kill switch is latched: {reader.load_latch()}")
        for kind in ("foreign_order", "adjustment") if not lost else ():
            for fact in reader.load_facts(kind, 20):
                verdict.mismatches.append(f"journal has a fact {kind}: {dict(fact.payload)}")
    finally:
        reader.close()
    _check_doubles(verdict, dump["doubles"], (*lost, journal))
    return verdict


def _check_doubles(verdict: Verdict, doubles: Sequence[Mapping[str, Any]], journals: Sequence[Path]) -> None:
    """No leg has two live orders, but for a stop beside an order that its journal has lost and nobody has accepted yet:
    it is not counted on, so that the position is not without a stop meanwhile."""
    for double in doubles:
        unknown = {client_id for journal in journals for client_id in _unknown_before(journal, double["second"])}
        known = [client_id for client_id in double["live"] if client_id not in unknown]
        verdict.check(not known, f"two live orders of leg {double['leg']}: {double['second']} came after {known}")


def _unknown_before(journal: Path, client_id: str) -> frozenset[str]:
    """The resting orders that a journal did not know, and nobody had accepted, when it sent the order."""
    connection = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            _UNKNOWN_BEFORE, {"client_id": client_id, "unknown": UNKNOWN_RESTS, "accepted": ACCEPTED}
        ).fetchall()
    finally:
        connection.close()
    return frozenset(unknown for (unknown,) in rows)


def _compare_orders(
    verdict: Verdict, theirs: Sequence[Mapping[str, Any]], ours: Mapping[str, Order], account: str, lost: frozenset[str]
) -> None:
    """Order by order under its client id; a trigger order and the order it fired are one."""
    known: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in theirs:
        known[row["client_id"]].append(row)
    for client_id, group in known.items():
        verdict.orders += 1
        if not is_ours(client_id, account):
            verdict.check(bool(group[0]["is_liquidation"]), f"{client_id}: not an order of this bot")
            continue
        roots = [row for row in group if row["parent_id"] is None]
        verdict.check(len(roots) == 1, f"{client_id}: the id was used {len(roots)} times")
        if client_id in ours:
            _compare_order(verdict, ours[client_id], group)
        elif client_id not in lost:
            verdict.mismatches.append(f"{client_id}: the exchange has it and the journal does not")
    for client_id, order in ours.items():
        if client_id not in known:
            words = f"{client_id}: the journal has it as {order.state} with {order.filled_size}, the exchange never"
            verdict.check(order.state is OrderState.REJECTED and order.filled_size == ZERO, words)


@dataclass(slots=True)
class Known:
    """What journals that were replaced knew."""

    orders: frozenset[str]
    fills: tuple[Fill, ...]
    payments: tuple[Payment, ...]


def _known_to(journals: Iterable[Path]) -> Known:
    orders: set[str] = set()
    fills: list[Fill] = []
    payments: list[Payment] = []
    for journal in journals:
        reader = JournalReader(journal)
        orders |= {order.client_id for order in reader.load_orders(10**9)}
        fills += reader.load_fills(10**9)
        payments += reader.load_payments(0)
        reader.close()
    return Known(frozenset(orders), tuple(fills), tuple(payments))


def _compare_order(verdict: Verdict, order: Order, group: Sequence[Mapping[str, Any]]) -> None:
    filled = sum((Decimal(row["filled_size"]) for row in group), ZERO)
    quote = sum((Decimal(row["filled_quote"]) for row in group), ZERO)
    name = f"{order.client_id} {order.symbol}"
    verdict.check(
        (order.filled_size, order.filled_quote) == (filled, quote),
        f"{name}: the journal filled {order.filled_size} for {order.filled_quote}, the exchange {filled} for {quote}",
    )
    last = group[-1]
    expected = ENDED.get(last["status"], OrderState.OPEN)
    verdict.check(order.state is expected, f"{name}: {order.state} in the journal, {last['status']} at the exchange")


def _compare_fills(
    verdict: Verdict, theirs: Sequence[Mapping[str, Any]], ours: Sequence[Fill], *, is_once: bool
) -> None:
    known = {(row["symbol"], row["id"]): row for row in theirs}
    seen = {(fill.symbol, _number(fill)): fill for fill in ours}
    verdict.fills = len(known)
    verdict.check(len(seen) == len(ours) or not is_once, "the journal has a trade twice")
    for key in sorted(known.keys() - seen.keys()):
        verdict.mismatches.append(f"trade {key} of {known[key]['client_id']} is missing in the journal")
    for key in sorted(seen.keys() - known.keys()):
        verdict.mismatches.append(f"trade {key} of {seen[key].client_id} is unknown to the exchange")
    for key in known.keys() & seen.keys():
        row, fill = known[key], seen[key]
        right = (row["side"], *(Decimal(row[name]) for name in ("price", "size", "fee")), row["fee_asset"])
        found = (fill.side.value, fill.price, fill.size, fill.fee, fill.fee_asset)
        verdict.check(found == right, f"trade {key}: {found} in the journal, {right} at the exchange")
        verdict.check(fill.client_id in (row["client_id"], None), f"trade {key}: order {fill.client_id} in the journal")


def _number(fill: Fill) -> int:
    """The exchange's number of a trade; ids of the journal may have the symbol before it."""
    return engine_number(fill.trade_id)


def _compare_holdings(
    verdict: Verdict, dump: Mapping[str, Any], every: Sequence[Fill], payments: Iterable[Payment]
) -> None:
    """Σ journaled fills and payments = change of every balance and position."""
    expected = defaultdict(lambda: ZERO, {f"spot:{a}": Decimal(v) for a, v in dump["begin"]["spot"].items()})
    expected["wallet"] = Decimal(dump["begin"]["wallet"])
    entries: dict[str, Decimal] = {}
    fills = {(fill.symbol, _number(fill)): fill for fill in every}.values()
    for fill in sorted(fills, key=lambda fill: (fill.at_ms, fill.symbol, _number(fill))):
        _book(expected, entries, fill)
    for payment in payments:
        if payment.at_ms <= dump["begin_ms"]:
            continue
        expected["wallet"] += payment.amount
        if "transfer" in payment.kind.lower():
            expected["spot:USDT"] -= payment.amount
    actual = {f"spot:{asset}": Decimal(value) for asset, value in dump["end"]["spot"].items()}
    actual |= {f"perp:{symbol}": Decimal(value) for symbol, value in dump["end"]["positions"].items()}
    actual["wallet"] = Decimal(dump["end"]["wallet"])
    if dump.get("is_unified"):  # the exchange's two wallets are the account's one
        for books in (expected, actual):
            books["wallet"] += books.pop("spot:USDT", ZERO)
    for key in sorted({*expected, *actual}):
        room = PROFIT_ROUNDING * (len(fills) + 1) if key == "wallet" else ZERO
        want, have = expected[key], actual.get(key, ZERO)
        verdict.check(abs(want - have) <= room, f"{key}: {want} by the journal, {have} at the exchange")


def _book(books: dict[str, Decimal], entries: dict[str, Decimal], fill: Fill) -> None:
    """One fill on balances, or on position, average entry and wallet."""
    signed, value = fill.size * fill.side.sign, fill.price * fill.size
    if ":" not in fill.symbol:
        base, quote = fill.symbol.split("/")
        books[f"spot:{base}"] += signed
        books[f"spot:{quote}"] -= value * fill.side.sign
        books[f"spot:{fill.fee_asset}"] -= fill.fee
        return
    key = f"perp:{fill.symbol}"
    held, entry = books[key], entries.get(fill.symbol, ZERO)
    closed = min(abs(held), fill.size) if held * signed < 0 else ZERO
    books["wallet"] += (fill.price - entry) * closed * (1 if held > 0 else -1) - fill.fee
    if opened := fill.size - closed:
        kept = abs(held) - closed
        entries[fill.symbol] = (entry * kept + fill.price * opened) / (kept + opened)
    books[key] = held + signed


def _check_exits(verdict: Verdict, dump: Mapping[str, Any], orders: Mapping[str, Order]) -> None:
    """Every long has a resting stop that ends all of it."""
    for symbol, text in dump["end"]["positions"].items():
        size = Decimal(text)
        stops = [
            row
            for row in dump["orders"]
            if row["symbol"] == symbol and row["status"] == "UNTRIGGERED" and row["side"] == "sell"
        ]
        covered = max((Decimal(row["size"]) for row in stops), default=ZERO)
        verdict.check(size <= covered, f"{symbol}: a long of {size} with a stop of {covered}")
        verdict.check(len(stops) <= 1, f"{symbol}: {len(stops)} stops")


def _check_legs(verdict: Verdict, journal: Path, fills: Sequence[Fill], orders: Mapping[str, Order]) -> None:
    """No leg executed more than it was for."""
    executed: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        order = orders.get(fill.client_id or "")
        if order is not None:
            executed[order.intent_id] += fill.size
    wanted: dict[str, Decimal] = {}
    for campaign in _campaigns(journal):
        for tranche in campaign["tranches"]:
            for leg in tranche["legs"]:
                size = abs(Decimal(leg["size_to"]) - Decimal(leg["size_from"]))
                key = f"{campaign['number']}.{tranche['index']}.{leg['index']}"
                wanted[key] = max(size, wanted.get(key, ZERO))
    for key, size in executed.items():
        if key in wanted:
            verdict.legs += 1
            verdict.check(size <= wanted[key] * LEG_ROOM, f"leg {key} executed {size} of {wanted[key]}")


def _campaigns(journal: Path) -> Iterable[Mapping[str, Any]]:
    """Every campaign as every recorded cycle had it."""
    reader, seen = JournalReader(journal), None
    try:
        for head in reader.load_cycle_heads(limit=1_000_000):
            campaign = reader.load_decided(head.number, "memory.campaign")
            if campaign is not None and campaign != seen:
                yield campaign
            seen = campaign
    finally:
        reader.close()
