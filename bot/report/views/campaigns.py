"""Rotations and their planned legs: rows, and their table."""

from rich.console import RenderableType

from bot.domain.campaign import Campaign, Tranche
from bot.domain.codec import encode
from bot.domain.money import ZERO, plain
from bot.domain.states import LegState
from bot.domain.symbol import base_of
from bot.report.format import NONE, Column, TextTable, money, times
from bot.report.views.parts import Row, Rows, text_of


def campaign_row(campaign: Campaign) -> Row:
    """A rotation: where from, where to, how far, and its tranches with their planned legs."""
    return {
        "number": campaign.number,
        "from": campaign.stance_from.value,
        "to": campaign.stance_to.value,
        "source": campaign.source,
        "destination": campaign.destination,
        "state": campaign.state.value,
        "started_ms": campaign.started_ms,
        "book_quote": plain(campaign.book),
        "shift_quote": plain(campaign.shift * campaign.book),
        "baseline_quote": encode(campaign.baseline),
        "target_quote": encode(campaign.target),
        "owed_quote": encode(campaign.owed),
        "tranches": [
            {
                "index": tranche.index,
                "state": tranche.state.value,
                "not_before_ms": tranche.begins_ms,
                "legs": [
                    {
                        "purpose": leg.purpose.value,
                        "sector": leg.sector,
                        "symbol": leg.symbol,
                        "side": leg.side.value,
                        "value_quote": plain(leg.quote_value),
                        "margin_quote": plain(leg.margin),
                        "leverage": text_of(leg.leverage),
                        "state": leg.state.value,
                    }
                    for leg in tranche.legs
                ],
            }
            for tranche in campaign.tranches
        ],
    }


def demo_legs(campaign: Campaign) -> list[Row]:
    """Every planned leg of a rotation, flat: what `demo --json` lists under `legs`."""
    return [
        {
            "campaign": campaign.number,
            "tranche": tranche.index,
            "purpose": leg.purpose.value,
            "sector": leg.sector,
            "instrument": leg.symbol,
            "side": leg.side.value,
            "quote_value": plain(leg.quote_value),
            "margin": plain(leg.margin),
            "leverage": text_of(leg.leverage),
            "status": leg.state.value,
        }
        for tranche in campaign.tranches
        for leg in tranche.legs
    ]


def plan_rows(tranche: Tranche) -> list[Row]:
    """The legs of a tranche, added up by phase: what is going to happen, in order."""
    rows: dict[tuple[str, str, str], Row] = {}
    for leg in tranche.legs:
        if leg.state is LegState.SKIPPED:
            continue
        key = (leg.purpose.value, leg.sector, leg.side.value)
        row = rows.setdefault(
            key,
            {
                "tranche": tranche.index,
                "purpose": key[0],
                "sector": key[1],
                "side": key[2],
                "instruments": [],
                "value_quote": ZERO,
                "margin_quote": ZERO,
                "leverage": text_of(leg.leverage),
            },
        )
        row["instruments"].append(leg.symbol)
        row["value_quote"] += leg.quote_value
        row["margin_quote"] += leg.margin
    return list(rows.values())


def plan_table(rows: Rows, quote: str) -> RenderableType:
    """The phases of a tranche, in the order they run."""
    columns = [
        Column("#", True),
        Column("phase"),
        Column("sector"),
        Column("side"),
        Column("instruments"),
        Column(f"value {quote}", True),
        Column(f"margin {quote}", True, rank=2),
        Column("leverage", True, rank=1),
    ]
    cells = []
    for number, row in enumerate(rows, start=1):
        names = row["instruments"]
        shown = names[0] if len(names) == 1 else f"{len(names)} tokens: {', '.join(base_of(n) for n in names)}"
        cells.append(
            [
                str(number),
                row["purpose"],
                row["sector"],
                row["side"],
                shown,
                money(row["value_quote"]),
                money(row["margin_quote"]) if row["margin_quote"] else NONE,
                times(row["leverage"]),
            ]
        )
    return TextTable(f"Plan of tranche {rows[0]['tranche']}" if rows else "Plan", columns, cells)
