"""Bybit's rows to domain values. Every number goes from text to Decimal once, here."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Balance, Position
from bot.domain.symbol import base_of, is_perp, quote_of, settle_of
from bot.ports import DEPOSIT, WITHDRAWAL, OrderReport, Payment, ReportState
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sides import LONG, SHORT
from bot.venues.ccxt.rows import Row, name_of, number, number_or, positive

ONE_WAY = 0
INDEXES = {LONG: 1, SHORT: 2}
"""The `positionIdx` of each side of hedge mode."""
DEFAULT_FUNDING_HOURS = 8
_STATES = {
    "Created": ReportState.OPEN,
    "New": ReportState.OPEN,
    "PartiallyFilled": ReportState.OPEN,
    "Untriggered": ReportState.OPEN,
    "Triggered": ReportState.OPEN,
    "Filled": ReportState.FILLED,
    "PartiallyFilledCanceled": ReportState.CANCELED,
    "Cancelled": ReportState.CANCELED,
    "Deactivated": ReportState.CANCELED,
    "Rejected": ReportState.REJECTED,
}
_OURS_TO_CANCEL = frozenset({"", "UNKNOWN", "CancelByUser"})
_NO_REASON = frozenset({"", "EC_NoError", "EC_PerCancelRequest"})
_FORCED = ("CreateByLiq", "CreateByTakeOver", "CreateByAdl", "CreateBySettle")
_TRADES = frozenset({"Trade", "AdlTrade", "BustTrade", "Settle", "Delivery"})
_NO_TRADES = frozenset({"Funding", "UNKNOWN"})
_OWN_TRADING = frozenset({"TRADE", "LIQUIDATION", "ADL", "DELIVERY"})
_KINDS = {
    "SETTLEMENT": "funding",
    "TRANSFER_IN": DEPOSIT,
    "TRANSFER_OUT": WITHDRAWAL,
}


def balance(row: Row, bound: Decimal) -> Balance:
    """A coin of the wallet; `bound` is what positions and orders of perps hold of it beside `locked`.

    Raises:
        ValueError: for a negative amount, which is a loan.
    """
    total, locked = number(row["walletBalance"]), number(row.get("locked") or "0")
    if total < 0 or locked < 0:
        raise ValueError(f"{row['coin']} is {total} with {locked} locked")
    used = min(total, locked + bound)
    return Balance(name_of(row["coin"]), total - used, used)


def bound_in(row: Row) -> Decimal:
    """What perps hold of a coin: initial margin of positions and of orders."""
    return number(row.get("totalPositionIM") or "0") + number(row.get("totalOrderIM") or "0")


def position(row: Row, symbol: str, *, is_isolated: bool) -> Position:
    """A row of position/list with a size.

    Raises:
        ValueError: a price is none.
    """
    size = signed_size(row)
    entry, mark = number(row["avgPrice"]), number(row["markPrice"])
    if entry < 0 or mark <= 0:
        raise ValueError(f"{symbol}: entry price is {entry} and mark price {mark}")
    return Position(
        symbol=symbol,
        size=size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=rows.profit(row.get("unrealisedPnl"), size, entry, mark),
        margin=_margin(row) if is_isolated else ZERO,
        leverage=positive(row.get("leverage")),
        liquidation_price=positive(row.get("liqPrice")),
        is_isolated=is_isolated,
    )


def signed_size(row: Row) -> Decimal:
    """The size of a row of position/list; its side is empty where nothing is held."""
    size = number(row["size"])
    return size * _sign(row) if size else size


def partial_position(row: Row, symbol: str, *, is_isolated: bool) -> Position | None:
    """A position of which only the size can be read, with stand-ins for the rest."""
    size = number_or(row.get("size"), ZERO)
    entry, mark = (number_or(row.get(name), ZERO) for name in ("avgPrice", "markPrice"))
    mark = mark if mark > 0 else entry
    if not size or mark <= 0:
        return None
    side = Decimal(-1) if str(row.get("side")) == "Sell" else Decimal(1)
    return Position(symbol, size * side, entry if entry > 0 else mark, mark, ZERO, ZERO, None, None, is_isolated)


def side_of(row: Row) -> str | None:
    """The side of hedge mode that a row is of; None in one-way mode.

    Raises:
        ValueError: it is of neither.
    """
    index = str(row.get("positionIdx", ONE_WAY))
    if index == str(ONE_WAY):
        return None
    return {str(number): side for side, number in INDEXES.items()}[index]


def is_held(row: Any) -> bool:
    """Whether a row may be of a position: all but those that say plainly that they are flat."""
    return not isinstance(row, Mapping) or number_or(row.get("size"), Decimal(1)) != 0


def quote(row: Row, symbol: str, *, at_ms: int) -> Quote:
    """Best prices of a ticker; mark and index of a perp."""
    perp = is_perp(symbol)
    return Quote(
        symbol=symbol,
        bid=number(row["bid1Price"]),
        ask=number(row["ask1Price"]),
        at_ms=at_ms,
        mark=number(row["markPrice"]) if perp else None,
        index=number(row["indexPrice"]) if perp else None,
    )


def book(result: Row, symbol: str, *, at_ms: int, levels: int) -> Book:
    def side(name: str) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((number(level[0]), number(level[1])) for level in result[name][:levels])

    return Book(symbol, side("b"), side("a"), min(int(result["ts"]), at_ms))


def funding(row: Row, symbol: str, *, at_ms: int) -> Funding:
    """The running estimate for the next settlement, of a perp's ticker."""
    hours = int(row.get("fundingIntervalHour") or DEFAULT_FUNDING_HOURS)
    return Funding(symbol, number(row["fundingRate"]), hours, int(row["nextFundingTime"]), at_ms)


