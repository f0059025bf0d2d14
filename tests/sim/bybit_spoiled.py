"""Market data as a sick Bybit serves it: rows that are missing, stale, not a number, crossed or plainly off."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from bot.simex.dialects.wire import WireReply, WireRequest
from tests.sim.faults import FaultPlan, Kind

Row = dict[str, Any]


def spoiled_market(plan: FaultPlan, request: WireRequest, reply: WireReply) -> WireReply:
    """The reply, or one in which some numbers are bad."""
    spoil = _SPOILERS.get(request.path)
    if spoil is None:
        return reply
    is_perp = dict(parse_qsl(request.query)).get("category") == "linear"
    return replace(reply, content=spoil(plan, reply.content, is_perp))


def _tickers(plan: FaultPlan, content: Any, is_perp: bool) -> Any:
    rows = [_ticker(plan, row) for row in content["result"]["list"] if not plan.strikes(Kind.QUOTE_MISSING)]
    if is_perp and rows and plan.strikes(Kind.FUNDING_BAD):
        rows[plan.count(Kind.FUNDING_BAD, 0, len(rows) - 1)]["fundingRate"] = plan.choose(Kind.FUNDING_BAD, ["NaN", ""])
    time_ms = content["time"]
    if plan.strikes(Kind.QUOTE_STALE):
        time_ms -= plan.count(Kind.QUOTE_STALE, 1_000, 120_000)
    return {**_with(content, rows), "time": time_ms}


def _ticker(plan: FaultPlan, row: Mapping[str, Any]) -> Row:
    bid, ask = row["bid1Price"], row["ask1Price"]
    if plan.strikes(Kind.QUOTE_BAD):
        crossed = str(Decimal(ask) * 2)
        return {**row, "bid1Price": plan.choose(Kind.QUOTE_BAD, ["NaN", f"-{bid}", "0", crossed, "Infinity", None])}
    if plan.strikes(Kind.QUOTE_OFF):
        factor = plan.choose(Kind.QUOTE_OFF, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
        return {**row, "bid1Price": str(Decimal(bid) * factor), "ask1Price": str(Decimal(ask) * factor)}
    return dict(row)


def _book(plan: FaultPlan, content: Any, is_perp: bool) -> Any:
    result = content["result"]
    if plan.strikes(Kind.BOOK_EMPTY):
        return {**content, "result": {**result, plan.choose(Kind.BOOK_EMPTY, ["b", "a"]): []}}
    if result.get("a") and plan.strikes(Kind.BOOK_BAD):
        asks = result["a"]
        first = ["NaN", asks[0][1]] if plan.choose(Kind.BOOK_BAD, [0, 1]) else asks[-1]
        return {**content, "result": {**result, "a": [first, *asks]}}
    return content


def _listing(plan: FaultPlan, content: Any, is_perp: bool) -> Any:
    rows = content["result"]["list"]
    if not rows or not plan.strikes(Kind.INSTRUMENT_MISSING):
        return content
    gone = plan.choose(Kind.INSTRUMENT_MISSING, [row["symbol"] for row in rows])
    return _with(content, [row for row in rows if row["symbol"] != gone])


def _with(content: Any, rows: list[Any]) -> dict[str, Any]:
    return {**content, "result": {**content["result"], "list": rows}}


_SPOILERS: Mapping[str, Callable[[FaultPlan, Any, bool], Any]] = {
    "/v5/market/tickers": _tickers,
    "/v5/market/orderbook": _book,
    "/v5/market/instruments-info": _listing,
}
