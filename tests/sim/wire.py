"""What lies between bot and exchange in a simulation: requests that get lost or late, replicas that lag, bad numbers.

The exchange's truth is never touched here: a reply is truthful, older than now, or absent. `Wire` outlives the bot, as
a network does: a request under way arrives whether or not its sender still lives.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

from bot.domain.order import Fill
from bot.domain.portfolio import Account
from bot.ports import (
    NotListed,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    Payment,
    Rejection,
    Unavailable,
    VenueRejected,
)
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.records import find_order
from bot.simex.engine.rules import DuplicateScope
from bot.simex.engine.types import ExchangeEvent, SimOrder
from bot.venues.paper.engine_venue import EngineVenue
from tests.sim.faults import FaultPlan, Kind

T = TypeVar("T")
Spoiler = Callable[[WireRequest, WireReply], WireReply]
ACCOUNT = "sim"
LAG_MAX_MS = 2_000
WINDOW_MS = 5_000
AHEAD_MAX_MS = 1_000  # a stamp further in the future is refused
QUIET_MS = WINDOW_MS + AHEAD_MAX_MS + LAG_MAX_MS
NEVER_SECONDS = 3_600.0
LONG_NUMBER, SHORT_NUMBER = 19, 7  # digits of a spot trade's id at Bybit, and of the engine's number in it
NUMBERED = 18  # digits of a trade's id at MEXC
BLIND_MAX_MS = 300_000
REJECTIONS = tuple(kind for kind in Rejection if kind is not Rejection.DUPLICATE_ID)
# Made anew for each failure: an exception that is raised keeps the frames it passed, and with them the whole world.
ODD_ERRORS: tuple[Callable[[], Exception], ...] = (
    lambda: ValueError("not JSON"),
    lambda: KeyError("orderId"),
    lambda: TypeError("NoneType"),
    lambda: ConnectionResetError("reset by peer"),
    lambda: Unavailable("the gateway answers for the exchange"),
    lambda: RuntimeError("session is closed"),
)


class Crash(BaseException):
    """The process is gone. No handler of the bot may keep it alive, so nothing it does afterwards takes effect."""


@dataclass
class Doom:
    """When a process dies: at the chosen point of its calls, commits or steps; then nothing of it works any more."""

    at_call: int = -1
    at_commit: int = -1
    at_step: int = -1
    is_dead: bool = False

    def call(self) -> None:
        self.at_call -= 1
        self._die_at(self.at_call)

    def commit(self) -> None:
        self.at_commit -= 1
        self._die_at(self.at_commit)

    def step(self) -> None:
        self.at_step -= 1
        if self.at_step == 0:
            self.is_dead = True

    def _die_at(self, left: int) -> None:
        if self.is_dead or left == 0:
            self.is_dead = True
            raise Crash


@dataclass
class Wire:
    """The network in front of one account. `sent` are all requests ever given to it, `under_way` those that may still
    arrive; `on_submit` and `on_cancel` are told before anything happens, `on_write` of every other write."""

    exchange: Exchange
    plan: FaultPlan
    inner: EngineVenue
    now_ms: Callable[[], int]
    note: Callable[[str], None]
    sent: list[OrderRequest] = field(default_factory=list)
    under_way: list[OrderRequest] = field(default_factory=list)
    blind: Kind | None = None  # the endpoint that is far behind in this life
    list_stale_since: int | None = None  # the exchange's time at which its list of open orders stands still
    order_stale_since: int | None = None  # the same of what answers about one order
    withdrawn: dict[str, float] = field(default_factory=dict)  # when somebody withdrew a stop by hand, by symbol
    held_until: float = 0.0  # when the throttle at the port lets its last request go, in the time of the loop
    on_submit: list[Callable[[OrderRequest], None]] = field(default_factory=list)
    on_cancel: list[Callable[[str], None]] = field(default_factory=list)
    on_write: list[Callable[[str], None]] = field(default_factory=list)
    spoilers: list[Spoiler] = field(default_factory=list)  # at the wire, of the replies to reads
    versions: dict[str, dict[int, list[SimOrder]]] = field(default_factory=lambda: defaultdict(dict))
    accounts: list[tuple[int, Account]] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)  # errors of the simulated network itself

    def __post_init__(self) -> None:
        self.exchange.listeners.append(self._remember)

    def perform(self, what: str, act: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Let the exchange act at this instant. Raises VenueRejected."""
        self.accounts.append((self.now_ms(), at_once(self.inner.fetch_account())))
        del self.accounts[:-40]
        try:
            answer = at_once(act())
        except VenueRejected as rejection:
            self.note(f"{what}: {rejection}")
            raise
        self.note(f"{what}: done")
        return answer

    def later(self, what: str, act: Callable[[], Coroutine[Any, Any, Any]], seconds: float) -> None:
        """Deliver a request whose sender has given up, unless its receive window is over by then."""
        stamp_ms = self.now_ms()

        def arrive() -> None:
            if self.now_ms() <= stamp_ms + WINDOW_MS:
                with contextlib.suppress(VenueRejected):
                    self.perform(f"{what}, {seconds:.3f} s late", act)

        asyncio.get_running_loop().call_later(seconds, arrive)

    def can_repeat(self, request: OrderRequest) -> bool:
        """Whether a second delivery is refused by its id. Where a closed order's id is free again, nothing a client
        does protects it from a network that delivers twice; so that is left out."""
        first = true_order(self.exchange, request.symbol, request.client_id)
        never = self.exchange.rules.duplicate_scope is DuplicateScope.NEVER
        return first is not None and (never or first.is_open)

    def fire(self, symbol: str, client_id: str) -> None:
        """The trigger price of an order is met just before its cancel arrives."""
        engine = self.exchange
        engine.advance(self.now_ms())
        order = true_order(engine, symbol, client_id, is_trigger=True)
        if order is not None and order.is_open and engine.is_open(symbol):
            engine._timeline._fire(engine._state.account(ACCOUNT), order)
            self.note(f"{client_id} fires")

    def order_as_of(self, symbol: str, client_id: str, at_ms: int, *, is_trigger: bool) -> OrderReport | None:
        self._must_be_listed(symbol)
        found = [
            order
            for order in self._as_of(symbol, at_ms)
            if order.client_id == client_id and (":" not in symbol or (order.type.is_trigger is is_trigger))
        ]
        return self._report(found[-1]) if found else None

    def open_as_of(self, symbols: Sequence[str], at_ms: int) -> tuple[OrderReport, ...]:
        listed = [symbol for symbol in symbols if self.exchange.is_listed(symbol)]
        return tuple(self._report(o) for symbol in listed for o in self._as_of(symbol, at_ms) if o.is_open)

    def _must_be_listed(self, symbol: str) -> None:
        if not self.exchange.is_listed(symbol):
            raise NotListed(f"{symbol} is not listed")

    def history_as_of(self, symbol: str, since_ms: int, at_ms: int) -> tuple[OrderReport, ...]:
        self._must_be_listed(symbol)
        return tuple(
            self._report(o) for o in self._as_of(symbol, at_ms) if o.created_ms >= since_ms and o.parent_id is None
        )

    def account_as_of(self, at_ms: int) -> Account | None:
        """The account as it was before the first write after `at_ms`."""
        return next((account for until_ms, account in self.accounts if until_ms > at_ms), None)

    def _as_of(self, symbol: str, at_ms: int) -> list[SimOrder]:
        seen = []
        for versions in self.versions[symbol].values():
            past = [version for version in versions if version.updated_ms <= at_ms]
            if past:
                seen.append(past[-1])
        return seen

    def _report(self, order: SimOrder) -> OrderReport:
        return self.inner._report(self.exchange, order)

    def _remember(self, event: ExchangeEvent) -> None:
        if event.order is not None:
            self.versions[event.order.symbol].setdefault(event.order.id, []).append(replace(event.order, trades=()))


