"""Funding per perp leg: what was expected when its tranche began, and what was paid or received since (PLAYBOOK §8).

Both come from the journal: the expectation from the snapshot of the cycle that began the tranche, which is named by its
number, the rest from the payments and the fills. + is received, − is paid.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import RenderableType

from bot.domain.campaign import Campaign, Leg, Tranche
from bot.domain.market import Snapshot
from bot.domain.money import ZERO, plain
from bot.domain.order import Fill, Order
from bot.domain.order_ids import leg_id
from bot.domain.states import LegState
from bot.domain.symbol import is_perp
from bot.journal.errors import SnapshotPruned
from bot.journal.reader import JournalReader
from bot.playbook.positions.funding import ExpectedFunding, expected_funding, opens_perp
from bot.ports import Payment
from bot.report.format import NONE, Column, TextTable, money, percent
from bot.report.views.parts import Row


def planned_rows(tranche: Tranche, campaign: Campaign, snapshot: Snapshot, hours: int) -> list[Row]:
    """A row per leg of the tranche that opens a perp position, with its expectation from `snapshot`."""
    legs = (leg for leg in tranche.legs if opens_perp(leg) and leg.state is not LegState.SKIPPED)
    return [
        _named(leg, tranche, campaign)
        | {"expected": expected_row(expected_funding(leg, tranche, campaign, snapshot, hours), hours)}
        for leg in legs
    ]


def held_rows(
    campaigns: Iterable[Campaign],
    reader: JournalReader,
    orders: Sequence[Order],
    fills: Sequence[Fill],
    hours: int,
    *,
    until_ms: int | None = None,
) -> list[Row]:
    """`planned_rows` of every tranche that began, from the cycle it began in, with what was really paid or received, up
    to `until_ms` where that is given."""
    actual: Mapping[str, Decimal] | None = None
    rows: list[Row] = []
    for campaign in campaigns:
        for tranche in campaign.tranches:
            if not any(opens_perp(leg) for leg in tranche.legs):
                continue
            if actual is None:
                paid = [p for p in reader.load_payments() if until_ms is None or p.at_ms <= until_ms]
                actual = funding_by_intent(paid, fills, orders)
            number, snapshot = _seen_at(tranche.started_ms, reader)
            for row in planned_rows(tranche, campaign, snapshot, hours) if snapshot is not None else []:
                row["cycle"] = number
                row["actual_quote"] = plain(actual.get(row["id"], ZERO))
                rows.append(row)
    return rows


def expected_row(expected: ExpectedFunding | None, hours: int) -> Row | None:
    """An expectation as a mapping; None when the perp's rate was not known."""
    if expected is None:
        return None
    basis = expected.basis_annual
    return {
        "quote": plain(round(expected.total_quote, 4)),
        "day_quote": plain(round(expected.per_day_quote, 4)),
        "yield_annual": plain(round(expected.yield_annual, 6)),
        "hours": plain(round(expected.hours, 1)),
        "rates": expected.rates,
        "average_hours": hours,
        "interval_hours": expected.interval_hours,
        "covered_hours": expected.covered_hours,
        "basis_annual": None if basis is None else plain(round(basis, 6)),
    }


def funding_by_intent(
    payments: Iterable[Payment], fills: Iterable[Fill], orders: Iterable[Order]
) -> Mapping[str, Decimal]:
    """Funding received (+) or paid (−), quote, by the intent that opened the position: the one whose order last opened
    or enlarged a position in that perp before the payment."""
    openers = {o.client_id: o.intent_id for o in orders if is_perp(o.symbol) and not o.reduce_only}
    opened: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for fill in sorted(fills, key=lambda fill: fill.at_ms):
        if fill.client_id in openers:
            opened[fill.symbol].append((fill.at_ms, openers[fill.client_id]))
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for payment in payments:
        before = [intent for at_ms, intent in opened.get(payment.symbol or "", ()) if at_ms <= payment.at_ms]
        if payment.kind == "funding" and before:
            totals[before[-1]] += payment.amount
    return totals


def funding_table(rows: Sequence[Mapping[str, Any]], quote: str) -> RenderableType:
    """Expected funding of perp legs, beside what was really paid or received where that is known."""
    is_over = any("actual_quote" in row for row in rows)
    columns = [
        Column("leg"),
        Column("perp"),
        Column("side"),
        Column("notional", True),
        Column("a year", True, rank=1),
        Column("mean of", True, rank=5),
        Column("per day", True, rank=2),
        Column("for", True, rank=4),
        Column("expected", True),
        *([Column("actual", True)] if is_over else []),
        Column("basis a year", True, rank=3),
    ]
    cells = []
    for row in rows:
        result: Mapping[str, Any] = row["expected"] or {}
        cells.append(
            [
                f"{row['id']} {row['purpose']}",
                row["symbol"],
                row["side"],
                money(row["notional_quote"]),
                percent(result.get("yield_annual")),
                f"{result['rates']} in {result['covered_hours']} h" if result else NONE,
                money(result.get("day_quote")),
                f"{result['hours']} h" if result else NONE,
                money(result.get("quote")),
                *([money(row.get("actual_quote"))] if is_over else []),
                percent(result.get("basis_annual")),
            ]
        )
    return TextTable(f"Funding, {quote} (+ received, − paid)", columns, cells)


def _named(leg: Leg, tranche: Tranche, campaign: Campaign) -> Row:
    return {
        "id": leg_id(campaign.number, tranche.index, leg.index),
        "purpose": leg.purpose.value,
        "symbol": leg.symbol,
        "side": leg.side.value,
        "notional_quote": plain(leg.quote_value),
    }


def _seen_at(at_ms: int, reader: JournalReader) -> tuple[int, Snapshot | None]:
    """The cycle that looked at `at_ms` and what it saw; None where the journal has let go of it."""
    number = reader.load_cycle_number_at("cycle", at_ms)
    if number is None:
        return 0, None
    try:
        record = reader.load_cycle(number)
    except SnapshotPruned:
        return number, None
    return number, record.snapshot if record is not None else None
