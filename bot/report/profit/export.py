"""Fills, payments and daily profit as tables for other programs: amounts as text, times in UTC by ISO 8601."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bot.domain.money import plain
from bot.domain.order import Fill
from bot.journal.reader import JournalReader
from bot.playbook.policy.membership import Sectors
from bot.report.profit.ledger import slippage_of
from bot.report.profit.periods import Marked, load_daily


@dataclass(frozen=True, slots=True)
class ExportTable:
    """Column names and rows of text; None where a row has no value."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


def fills_table(reader: JournalReader, since_ms: int, until_ms: int) -> ExportTable:
    """Every execution, in the order of time, with the order that it is of."""
    columns: tuple[str, ...] = (
        "time",
        "symbol",
        "side",
        "size",
        "price",
        "value_quote",
        "fee",
        "fee_asset",
        "is_maker",
        "purpose",
    )
    columns = (*columns, "campaign", "client_id", "venue_order_id", "trade_id", "venue")
    columns = (*columns, "decided_price", "slippage_quote")  # at the end: who reads by position goes on
    result = [row for row in reader.load_booked_fills() if since_ms <= row[1].at_ms < until_ms]
    rows = (
        (
            iso(fill.at_ms),
            fill.symbol,
            fill.side.value,
            plain(fill.size),
            plain(fill.price),
            plain(value),
            plain(fill.fee),
            fill.fee_asset,
            str(fill.is_maker).lower(),
            order.purpose if order else None,
            str(order.campaign) if order and order.campaign else None,
            fill.client_id,
            fill.venue_order_id,
            fill.trade_id,
            fill.venue,
            *_slippage(fill, value, order.decided if order else None),
        )
        for _, fill, value, order in sorted(result, key=lambda row: (row[1].at_ms, row[0]))
    )
    return ExportTable(columns, tuple(rows))


def _slippage(fill: Fill, value: Decimal, decided: Decimal | None) -> tuple[str | None, str | None]:
    if decided is None:
        return None, None
    return plain(decided), plain(slippage_of(fill, value, decided))


def payments_table(reader: JournalReader, since_ms: int, until_ms: int) -> ExportTable:
    """Funding, deposits, withdrawals and what else the venue booked without an order."""
    rows = (
        (iso(payment.at_ms), payment.kind, payment.symbol, payment.asset, plain(payment.amount), payment.id)
        for payment in reader.load_payments(since_ms)
        if payment.at_ms < until_ms
    )
    return ExportTable(("time", "kind", "symbol", "asset", "amount", "id"), tuple(rows))


def profit_table(
    reader: JournalReader, sectors: Sectors, since_ms: int, until_ms: int, last: Marked | None = None
) -> ExportTable:
    """Profit of each day (UTC) by sleeve, campaign and token; a row without these is the day's equity and flows."""
    columns: tuple[str, ...] = (
        "begin",
        "end",
        "sleeve",
        "campaign",
        "token",
        "realised_quote",
        "unrealised_quote",
        "funding_quote",
    )
    columns = (*columns, "fees_quote", "other_quote", "net_quote", "flows_quote", "unexplained_quote", "equity_quote")
    columns = (*columns, "slippage_quote")  # a share of what prices did, at the end for who reads by position
    rows: list[tuple[str | None, ...]] = []
    for day in load_daily(reader, sectors, since_ms, until_ms, last=last):
        times = iso(day.begin_ms), iso(day.end_ms)
        for source, parts in sorted(day.parts.items()):
            campaign = str(source.campaign) if source.campaign else None
            amounts = parts.realised, parts.unrealised, parts.funding, parts.fees, parts.other, parts.net
            rows.append(
                (
                    *times,
                    source.sleeve,
                    campaign,
                    source.token,
                    *map(plain, amounts),
                    None,
                    None,
                    None,
                    plain(parts.slippage),
                )
            )
        total = day.total
        amounts = total.realised, total.unrealised, total.funding, total.fees, total.other, total.net
        flows = sum(day.flows.values(), Decimal(0))
        ends = (plain(flows), plain(day.unexplained), plain(day.equity_end), plain(total.slippage))
        rows.append((*times, None, None, None, *map(plain, amounts), *ends))
    return ExportTable(columns, tuple(rows))


def export_table(
    name: str, reader: JournalReader, sectors: Sectors, since_ms: int, until_ms: int, last: Marked | None = None
) -> ExportTable:
    """The table `fills`, `payments` or `profit` of a span; `last` as for `load_profit`.

    Raises:
        JournalError: the journal cannot be read.
        KeyError: no table has that name.
    """
    if name == "profit":
        return profit_table(reader, sectors, since_ms, until_ms, last)
    return {"fills": fills_table, "payments": payments_table}[name](reader, since_ms, until_ms)


def iso(at_ms: int) -> str:
    """A time in UTC with milliseconds, such as 2026-01-31T08:00:00.000Z."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_csv(table: ExportTable) -> str:
    """The table as CSV with a header (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows(_blank(row) for row in table.rows)
    return out.getvalue()


def _blank(row: Sequence[Any]) -> Iterable[Any]:
    return ("" if value is None else value for value in row)
