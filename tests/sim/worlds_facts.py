"""Rows that cannot be read: one row of one list for some minutes, and questions about one symbol that are refused."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from bot.domain.instrument import Kind as MarketKind
from bot.ports import Answered, Listed, NotListed
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.binance.rows import open_order
from tests.sim.bingx_gateway import bingx_envelope
from tests.sim.bybit_gateway import envelope
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT
from tests.sim.world import Seam
from tests.sim.worlds_exchange import SINGLE_READS, is_about_perps

WORDS = "a row cannot be read: by a fault"
NUMBERS: tuple[Any, ...] = (None, "", "x", "NaN", "Infinity", [], ...)  # `...`: the field is missing
NAMES: tuple[Any, ...] = (None, 5, "NOBODY_KNOWS", [], ...)
_ORDERS = {
    "origQty": NUMBERS,
    "quantity": NUMBERS,
    "executedQty": NUMBERS,
    "status": NAMES,
    "algoStatus": NAMES,
    "side": NAMES,
}


@dataclass(frozen=True)
class Rows:
    """A list: its paths at the wire, what can be bad in a row of it, and where the rows are in the answer."""

    paths: tuple[str, ...]
    bad: Mapping[str, Sequence[Any]]
    envelope: str = ""


LISTS: Mapping[str, Rows] = {
    "positions": Rows(
        ("/fapi/v3/positionRisk",),
        dict.fromkeys(("positionAmt", "entryPrice", "markPrice", "unRealizedProfit"), NUMBERS),
    ),
    "balances": Rows(("/api/v3/account",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
    "open orders": Rows(("/api/v3/openOrders", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"), _ORDERS),
    "order history": Rows(("/api/v3/allOrders", "/fapi/v1/allOrders", "/fapi/v1/allAlgoOrders"), _ORDERS),
    "executions": Rows(
        ("/api/v3/myTrades", "/fapi/v1/userTrades"),
        {**dict.fromkeys(("price", "qty", "commission"), NUMBERS), "commissionAsset": (None, 5, "", ...)},
    ),
    "payments": Rows(("/fapi/v1/income",), {"income": NUMBERS, "asset": (None, 5, "", ...)}),
    "instruments": Rows(
        ("/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"), {"filters": (None, [], "x", ...)}, "symbols"
    ),
    "funding": Rows(("/fapi/v1/premiumIndex",), {"lastFundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)}),
}
_BYBIT_ORDERS = {"qty": NUMBERS, "cumExecQty": NUMBERS, "orderStatus": NAMES, "side": NAMES}
BYBIT_LISTS: Mapping[str, Rows] = {
    "positions": Rows(
        ("/v5/position/list",), dict.fromkeys(("size", "avgPrice", "markPrice", "unrealisedPnl"), NUMBERS), "list"
    ),
    "balances": Rows(("/v5/account/wallet-balance",), {"walletBalance": NUMBERS, "locked": NUMBERS}, "coin"),
    "open orders": Rows(("/v5/order/realtime",), _BYBIT_ORDERS, "list"),
    "order history": Rows(("/v5/order/history",), _BYBIT_ORDERS, "list"),
    "executions": Rows(
        ("/v5/execution/list",), {**dict.fromkeys(("execPrice", "execQty"), NUMBERS), "execType": NAMES}, "list"
    ),
    "payments": Rows(("/v5/account/transaction-log",), {"change": NUMBERS, "currency": (None, 5, "", ...)}, "list"),
    "instruments": Rows(("/v5/market/instruments-info",), {"lotSizeFilter": (None, [], "x", ...)}, "list"),
    "funding": Rows(("/v5/market/tickers",), {"fundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)}, "list"),
}
_BINGX_ORDERS = {"origQty": NUMBERS, "executedQty": NUMBERS, "status": NAMES, "side": NAMES}
_BINGX_FILLS = ("/openApi/spot/v1/trade/myTrades", "/openApi/swap/v2/trade/fillHistory")
BINGX_LISTS: Mapping[str, Rows] = {
    "positions": Rows(
        ("/openApi/swap/v2/user/positions",),
        dict.fromkeys(("positionAmt", "avgPrice", "markPrice", "unrealizedProfit"), NUMBERS),
    ),
    "balances": Rows(("/openApi/spot/v1/account/balance",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
    "open orders": Rows(
        ("/openApi/spot/v1/trade/openOrders", "/openApi/swap/v2/trade/openOrders"), _BINGX_ORDERS, "orders"
    ),
    "order history": Rows(
        ("/openApi/spot/v1/trade/historyOrders", "/openApi/swap/v2/trade/allOrders"), _BINGX_ORDERS, "orders"
    ),
    "executions": Rows(_BINGX_FILLS, {**dict.fromkeys(("price", "qty"), NUMBERS)}, "fills"),
    "payments": Rows(("/openApi/swap/v2/user/income",), {"income": NUMBERS, "asset": (None, 5, "", ...)}),
    "instruments": Rows(
        ("/openApi/spot/v1/common/symbols", "/openApi/swap/v2/quote/contracts"),
        dict.fromkeys(("stepSize", "tickSize", "quantityPrecision", "pricePrecision"), (None, [], "x", ...)),
        "symbols",
    ),
    "funding": Rows(
        ("/openApi/swap/v2/quote/premiumIndex",),
        {"lastFundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)},
    ),
}
# At the port: the question that is answered with the list.
QUESTIONS = {
    "positions": "fetch_account",
    "balances": "fetch_account",
    "open orders": "fetch_open_orders",
    "order history": "fetch_order_history",
    "executions": "fetch_fills",
    "payments": "fetch_payments",
    "instruments": "fetch_instruments",
    "funding": "fetch_funding",
}


@dataclass(frozen=True)
class Bad:
    """The row that is bad now: of this list, about this symbol; `field` holds `value` at the wire."""

    name: str
    symbol: str
    field: str
    value: Any

    @property
    def venue_name(self) -> str:
        return self.symbol.partition(":")[0].replace("/", "")

    @property
    def asset(self) -> str:
        return self.symbol.split("/", 1)[0]

    def is_about(self, row: Any) -> bool:
        if self.name == "balances":
            return bool(row.get("asset", row.get("coin")) == self.asset)
        return bool(str(row.get("symbol")).replace("-", "") == self.venue_name)


class OneBadRow(Disturbance):
    """For some minutes one row of one list cannot be read: a field is missing, no number, or a word of no table.

    `world.bad_rows` are those that have been in an answer since the turn began.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._bad: Bad | None = None
        self._lists: Mapping[str, Rows] = LISTS
        setattr(self.world, "bad_rows", [])  # noqa: B010 - read by the rules

    async def act(self) -> None:
        if self._bad is not None or not self.plan.strikes(Kind.BAD_ROW):
            return
        plan, kind = self.plan, Kind.BAD_ROW
        name = plan.choose(kind, list(LISTS))
        symbol = plan.choose(kind, self._symbols(name))
        is_bybit = self.world.venue_at(MarketKind.PERP if ":" in symbol else MarketKind.SPOT) == "bybit"
        self._lists = BYBIT_LISTS if is_bybit else BINGX_LISTS if self.world.venue == "bingx" else LISTS
        field = plan.choose(kind, list(self._lists[name].bad))
        self._bad = Bad(name, symbol, field, plan.choose(kind, list(self._lists[name].bad[field])))
        self.world.note(f"a row of {name} about {symbol} cannot be read: {field} is {self._bad.value!r}")
        self.world.loop.call_later(plan.between(kind, 60, 1_800), self.heal)

    def _symbols(self, name: str) -> list[str]:
        """Those of which the list has a row, where there are any."""
        every = [symbol for symbol in sorted(self.exchange.instruments) if not symbol.startswith("BTC")]
        if name == "positions":
            held = [p.symbol for p in self.exchange.positions(ACCOUNT)]
        elif name == "balances":
            owned = self.exchange.balances(ACCOUNT)
            held = [symbol for symbol in every if ":" not in symbol and symbol.split("/", 1)[0] in owned]
        elif name == "open orders":
            held = sorted({order.symbol for order in self.exchange.open_orders(ACCOUNT)})
        else:
            held = [symbol for symbol in every if ":" in symbol or name not in ("payments", "funding")]
        return held or every

    def heal(self) -> None:
        self._bad = None

    def before_turn(self, life: Any, kind: str) -> None:
        self.world.bad_rows.clear()  # type: ignore[attr-defined]

    def _serve(self, bad: Bad) -> None:
        self.world.bad_rows.append(bad)  # type: ignore[attr-defined]

    # at the wire

    def spoil(self, request: WireRequest, reply: WireReply) -> WireReply:
        bad = self._bad
        if bad is None or reply.status != 200 or request.path not in self._lists[bad.name].paths:
            return reply
        if self._lists is BYBIT_LISTS:
            return self._spoil_envelope(bad, request, reply)
        if self._lists is BINGX_LISTS:
            return self._spoil_data(bad, request, reply)
        is_perp = not request.path.startswith("/api/")
        if bad.name != "balances" and (":" in bad.symbol) is not is_perp:
            return reply
        envelope = LISTS[bad.name].envelope
        whole = reply.content[envelope] if envelope else reply.content
        rows = whole if isinstance(whole, list) else [whole]
        index = next((i for i, row in enumerate(rows) if bad.is_about(row) and bad.field in row), None)
        if index is None:
            return reply
        cells = {name: cell for name, cell in rows[index].items() if name != bad.field}
        if bad.value is not ...:
            cells[bad.field] = bad.value
        changed = [*rows[:index], cells, *rows[index + 1 :]] if isinstance(whole, list) else cells
        self._serve(bad)
        return replace(reply, content={**reply.content, envelope: changed} if envelope else changed)

    def _spoil_data(self, bad: Bad, request: WireRequest, reply: WireReply) -> WireReply:
        """The same in an answer whose rows are its data, or stand in it."""
        data = reply.content.get("data")
        if bad.name != "balances" and (":" in bad.symbol) is not is_about_perps(request):
            return reply
        names = (self._lists[bad.name].envelope, "fill_orders")
        name = next((one for one in names if isinstance(data, dict) and one in data), "")
        rows = data[name] if name else data
        if not isinstance(rows, list):
            return reply
        index = next((i for i, row in enumerate(rows) if bad.is_about(row) and bad.field in row), None)
        if index is None:
            return reply
        cells = {cell: value for cell, value in rows[index].items() if cell != bad.field}
        if bad.value is not ...:
            cells[bad.field] = bad.value
        changed = [*rows[:index], cells, *rows[index + 1 :]]
        self._serve(bad)
        return replace(reply, content={**reply.content, "data": {**data, name: changed} if name else changed})

    def _spoil_envelope(self, bad: Bad, request: WireRequest, reply: WireReply) -> WireReply:
        """The same in an answer whose rows stand in its result; those of a coin in the wallet's."""
        content = reply.content
        if not isinstance(content, dict) or not isinstance(content.get("result"), dict):
            return reply
        if bad.name not in ("balances", "payments") and (":" in bad.symbol) is not is_about_perps(request):
            return reply
        result = content["result"]
        holder = result["list"][0] if bad.name == "balances" else result
        rows = holder.get(self._lists[bad.name].envelope, [])
        index = next((i for i, row in enumerate(rows) if bad.is_about(row) and bad.field in row), None)
        if index is None:
            return reply
        cells = {name: cell for name, cell in rows[index].items() if name != bad.field}
        if bad.value is not ...:
            cells[bad.field] = bad.value
        changed = {**holder, self._lists[bad.name].envelope: [*rows[:index], cells, *rows[index + 1 :]]}
        self._serve(bad)
        result = {**result, "list": [changed]} if bad.name == "balances" else changed
        return replace(reply, content={**content, "result": result})

    # at the port

    def on_connect(self, venue: Any) -> None:
        if self.world.seam is Seam.WIRE:
            return
        for question in sorted(set(QUESTIONS.values())):
            setattr(venue, question, self._asked(question, getattr(venue, question)))

    def _asked(self, question: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **named: Any) -> Any:
            answer, bad = await ask(*args, **named), self._bad
            if bad is None or QUESTIONS[bad.name] != question:
                return answer
            changed = _without(bad, answer)
            if changed is not answer:
                self._serve(bad)
            return changed

        return asked


