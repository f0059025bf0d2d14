"""WEEX's rows to domain values. Every number goes from text to Decimal once, here."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Balance, Position
from bot.domain.symbol import base_of, quote_of, settle_of
from bot.ports import OrderReport, Payment, ReportState
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sides import LONG, SHORT
from bot.venues.ccxt.rows import Row, above_zero, is_true, name_of, number, number_or, positive, text_of

COMBINED = "COMBINED"
_STATES = {
    "NEW": ReportState.OPEN,
    "PENDING": ReportState.OPEN,
    "UNTRIGGERED": ReportState.OPEN,
    "PARTIAL_FILL": ReportState.OPEN,
    "PARTIALLY_FILLED": ReportState.OPEN,
    "CANCELING": ReportState.OPEN,
    "FULL_FILL": ReportState.FILLED,
    "FILLED": ReportState.FILLED,
    "CANCELED": ReportState.CANCELED,
    "CANCELLED": ReportState.CANCELED,
    "EXPIRED": ReportState.EXPIRED,
    "REJECTED": ReportState.REJECTED,
    "FAILED": ReportState.REJECTED,
}
TRIGGERED = "TRIGGERED"
_OWN_TRADING = (
    "position_open_",
    "position_close_",
    "order_fill_fee",
    "margin_move_",
    "order_fix_margin_amount",
)
_KINDS = {
    "position_funding": "funding",
    "order_liquidate_fee_income": "liquidation_clearance",
    "transfer_in": "transfer",
    "transfer_out": "transfer",
    "deposit": "transfer",
    "withdraw": "transfer",
}


def balance(row: Row) -> Balance:
    """A row of the spot wallet.

    Raises:
        ValueError: for a negative amount, which a spot wallet cannot hold.
    """
    result = Balance(name_of(row["asset"]), number(row["free"]), number(row["locked"]))
    if result.free < 0 or result.used < 0:
        raise ValueError(f"{result.asset} is {result.free} free and {result.used} locked")
    return result


def position(row: Row, symbol: str, mark: Decimal) -> Position:
    """A row of allPosition: its size counts coins, without a sign; it has no mark price.

    Raises:
        ValueError: it is one of several of its side, or its value makes no price.
    """
    if row["separatedMode"] != COMBINED:
        raise ValueError(f"{symbol} is held in {row['separatedMode']} mode, which has a position for each order")
    size, value = number(row["size"]), number(row["openValue"])
    if size <= 0 or value < 0 or mark <= 0:
        raise ValueError(f"{symbol}: size {size}, opened for {value}, mark price {mark}")
    is_isolated = {"ISOLATED": True, "CROSSED": False}[str(row["marginType"])]
    signed, entry = size * _direction(row), value / size
    return Position(
        symbol=symbol,
        size=signed,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=rows.profit(row.get("unrealizePnl"), signed, entry, mark),
        margin=number(row["isolatedMargin"]) if is_isolated else ZERO,
        leverage=positive(row.get("leverage")),
        liquidation_price=positive(row.get("liquidatePrice")),
        is_isolated=is_isolated,
    )


def partial_position(row: Row, symbol: str, mark: Decimal | None) -> Position | None:
    """A position of which only side and size can be read, with stand-ins for the rest; None where they cannot."""
    size, value = (number_or(row.get(name), ZERO) for name in ("size", "openValue"))
    entry = value / size if size > 0 and value > 0 else ZERO
    mark = mark if mark is not None and mark > 0 else entry
    if size <= 0 or mark <= 0 or row.get("side") not in (LONG, SHORT):
        return None
    signed = size * _direction(row)
    is_isolated = str(row.get("marginType")) == "ISOLATED"
    return Position(symbol, signed, entry if entry > 0 else mark, mark, ZERO, ZERO, None, None, is_isolated)


def is_held(row: Any) -> bool:
    """Whether a row may be of a position: all but those that say plainly that they are flat."""
    return not isinstance(row, Mapping) or number_or(row.get("size"), Decimal(1)) != 0


def quote(row: Row, symbol: str, *, at_ms: int, premium: Row | None) -> Quote:
    """Best prices of a bookTicker row, which has a time where it is of a perp; mark and index of a perp's premium."""
    times = [int(one["time"]) for one in (row, premium or {}) if one.get("time")]
    return Quote(
        symbol=symbol,
        bid=number(row["bidPrice"]),
        ask=number(row["askPrice"]),
        at_ms=min([*times, at_ms]),
        mark=None if premium is None else number(premium["markPrice"]),
        index=None if premium is None else number(premium["indexPrice"]),
    )


