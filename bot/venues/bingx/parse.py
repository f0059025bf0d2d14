"""BingX's rows to domain values. Every number goes from text to Decimal once, here."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Balance, Position
from bot.domain.symbol import base_of, is_perp, quote_of, settle_of
from bot.ports import OrderReport, Payment, ReportState
from bot.venues.bingx.markets import asset_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sides import LONG, SHORT, closed_by
from bot.venues.ccxt.account.stops import SeenStop
from bot.venues.ccxt.rows import Row, above_zero, is_true, name_of, number, number_or, positive, text_of

DEFAULT_FUNDING_HOURS = 8
FORCED = {"LIQUIDATION": "forced-liquidation", "ADL": "forced-adl", "SETTLEMENT": "forced-settlement"}
"""How an order is named that the venue made to close a position, by the list that it stands in or by its type."""
_STOP_TYPES = frozenset({"STOP_MARKET", "TAKE_PROFIT_MARKET"})  # the conditional orders that are sent here
_AHEAD_MS = MINUTE_MS  # how far the clocks of two machines may differ; a false zone is hours
_WORTH_OFF = Decimal("0.01")  # by how much a worth is rounded
_CAUSE = "$forced"  # where reads write that word into a row
_STATES = {
    "NEW": ReportState.OPEN,
    "PENDING": ReportState.OPEN,
    "PARTIALLY_FILLED": ReportState.OPEN,
    "FILLED": ReportState.FILLED,
    "CANCELED": ReportState.CANCELED,
    "CANCELLED": ReportState.CANCELED,
    "EXPIRED": ReportState.EXPIRED,
    "FAILED": ReportState.REJECTED,
}
_OWN_TRADING = frozenset({"REALIZED_PNL", "TRADING_FEE"})
_KINDS = {"FUNDING_FEE": "funding", "INSURANCE_CLEAR": "liquidation_clearance", "TRANSFER": "transfer"}


def balance(row: Row) -> Balance:
    """A row of the spot wallet.

    Raises:
        ValueError: for a negative amount, which a spot wallet cannot hold.
    """
    result = Balance(asset_of(name_of(row["asset"])), number(row["free"]), number(row["locked"]))
    if result.free < 0 or result.used < 0:
        raise ValueError(f"{result.asset} is {result.free} free and {result.used} locked")
    return result


def position(row: Row, symbol: str) -> Position:
    """A row of user/positions with a size: it is written without a sign, `margin` with the unrealised profit in it.

    Raises:
        ValueError: a price is none.
    """
    size = number(row["positionAmt"]) * _direction(row)
    entry, mark = number(row["avgPrice"]), number(row["markPrice"])
    if entry < 0 or mark <= 0:
        raise ValueError(f"{symbol}: entry price is {entry} and mark price {mark}")
    is_isolated = is_true(row["isolated"])
    profit = rows.profit(row.get("unrealizedProfit"), size, entry, mark)
    return Position(
        symbol=symbol,
        size=size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=profit,
        margin=number(row["margin"]) - profit if is_isolated else ZERO,
        leverage=positive(row.get("leverage")),
        liquidation_price=positive(row.get("liquidationPrice")),
        is_isolated=is_isolated,
    )


def partial_position(row: Row, symbol: str) -> Position | None:
    """A position of which only the size can be read, with stand-ins for the rest."""
    size = number_or(row.get("positionAmt"), ZERO)
    entry, mark = (number_or(row.get(name), ZERO) for name in ("avgPrice", "markPrice"))
    mark = mark if mark > 0 else entry
    if not size or mark <= 0:
        return None
    side = Decimal(-1) if str(row.get("positionSide")) == "SHORT" else Decimal(1)
    is_isolated = str(row.get("isolated")).lower() == "true"
    return Position(symbol, size * side, entry if entry > 0 else mark, mark, ZERO, ZERO, None, None, is_isolated)


def is_held(row: Any) -> bool:
    """Whether a row may be of a position: all but those that say plainly that they are flat."""
    return not isinstance(row, Mapping) or number_or(row.get("positionAmt"), Decimal(1)) != 0


def quote(row: Row, symbol: str, *, at_ms: int, premium: Row | None) -> Quote:
    """Best prices of a ticker; mark and index of a perp's premium row."""
    return Quote(
        symbol=symbol,
        bid=number(row["bidPrice"]),
        ask=number(row["askPrice"]),
        at_ms=min(int(row["closeTime"]), at_ms),
        mark=None if premium is None else number(premium["markPrice"]),
        index=None if premium is None else number(premium["indexPrice"]),
    )