def _without(bad: Bad, answer: Any) -> Any:
    """The answer as a venue gives it that cannot read the row; the same object where there is no such row."""
    if bad.name == "positions":
        if bad.symbol not in answer.positions:
            return answer
        kept = {symbol: held for symbol, held in answer.positions.items() if symbol != bad.symbol}
        return replace(answer, positions=kept, unreadable={**answer.unreadable, f"perp:{bad.symbol}": WORDS})
    if bad.name == "balances":
        if bad.asset not in answer.balances:
            return answer
        kept_too = {asset: held for asset, held in answer.balances.items() if asset != bad.asset}
        return replace(answer, balances=kept_too, unreadable={**answer.unreadable, f"spot:{bad.asset}": WORDS})
    if isinstance(answer, Mapping):
        if bad.symbol not in answer:
            return answer
        found = {symbol: one for symbol, one in answer.items() if symbol != bad.symbol}
        return Answered(found, {**getattr(answer, "notes", {}), bad.symbol: WORDS}, {bad.symbol})
    index = next((i for i, row in enumerate(answer) if row.symbol == bad.symbol), None)
    if index is None:
        return answer
    row, defects = answer[index], getattr(answer, "defects", ())
    stand_in: list[Any] = []
    if "order" in bad.name:
        cells = {"clientOrderId": row.client_id, "orderId": row.venue_id, "side": row.side.value}
        if row.is_trigger and ":" in row.symbol:
            cells["algoId"] = row.venue_id
        stand_in = [open_order(cells, row.symbol, WORDS)]
    symbol = "" if bad.name == "payments" else bad.symbol
    return Listed([*answer[:index], *stand_in, *answer[index + 1 :]], [*defects, (symbol, WORDS)])


