"""Market data as a sick BingX serves it: rows that are missing, stale, not a number, crossed or plainly off."""

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
    if spoil is None:
        return reply
    return replace(reply, content={**reply.content, "data": spoil(plan, reply.content["data"])})


def _tickers(plan: FaultPlan, rows: Any) -> Any:
    return [_ticker(plan, row) for row in rows if not plan.strikes(Kind.QUOTE_MISSING)]


def _ticker(plan: FaultPlan, row: Mapping[str, Any]) -> Row:
    bid, ask = str(row["bidPrice"]), str(row["askPrice"])
    if plan.strikes(Kind.QUOTE_STALE):
        return {**row, "closeTime": row["closeTime"] - plan.count(Kind.QUOTE_STALE, 1_000, 120_000)}
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
            found[index]["lastFundingRate"] = plan.choose(Kind.FUNDING_BAD, ["NaN", ""])
    return found


def _book(plan: FaultPlan, data: Any) -> Any:
    names = ("bidsCoin", "asksCoin") if "bidsCoin" in data else ("bids", "asks")
    if plan.strikes(Kind.BOOK_EMPTY):
        return {**data, plan.choose(Kind.BOOK_EMPTY, names): []}
    asks = data[names[1]]
    if asks and plan.strikes(Kind.BOOK_BAD):
        first = ["NaN", asks[0][1]] if plan.choose(Kind.BOOK_BAD, [0, 1]) else asks[-1]
        return {**data, names[1]: [first, *asks]}
    return data


def _spot_markets(plan: FaultPlan, data: Any) -> Any:
    return {**data, "symbols": _perp_markets(plan, data["symbols"])}


def _perp_markets(plan: FaultPlan, rows: Any) -> Any:
    if not rows or not plan.strikes(Kind.INSTRUMENT_MISSING):
        return rows
    gone = plan.choose(Kind.INSTRUMENT_MISSING, [row["symbol"] for row in rows])
    return [row for row in rows if row["symbol"] != gone]


_SPOILERS: Mapping[str, Callable[[FaultPlan, Any], Any]] = {
    "/openApi/spot/v1/ticker/24hr": _tickers,
    "/openApi/swap/v2/quote/ticker": _tickers,
    "/openApi/swap/v2/quote/premiumIndex": _premiums,
    "/openApi/spot/v1/market/depth": _book,
    "/openApi/swap/v2/quote/depth": _book,
    "/openApi/spot/v1/common/symbols": _spot_markets,
    "/openApi/swap/v2/quote/contracts": _perp_markets,
}
