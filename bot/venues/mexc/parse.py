"""MEXC's rows to domain values. Every number goes from text to Decimal once, here; contracts become coins here."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from bot.domain.brackets import Bracket
from bot.domain.instrument import Side
from bot.domain.market import Book, Funding, Quote
from bot.domain.money import ONE, ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Balance, Position
from bot.domain.symbol import base_of, is_perp, quote_of, settle_of
from bot.ports import OrderReport, Payment, ReportState
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.sides import LONG, SHORT
from bot.venues.ccxt.account.stops import SeenStop
from bot.venues.ccxt.rows import Row, above_zero, is_true, name_of, number, number_or, positive, text_of
from bot.venues.mexc.markets import asset_of

K = TypeVar("K")
V = TypeVar("V")
FORCED = {"2": "forced-liquidation", "4": "forced-adl"}
"""How an order is named that the venue made to close a position, by its `category`."""
OPEN_LONG, CLOSE_SHORT, OPEN_SHORT, CLOSE_LONG = 1, 2, 3, 4
SIDES = {
    OPEN_LONG: (Side.BUY, False),
    CLOSE_SHORT: (Side.BUY, True),
    OPEN_SHORT: (Side.SELL, False),
    CLOSE_LONG: (Side.SELL, True),
}
"""The side of an order, and whether it only reduces, by the number that the venue has for both."""
_DIRECTIONS = {"1": ONE, "2": -ONE}
_SPOT_ID = re.compile(r"(C\d\d__)?[0-9A-Za-z]{6,40}")
_SPOT_STATES = {
    "NEW": ReportState.OPEN,
    "PARTIALLY_FILLED": ReportState.OPEN,
    "FILLED": ReportState.FILLED,
    "CANCELED": ReportState.CANCELED,
    "PARTIALLY_CANCELED": ReportState.CANCELED,
    "REJECTED": ReportState.REJECTED,
    "EXPIRED": ReportState.EXPIRED,
}
_PERP_STATES = {1: ReportState.OPEN, 2: ReportState.OPEN, 3: ReportState.FILLED, 4: ReportState.CANCELED}
INVALID = 5
_EXPIRED_BY = (18, 19, 20)  # why an invalid order is so: IOC, FOK, post-only
UNTRIGGERED, EXECUTED = 1, 3
_PLAN_STATES = {  # of conditional orders, whose numbers mean something else than those of plain ones
    UNTRIGGERED: ReportState.OPEN,
    2: ReportState.CANCELED,
    4: ReportState.EXPIRED,
    5: ReportState.REJECTED,
}


def balance(row: Row) -> Balance:
    """A row of the spot wallet.

    Raises:
        ValueError: for a negative amount, which a spot wallet cannot hold.
    """
    result = Balance(asset_of(name_of(row["asset"])), number(row["free"]), number(row["locked"]))
    if result.free < 0 or result.used < 0:
        raise ValueError(f"{result.asset} is {result.free} free and {result.used} locked")
    return result


def position(row: Row, symbol: str, contract: Decimal, mark: Decimal) -> Position:
    """A row of the open positions: it has neither a sign nor a mark price nor a profit.

    Raises:
        ValueError: a price is none.
    """
    size, entry = number(row["holdVol"]) * contract * _direction(row), number(row["holdAvgPrice"])
    if entry < 0 or mark <= 0:
        raise ValueError(f"{symbol}: entry price is {entry} and mark price {mark}")
    is_isolated = str(row["openType"]) == "1"
    return Position(
        symbol=symbol,
        size=size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=size * (mark - entry),
        margin=number(row["im"]) if is_isolated else ZERO,
        leverage=positive(row.get("leverage")),
        liquidation_price=positive(row.get("liquidatePrice")),
        is_isolated=is_isolated,
    )


def partial_position(row: Row, symbol: str, contract: Decimal, mark: Decimal) -> Position | None:
    """A position of which only the size and the side can be read, with stand-ins for the rest; None where its side is
    not known either, because a close of the wrong side would be refused, or open another position."""
    direction = _DIRECTIONS.get(str(row.get("positionType")))
    size, entry = number_or(row.get("holdVol"), ZERO) * contract, number_or(row.get("holdAvgPrice"), ZERO)
    mark = mark if mark > 0 else entry
    if direction is None or not size or mark <= 0:
        return None
    return Position(symbol, size * direction, entry if entry > 0 else mark, mark, ZERO, ZERO, None, None, False)


def side_of(row: Row) -> str:
    """LONG or SHORT, the side of a position; empty where the row does not say it."""
    direction = _DIRECTIONS.get(str(row.get("positionType")), ZERO)
    return "" if not direction else LONG if direction > 0 else SHORT


def is_held(row: Any) -> bool:
    """Whether a row may be of a position: all but those that say plainly that they are flat."""
    return not isinstance(row, Mapping) or number_or(row.get("holdVol"), ONE) != 0


def spot_quote(row: Row, symbol: str, *, at_ms: int) -> Quote:
    """Best prices of a ticker."""
    at_ms = min(int(row["closeTime"]), at_ms)
    return Quote(symbol=symbol, bid=number(row["bidPrice"]), ask=number(row["askPrice"]), at_ms=at_ms)


def perp_quote(row: Row, symbol: str, *, at_ms: int) -> Quote:
    """Best prices of a ticker, which has mark and index as well."""
    return Quote(
        symbol=symbol,
        bid=number(row["bid1"]),
        ask=number(row["ask1"]),
        at_ms=min(int(row["timestamp"]), at_ms),
        mark=number(row["fairPrice"]),
        index=number(row["indexPrice"]),
    )


def book(data: Row, symbol: str, *, at_ms: int, levels: int, contract: Decimal) -> Book:
    """Levels of perps count contracts, and orders in a third number."""

    def side(name: str, *, falling: bool) -> tuple[tuple[Decimal, Decimal], ...]:
        found = sorted(((number(level[0]), number(level[1]) * contract) for level in data[name]), reverse=falling)
        return tuple(found[:levels])

    return Book(symbol, side("bids", falling=True), side("asks", falling=False), min(int(data["timestamp"]), at_ms))


def funding(row: Row, symbol: str, *, at_ms: int) -> Funding:
    """The rate of the next settlement."""
    return Funding(symbol, number(row["fundingRate"]), int(row["collectCycle"]), int(row["nextSettleTime"]), at_ms)


def spot_report(row: Row, symbol: str) -> OrderReport:
    """An order row of spot; the answer to a cancel has our id under another name.

    Raises:
        ValueError: for an unknown status, or sizes that do not fit.
    """
    filled, size = number(row["executedQty"]), number(row["origQty"])
    if not size and positive(row.get("origQuoteOrderQty")):
        size = filled  # it was ordered for money; what it bought is its size
    elif not 0 <= filled <= size:
        raise ValueError(f"{filled} of {size} is executed")
    return OrderReport(
        symbol=symbol,
        client_id=client_id(row),
        venue_id=order_id(row, symbol),
        state=_looked_up(_SPOT_STATES, str(row["status"])),
        side=Side(str(row["side"]).lower()),
        size=size,
        filled_size=filled,
        filled_quote=number(row.get("cummulativeQuoteQty") or "0"),
        price=positive(row.get("price")),
        reduce_only=False,
        is_trigger=False,
        at_ms=int(row.get("updateTime") or row.get("time") or 0),
    )


def perp_report(row: Row, symbol: str, contract: Decimal) -> OrderReport:
    """A plain order of a perp.

    Raises:
        ValueError: for an unknown state, or sizes that do not fit.
    """
    filled, size = number(row["dealVol"]) * contract, number(row["vol"]) * contract
    if not 0 <= filled <= size:
        raise ValueError(f"{filled} of {size} is executed")
    side, reduces = _looked_up(SIDES, int(row["side"]))
    state = int(row["state"])
    if state == INVALID:
        known = ReportState.EXPIRED if int(row.get("errorCode") or 0) in _EXPIRED_BY else ReportState.REJECTED
    else:
        known = _looked_up(_PERP_STATES, state)
    return OrderReport(
        symbol=symbol,
        client_id=client_id(row),
        venue_id=order_id(row, symbol),
        state=known,
        side=side,
        size=size,
        filled_size=filled,
        filled_quote=filled * number(row.get("dealAvgPrice") or 0),
        price=positive(row.get("price")),
        reduce_only=reduces,
        is_trigger=False,
        at_ms=int(row.get("updateTime") or row.get("createTime") or 0),
    )


def plan_report(row: Row, symbol: str, contract: Decimal, child: OrderReport | None) -> OrderReport:
    """A conditional order; of one that has fired what it did is known from the order that it became.

    Raises:
        ValueError: for an unknown state, or one that has fired without an order.
    """
    side, reduces = _looked_up(SIDES, int(row["side"]))
    state = int(row["state"])
    if state == EXECUTED and child is None:
        raise ValueError("a conditional order has fired, and its order is not known")
    report = OrderReport(
        symbol=symbol,
        client_id=None,
        venue_id=plan_id(row),
        state=ReportState.OPEN if state == EXECUTED else _looked_up(_PLAN_STATES, state),
        side=side,
        size=number(row["vol"]) * contract,
        filled_size=ZERO,
        filled_quote=ZERO,
        price=None,
        reduce_only=reduces,
        is_trigger=True,
        at_ms=changed_ms(row),
        trigger_price=positive(row["triggerPrice"]),
    )
    if state != EXECUTED or child is None:
        return report
    return replace(
        report,
        state=child.state,
        filled_size=child.filled_size,
        filled_quote=child.filled_quote,
        at_ms=max(report.at_ms, child.at_ms),
    )


def changed_ms(row: Row) -> int:
    """When a conditional order was made or last changed; 0 where its row does not say it."""
    return rows.latest_ms(row, "createTime", "updateTime")


def seen_stop(row: Any, symbol: str, contract: Decimal) -> SeenStop:
    """What a conditional order can be recognised by.

    Raises:
        TypeError: the row is no mapping.
        ValueError, KeyError: it lacks something that it is recognised by, so whose it is cannot be known.
    """
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is no order")
    side, reduces = _looked_up(SIDES, int(row["side"]))
    trigger, created_ms = positive(row["triggerPrice"]), int(row["createTime"])
    if trigger is None or not created_ms:
        raise ValueError("a conditional order has no trigger price or no time: whose it is cannot be known")
    size = number(row["vol"]) * contract
    return SeenStop(plan_id(row), symbol, side, size, trigger, reduces, created_ms)


def order_id(row: Row, symbol: str) -> str:
    """The venue's id of an order.

    Raises:
        ValueError: it is none.
    """
    found = str(row["orderId"])
    is_id = found.isdigit() and found != "0" if is_perp(symbol) else _SPOT_ID.fullmatch(found)
    if not is_id:
        raise ValueError(f"{found!r} is no order id")
    return found


def plan_id(row: Row) -> str:
    """The venue's id of a conditional order. Raises ValueError where it is none."""
    found = str(row["id"])
    if not found.isdigit() or found == "0":
        raise ValueError(f"{found!r} is no order id")
    return found