class Port:
    """What the waits and failures of one bot's calls have in common."""

    def __init__(self, wire: Wire, doom: Doom) -> None:
        self._wire, self._plan, self._doom = wire, wire.plan, doom
        self._blind: Kind | None = None
        if self._plan.strikes(Kind.BLIND):
            self._blind = self._plan.choose(
                Kind.BLIND, (Kind.LAG_ORDER, Kind.LAG_ORDER, Kind.LAG_OPEN, Kind.LAG_HISTORY)
            )
        self._blind_ms = self._plan.count(Kind.BLIND, LAG_MAX_MS, BLIND_MAX_MS)
        wire.blind = self._blind

    async def ask(self, answer: Callable[[], T]) -> T:
        """A question: it may fail, take long or never come back. Raises Unavailable."""
        plan = self._plan
        self._doom.call()
        if plan.strikes(Kind.READ_LIMITED):
            raise Unavailable("too many requests", retry_after=plan.between(Kind.READ_LIMITED, 0.1, 5))
        if plan.strikes(Kind.READ_SLOW):
            await asyncio.sleep(plan.between(Kind.READ_SLOW, 0.5, 12))
        if plan.strikes(Kind.READ_HUNG):
            await asyncio.sleep(NEVER_SECONDS)
        await asyncio.sleep(0.02)
        self._doom.call()
        if plan.strikes(Kind.READ_FAILED):
            raise Unavailable("no route to the exchange")
        return answer()

    async def write(
        self,
        what: str,
        act: Callable[[], Coroutine[Any, Any, T]],
        *,
        again: Callable[[], bool] = lambda: False,
    ) -> T:
        """A request that changes something. Raises VenueRejected, OutcomeUnknown and worse."""
        plan, wire = self._plan, self._wire
        self._doom.call()
        if plan.strikes(Kind.SLOW_WIRE):
            await asyncio.sleep(plan.between(Kind.SLOW_WIRE, 0.1, 7))
        await asyncio.sleep(0.03)
        self._doom.call()
        if plan.strikes(Kind.REJECTED):
            kind = plan.choose(Kind.REJECTED, REJECTIONS)
            # "No need to change" is true of what is so already, and a lie of everything else.
            kind = Rejection.FILTER if kind is Rejection.NO_CHANGE else kind
            wire.note(f"{what}: said to be rejected, {kind}")
            raise VenueRejected("-1", "by a fault", kind)
        if plan.strikes(Kind.REQUEST_LOST):
            wire.note(f"{what}: lost")
            await self._give_up(Kind.REQUEST_LOST)
        if plan.strikes(Kind.REQUEST_LATE):
            wire.later(what, act, plan.between(Kind.REQUEST_LATE, 0.05, 9))
            await self._give_up(Kind.REQUEST_LATE)
        if plan.strikes(Kind.ODD_ERROR):
            if plan.choose(Kind.ODD_ERROR, [True, False]):
                wire.perform(what, act)
            make = plan.choose(Kind.ODD_ERROR, ODD_ERRORS)
            raise make()
        answer = wire.perform(what, act)
        if again() and plan.strikes(Kind.REQUEST_TWICE):
            wire.perform(f"{what} again", act)  # is refused, and that refusal is what the sender hears
        self._doom.call()
        if plan.strikes(Kind.REPLY_LOST):
            await self._give_up(Kind.REPLY_LOST)
        if plan.strikes(Kind.REPLY_LATE):
            await asyncio.sleep(plan.between(Kind.REPLY_LATE, 0.5, 30))
        self._doom.call()
        return answer

    async def _give_up(self, kind: Kind) -> None:
        """The sender hears nothing, or that the connection broke."""
        if self._plan.choose(kind, [True, False]):
            await asyncio.sleep(NEVER_SECONDS)
        self._doom.call()
        raise OutcomeUnknown(str(kind))

    def lag_ms(self, kind: Kind) -> int:
        """How far behind the replica is that answers; 0 for the exchange itself. One endpoint of a life may be far
        behind, never two: that is why more than one is asked."""
        stale = {Kind.LAG_OPEN: self._wire.list_stale_since, Kind.LAG_ORDER: self._wire.order_stale_since}
        since_ms = stale.get(kind)
        if since_ms is not None:
            return self._wire.now_ms() - since_ms
        if kind is self._blind:
            self._plan.counts[Kind.BLIND] += int(self._plan.is_armed)
            return self._blind_ms if self._plan.is_armed else 0
        return self._plan.count(kind, 1, LAG_MAX_MS) if self._plan.strikes(kind) else 0


def true_order(exchange: Exchange, symbol: str, client_id: str, *, is_trigger: bool | None = None) -> SimOrder | None:
    """The order, also of a symbol that the exchange tells nobody of any more."""
    return find_order(exchange._state.account(ACCOUNT), symbol, None, client_id, is_trigger)


def engine_number(trade_id: str) -> int:
    """The engine's number of a trade: at the port it stands behind the last colon, at the wire it is what the dialect
    makes of it."""
    own = trade_id.rpartition(":")[2]
    if "-" in own:
        return int(own.rpartition("-")[2], 16)
    is_long = len(own) == LONG_NUMBER and own.startswith("21")
    is_numbered = len(own) == NUMBERED and own.startswith("7")
    return int(own[-SHORT_NUMBER:] if is_long or is_numbered else own)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, as those of the engine's venue."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    work.close()
    raise AssertionError("the engine's venue waits")


def fills_until(fills: Sequence[Fill], at_ms: int) -> tuple[Fill, ...]:
    return tuple(fill for fill in fills if fill.at_ms <= at_ms)


def payments_until(payments: Sequence[Payment], at_ms: int) -> tuple[Payment, ...]:
    return tuple(payment for payment in payments if payment.at_ms <= at_ms)


NAN = Decimal("NaN")
