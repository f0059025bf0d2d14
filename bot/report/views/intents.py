"""What is intended, what the gate answers and what became of it: rows, and their tables."""

from collections.abc import Iterable, Mapping

from rich.console import RenderableType

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.order import Intent
from bot.domain.perp import margin_for
from bot.domain.symbol import is_perp
from bot.domain.turn.decision import Verdict
from bot.report.format import NONE, Column, amount, money, times
from bot.report.views.parts import Row, Rows, side_text, text_of, unit_of, with_message


def intent_rows(intents: Iterable[Intent], instruments: Mapping[str, Instrument]) -> list[Row]:
    """What is intended, in order. `size` is in `unit`; notional is at the limit, margin is what a perp entry locks."""
    rows = []
    for intent in intents:
        instrument = instruments.get(intent.symbol)
        notional = instrument.notional(intent.size, intent.worst_price) if instrument else None
        margin = None
        if notional is not None and is_perp(intent.symbol) and not intent.reduce_only and intent.leverage:
            margin = intent.margin_quote or margin_for(notional, intent.leverage)
        rows.append(
            {
                "id": intent.id,
                "campaign": intent.campaign,
                "tranche": intent.tranche,
                "leg": intent.leg,
                "purpose": intent.purpose.value,
                "sector": intent.sector,
                "symbol": intent.symbol,
                "side": intent.side.value,
                "size": plain(intent.size),
                "unit": unit_of(intent.symbol, instrument),
                "limit": plain(intent.worst_price),
                "trigger": text_of(intent.trigger_price),
                "notional_quote": text_of(notional),
                "margin_quote": text_of(margin),
                "leverage": text_of(intent.leverage),
                "reduce_only": intent.reduce_only,
                "stop": text_of(intent.exits.stop_price if intent.exits else None),
                "words": intent.words,
            }
        )
    return rows


def intents_table(rows: Rows, quote: str, width: int) -> RenderableType:
    """Intended orders. On a narrow terminal the reasons stand below the table, numbered like its rows."""
    columns = [
        Column("#", True),
        Column("tranche", True, rank=3),
        Column("purpose", rank=4),
        Column("instrument"),
        Column("side"),
        Column("size", True),
        Column(f"limit {quote}", True),
        Column(f"notional {quote}", True),
        Column(f"margin {quote}", True, rank=2),
        Column("leverage", True, rank=1),
    ]
    cells = [
        [
            str(number),
            str(row["tranche"]),
            row["purpose"],
            row["symbol"],
            side_text(row),
            f"{amount(row['size'])} {row['unit']}",
            amount(row["limit"]),
            money(row["notional_quote"]),
            money(row["margin_quote"]),
            times(row["leverage"]),
        ]
        for number, row in enumerate(rows, start=1)
    ]
    return with_message("Intended orders", columns, cells, [row["words"] for row in rows], "why", width)


def verdict_rows(intents: Iterable[Intent], verdicts: Iterable[Verdict]) -> list[Row]:
    """The gate's answers, numbered like the intents."""
    known = {intent.id: intent for intent in intents}
    rows = []
    for number, verdict in enumerate(verdicts, start=1):
        intent, note = known.get(verdict.intent), verdict.note
        rows.append(
            {
                "number": number,
                "id": verdict.intent,
                "purpose": intent.purpose.value if intent else None,
                "symbol": intent.symbol if intent else None,
                "side": intent.side.value if intent else None,
                "verdict": "approved" if verdict.approved else "refused",
                "reason": note.reason.value if note else None,
                "words": note.words if note else "",
                "numbers": dict(note.numbers) if note else {},
            }
        )
    return rows


def verdicts_table(rows: Rows, width: int) -> RenderableType:
    """The gate's answers, one per intent."""
    columns = [
        Column("#", True),
        Column("purpose"),
        Column("instrument"),
        Column("side"),
        Column("verdict"),
        Column("reason"),
    ]
    cells = [
        [
            str(row["number"]),
            row["purpose"] or NONE,
            row["symbol"] or row["id"],
            row["side"] or NONE,
            row["verdict"],
            row["reason"] or NONE,
        ]
        for row in rows
    ]
    return with_message("Risk gate", columns, cells, [row["words"] for row in rows], "in words", width)


def outcomes_table(rows: Rows, quote: str, width: int) -> RenderableType:
    """What became of the approved intents of one cycle."""
    columns = [
        Column("#", True),
        Column("purpose", rank=1),
        Column("instrument"),
        Column("side"),
        Column("filled", True),
        Column("of", True, rank=2),
        Column(f"average {quote}", True),
        Column(f"value {quote}", True),
        Column("state"),
    ]
    cells = [
        [
            str(number),
            row["purpose"],
            row["symbol"],
            row["side"],
            amount(row["filled_size"]),
            amount(row["size"]),
            amount(row["average"]),
            money(row["filled_quote"]),
            (row["state"] or "not sent").replace("_", " "),
        ]
        for number, row in enumerate(rows, start=1)
    ]
    return with_message("Executed", columns, cells, [row["words"] for row in rows], "notes", width)
