"""The exchange changes under the bot: symbols end, orders are in rare states, modes and brackets are other ones."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.ports import Unavailable
from bot.simex.dialects.bybit.common import CROSS, ISOLATED
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.rules import make_brackets
from bot.simex.engine.types import (
    ExpiryReason,
    ListingStatus,
    OrderStatus,
    SimOrder,
)
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.spoken import spoken_of
from tests.sim.spoken.shape import bare
from tests.sim.wire import ACCOUNT
from tests.sim.world import Seam
from tests.sim.worlds_guard import put_leverage_back

LOW_LEVERAGE = 2
BRACKETS = (
    ("20000", LOW_LEVERAGE, "0.02"),
    ("1000000", LOW_LEVERAGE, "0.05"),
    ("30000000", 1, "0.5"),
)
BEFORE_THE_END = {
    MarketKind.SPOT: (ListingStatus.BREAK, ListingStatus.HALT, ListingStatus.END_OF_DAY, ListingStatus.CANCEL_ONLY),
    MarketKind.PERP: (ListingStatus.PRE_SETTLE, ListingStatus.SETTLING, ListingStatus.DELIVERING),
}
FEE_RATES = tuple(  # taker, maker
    (Decimal(taker), Decimal(maker))
    for taker, maker in (
        ("0.0010", "0.0010"),
        ("0.0004", "0.0002"),
        ("0.0060", "0.0040"),
        ("0.0005", "-0.0001"),
        ("0", "0"),
    )
)
SINGLE_READS = (
    "fetch_order",
    "fetch_order_history",
    "fetch_fills",
    "fetch_book",
    "fetch_candles",
    "fetch_open_interest",
)
LIST_READS = ("fetch_quotes", "fetch_funding", "fetch_instruments")
PROXY_PAGE = "<html><head><title>503</title></head><body><h1>503 Service Unavailable</h1></body></html>"


class SymbolEnds(Disturbance):
    """A symbol stops trading in one of the venue's states, is settled, and is then unknown to every endpoint."""

    async def act(self) -> None:
        if not self.plan.strikes(Kind.SYMBOL_REMOVED):
            return
        symbol = self.chaos._any_symbol(Kind.SYMBOL_REMOVED)
        listing = self.exchange.instruments[symbol]
        self.chaos._strange(symbol)
        self.exchange.set_status(symbol, self.plan.choose(Kind.SYMBOL_REMOVED, BEFORE_THE_END[listing.kind]))
        self.world.note(f"{symbol} is {self.exchange.status(symbol)}")
        settles = self.plan.between(Kind.SYMBOL_REMOVED, 1, 900)
        self.world.loop.call_later(settles, self._settle, symbol)
        self.world.loop.call_later(settles + self.plan.between(Kind.SYMBOL_REMOVED, 1, 900), self._remove, symbol)

    def _settle(self, symbol: str) -> None:
        self.exchange.advance(self.world.now_ms())
        if self.exchange.is_listed(symbol):
            self.exchange.delist(symbol)
            self.world.note(f"{symbol} is settled")

    def _remove(self, symbol: str) -> None:
        self.exchange.advance(self.world.now_ms())
        if self.exchange.is_listed(symbol):
            self.exchange.remove(symbol)
            self.world.note(f"{symbol} is removed")


class SymbolEndsWhileDown(Disturbance):
    """A symbol is settled and removed while no process runs: the next one has never heard of it."""

    async def between_lives(self) -> None:
        if not self.plan.strikes(Kind.REMOVED_WHILE_DOWN) or not self.chaos.traded:
            return
        symbol = self.chaos._any_symbol(Kind.REMOVED_WHILE_DOWN)
        self.exchange.advance(self.world.now_ms())
        if not self.exchange.is_listed(symbol):
            return
        self.chaos._strange(symbol)
        self.exchange.delist(symbol)
        self.exchange.remove(symbol)
        self.world.note(f"{symbol} is removed between two lives")


class FeesChanged(Disturbance):
    """The account pays other rates for a symbol from now on: a tier is reached or lost, or a rebate is given."""

    async def act(self) -> None:
        kind = Kind.FEES_CHANGED
        if not self.plan.strikes(kind):
            return
        symbol = self.chaos._any_symbol(kind)
        taker, maker = self.plan.choose(kind, FEE_RATES)
        self.exchange.set_fee_rates(ACCOUNT, symbol, maker=maker, taker=taker)
        self.world.note(f"{symbol} costs {taker} taken and {maker} made")


