"""Open perps: rows, and their table."""

from collections.abc import Mapping
from typing import Any, TypedDict

from rich.console import RenderableType

from bot.domain.campaign import Memory
from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.perp import liquidation_distance
from bot.domain.portfolio import Account
from bot.report.format import NONE, Column, TextTable, amount, money, percent, times
from bot.report.views.parts import Rows, text_of, unit_of


class PositionColumns(TypedDict):
    """A perp position."""

    symbol: str
    side: str
    size: str
    unit: str
    entry: str
    mark: str
    notional_quote: str | None
    margin_quote: str
    leverage: str | None
    liquidation: str | None
    liquidation_distance: str | None
    unrealised_pnl_quote: str
    covers: str | None
    role: str | None


def position_rows(account: Account, instruments: Mapping[str, Instrument], memory: Memory) -> list[PositionColumns]:
    """Open perps. `liquidation_distance` is the fraction that mark may move; `covers` the sector a hedge stands for,
    `role` what the position is called: hedge, tactical long, speculative short, scalp; None of one that is not ours."""
    rows: list[PositionColumns] = []
    roles = dict.fromkeys(memory.hedges, "hedge") | {held.symbol: held.words for held in memory.exits}
    for symbol, position in sorted(account.positions.items()):
        instrument = instruments.get(symbol)
        notional = instrument.notional(position.size, position.mark_price) if instrument else None
        rows.append(
            {
                "symbol": symbol,
                "side": "long" if position.size > 0 else "short",
                "size": plain(position.size),
                "unit": unit_of(symbol, instrument),
                "entry": plain(round(position.entry_price, 8)),
                "mark": plain(position.mark_price),
                "notional_quote": text_of(notional),
                "margin_quote": plain(position.margin),
                "leverage": text_of(position.leverage),
                "liquidation": text_of(position.liquidation_price),
                "liquidation_distance": text_of(liquidation_distance(position.mark_price, position.liquidation_price)),
                "unrealised_pnl_quote": plain(position.unrealised_pnl),
                "covers": memory.hedges.get(symbol),
                "role": roles.get(symbol),
            }
        )
    return rows


def positions_table(rows: Rows, quote: str, venue: str = "") -> RenderableType:
    """Open perps; distance is how far mark is from liquidation. `venue` is where they are, if spot is elsewhere."""
    columns = [
        Column("perp"),
        Column("side"),
        Column("size", True),
        Column(f"entry {quote}", True, rank=1),
        Column(f"mark {quote}", True),
        Column(f"margin {quote}", True, rank=3),
        Column("leverage", True, rank=2),
        Column("distance", True),
        Column(f"uPnL {quote}", True),
        Column("role", rank=4),
    ]
    cells = [
        [
            row["symbol"],
            row["side"],
            f"{amount(row['size'])} {row['unit']}",
            amount(row["entry"]),
            amount(row["mark"]),
            money(row["margin_quote"]),
            times(row["leverage"]),
            percent(row["liquidation_distance"]),
            money(row["unrealised_pnl_quote"]),
            _role(row),
        ]
        for row in rows
    ]
    return TextTable("Perp positions" + (f" at {venue}" if venue else ""), columns, cells)


def _role(row: Mapping[str, Any]) -> str:
    return f"hedge of {row['covers']}" if row["covers"] else row["role"] or NONE
