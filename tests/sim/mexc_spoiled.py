"""Market data as a sick MEXC serves it: rows that are missing, stale, not a number, crossed or plainly off."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.simex.dialects.wire import WireReply, WireRequest
from tests.sim.faults import FaultPlan, Kind

Row = dict[str, Any]
TICKERS = {
    "/api/v3/ticker/24hr": ("bidPrice", "askPrice", "closeTime"),
    "/api/v1/contract/ticker": ("bid1", "ask1", "timestamp"),
}


def spoiled_market(plan: FaultPlan, request: WireRequest, reply: WireReply) -> WireReply:
    """The reply, or one in which some numbers are bad."""
    path, content = request.path, reply.content
    is_perp = path.startswith("/api/v1/")
    data = content.get("data") if is_perp else content
    if path in TICKERS and isinstance(data, list):
        made: Any = [_ticker(plan, row, *TICKERS[path]) for row in data if not plan.strikes(Kind.QUOTE_MISSING)]
    elif "/depth" in path:
        made = _book(plan, data)
    elif path.startswith("/api/v1/contract/funding_rate/") and "history" not in path:
        made = _funding(plan, data)
    elif path == "/api/v3/exchangeInfo":
        made = {**data, "symbols": _markets(plan, data["symbols"])}
    elif path == "/api/v1/contract/detail":
        made = _markets(plan, data)
    else:
        return reply
    return replace(reply, content={**content, "data": made} if is_perp else made)


def _ticker(plan: FaultPlan, row: Mapping[str, Any], bid_name: str, ask_name: str, time: str) -> Row:
    bid, ask = str(row[bid_name]), str(row[ask_name])
    if plan.strikes(Kind.QUOTE_STALE):
        return {**row, time: row[time] - plan.count(Kind.QUOTE_STALE, 1_000, 120_000)}
    if plan.strikes(Kind.QUOTE_BAD):
        crossed = str(Decimal(ask) * 2)
        return {**row, bid_name: plan.choose(Kind.QUOTE_BAD, ["NaN", f"-{bid}", "0", crossed, "Infinity", None])}
    if plan.strikes(Kind.QUOTE_OFF):
        factor = plan.choose(Kind.QUOTE_OFF, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
        return {**row, bid_name: str(Decimal(bid) * factor), ask_name: str(Decimal(ask) * factor)}
    return dict(row)


def _funding(plan: FaultPlan, row: Mapping[str, Any]) -> Row:
    if plan.strikes(Kind.FUNDING_BAD):
        return {**row, "fundingRate": plan.choose(Kind.FUNDING_BAD, ["NaN", "", None])}
    return dict(row)


def _book(plan: FaultPlan, data: Any) -> Any:
    if plan.strikes(Kind.BOOK_EMPTY):
        return {**data, plan.choose(Kind.BOOK_EMPTY, ("bids", "asks")): []}
    asks = data["asks"]
    if asks and plan.strikes(Kind.BOOK_BAD):
        first = ["NaN", *asks[0][1:]] if plan.choose(Kind.BOOK_BAD, [0, 1]) else asks[-1]
        return {**data, "asks": [first, *asks]}
    return data


def _markets(plan: FaultPlan, rows: Any) -> Any:
    if not rows or not plan.strikes(Kind.INSTRUMENT_MISSING):
        return rows
    gone = plan.choose(Kind.INSTRUMENT_MISSING, [row["symbol"] for row in rows])
    return [row for row in rows if row["symbol"] != gone]