def open_interest(row: Row) -> Decimal:
    """Quote value, of a perp's ticker."""
    value = positive(row.get("openInterestValue"))
    return value if value is not None else number(row["openInterest"]) * number(row["markPrice"])


def order_report(row: Row, symbol: str) -> OrderReport:
    """An order row of realtime or history.

    Raises:
        ValueError: for an unknown status, or sizes that do not fit.
    """
    filled, size = number(row["cumExecQty"]), number(row["qty"])
    if str(row.get("marketUnit")) == "quoteCoin":
        size = filled  # its quantity is money; what it bought is its size
    elif not 0 <= filled <= size:
        raise ValueError(f"{filled} of {size} is executed")
    return OrderReport(
        symbol=symbol,
        client_id=_client_id(row),
        venue_id=name_of(row["orderId"]),
        state=_state(row, filled),
        side=_side(row),
        size=size,
        filled_size=filled,
        filled_quote=number(row.get("cumExecValue") or "0"),
        price=positive(row.get("price")),
        reduce_only=row.get("reduceOnly") in (True, "true"),
        is_trigger=is_trigger(row),
        at_ms=int(row.get("updatedTime") or row.get("createdTime") or 0),
        trigger_price=positive(row.get("triggerPrice")),
    )


def _client_id(row: Row) -> str | None:
    """The client id of an order; one that the venue itself made to close a position has the name of its kind."""
    given, kind = str(row.get("orderLinkId") or ""), str(row.get("createType") or "")
    return given or (kind if kind.startswith(_FORCED) else None)


def is_trigger(row: Row) -> bool:
    """Whether an order waits, or waited, for a price."""
    return str(row.get("stopOrderType") or "UNKNOWN") != "UNKNOWN"


def open_order(row: Any, symbol: str, defect: str) -> OrderReport:
    """The order of a row that cannot be read: open, nothing executed, with what of it can be read."""
    cells: Row = row if isinstance(row, Mapping) else {}
    return OrderReport(
        symbol=symbol,
        client_id=str(cells.get("orderLinkId") or "") or None,
        venue_id=str(cells.get("orderId") or ""),
        state=ReportState.OPEN,
        side=Side.SELL if str(cells.get("side")).lower() == "sell" else Side.BUY,
        size=max(ZERO, number_or(cells.get("qty"), ZERO)),
        filled_size=ZERO,
        filled_quote=ZERO,
        price=number_or(cells.get("price"), ZERO) or None,
        reduce_only=cells.get("reduceOnly") in (True, "true"),
        is_trigger=is_trigger(cells),
        at_ms=0,
        defect=defect,
    )