def book(data: Row, symbol: str, *, at_ms: int, levels: int) -> Book:
    def side(name: str, *, falling: bool) -> tuple[tuple[Decimal, Decimal], ...]:
        found = sorted(((number(level[0]), number(level[1])) for level in data[name]), reverse=falling)
        return tuple(found[:levels])

    return Book(symbol, side("bids", falling=True), side("asks", falling=False), at_ms)


def funding(row: Row, symbol: str, *, at_ms: int) -> Funding:
    """The forecast is the rate of the next settlement; what the venue calls the last rate has been settled.

    Raises:
        ValueError: for an interval that is no whole number of hours.
    """
    minutes = int(row["collectCycle"])
    if minutes <= 0 or minutes * MINUTE_MS % HOUR_MS:
        raise ValueError(f"funding is settled every {minutes} minutes")
    hours = minutes * MINUTE_MS // HOUR_MS
    return Funding(symbol, number(row["forecastFundingRate"]), hours, int(row["nextFundingTime"]), at_ms)


def order_report(row: Row, symbol: str) -> OrderReport:
    """A row of a plain order of either kind of market.

    Raises:
        ValueError: for an unknown status, or sizes that do not fit.
    """
    filled, size = number(row["executedQty"]), number(row["origQty"])
    if not 0 <= filled <= size:
        raise ValueError(f"{filled} of {size} is executed")
    worth = positive(row.get("cummulativeQuoteQty") or row.get("cumQuote"))
    return OrderReport(
        symbol=symbol,
        client_id=client_id(row),
        venue_id=order_id(row["orderId"]),
        state=_state(row),
        side=_side(row),
        size=size,
        filled_size=filled,
        filled_quote=worth if worth is not None else filled * number(row.get("avgPrice") or "0"),
        price=positive(row.get("price")),
        reduce_only=reduces(row),
        is_trigger=is_trigger(row),
        at_ms=int(row.get("updateTime") or row.get("time") or 0),
        trigger_price=positive(row.get("stopPrice")),
    )


def algo_report(row: Row, symbol: str, executed: OrderReport | None = None, *, is_over: bool = False) -> OrderReport:
    """A row of a conditional order; `executed` is the plain order that it became, whose state and id it then has,
    because the fills carry that id. `is_over`: it has fired, and became no order that is or was there.

    Raises:
        ValueError: its size is none, or its status is not known.
    """
    size, status = number(row["quantity"]), str(row["algoStatus"])
    if size <= 0:
        raise ValueError(f"the size of the order is {size}")
    if status == TRIGGERED:
        state = executed.state if executed is not None else ReportState.EXPIRED if is_over else ReportState.OPEN
    else:
        state = _STATES.get(status) or _unknown(status)
    return OrderReport(
        symbol=symbol,
        client_id=str(row["clientAlgoId"]) if row.get("clientAlgoId") else None,
        venue_id=executed.venue_id if executed is not None else order_id(row["algoId"]),
        state=state,
        side=_side(row),
        size=size,
        filled_size=executed.filled_size if executed is not None else ZERO,
        filled_quote=executed.filled_quote if executed is not None else ZERO,
        price=positive(row.get("price")),
        reduce_only=reduces(row),
        is_trigger=True,
        at_ms=changed_ms(row),
        trigger_price=positive(row.get("triggerPrice")),
    )


def changed_ms(row: Row) -> int:
    """When a conditional order was made or last changed; 0 where its row does not say it."""
    return rows.latest_ms(row, "createTime", "updateTime")


def fired_ms(row: Row) -> int:
    """When a conditional order has fired."""
    return int(row.get("triggerTime") or row.get("updateTime") or row["createTime"])


def executed_by(fills: Iterable[Fill], row: Row, symbol: str) -> OrderReport | None:
    """What a conditional order became, by the fills of the order that its row names; None without any. The venue
    does not know that order, so nothing of it rests."""
    named = str(row.get("actualOrderId"))
    own = [fill for fill in fills if fill.venue_order_id == named]
    if not own:
        return None
    size, filled = number(row["quantity"]), sum((fill.size for fill in own), ZERO)
    return OrderReport(
        symbol=symbol,
        client_id=None,
        venue_id=named,
        state=ReportState.FILLED if filled >= size else ReportState.EXPIRED,
        side=_side(row),
        size=size,
        filled_size=filled,
        filled_quote=sum((fill.size * fill.price for fill in own), ZERO),
        price=None,
        reduce_only=reduces(row),
        is_trigger=True,
        at_ms=own[-1].at_ms,
    )