def book(data: Row, symbol: str, *, at_ms: int, levels: int) -> Book:
    """Perps are read in coins, never in the contracts that stand beside them."""
    bids, asks, time = ("bidsCoin", "asksCoin", "T") if is_perp(symbol) else ("bids", "asks", "ts")

    def side(name: str, *, falling: bool) -> tuple[tuple[Decimal, Decimal], ...]:
        found = sorted(((number(level[0]), number(level[1])) for level in data[name]), reverse=falling)
        return tuple(found[:levels])

    return Book(symbol, side(bids, falling=True), side(asks, falling=False), min(int(data[time]), at_ms))


def funding(row: Row, symbol: str, *, at_ms: int) -> Funding:
    """The rate of the next settlement: the venue calls it the last one."""
    hours = int(row.get("fundingIntervalHours") or DEFAULT_FUNDING_HOURS)
    return Funding(symbol, number(row["lastFundingRate"]), hours, int(row["nextFundingTime"]), at_ms)


def order_report(row: Row, symbol: str) -> OrderReport:
    """An order row of either kind of market.

    Raises:
        ValueError: for an unknown status, or sizes that do not fit.
    """
    filled, size = number(row["executedQty"]), number(row["origQty"])
    if not size and positive(row.get("origQuoteOrderQty")):
        size = filled  # it was ordered for money; what it bought is its size
    elif not 0 <= filled <= size:
        raise ValueError(f"{filled} of {size} is executed")
    worth = positive(row.get("cumQuote" if is_perp(symbol) else "cummulativeQuoteQty"))
    return OrderReport(
        symbol=symbol,
        client_id=_client_id(row),
        venue_id=order_id(row),
        state=_state(str(row["status"])),
        side=_side(row),
        size=size,
        filled_size=filled,
        filled_quote=worth if worth is not None else filled * number(row.get("avgPrice") or "0"),
        price=positive(row.get("price")),
        reduce_only=_only_reduces(row),
        is_trigger=is_trigger(row),
        at_ms=int(row.get("updateTime") or row.get("transactTime") or row.get("time") or 0),
        trigger_price=_trigger_price(row),
    )


def seen_stop(row: Any, symbol: str) -> SeenStop | None:
    """What a conditional order of a perp can be recognised by; None for a plain order, for one with a client id, and
    for one of a type that is not sent here.

    Raises:
        TypeError: the row is no mapping.
        ValueError: it lacks something that it is recognised by, so whose it is cannot be known.
    """
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is no order")
    kind = str(row.get("type") or "")
    if _client_id(row) is not None or (kind and kind not in _STOP_TYPES):
        return None
    trigger, created_ms = _trigger_price(row), int(row.get("time") or 0)
    missing = [
        name
        for name, value in (
            ("type", kind),
            ("stopPrice", trigger),
            ("time", created_ms),
            ("origQty", row.get("origQty")),
        )
        if not value
    ]
    if missing or trigger is None or row.get("reduceOnly") in (None, ""):
        named = ", ".join(missing or ["reduceOnly"])
        raise ValueError(f"a conditional order without a client id has no {named}: whose it is cannot be known")
    return SeenStop(
        venue_id=order_id(row),
        symbol=symbol,
        side=_side(row),
        size=number(row["origQty"]),
        trigger_price=trigger,
        reduce_only=_only_reduces(row),
        created_ms=created_ms,
    )


def own_name(row: Any) -> str:
    """The client id of a row, empty where it has none."""
    return (_client_id(row) or "") if isinstance(row, Mapping) else ""