def child_id(row: Any) -> str:
    """The id of the order that a conditional one became; empty where it became none."""
    found = str(row.get("orderId") or "") if isinstance(row, Mapping) else ""
    return found if found.isdigit() and found != "0" else ""


def client_id(row: Row) -> str | None:
    """The client id of an order; one that the venue itself made to close a position has the name of its cause."""
    cause = FORCED.get(str(row.get("category")))
    given = row.get("externalOid") or row.get("origClientOrderId") or row.get("clientOrderId")
    return cause or (str(given) if given else None)


def open_order(row: Any, symbol: str, defect: str, contract: Decimal = ONE) -> OrderReport:
    """The order of a row that cannot be read: open, nothing executed, with what of it can be read."""
    cells: Row = row if isinstance(row, Mapping) else {}
    side = SIDES.get(cells.get("side"), (Side.SELL if str(cells.get("side")).lower() == "sell" else Side.BUY, False))  # type: ignore[arg-type]
    is_trigger = "triggerPrice" in cells
    found = str(cells.get("id" if is_trigger else "orderId") or "")
    return OrderReport(
        symbol=symbol,
        client_id=client_id(cells),
        venue_id=found if found.isdigit() or (not is_perp(symbol) and _SPOT_ID.fullmatch(found)) else "",
        state=ReportState.OPEN,
        side=side[0],
        size=max(ZERO, number_or(cells.get("origQty", cells.get("vol")), ZERO) * contract),
        filled_size=ZERO,
        filled_quote=ZERO,
        price=number_or(cells.get("price"), ZERO) or None,
        reduce_only=side[1],
        is_trigger=is_trigger,
        at_ms=0,
        defect=defect,
    )


