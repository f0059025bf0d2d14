"""Market data as a sick venue serves it: rows that are missing, stale, not a number, crossed or plainly off."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.simex.dialects.wire import WireReply
from tests.sim.faults import FaultPlan, Kind

Row = dict[str, Any]


def spoiled_market(plan: FaultPlan, path: str, reply: WireReply) -> WireReply:
    """The reply, or one in which some numbers are bad."""
    spoil = _SPOILERS.get(path)
    return reply if spoil is None else replace(reply, content=spoil(plan, reply.content))


def _quotes(plan: FaultPlan, content: Any) -> Any:
    if not isinstance(content, list):
        return {} if plan.strikes(Kind.QUOTE_MISSING) else _quote(plan, content)
    return [_quote(plan, row) for row in content if not plan.strikes(Kind.QUOTE_MISSING)]


def _quote(plan: FaultPlan, row: Mapping[str, Any]) -> Row:
    bid, ask = row["bidPrice"], row["askPrice"]
    if "time" in row and plan.strikes(Kind.QUOTE_STALE):
        return {**row, "time": row["time"] - plan.count(Kind.QUOTE_STALE, 1_000, 120_000)}
    if plan.strikes(Kind.QUOTE_BAD):
        crossed = str(Decimal(ask) * 2)
        return {**row, "bidPrice": plan.choose(Kind.QUOTE_BAD, ["NaN", f"-{bid}", "0", crossed, "Infinity", None])}
    if plan.strikes(Kind.QUOTE_OFF):
        factor = plan.choose(Kind.QUOTE_OFF, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
        return {**row, "bidPrice": str(Decimal(bid) * factor), "askPrice": str(Decimal(ask) * factor)}
    return dict(row)


def _book(plan: FaultPlan, content: Any) -> Any:
    if plan.strikes(Kind.BOOK_EMPTY):
        return {**content, plan.choose(Kind.BOOK_EMPTY, ["bids", "asks"]): []}
    if content.get("asks") and plan.strikes(Kind.BOOK_BAD):
        asks = content["asks"]
        first = ["NaN", asks[0][1]] if plan.choose(Kind.BOOK_BAD, [0, 1]) else asks[-1]
        return {**content, "asks": [first, *asks]}
    return content


def _premiums(plan: FaultPlan, content: Any) -> Any:
    if not plan.strikes(Kind.FUNDING_BAD):
        return content
    is_list = isinstance(content, list)
    rows: list[Row] = [dict(row) for row in content] if is_list else [dict(content)]
    index = plan.count(Kind.FUNDING_BAD, 0, len(rows) - 1) if rows else 0
    if is_list and rows and plan.choose(Kind.FUNDING_BAD, [True, False]):
        del rows[index]
    elif rows:
        rows[index]["lastFundingRate"] = plan.choose(Kind.FUNDING_BAD, ["NaN", ""])
    return rows if is_list else rows[0]


def _listing(plan: FaultPlan, content: Any) -> Any:
    if not content["symbols"] or not plan.strikes(Kind.INSTRUMENT_MISSING):
        return content
    gone = plan.choose(Kind.INSTRUMENT_MISSING, [row["symbol"] for row in content["symbols"]])
    return {**content, "symbols": [row for row in content["symbols"] if row["symbol"] != gone]}


_SPOILERS: Mapping[str, Callable[[FaultPlan, Any], Any]] = {
    "/api/v3/ticker/bookTicker": _quotes,
    "/fapi/v1/ticker/bookTicker": _quotes,
    "/api/v3/depth": _book,
    "/fapi/v1/depth": _book,
    "/fapi/v1/premiumIndex": _premiums,
    "/api/v3/exchangeInfo": _listing,
    "/fapi/v1/exchangeInfo": _listing,
}