def fired_from(row: Any) -> str:
    """The id of the conditional order that became this one; empty where none did."""
    found = str(row.get("triggerOrderId") or "") if isinstance(row, Mapping) else ""
    return found if found.isdigit() and found != "0" else ""


def as_stop(row: Row, number: str) -> Row:
    """The row of an order that a conditional one became, as one of the conditional order: both are one order here."""
    kind = row["type"] if row.get("type") in _STOP_TYPES else "STOP_MARKET"
    return {**row, "orderId": number, "orderID": number, "type": kind}


def order_id(row: Row) -> str:
    """The venue's id of an order: a number of up to nineteen digits, as text beside it in some answers.

    Raises:
        ValueError: it is no number.
    """
    found = str(row.get("orderID") or row["orderId"])
    if not found.isdigit() or found == "0":
        raise ValueError(f"{found!r} is no order id")
    return found


def open_order(row: Any, symbol: str, defect: str) -> OrderReport:
    """The order of a row that cannot be read: open, nothing executed, with what of it can be read."""
    cells: Row = row if isinstance(row, Mapping) else {}
    number_of = cells.get("orderID") or cells.get("orderId")
    return OrderReport(
        symbol=symbol,
        client_id=_client_id(cells),
        venue_id=str(number_of) if str(number_of).isdigit() else "",
        state=ReportState.OPEN,
        side=Side.SELL if str(cells.get("side")).lower() == "sell" else Side.BUY,
        size=max(ZERO, number_or(cells.get("origQty"), ZERO)),
        filled_size=ZERO,
        filled_quote=ZERO,
        price=number_or(cells.get("price"), ZERO) or None,
        reduce_only=str(cells.get("reduceOnly")).lower() == "true",
        is_trigger=is_trigger(cells),
        at_ms=0,
        defect=defect,
    )


def read_orders(found: Iterable[Any], symbol: str, defects: list[tuple[str, str]]) -> list[OrderReport]:
    """Order reports, of rows that cannot be read as well."""
    return rows.read_orders(found, lambda row: order_report(row, symbol), open_order, symbol, defects)


def is_trigger(row: Row) -> bool:
    """Whether an order waits, or waited, for a price."""
    kind = str(row.get("type") or "")
    return "STOP" in kind or kind.startswith(("TAKE_PROFIT", "TRIGGER"))


def forced(row: Any, cause: str) -> Any:
    """The row of an order that the venue made to close a position, with the cause in it."""
    return {**row, _CAUSE: cause} if isinstance(row, Mapping) else row


