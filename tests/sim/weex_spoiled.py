"""Market data as a sick WEEX serves it: rows that are missing, stale, not a number, crossed or plainly off."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.simex.dialects.wire import WireReply, WireRequest
from tests.sim.faults import FaultPlan, Kind

Row = dict[str, Any]


def spoiled_market(plan: FaultPlan, request: WireRequest, reply: WireReply) -> WireReply:
    """The reply, or one in which some numbers are bad."""
    spoil = _SPOILERS.get(request.path)
    return reply if spoil is None else replace(reply, content=spoil(plan, reply.content))


def _tickers(plan: FaultPlan, rows: Any) -> Any:
    return [_ticker(plan, row) for row in rows if not plan.strikes(Kind.QUOTE_MISSING)]


def _ticker(plan: FaultPlan, row: Mapping[str, Any]) -> Row:
    """A row of spot has no time that could be old."""
    bid, ask = str(row["bidPrice"]), str(row["askPrice"])
    if "time" in row and plan.strikes(Kind.QUOTE_STALE):
        return {**row, "time": row["time"] - plan.count(Kind.QUOTE_STALE, 1_000, 120_000)}
    if plan.strikes(Kind.QUOTE_BAD):
        crossed = str(Decimal(ask) * 2)
        return {**row, "bidPrice": plan.choose(Kind.QUOTE_BAD, ["NaN", f"-{bid}", "0", crossed, "Infinity", None])}
    if plan.strikes(Kind.QUOTE_OFF):
        factor = plan.choose(Kind.QUOTE_OFF, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
        return {**row, "bidPrice": str(Decimal(bid) * factor), "askPrice": str(Decimal(ask) * factor)}
    return dict(row)


def _premiums(plan: FaultPlan, rows: Any) -> Any:
    found = [dict(row) for row in rows]
    if found and plan.strikes(Kind.FUNDING_BAD):
        index = plan.count(Kind.FUNDING_BAD, 0, len(found) - 1)
        if plan.choose(Kind.FUNDING_BAD, [True, False]):
            del found[index]
        else:
            found[index]["forecastFundingRate"] = plan.choose(Kind.FUNDING_BAD, ["NaN", ""])
    return found


def _book(plan: FaultPlan, data: Any) -> Any:
    if plan.strikes(Kind.BOOK_EMPTY):
        return {**data, plan.choose(Kind.BOOK_EMPTY, ["bids", "asks"]): []}
    asks = data["asks"]
    if asks and plan.strikes(Kind.BOOK_BAD):
        first = ["NaN", asks[0][1]] if plan.choose(Kind.BOOK_BAD, [0, 1]) else asks[-1]
        return {**data, "asks": [first, *asks]}
    return data


_SPOILERS: Mapping[str, Callable[[FaultPlan, Any], Any]] = {
    "/api/v3/market/ticker/bookTicker": _tickers,
    "/capi/v3/market/ticker/bookTicker": _tickers,
    "/capi/v3/market/premiumIndex": _premiums,
    "/api/v3/market/depth": _book,
    "/capi/v3/market/depth": _book,
}