class SymbolRefused(Disturbance):
    """For some minutes the venue says of one symbol that it is invalid, where it is asked for alone; lists have it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._refused: str | None = None

    async def act(self) -> None:
        if self._refused is None and self.plan.strikes(Kind.SYMBOL_REFUSED):
            self._refused = self.chaos._any_symbol(Kind.SYMBOL_REFUSED)
            self.world.note(f"{self._refused} is refused where it is asked for alone")
            self.world.loop.call_later(self.plan.between(Kind.SYMBOL_REFUSED, 30, 1_800), self.heal)

    def heal(self) -> None:
        self._refused = None

    def on_connect(self, venue: Any) -> None:
        if self.world.seam is Seam.WIRE:
            return
        for name in SINGLE_READS:
            setattr(venue, name, self._single(getattr(venue, name)))

    def _single(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(symbol: str, *args: Any, **named: Any) -> Any:
            answer = await ask(symbol, *args, **named)
            if symbol == self._refused:
                raise NotListed(f"{symbol}: -1121 Invalid symbol.")
            return answer

        return asked

    def spoil(self, request: WireRequest, reply: WireReply) -> WireReply:
        if self._refused is None or reply.status != 200:
            return reply
        kind = MarketKind.PERP if ":" in self._refused else MarketKind.SPOT
        named = dict(parse_qsl(request.query)).get("symbol")
        is_of_kind = is_about_perps(request) is (kind is MarketKind.PERP) and not request.path.startswith("/sapi/")
        if is_of_kind and str(named).replace("-", "") == self._refused.partition(":")[0].replace("/", ""):
            if request.path.startswith("/openApi/"):
                return WireReply(200, bingx_envelope(109425, "symbol not exist"))
            if request.path.startswith("/v5/"):
                code, words = (
                    (10001, "params error: symbol invalid") if ":" in self._refused else (170121, "Invalid symbol.")
                )
                return WireReply(200, envelope(code, words))
            return WireReply(400, {"code": -1121, "msg": "Invalid symbol."})
        return reply


WORLDS = (OneBadRow, SymbolRefused)