def spot_fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of the spot trades. A commission that was paid is written as a negative number.

    Raises:
        ValueError: its size or its price is not positive.
    """
    side = Side.BUY if is_true(row["isBuyer"]) else Side.SELL
    usual = base_of(symbol) if side is Side.BUY else quote_of(symbol)
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['id'])}",
        symbol=symbol,
        client_id=None,
        venue_order_id=order_id(row),
        side=side,
        price=above_zero(row["price"]),
        size=above_zero(row["qty"]),
        fee=-number(row["commission"]),
        fee_asset=asset_of(str(row.get("commissionAsset") or usual)),
        is_maker=is_true(row.get("isMaker")),
        at_ms=int(row["time"]),
    )


def perp_fill(row: Row, *, venue: str, symbol: str, side: Side, quote: str) -> Fill:
    """A row of the perps' fills in coins. Its time has whole seconds; `quote` is what the venue's virtual money counts
    as. `filledTime` names its zone. `filledTm` ends with Z in every case, also where it is the time of UTC+8.

    Raises:
        ValueError: its size and price do not make its worth.
    """
    asset, price, size = (
        str(row.get("commissionAsset") or settle_of(symbol)),
        above_zero(row["price"]),
        above_zero(row["qty"]),
    )
    worth = number(row.get("quoteQty") or "0")
    if worth and abs(price * size - worth) > worth / 50 + _WORTH_OFF:
        raise ValueError(f"{size} at {price} is not worth {worth}: it may count contracts or money")
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['tradeId'])}",
        symbol=symbol,
        client_id=_client_id(row),
        venue_order_id=order_id(row),
        side=side,
        price=price,
        size=size,
        fee=-number(row["commission"]),
        fee_asset=quote if asset == VIRTUAL else asset,
        is_maker=str(row.get("role") or "").lower() == "maker",
        at_ms=_moment(row.get("filledTime") or row["filledTm"]),
    )


def past_fill(fill: Fill, now_ms: int) -> Fill:
    """The fill. Raises ValueError for one of the future: its time is of another zone than it says."""
    if fill.at_ms > now_ms + _AHEAD_MS:
        raise ValueError(f"an execution {fill.at_ms - now_ms} ms after now: the zone of its time is another")
    return fill


VIRTUAL = "VST"
"""The money of the test environment, where the list of markets says USDT."""


def side_of(row: Row) -> Side | None:
    """The side of a fill; None where its row has none."""
    return _side(row) if row.get("side") else None


def payment(row: Row, symbol_of: Callable[[str], str], quote: str) -> Payment | None:
    """An income row; None for the result of a trade of our own. What was received is positive.

    Raises:
        ValueError: the row has no id.
    """
    kind, asset = name_of(row["incomeType"]), name_of(row["asset"])
    if kind in _OWN_TRADING:
        return None
    return Payment(
        id=f"{kind}:{text_of(row['tranId'])}",
        kind=_KINDS.get(kind, kind.lower()),
        asset=quote if asset == VIRTUAL else asset,
        amount=number(row["income"]),
        symbol=symbol_of(str(row["symbol"])) if row.get("symbol") else None,
        at_ms=int(row["time"]),
    )


def brackets(rows: Iterable[Row], leverage_max: int) -> tuple[Bracket, ...]:
    """The maintenance tiers of one perp, smallest notional first. The venue names no leverage of a tier: it is what the
    perp allows at most, and no more than the maintenance rate leaves twice over.

    Raises:
        ValueError: for a tier that makes no sense.
    """
    found: list[Bracket] = []
    floor = ZERO
    for at, row in enumerate(sorted(rows, key=lambda row: number(row["minPositionVal"])), start=1):
        rate = number(row["maintMarginRatio"])
        if not 0 < rate < 1:
            raise ValueError(f"a maintenance rate of {rate}")
        one = Bracket(
            number=at,
            leverage_max=max(1, min(leverage_max, int(1 / (2 * rate)))),
            notional_floor=floor,
            notional_cap=number(row["maxPositionVal"]),
            maintenance_rate=rate,
            cum=number(row["maintAmount"]),
        )
        if one.notional_cap <= floor or number(row["minPositionVal"]) != floor:
            raise ValueError(f"a leverage bracket that makes no sense: {one}")
        found.append(one)
        floor = one.notional_cap
    return tuple(found)


def _client_id(row: Row) -> str | None:
    """The client id of an order, of which the venue has two spellings; one that the venue itself made to close a
    position has the name of its cause."""
    cause = str(row.get(_CAUSE) or row.get("type"))
    if cause in FORCED:
        return FORCED[cause]
    given = row.get("clientOrderId") or row.get("clientOrderID")
    return str(given).lower() if given else None


def _trigger_price(row: Row) -> Decimal | None:
    return positive(row.get("stopPrice") or row.get("StopPrice"))


def _state(status: str) -> ReportState:
    try:
        return _STATES[status]
    except KeyError:
        raise ValueError(f"the venue reports an order status nobody has described: {status!r}") from None


def _side(row: Row) -> Side:
    return Side(str(row["side"]).lower())


def _direction(row: Row) -> Decimal:
    return {"LONG": Decimal(1), "SHORT": Decimal(-1)}[str(row["positionSide"])]


def _only_reduces(row: Row) -> bool:
    """By the flag, or in hedge mode, where no order has it, by the side of the position that the order is of."""
    side = str(row.get("positionSide") or "").upper()
    return is_true(row.get("reduceOnly")) or (side in (LONG, SHORT) and side == closed_by(_side(row)))


def _moment(text: Any) -> int:
    """UTC ms of 2025-10-09T08:53:15Z. Raises ValueError for a time without a zone."""
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} does not say of which zone it is")
    return (found - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
