"""Venue rows to domain values. Every number goes from text to Decimal once, here.

Rows are Binance's own, as ccxt hands them through: ccxt's unified shapes order book levels as text when numbers are
text, lose quote volumes, and know three names for one margin type.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Balance, Position
from bot.ports import OrderReport, Payment, ReportState
from bot.venues.ccxt.rows import name_of, number, positive

Row = Mapping[str, Any]

_STATES = {
    "NEW": ReportState.OPEN,
    "PENDING_NEW": ReportState.OPEN,
    "PARTIALLY_FILLED": ReportState.OPEN,
    "PENDING_CANCEL": ReportState.OPEN,
    "ACCEPTED": ReportState.OPEN,
    "TRIGGERING": ReportState.OPEN,
    "FILLED": ReportState.FILLED,
    "CANCELED": ReportState.CANCELED,
    "CANCELLED": ReportState.CANCELED,
    "EXPIRED": ReportState.EXPIRED,
    "EXPIRED_IN_MATCH": ReportState.EXPIRED,
    "REJECTED": ReportState.REJECTED,
}
TRIGGERED = frozenset({"TRIGGERED", "FINISHED"})
_OWN_TRADING = frozenset({"REALIZED_PNL", "COMMISSION"})
_KINDS = {"FUNDING_FEE": "funding", "INSURANCE_CLEAR": "liquidation_clearance", "TRANSFER": "transfer"}
_SPOT_TRIGGERS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})


def balance(row: Row) -> Balance:
    """One row of the spot account.

    Raises:
        ValueError: for a negative amount, which a spot wallet cannot hold.
    """
    result = Balance(name_of(row["asset"]), number(row["free"]), number(row["locked"]))
    if result.free < 0 or result.used < 0:
        raise ValueError(f"{result.asset} is {result.free} free and {result.used} locked")
    return result


def perp_wallet(account: Row, quote: str) -> tuple[Decimal, Decimal]:
    """(wallet balance without unrealised profit, free margin) of the quote asset in the perp wallet; zero where the
    wallet has no row of it, because what is there is of other assets then."""
    for row in account["assets"]:
        if isinstance(row, Mapping) and row.get("asset") == quote:
            return number(row["walletBalance"]), number(row["availableBalance"])
    return ZERO, ZERO


def position(row: Row, symbol: str, leverage: Decimal | None = None) -> Position:
    """One row of positionRisk (v3). Leverage is notional over initial margin unless it is given.

    Raises:
        ValueError: a price is none.
    """
    size, isolated = number(row["positionAmt"]), number(row.get("isolatedWallet") or "0")
    locked = number(row.get("positionInitialMargin") or row.get("initialMargin") or "0")
    if leverage is None and locked > 0:
        leverage = (abs(number(row["notional"])) / locked).to_integral_value()
    entry, mark = number(row["entryPrice"]), number(row["markPrice"])
    if entry < 0 or mark <= 0:
        raise ValueError(f"{symbol}: entry price is {entry} and mark price {mark}")
    return Position(
        symbol=symbol,
        size=size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=number(row["unRealizedProfit"]),
        margin=isolated,
        leverage=leverage,
        liquidation_price=positive(row.get("liquidationPrice")),
        is_isolated=isolated > 0,
    )


def quote(book: Row, symbol: str, *, at_ms: int, premium: Row | None = None) -> Quote:
    """Best prices of a bookTicker row; mark and index from a premiumIndex row. Its time is the oldest of the venue's
    own times in them, and of the question where there is none (spot)."""
    return Quote(
        symbol=symbol,
        bid=number(book["bidPrice"]),
        ask=number(book["askPrice"]),
        at_ms=min(venue_ms(book, at_ms), venue_ms(premium, at_ms) if premium else at_ms),
        mark=number(premium["markPrice"]) if premium else None,
        index=number(premium["indexPrice"]) if premium else None,
    )


def book(row: Row, symbol: str, *, at_ms: int) -> Book:
    def levels(side: str) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((number(level[0]), number(level[1])) for level in row[side])

    return Book(symbol, levels("bids"), levels("asks"), venue_ms(row, at_ms))


def venue_ms(row: Row, at_ms: int) -> int:
    """The venue's own time of a price: of its last change or of its message; `at_ms` where the row has none.

    A time of 0 is the venue's way to say that it has none (a perp without a next funding, a symbol never traded).
    """
    for name in ("time", "E", "T"):
        if row.get(name):
            return int(row[name])
    return at_ms


def funding(row: Row, symbol: str, *, interval_hours: int, at_ms: int) -> Funding:
    """A premiumIndex row: `lastFundingRate` is the running estimate for the next settlement."""
    return Funding(
        symbol, number(row["lastFundingRate"]), interval_hours, int(row["nextFundingTime"]), venue_ms(row, at_ms)
    )


def order_report(row: Row, symbol: str, *, contract_size: Decimal, fills: tuple[Fill, ...] = ()) -> OrderReport:
    """An order row of /api/v3 or /fapi.

    Raises:
        ValueError: for an unknown status.
    """
    filled, size = number(row["executedQty"]), number(row["origQty"])
    if not 0 <= filled <= size or (size == 0 and row.get("closePosition") not in (True, "true")):
        raise ValueError(f"{filled} of {size} is executed")
    executed = row.get("cummulativeQuoteQty", row.get("cumQuote"))
    if executed is None:
        executed = filled * contract_size * number(row.get("avgPrice") or "0")
    return OrderReport(
        symbol=symbol,
        client_id=row.get("origClientOrderId") or row.get("clientOrderId"),
        venue_id=str(row["orderId"]),
        state=_state(str(row["status"])),
        side=Side(str(row["side"]).lower()),
        size=size,
        filled_size=filled,
        # Binance spot reports a negative quote quantity for old orders it no longer knows.
        filled_quote=max(ZERO, number(executed)),
        price=positive(row.get("price")),
        reduce_only=row.get("reduceOnly") in (True, "true"),
        is_trigger=str(row.get("type")) in _SPOT_TRIGGERS,
        at_ms=int(row.get("updateTime") or row.get("transactTime") or row.get("time") or 0),
        fills=fills,
    )


def trigger_report(row: Row, symbol: str, *, executed: OrderReport | None = None) -> OrderReport:
    """An algo order row; `executed` is the ordinary order it became when it triggered, whose state it then takes, and
    whose id, because that is the one its trades carry.

    Raises:
        ValueError: its size is none.
    """
    status, size = str(row["algoStatus"]), number(row["quantity"])
    if size < 0 or (size == 0 and row.get("closePosition") not in (True, "true")):
        raise ValueError(f"the size of the order is {size}")
    became = executed.state if executed else ReportState.OPEN
    return OrderReport(
        symbol=symbol,
        client_id=row.get("clientAlgoId"),
        venue_id=executed.venue_id if executed else str(row["algoId"]),
        state=became if status in TRIGGERED else _state(status),
        side=Side(str(row["side"]).lower()),
        size=size,
        filled_size=executed.filled_size if executed else ZERO,
        filled_quote=executed.filled_quote if executed else ZERO,
        price=positive(row.get("price")),
        reduce_only=row.get("reduceOnly") in (True, "true"),
        is_trigger=True,
        at_ms=int(row.get("updateTime") or row.get("createTime") or 0),
        trigger_price=positive(row.get("triggerPrice")),
    )


def placement_fills(row: Row, *, venue: str, symbol: str) -> tuple[Fill, ...]:
    """The fills a spot order's FULL answer carries: what filled at once was taken from the book."""
    return tuple(
        Fill(
            venue=venue,
            trade_id=_trade_id(symbol, part["tradeId"]),
            symbol=symbol,
            client_id=row.get("clientOrderId"),
            venue_order_id=str(row["orderId"]),
            side=Side(str(row["side"]).lower()),
            price=number(part["price"]),
            size=number(part["qty"]),
            fee=number(part["commission"]),
            fee_asset=str(part["commissionAsset"]),
            is_maker=False,
            at_ms=int(row.get("transactTime") or 0),
        )
        for part in row.get("fills", ())
    )


def fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of myTrades (spot: isBuyer, isMaker) or userTrades (perps: side, maker).

    Raises:
        ValueError: its size or its price is not positive.
    """
    taken = row["side"].lower() if "side" in row else "buy" if row["isBuyer"] else "sell"
    price, size = number(row["price"]), number(row["qty"])
    if price <= 0 or size <= 0:
        raise ValueError(f"an execution of {size} at {price}")
    return Fill(
        venue=venue,
        trade_id=_trade_id(symbol, row["id"]),
        symbol=symbol,
        client_id=None,
        venue_order_id=str(row["orderId"]),
        side=Side(taken),
        price=price,
        size=size,
        fee=number(row["commission"]),
        fee_asset=name_of(row["commissionAsset"]),
        is_maker=bool(row.get("isMaker", row.get("maker"))),
        at_ms=int(row["time"]),
    )


def payment(row: Row, symbol_of: Callable[[str], str]) -> Payment | None:
    """An income row; None for the result of a trade of our own. `symbol_of` names a venue symbol as we do.

    Raises:
        ValueError: the row has no id.
    """
    kind, number_of = name_of(row["incomeType"]), row["tranId"]
    if kind in _OWN_TRADING:
        return None
    if number_of in (None, ""):
        raise ValueError("the row has no tranId")
    return Payment(
        id=f"{kind}:{number_of}",
        kind=_KINDS.get(kind, kind.lower()),
        asset=name_of(row["asset"]),
        amount=number(row["income"]),
        symbol=symbol_of(str(row["symbol"])) if row.get("symbol") else None,
        at_ms=int(row["time"]),
    )


def brackets(row: Row) -> tuple[Bracket, ...]:
    """The leverage brackets of a perp, smallest notional first. Raises ValueError for one that makes no sense."""
    result = [
        Bracket(
            number=int(part["bracket"]),
            leverage_max=int(part["initialLeverage"]),
            notional_floor=number(part["notionalFloor"]),
            notional_cap=number(part["notionalCap"]),
            maintenance_rate=number(part["maintMarginRatio"]),
            cum=number(part["cum"]),
        )
        for part in row["brackets"]
    ]
    for one in result:
        is_range = 0 <= one.notional_floor < one.notional_cap
        if not (is_range and one.leverage_max >= 1 and 0 <= one.maintenance_rate < 1):
            raise ValueError(f"a leverage bracket that makes no sense: {one}")
    return tuple(sorted(result, key=lambda bracket: bracket.notional_floor))


def _state(status: str) -> ReportState:
    try:
        return _STATES[status]
    except KeyError:
        raise ValueError(f"the venue reports an order status nobody has described: {status!r}") from None


def _trade_id(symbol: str, trade: Any) -> str:
    """Trade ids count per symbol, and a fill is unique per (venue, trade id)."""
    return f"{symbol}:{trade}"
