"""Rows that cannot be read: one row of one list for some minutes, and questions about one symbol that are refused."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.ports import Answered, Listed, NotListed
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.binance.rows import open_order
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.spoken import spoken_of
from tests.sim.spoken.shape import bare
from tests.sim.wire import ACCOUNT
from tests.sim.world import Seam
from tests.sim.worlds_exchange import SINGLE_READS

WORDS = "a row cannot be read: by a fault"
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
    def asset(self) -> str:
        return self.symbol.split("/", 1)[0]

    def is_about(self, row: Any) -> bool:
        if self.name == "balances":
            return bool(row.get("asset", row.get("coin")) == self.asset)
        return bare(str(row.get("symbol"))) == bare(self.symbol)


class OneBadRow(Disturbance):
    """For some minutes one row of one list cannot be read: a field is missing, no number, or a word of no table.

    `world.bad_rows` are those that have been in an answer since the turn began.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._bad: Bad | None = None
        self._spoken = self.world.spoken_at(MarketKind.SPOT)
        setattr(self.world, "bad_rows", [])  # noqa: B010 - read by the rules

    async def act(self) -> None:
        if self._bad is not None or not self.plan.strikes(Kind.BAD_ROW):
            return
        name = self.plan.choose(Kind.BAD_ROW, list(QUESTIONS))
        self.spoil_row(name, self.plan.choose(Kind.BAD_ROW, self._symbols(name)), Kind.BAD_ROW)

    def spoil_row(self, name: str, symbol: str, kind: Kind) -> None:
        """The first row about a symbol in a list cannot be read for some minutes."""
        plan = self.plan
        self._spoken = self.world.spoken_at(MarketKind.PERP if ":" in symbol else MarketKind.SPOT)
        bad = self._spoken.lists[name].bad
        field = plan.choose(kind, list(bad))
        self._bad = Bad(name, symbol, field, plan.choose(kind, list(bad[field])))
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
        bad, spoken = self._bad, spoken_of(request)
        if bad is None or reply.status != 200 or spoken is not self._spoken:
            return reply
        rows = spoken.lists[bad.name]
        if request.path not in rows.paths:
            return reply
        if bad.name not in spoken.of_all and (":" in bad.symbol) is not spoken.is_about_perps(request):
            return reply
        found = spoken.find_rows(bad.name, rows, reply.content)
        if found is None:
            return reply
        listed, put = found
        index = next((i for i, row in enumerate(listed) if bad.is_about(row) and bad.field in row), None)
        if index is None:
            return reply
        cells = {name: cell for name, cell in listed[index].items() if name != bad.field}
        if bad.value is not ...:
            cells[bad.field] = bad.value
        self._serve(bad)
        return replace(reply, content=put([*listed[:index], cells, *listed[index + 1 :]]))

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
        spoken = spoken_of(request)
        is_of_kind = spoken.is_about_perps(request) is (":" in self._refused) and not request.path.startswith("/sapi/")
        if is_of_kind and spoken.symbol_in(request) == bare(self._refused):
            return spoken.refuse_symbol(self._refused)
        return reply


WORLDS = (OneBadRow, SymbolRefused)