def spot_fill(row: Row, *, venue: str, symbol: str) -> Fill:
    """A row of the spot trades.

    Raises:
        ValueError: its size or its price is not positive.
    """
    side = Side.BUY if is_true(row["isBuyer"]) else Side.SELL
    usual = quote_of(symbol) if side is Side.SELL else base_of(symbol)
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['id'])}",
        symbol=symbol,
        client_id=client_id(row),
        venue_order_id=order_id(row, symbol),
        side=side,
        price=above_zero(row["price"]),
        size=above_zero(row["qty"]),
        fee=number(row["commission"]),
        fee_asset=asset_of(str(row.get("commissionAsset") or usual)),
        is_maker=is_true(row.get("isMaker")),
        at_ms=int(row["time"]),
    )


def perp_fill(row: Row, *, venue: str, symbol: str, contract: Decimal) -> Fill:
    """A row of the perps' deals, which count contracts.

    Raises:
        ValueError: its size or its price is not positive, or its side is none.
    """
    side, _ = _looked_up(SIDES, int(row["side"]))
    return Fill(
        venue=venue,
        trade_id=f"{symbol}:{text_of(row['id'])}",
        symbol=symbol,
        client_id=client_id(row),
        venue_order_id=order_id(row, symbol),
        side=side,
        price=above_zero(row["price"]),
        size=above_zero(row["vol"]) * contract,
        fee=number(row["fee"]),
        fee_asset=asset_of(str(row.get("feeCurrency") or settle_of(symbol))),
        is_maker=not is_true(row["isTaker"]),
        at_ms=int(row["timestamp"]),
    )