def reduces(row: Row) -> bool:
    """Whether an order can only reduce: of a perp the side of its position says it. Raises ValueError for a position
    side that is none."""
    side = row.get("positionSide")
    if side in (None, ""):
        return False
    if side not in (LONG, SHORT):
        raise ValueError(f"{side!r} is no side of a position")
    return (side == LONG) is (_side(row) is Side.SELL)


def client_id(row: Row) -> str | None:
    return str(row["clientOrderId"]) if row.get("clientOrderId") else None


def order_id(value: Any) -> str:
    """The venue's id of an order, a number of up to nineteen digits.

    Raises:
        ValueError: it is no number.
    """
    found = str(value)
    if not found.isdigit() or found == "0":
        raise ValueError(f"{found!r} is no order id")
    return found


def open_order(row: Any, symbol: str, defect: str) -> OrderReport:
    """The order of a row that cannot be read: open, nothing executed, with what of it can be read."""
    cells: Row = row if isinstance(row, Mapping) else {}
    named, own = cells.get("orderId") or cells.get("algoId"), cells.get("clientOrderId") or cells.get("clientAlgoId")
    return OrderReport(
        symbol=symbol,
        client_id=str(own) if own else None,
        venue_id=str(named) if str(named).isdigit() else "",
        state=ReportState.OPEN,
        side=Side.SELL if str(cells.get("side")).lower() == "sell" else Side.BUY,
        size=max(ZERO, number_or(cells.get("origQty") or cells.get("quantity"), ZERO)),
        filled_size=ZERO,
        filled_quote=ZERO,
        price=number_or(cells.get("price"), ZERO) or None,
        reduce_only=(cells.get("positionSide"), cells.get("side")) in ((LONG, "SELL"), (SHORT, "BUY")),
        is_trigger="algoId" in cells or is_trigger(cells),
        at_ms=0,
        defect=defect,
    )


def read_orders(found: Iterable[Any], symbol: str, defects: list[tuple[str, str]]) -> list[OrderReport]:
    """Reports of plain orders, of rows that cannot be read as well."""
    return rows.read_orders(found, lambda row: order_report(row, symbol), open_order, symbol, defects)


def is_trigger(row: Row) -> bool:
    """Whether an order waits, or waited, for a price."""
    kind = str(row.get("type") or row.get("orderType") or "")
    return "STOP" in kind or kind.startswith("TAKE_PROFIT")


def spot_fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of the spot trades: it names no currency of the fee, which is taken from what is bought, and does not say
    who was first.

    Raises:
        ValueError: its size or its price is not positive.
    """
    side = Side.BUY if is_true(row["isBuyer"]) else Side.SELL
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['id'])}",
        symbol=symbol,
        client_id=None,
        venue_order_id=order_id(row["orderId"]),
        side=side,
        price=above_zero(row["price"]),
        size=above_zero(row["qty"]),
        fee=number(row["commission"]),
        fee_asset=str(row.get("commissionAsset") or (base_of(symbol) if side is Side.BUY else quote_of(symbol))),
        is_maker=False,
        at_ms=int(row["time"]),
    )


def perp_fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of the perps' fills, in coins.

    Raises:
        ValueError: its size or its price is not positive.
    """
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['id'])}",
        symbol=symbol,
        client_id=None,
        venue_order_id=order_id(row["orderId"]),
        side=_side(row),
        price=above_zero(row["price"]),
        size=above_zero(row["qty"]),
        fee=number(row["commission"]),
        fee_asset=str(row.get("commissionAsset") or settle_of(symbol)),
        is_maker=is_true(row.get("maker")),
        at_ms=int(row["time"]),
    )


def payment(row: Row, symbol_of: Callable[[str], str]) -> Payment | None:
    """An income row; None for the result of a trade of our own. What was received is positive.

    Raises:
        ValueError: the row has no id.
    """
    kind = name_of(row["incomeType"])
    if kind.startswith(_OWN_TRADING):
        return None
    return Payment(
        id=f"{kind}:{text_of(row['billId'])}",
        kind=_KINDS.get(kind, kind),
        asset=name_of(row["asset"]),
        amount=number(row["income"]),
        symbol=symbol_of(str(row["symbol"])) if row.get("symbol") else None,
        at_ms=int(row["time"]),
    )


def _state(row: Row) -> ReportState:
    status = str(row["status"])
    return _STATES.get(status) or _unknown(status)


def _unknown(status: str) -> ReportState:
    raise ValueError(f"the venue reports an order status nobody has described: {status!r}")


def _side(row: Row) -> Side:
    return Side(str(row["side"]).lower())


def _direction(row: Row) -> Decimal:
    return {LONG: Decimal(1), SHORT: Decimal(-1)}[str(row["side"])]
