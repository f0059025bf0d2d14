"""Orders, what was executed, and what it cost: rows, and their tables."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypedDict

from rich.console import RenderableType
from rich.text import Text

from bot.domain.money import ZERO, plain
from bot.domain.order import Fill, Order, Purpose
from bot.domain.states import OrderState
from bot.ports import Payment
from bot.report.format import NONE, Column, TextTable, amount, moment, money
from bot.report.views.parts import Row, Rows, text_of

_ALWAYS = ("sent", "filled", "rejected", "in_doubt")


class OrderColumns(TypedDict):
    """An order as the journal knows it."""

    client_id: str
    sent_ms: int
    purpose: str
    symbol: str
    side: str
    size: str
    price: str | None
    state: str
    filled_size: str
    filled_quote: str
    reason: str


class OrderCounts(TypedDict):
    """Orders of the journal by what became of them."""

    sent: int
    filled: int
    ended: int
    rejected: int
    working: int
    in_doubt: int


def order_rows(orders: Iterable[Order]) -> list[OrderColumns]:
    """Orders as the journal knows them."""
    return [
        {
            "client_id": order.client_id,
            "sent_ms": order.sent_ms,
            "purpose": order.purpose.value,
            "symbol": order.symbol,
            "side": order.side.value,
            "size": plain(order.size),
            "price": text_of(order.price),
            "state": order.state.value,
            "filled_size": plain(order.filled_size),
            "filled_quote": plain(order.filled_quote),
            "reason": order.reason,
        }
        for order in orders
    ]


def orders_table(rows: Rows, quote: str, now_ms: int, *, with_venue: bool = False) -> RenderableType:
    """Orders, newest first as given, each with the time at which it was sent; `with_venue` where there are two."""
    columns = [
        Column("sent UTC"),
        Column("purpose", rank=2 if with_venue else 1),
        *([Column("venue", rank=1)] if with_venue else []),
        Column("instrument"),
        Column("side"),
        Column("size", True),
        Column("filled", True, rank=2),
        Column(f"filled {quote}", True),
        Column(f"average {quote}", True, rank=4),
        Column("fee", rank=5),
        Column("state"),
        Column("client id", True, rank=3),
    ]
    cells = [
        [
            moment(row["sent_ms"], now_ms),
            row["purpose"],
            *([row["venue"]] if with_venue else []),
            row["symbol"],
            row["side"],
            amount(row["size"]),
            amount(row["filled_size"]),
            money(row["filled_quote"]),
            amount(row.get("average")),
            ", ".join(f"{amount(fee)} {asset}" for asset, fee in row.get("fees", {}).items()) or NONE,
            row["state"].replace("_", " "),
            row["client_id"],
        ]
        for row in rows
    ]
    return TextTable("Orders", columns, cells)


def order_counts(orders: Iterable[Order]) -> OrderCounts:
    """How many were sent, and what became of them. A canceled or expired order that filled in part counts as ended."""
    return counts_by_state(Counter(order.state for order in orders))


def counts_by_state(counts: Mapping[OrderState, int]) -> OrderCounts:
    """The same from how many orders are in each state."""
    states = Counter(counts)
    return {
        "sent": states.total(),
        "filled": states[OrderState.FILLED],
        "ended": states[OrderState.CANCELED] + states[OrderState.EXPIRED],
        "rejected": states[OrderState.REJECTED],
        "working": states[OrderState.OPEN] + states[OrderState.CANCELING] + states[OrderState.SUBMITTING],
        "in_doubt": states[OrderState.IN_DOUBT],
    }


def leg_rows(orders: Iterable[Order]) -> list[Row]:
    """What was executed, by purpose, instrument and side, in the order it began."""
    size: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    value: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    count: Counter[tuple[str, str, str]] = Counter()
    for order in sorted(orders, key=lambda order: order.sent_ms):
        key = (order.purpose.value, order.symbol, order.side.value)
        size[key] += order.filled_size
        value[key] += order.filled_quote
        count[key] += 1
    return [
        {
            "purpose": purpose,
            "symbol": symbol,
            "side": side,
            "orders": count[purpose, symbol, side],
            "filled_size": plain(size[purpose, symbol, side]),
            "filled_quote": plain(value[purpose, symbol, side]),
        }
        for purpose, symbol, side in count
    ]


def not_filled(orders: Iterable[Order]) -> list[str]:
    """Each order that was canceled or expired before it was filled whole: which, and why where the journal shows it."""
    sent = sorted(orders, key=lambda order: order.sent_ms)
    ended = [order for order in sent if order.state in (OrderState.CANCELED, OrderState.EXPIRED)]
    return [f"{_name_of(order)} {order.state.value}{_why_ended(order, sent)}" for order in ended]


def _name_of(order: Order) -> str:
    if order.trigger_price is not None:
        return f"{order.symbol} {order.order_type.value} at {amount(order.trigger_price)}"
    return f"{order.purpose.value} {order.symbol}, {amount(order.filled_size)} of {amount(order.size)} filled,"


def _why_ended(order: Order, sent: Iterable[Order]) -> str:
    """The venue's or the executor's words; of a protective stop the next order at its instrument that replaced it or
    closed its position."""
    if order.reason:
        return f": {order.reason}"
    if order.trigger_price is None or not order.reduce_only:
        return ""
    later = (other for other in sent if other.symbol == order.symbol and other.sent_ms > order.sent_ms)
    after = next((other for other in later if other.reduce_only and other.side is order.side), None)
    if after is None:
        return ""
    if after.trigger_price is not None:
        return f": replaced by one of {amount(after.size)} at {amount(after.trigger_price)}"
    if not after.filled_size:
        return ""
    return f": its {'hedge' if after.purpose is Purpose.RELEASE else 'position'} was closed"


def legs_table(rows: Rows, quote: str) -> RenderableType:
    """What was executed, by purpose and instrument."""
    columns = [
        Column("purpose"),
        Column("instrument"),
        Column("side"),
        Column("orders", True),
        Column("filled size", True),
        Column(f"filled {quote}", True),
    ]
    cells = [
        [
            row["purpose"],
            row["symbol"],
            row["side"],
            str(row["orders"]),
            amount(row["filled_size"]),
            money(row["filled_quote"]),
        ]
        for row in rows
    ]
    return TextTable("Executed", columns, cells)


def fees(fills: Iterable[Fill]) -> dict[str, str]:
    """Fees paid, by asset; a rebate is negative."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        totals[fill.fee_asset] += fill.fee
    return {asset: plain(total) for asset, total in sorted(totals.items())}


def funding(payments: Iterable[Payment]) -> dict[str, str]:
    """Funding received (+) or paid (−), by perp, quote."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for payment in payments:
        if payment.kind == "funding":
            totals[payment.symbol or "?"] += payment.amount
    return {symbol: plain(total) for symbol, total in sorted(totals.items())}


def totals_line(counts: Mapping[str, int], fees: Mapping[str, str], funding: Mapping[str, str], quote: str) -> Text:
    """Orders, fees and funding in one line."""
    orders = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count or name in _ALWAYS
    )
    paid = ", ".join(f"{amount(total)} {asset}" for asset, total in fees.items()) or f"0 {quote}"
    got = ", ".join(f"{money(total)} {quote} on {symbol}" for symbol, total in funding.items()) or f"0 {quote}"
    return Text(f"orders: {orders}\nfees: {paid}\nfunding (+ received, − paid): {got}")