def funding_payment(row: Row, symbol_of: Callable[[str], str]) -> Payment:
    """Funding of a position: what was received is positive."""
    symbol = symbol_of(name_of(row["symbol"]))
    return Payment(
        id=f"funding:{text_of(row['id'])}",
        kind="funding",
        asset=settle_of(symbol),
        amount=number(row["funding"]),
        symbol=symbol,
        at_ms=int(row["settleTime"]),
    )


def transfer(row: Row) -> Payment | None:
    """Money that was moved into the perp wallet, or out of it; None for a transfer that has not succeeded.

    Raises:
        ValueError: it does not say which way it went.
    """
    if str(row["state"]) != "SUCCESS":
        return None
    sign = _looked_up({"IN": ONE, "OUT": -ONE}, str(row["type"]))
    return Payment(
        id=f"transfer:{text_of(row['id'])}",
        kind="transfer",
        asset=asset_of(name_of(row["currency"])),
        amount=sign * abs(number(row["amount"])),
        symbol=None,
        at_ms=int(row["createTime"]),
    )


def brackets(row: Row, contract: Decimal, mark: Decimal) -> tuple[Bracket, ...]:
    """The maintenance tiers of one perp, smallest notional first. Their limits are contracts: what they are worth
    follows the mark price.

    Raises:
        ValueError: for a tier that makes no sense.
    """
    found: list[Bracket] = []
    floor, rate_before, cum = ZERO, ZERO, ZERO
    for at, (most, rate, leverage) in enumerate(_tiers(row), start=1):
        if not 0 < rate < 1:
            raise ValueError(f"a maintenance rate of {rate}")
        cum += floor * (rate - rate_before)
        one = Bracket(at, max(1, leverage), floor, most * contract * mark, rate, cum if at > 1 else ZERO)
        if one.notional_cap <= floor or rate < rate_before:
            raise ValueError(f"a leverage bracket that makes no sense: {one}")
        found.append(one)
        floor, rate_before = one.notional_cap, rate
        cum = one.cum
    return tuple(found)


def _tiers(row: Row) -> list[tuple[Decimal, Decimal, int]]:
    """(largest number of contracts, maintenance rate, leverage): as a list, or in equal steps."""
    if row.get("riskLimitMode") == "CUSTOM":
        tiers = sorted(rows.rows_of(row["riskLimitCustom"], "tiers"), key=lambda tier: number(tier["maxVol"]))
        return [(number(tier["maxVol"]), number(tier["mmr"]), int(tier["maxLeverage"])) for tier in tiers]
    base, step = number(row["riskBaseVol"]), number(row["riskIncrVol"])
    made = []
    for level in range(int(row["riskLevelLimit"])):
        initial = number(row["initialMarginRate"]) + level * number(row["riskIncrImr"])
        rate = number(row["maintenanceMarginRate"]) + level * number(row["riskIncrMmr"])
        made.append((base + level * step, rate, int(1 / initial)))
    return made


def _direction(row: Row) -> Decimal:
    return _looked_up(_DIRECTIONS, str(row["positionType"]))


def _looked_up(table: Mapping[K, V], key: K) -> V:
    try:
        return table[key]
    except KeyError:
        raise ValueError(f"the venue reports what nobody has described: {key!r}") from None


def read_orders(
    found: Iterable[Any],
    read: Callable[[Any], OrderReport],
    symbol: str,
    defects: list[tuple[str, str]],
    contract: Decimal = ONE,
) -> list[OrderReport]:
    """Order reports, of rows that cannot be read as well."""
    return rows.read_orders(found, read, lambda row, of, defect: open_order(row, of, defect, contract), symbol, defects)
