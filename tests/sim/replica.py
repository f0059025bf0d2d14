"""simex's dialects in front of a simulated world: the exchange's own answers, or those of a replica that lags.

A replica is the same exchange at an earlier time. It never invents anything, and it is asked only for what real venues
serve from replicas: orders, executions, payments and the account.
"""

import contextlib
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from bot.domain.instrument import Kind
from bot.simex.dialects.binance.common import Call, Params
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.records import is_perp_trigger
from bot.simex.engine.types import Income, SimOrder, SimTrade
from bot.simex.server import Simex
from bot.simex.signing import ApiKey
from tests.sim.wire import ACCOUNT, Wire

KEY = ApiKey("simulated-key", "simulated-secret", ACCOUNT)
ACCOUNT_PATHS: Mapping[str, tuple[Kind, str]] = {
    "/api/v3/account": (Kind.SPOT, "omitZeroBalances=true"),
    "/fapi/v3/account": (Kind.PERP, ""),
    "/fapi/v3/positionRisk": (Kind.PERP, ""),
}
ACCOUNTS_KEPT = 40


class View:
    """The engine as the dialects see it. While `as_of_ms` is set, what they read is what was true then."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._exchange = wire, wire.exchange
        self.as_of_ms: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def order(self, account: str, symbol: str, **named: Any) -> SimOrder | None:
        if self.as_of_ms is None:
            return self._exchange.order(account, symbol, **named)
        order_id, client_id, is_trigger = (named.get(name) for name in ("order_id", "client_id", "is_trigger"))
        found = [
            order
            for order in self._past(symbol)
            if (order.id == order_id if order_id is not None else order.client_id == client_id)
            and (is_trigger is None or is_perp_trigger(order) is is_trigger)
        ]
        return found[-1] if found else None

    def open_orders(
        self, account: str, symbol: str | None = None, *, is_trigger: bool | None = None
    ) -> tuple[SimOrder, ...]:
        if self.as_of_ms is None:
            return self._exchange.open_orders(account, symbol, is_trigger=is_trigger)
        symbols = sorted(self._wire.versions) if symbol is None else [symbol]
        return tuple(
            order
            for name in symbols
            for order in self._past(name)
            if order.is_open and (is_trigger is None or is_perp_trigger(order) is is_trigger)
        )

    def orders(
        self, account: str, symbol: str, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> tuple[SimOrder, ...]:
        if self.as_of_ms is None:
            return self._exchange.orders(account, symbol, start_ms, end_ms, limit)
        within = [
            order
            for order in self._past(symbol)
            if (start_ms is None or order.created_ms >= start_ms) and (end_ms is None or order.created_ms <= end_ms)
        ]
        return tuple(within[-limit:] if start_ms is None else within[:limit])

    def trades(self, *asked: Any, **named: Any) -> tuple[SimTrade, ...]:
        found = self._exchange.trades(*asked, **named)
        return found if self.as_of_ms is None else tuple(trade for trade in found if trade.at_ms <= self.as_of_ms)

    def income(self, *asked: Any, **named: Any) -> tuple[Income, ...]:
        found = self._exchange.income(*asked, **named)
        return found if self.as_of_ms is None else tuple(row for row in found if row.at_ms <= self.as_of_ms)

    def _past(self, symbol: str) -> list[SimOrder]:
        assert self.as_of_ms is not None
        return sorted(self._wire._as_of(symbol, self.as_of_ms), key=lambda order: order.id)


class Replica:
    """Bytes and time in, bytes out. One for a world, or for each half of a pair: rate limits and bans outlive processes
    of the bot. `view` shows the dialect less than there is."""

    venue_id = "binance"

    def __init__(self, wire: Wire, view: View | None = None) -> None:
        self._wire = wire
        self._simex = Simex(wire.exchange, keys={KEY.key: KEY}, clock=wire.now_ms)
        self._simex.serve_dialects((self.venue_id,))
        dialect: Any = self._simex._dialects[0]
        self._dialect, self._view = dialect, view or View(wire)
        dialect.desk.exchange = self._view
        self._accounts: list[tuple[int, Mapping[str, Any]]] = []

    def draw(self, chance: Random) -> None:
        """Draw how the venue of perps behaves where its documents leave it open."""

    def act(self, request: WireRequest) -> WireReply:
        """The exchange itself answers, and does what it is asked to."""
        if request.method != "GET":
            self._wire.exchange.advance(self._wire.now_ms())
            self._accounts.append((self._wire.now_ms(), self._account()))
            del self._accounts[:-ACCOUNTS_KEPT]
        return self._simex.respond(request)

    def look(self, request: WireRequest, lag_ms: int) -> WireReply:
        """A question, answered by a replica that is so far behind."""
        self._wire.exchange.advance(self._wire.now_ms())
        as_of_ms = self._wire.now_ms() - lag_ms
        part = self.account_part(request)
        if part:
            reply = self._simex.respond(request)
            past = next((contents for until_ms, contents in self._accounts if until_ms > as_of_ms), None)
            is_answered = past is not None and reply.status == 200
            return WireReply(200, past[part], reply.headers) if past is not None and is_answered else reply
        with self._as_of(as_of_ms):
            return self._simex.respond(request)

    def account_part(self, request: WireRequest) -> str:
        """Which part of the account a question is about, empty for none."""
        return request.path if request.path in ACCOUNT_PATHS else ""

    @contextlib.contextmanager
    def _as_of(self, at_ms: int) -> Iterator[None]:
        self._view.as_of_ms = at_ms
        try:
            yield
        finally:
            self._view.as_of_ms = None

    def _account(self) -> Mapping[str, Any]:
        """What the account's endpoints say now."""
        now_ms, desk = self._wire.now_ms(), self._dialect.desk
        desk.begin()
        return {
            path: self._dialect._routes["GET", path].act(Call(desk, Params(query), now_ms, kind, KEY, now_ms))
            for path, (kind, query) in ACCOUNT_PATHS.items()
        }