def read_orders(found: Iterable[Any], symbol: str, defects: list[tuple[str, str]]) -> list[OrderReport]:
    """Order reports, of rows that cannot be read as well."""
    return rows.read_orders(found, lambda row: order_report(row, symbol), open_order, symbol, defects)


def is_trade(row: Row) -> bool:
    """Whether an execution is a trade, of our orders or forced by the venue. Raises ValueError for an unknown type."""
    kind = str(row["execType"])
    if kind not in _TRADES | _NO_TRADES:
        raise ValueError(f"the venue reports an execution of a type nobody has described: {kind!r}")
    return kind in _TRADES


def fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of execution/list. What is paid is positive; a spot purchase pays in what it buys.

    Raises:
        ValueError: its size or its price is not positive.
    """
    price, size, side = number(row["execPrice"]), number(row["execQty"]), _side(row)
    if price <= 0 or size <= 0:
        raise ValueError(f"an execution of {size} at {price}")
    usual = settle_of(symbol) or (base_of(symbol) if side is Side.BUY else quote_of(symbol))
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{name_of(row['execId'])}",
        symbol=symbol,
        client_id=str(row.get("orderLinkId") or "") or None,
        venue_order_id=name_of(row["orderId"]),
        side=side,
        price=price,
        size=size,
        fee=number(row["execFee"]),
        fee_asset=str(row.get("feeCurrency") or usual),
        is_maker=row.get("isMaker") in (True, "true"),
        at_ms=int(row["execTime"]),
    )


def payment(row: Row, symbol_of: Callable[[str], str]) -> Payment | None:
    """A row of the transaction log; None for the result of a trade. What was received is positive."""
    kind = name_of(row["type"])
    if kind in _OWN_TRADING:
        return None
    return Payment(
        id=f"{kind}:{name_of(row['id'])}",
        kind=_KINDS.get(kind, kind.lower()),
        asset=name_of(row["currency"]),
        amount=number(row["change"]),
        symbol=symbol_of(str(row["symbol"])) if row.get("symbol") else None,
        at_ms=int(row["transactionTime"]),
    )


def brackets(rows: Iterable[Row]) -> tuple[Bracket, ...]:
    """The risk limits of one perp, smallest notional first. Raises ValueError for one that makes no sense."""
    found: list[Bracket] = []
    floor = ZERO
    for row in sorted(rows, key=lambda row: number(row["riskLimitValue"])):
        one = Bracket(
            number=int(row["id"]),
            leverage_max=int(number(row["maxLeverage"])),
            notional_floor=floor,
            notional_cap=number(row["riskLimitValue"]),
            maintenance_rate=number(row["maintenanceMargin"]),
            cum=number(row.get("mmDeduction") or "0"),
        )
        if not (floor < one.notional_cap and one.leverage_max >= 1 and 0 <= one.maintenance_rate < 1):
            raise ValueError(f"a leverage bracket that makes no sense: {one}")
        found.append(one)
        floor = one.notional_cap
    return tuple(found)


def _state(row: Row, filled: Decimal) -> ReportState:
    """An order that the venue itself ended, its rest or all of it, has expired; one that it never took is rejected."""
    status, reason = str(row["orderStatus"]), str(row.get("rejectReason") or "")
    state = _STATES.get(status)
    if state is None:
        raise ValueError(f"the venue reports an order status nobody has described: {status!r}")
    if state is ReportState.REJECTED and filled:
        return ReportState.EXPIRED
    if state is not ReportState.CANCELED:
        return state
    is_by_venue = str(row.get("cancelType") or "") not in _OURS_TO_CANCEL or reason not in _NO_REASON
    return ReportState.EXPIRED if is_by_venue else ReportState.CANCELED


def _side(row: Row) -> Side:
    return Side(str(row["side"]).lower())


def _sign(row: Row) -> int:
    return _side(row).sign


def _margin(row: Row) -> Decimal:
    return number(row.get("positionBalance") or row.get("positionIM") or "0")
