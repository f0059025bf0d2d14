"""Rows of Binance that may be unreadable in part: what can be read of them, and a mention of the rest."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.portfolio import Position
from bot.ports import OrderReport, ReportState
from bot.venues.binance import parse
from bot.venues.ccxt.rows import UNREADABLE, Row, message_of, number_or

WALLET = "wallet"


def open_order(row: Any, symbol: str, defect: str) -> OrderReport:
    """The order of a row that cannot be read: open, nothing executed, with what of it can be read."""
    cells: Row = row if isinstance(row, Mapping) else {}
    client_id = next((cells[n] for n in _CLIENT_IDS if isinstance(cells.get(n), str) and cells[n]), None)
    venue_id = next((str(cells[n]) for n in ("orderId", "algoId") if cells.get(n)), "")
    is_sale = str(cells.get("side")).lower() == "sell"
    return OrderReport(
        symbol=symbol,
        client_id=client_id,
        venue_id=venue_id,
        state=ReportState.OPEN,
        side=Side.SELL if is_sale else Side.BUY,
        size=max(ZERO, number_or(cells.get("origQty", cells.get("quantity")), ZERO)),
        filled_size=ZERO,
        filled_quote=ZERO,
        price=number_or(cells.get("price"), ZERO) or None,
        reduce_only=cells.get("reduceOnly") in (True, "true"),
        is_trigger="algoId" in cells,
        at_ms=0,
        defect=defect,
    )


_CLIENT_IDS = ("origClientOrderId", "clientOrderId", "clientAlgoId")


def read_wallet(account: Row, quote: str, unreadable: dict[str, str]) -> tuple[Decimal, Decimal]:
    """(balance, free margin) of the quote currency in the perp wallet; another currency is never taken for it."""
    try:
        return parse.perp_wallet(account, quote)
    except UNREADABLE as error:
        unreadable[WALLET] = message_of("the perp wallet", account, error)
        return ZERO, ZERO


def partial_position(row: Row, symbol: str, leverage: Decimal | None) -> Position | None:
    """A position of which only the size can be read, with stand-ins for the rest; None where not even that."""
    size = number_or(row.get("positionAmt"), ZERO)
    entry, mark = (number_or(row.get(name), ZERO) for name in ("entryPrice", "markPrice"))
    notional = number_or(row.get("notional"), ZERO)
    if not size and notional and mark > 0:
        size = notional / mark
    mark = mark if mark > 0 else abs(notional / size) if size and notional else max(entry, ZERO)
    if not size or mark <= 0:
        return None
    entry = entry if entry > 0 else mark
    isolated = number_or(row.get("isolatedWallet"), ZERO)
    profit = number_or(row.get("unRealizedProfit"), (mark - entry) * size)
    return Position(symbol, size, entry, mark, profit, isolated, leverage, None, isolated > 0)


def side_of(row: Any) -> str:
    """The side of a position row: BOTH in one-way mode, LONG or SHORT in hedge mode."""
    return str(row.get("positionSide", "BOTH")) if isinstance(row, Mapping) else "BOTH"


def is_held(row: Any) -> bool:
    """Whether a position row may be of a position: all but those that say plainly that they are flat."""
    return not isinstance(row, Mapping) or number_or(row.get("positionAmt"), Decimal(1)) != 0