class RareOrders(Disturbance):
    """An order of the bot expires by self-trade prevention, or is said to wait for another one or for its cancel."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pending: list[tuple[str, int]] = []

    async def act(self) -> None:
        if not self.plan.strikes(Kind.RARE_ORDER_STATE):
            return
        resting = [o for o in self.exchange.open_orders(ACCOUNT) if o.status is OrderStatus.NEW and o.price is not None]
        if not resting:
            return
        order = self.plan.choose(Kind.RARE_ORDER_STATE, resting)
        states = [OrderStatus.EXPIRED_IN_MATCH, OrderStatus.PENDING_CANCEL]
        if ":" not in order.symbol:
            states.append(OrderStatus.PENDING_NEW)
        status = self.plan.choose(Kind.RARE_ORDER_STATE, states)
        self._put(order, status)
        self.world.note(f"{order.client_id} is {status}")

    def _put(self, order: SimOrder, status: OrderStatus) -> None:
        if status is OrderStatus.EXPIRED_IN_MATCH:
            account = self.exchange._state.account(ACCOUNT)
            self.exchange._matching.expire(account, order, ExpiryReason.SELF_TRADE)
            return
        self.exchange.put_order_into(ACCOUNT, order.symbol, order.id, status)
        self._pending.append((order.symbol, order.id))

    def heal(self) -> None:
        for symbol, number in self._pending:
            with suppress(Refusal):  # it has ended since
                self.exchange.put_order_into(ACCOUNT, symbol, number, OrderStatus.NEW)


class OneSymbolFails(Disturbance):
    """For some minutes questions about one symbol fail while lists answer, or lists while single symbols do."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._blind: str | None = None
        self._lists_fail = False

    async def act(self) -> None:
        if self._blind is None and self.plan.strikes(Kind.SYMBOL_BLIND):
            self._blind = self.chaos._any_symbol(Kind.SYMBOL_BLIND)
            self.world.note(f"questions about {self._blind} alone fail")
            self.world.loop.call_later(self.plan.between(Kind.SYMBOL_BLIND, 30, 1_800), self._see)
        if not self._lists_fail and self.plan.strikes(Kind.LISTS_BLIND):
            self._lists_fail = True
            self.world.note("questions about every symbol fail")
            self.world.loop.call_later(self.plan.between(Kind.LISTS_BLIND, 10, 300), self._see_lists)

    def _see(self) -> None:
        self._blind = None

    def _see_lists(self) -> None:
        self._lists_fail = False

    def on_connect(self, venue: Any) -> None:
        if self.world.seam is Seam.WIRE:
            return  # at the wire its replies are spoiled
        for name in SINGLE_READS:
            setattr(venue, name, self._single(getattr(venue, name)))
        for name in LIST_READS:
            setattr(venue, name, self._list(getattr(venue, name)))

    def _single(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(symbol: str, *args: Any, **named: Any) -> Any:
            answer = await ask(symbol, *args, **named)
            if symbol == self._blind:
                raise Unavailable(f"questions about {symbol} fail")
            return answer

        return asked

    def _list(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **named: Any) -> Any:
            answer = await ask(*args, **named)
            if self._lists_fail:
                raise Unavailable("questions about every symbol fail")
            return answer

        return asked

    def spoil(self, request: WireRequest, reply: WireReply) -> WireReply:
        spoken = spoken_of(request)
        named = spoken.symbol_in(request)
        is_list = not named and ("ticker" in request.path or "premiumIndex" in request.path)
        if self._lists_fail and is_list:
            return WireReply(503, PROXY_PAGE)
        if self._blind is None or not named:
            return reply
        if named == bare(self._blind) and spoken.is_about_perps(request) is (":" in self._blind):
            return WireReply(503, PROXY_PAGE)
        return reply

    def heal(self) -> None:
        self._blind, self._lists_fail = None, False


class BracketsBelowPosition(Disturbance):
    """The brackets of a perp with a position allow less leverage than it has."""

    async def act(self) -> None:
        held = self.exchange.positions(ACCOUNT)
        if not held or not self.plan.strikes(Kind.BRACKET_BELOW_POSITION):
            return
        symbol = self.plan.choose(Kind.BRACKET_BELOW_POSITION, held).symbol
        if not self.exchange.is_listed(symbol):
            return
        self.exchange.set_brackets(symbol, make_brackets(BRACKETS, LOW_LEVERAGE))
        self.world.note(f"{symbol} allows {LOW_LEVERAGE}x at most")


class ModesByHand(Disturbance):
    """Somebody changes the account in the venue's own pages: position mode, asset mode, a perp's margin or leverage.

    What the venue refuses (with open orders or positions) is refused here as well.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._leverage_before: dict[str, int] = {}

    async def act(self) -> None:
        if not self.plan.strikes(Kind.MODE_BY_HAND):
            return
        what = self.plan.choose(Kind.MODE_BY_HAND, ["hedge", "one-way", "assets", "margin", "leverage", "leverage"])
        perps = [symbol for symbol in sorted(self.exchange.instruments) if ":" in symbol]
        held = [p.symbol for p in self.exchange.positions(ACCOUNT) if self.exchange.is_listed(p.symbol)]
        symbol = self.plan.choose(Kind.MODE_BY_HAND, held or perps)
        try:
            self._change(what, symbol)
        except Refusal as refusal:
            self.world.note(f"by hand, {what}: {refusal.reason}")
            return
        self.world.note(f"by hand, {what}: {symbol} {self.exchange.modes(ACCOUNT)}")
        if what in ("hedge", "assets"):
            self.world.loop.call_later(self.plan.between(Kind.MODE_BY_HAND, 60, 7_200), self._end_modes)

    def _change(self, what: str, symbol: str) -> None:
        engine, modes = self.exchange, self.exchange.modes(ACCOUNT)
        if what in ("hedge", "one-way"):
            engine.set_position_mode(ACCOUNT, hedge=what == "hedge")
        elif what == "assets" and self.world.venue_at(MarketKind.PERP) == "bybit":
            self.world.note("there is one asset mode")
        elif what == "assets":
            engine.set_multi_assets(ACCOUNT, on=not modes.is_multi_assets)
        elif what == "margin" and self.world.venue_at(MarketKind.PERP) == "bybit":
            self._change_account_margin()
        elif what == "margin":
            isolated = engine.symbol_config(ACCOUNT, symbol).is_isolated
            engine.set_margin_type(ACCOUNT, symbol, isolated=not isolated)
        else:
            now = engine.symbol_config(ACCOUNT, symbol).leverage
            self._leverage_before.setdefault(symbol, now)
            engine.set_leverage(ACCOUNT, symbol, now + self.plan.count(Kind.MODE_BY_HAND, 1, 5))

    def _change_account_margin(self) -> None:
        """Margin is the account's: it cannot be changed while there are positions or orders."""
        if self.world.replica is None or self.exchange.positions(ACCOUNT) or self.exchange.open_orders(ACCOUNT):
            return
        modes = self.world.replica._dialect.desk.margin_modes
        modes[ACCOUNT] = ISOLATED if modes.get(ACCOUNT, ISOLATED) == CROSS else CROSS

    def heal(self) -> None:
        self._end_modes()
        if self.world.replica is not None and self.world.venue_at(MarketKind.PERP) == "bybit":
            self.world.replica._dialect.desk.margin_modes.clear()
        put_leverage_back(self.exchange, self._leverage_before)

    def _end_modes(self) -> None:
        """The account trades in one-way mode with one asset again."""
        modes = self.exchange.modes(ACCOUNT)
        symbols = [held.symbol for held in self.exchange.positions(ACCOUNT)]
        has_both = len(set(symbols)) < len(symbols)  # another disturbance holds them, and ends its own mode
        hedge = modes.is_hedge_mode and has_both
        self.exchange.put_into_modes(ACCOUNT, replace(modes, is_hedge_mode=hedge, is_multi_assets=False))


class FundingInterval(Disturbance):
    """A perp settles its funding every hour, or every four, from now on."""

    async def act(self) -> None:
        if not self.plan.strikes(Kind.FUNDING_INTERVAL):
            return
        perps = [symbol for symbol in sorted(self.exchange.instruments) if ":" in symbol]
        symbol = self.plan.choose(Kind.FUNDING_INTERVAL, perps)
        hours = self.plan.choose(Kind.FUNDING_INTERVAL, [1, 4, 8])
        self.exchange.set_funding_interval(symbol, hours)
        self.world.note(f"{symbol} settles every {hours} h")


WORLDS = (
    SymbolEnds,
    SymbolEndsWhileDown,
    FeesChanged,
    RareOrders,
    OneSymbolFails,
    BracketsBelowPosition,
    ModesByHand,
    FundingInterval,
)
