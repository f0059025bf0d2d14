"""The interface of the exchange: one object with one state and one time, which only its owner advances.

Every method is a plain function of what was called before; nothing here reads a clock or draws a number.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.portfolio import Balance
from bot.simex.engine import records
from bot.simex.engine.audit import audit
from bot.simex.engine.depth import Depth
from bot.simex.engine.flows import Flows
from bot.simex.engine.interventions import Interventions
from bot.simex.engine.margin.liquidation import Liquidation
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.margin.settings import MarginSettings
from bot.simex.engine.market import Market, PriceKind
from bot.simex.engine.orders.admission import Admission
from bot.simex.engine.orders.amend import Amendments
from bot.simex.engine.orders.lists import Lists
from bot.simex.engine.orders.matching import Matching
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import Rules
from bot.simex.engine.settlement import Settlement
from bot.simex.engine.snapshot import Key, restore, rows_of
from bot.simex.engine.state import AccountState, State, on_grid, rate_of
from bot.simex.engine.timeline import Timeline
from bot.simex.engine.types import (
    AccountModes,
    DayStats,
    ExchangeEvent,
    FundingEvent,
    Income,
    IncomeKind,
    ListingStatus,
    NewOrder,
    PerpWallet,
    PositionSide,
    SimOrder,
    SimPosition,
    SimTrade,
    SymbolConfig,
)


class Exchange(Interventions):
    """Spot and linear perps of one venue over a market.

    Methods that take a symbol raise Refusal(UNKNOWN_SYMBOL), those that take an account Refusal(ACCOUNT_UNKNOWN).
    `listeners` are called inside the change, after the state has it; they must not call back into the engine.
    """

    listeners: list[Callable[[ExchangeEvent], None]]

    def __init__(
        self, *, instruments: Mapping[str, Instrument], market: Market, start_ms: int, rules: Rules | None = None
    ) -> None:
        self._state = state = State(instruments, market, start_ms, rules or Rules())
        self._depth = Depth(state)
        self._margin = Margin(state)
        self._settings = MarginSettings(state, self._margin)
        self._settlement = Settlement(state, self._margin)
        self._admission = Admission(state, self._depth, self._margin)
        self._matching = Matching(state, self._depth, self._margin, self._settlement, self._admission)
        self._liquidation = Liquidation(state, self._depth, self._margin, self._settlement, self._matching)
        self.lists = Lists(state, self._admission, self._matching)
        self._timeline = Timeline(state, self._margin, self._settlement, self._matching, self._liquidation, self.lists)
        self.flows = Flows(state)
        self.amendments = Amendments(state, self._admission, self._matching)
        self.listeners = state.listeners
        self._instruments: tuple[tuple[int, int] | None, Mapping[str, Instrument]] = (None, {})

    @property
    def now_ms(self) -> int:
        return self._state.now_ms

    @property
    def rules(self) -> Rules:
        return self._state.rules

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Current instruments; `active` is False while halted, not yet listed or delisted."""
        state = self._state
        moment = state.now_ms, state.event_count  # one answer of a venue asks many times
        if self._instruments[0] != moment:
            current = {
                symbol: listing.instrument if self._is_trading(symbol) else replace(listing.instrument, active=False)
                for symbol, listing in state.listings.items()
                if not listing.is_removed
            }
            self._instruments = moment, MappingProxyType(current)
        return self._instruments[1]

    def listing_state(self) -> tuple[object, ...]:
        """All that `instruments`, `status` and `is_unlisted` say, to see whether any of it has changed."""
        return tuple(
            (listing.instrument, self.status(symbol), listing.is_unlisted)
            for symbol, listing in self._state.listings.items()
            if not listing.is_removed
        )

    @property
    def event_count(self) -> int:
        """How many events there have been; it rises with every change but that of time."""
        return self._state.event_count

    @property
    def change_number(self) -> tuple[int, int]:
        """(events, moves of money): the same at two looks when no order, holding or position has changed between them;
        prices may have."""
        return self._state.event_count, self._state.ledger.moves

    @property
    def history(self) -> tuple[ExchangeEvent, ...]:
        """The newest events, oldest first (`rules.history_limit` are kept)."""
        return tuple(self._state.history)

    def advance(self, to_ms: int) -> None:
        """Move time forward: resting fills, triggers, funding, liquidations and countdowns happen in time order.

        A time before now changes nothing.
        """
        self._timeline.advance(to_ms)

    def quote(self, symbol: str) -> Quote:
        state = self._state
        listing = state.listing(symbol)
        bid, ask = self._depth.touch(symbol)
        point, mark, index = state.market.at(symbol, state.now_ms), None, None
        if listing.instrument.is_perp:
            mark = on_grid(point.mark, listing.mark_tick, listing.mark_quantum)
            same = point.index == point.mark
            index = mark if same else on_grid(point.index, listing.mark_tick, listing.mark_quantum)
        mid = on_grid(point.mid, listing.tick, listing.instrument.price_tick)
        return Quote(symbol, bid, ask, state.now_ms, mid, mark, index)

    def book(self, symbol: str, levels: int) -> Book:
        self._state.listing(symbol)
        return self._depth.book(symbol, levels)

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind = "last"
    ) -> CandleSeries:
        """Candles that open in [start, end], the one still running included; the newest `limit` when `start_ms` is 0,
        otherwise the oldest."""
        self._state.listing(symbol)
        return self._state.market.candles(symbol, timeframe_ms, start_ms, end_ms, limit, kind, self.now_ms)

    def funding(self, symbol: str) -> Funding:
        """Refusal(UNKNOWN_SYMBOL) for spot."""
        self._state.perp(symbol)
        terms = self._state.funding(symbol)
        if terms is None:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL, f"{symbol} has no funding")
        return Funding(symbol, rate_of(terms.rate), terms.interval_hours, terms.next_ms, self.now_ms)

    def funding_history(self, symbol: str, start_ms: int, end_ms: int, limit: int) -> tuple[FundingEvent, ...]:
        """Settlements in [start, min(end, now)], oldest first; the newest `limit` when `start_ms` is 0."""
        return records.funding_of(self._state, symbol, start_ms, end_ms, limit)

    def open_interest(self, symbol: str, at_ms: int | None = None) -> OpenInterest:
        """Now, or at a moment before now. Refusal(UNKNOWN_SYMBOL) where none is on record."""
        self._state.perp(symbol)
        asked_ms = self.now_ms if at_ms is None else min(at_ms, self.now_ms)
        value = self._state.market.open_interest(symbol, asked_ms)
        if value is None:
            raise Refusal(RefusalReason.UNKNOWN_SYMBOL, f"{symbol} has no open interest on record")
        return OpenInterest(symbol, Decimal(round(value)), asked_ms)

    def day_stats(self, symbol: str) -> DayStats:
        return records.day_of(self._state, symbol)

    def listed_ms(self, symbol: str) -> int:
        """The symbol's first millisecond."""
        self._state.listing(symbol)
        return self._state.market.listed(symbol)[0]

    def brackets(self, symbol: str) -> tuple[Bracket, ...]:
        self._state.perp(symbol)
        return self._margin.brackets(symbol)

    def status(self, symbol: str) -> ListingStatus:
        """As the venue words it. A symbol that takes no orders for another reason is BREAK (spot) or SETTLING."""
        listing = self._state.listing(symbol)
        if listing.status is not ListingStatus.TRADING or self._is_trading(symbol):
            return listing.status
        if self.now_ms < self._state.market.listed(symbol)[0] and listing.instrument.is_perp:
            return ListingStatus.PENDING_TRADING
        return ListingStatus.SETTLING if listing.instrument.is_perp else ListingStatus.BREAK

    def _is_trading(self, symbol: str) -> bool:
        return self._state.is_open(symbol) and self._state.listings[symbol].status is ListingStatus.TRADING

    def is_open(self, symbol: str) -> bool:
        """Whether orders are taken: listed, not halted, not delisted."""
        return self._state.is_open(symbol)

    def create_account(
        self,
        name: str,
        *,
        spot: Mapping[str, Decimal],
        perp: Decimal = ZERO,
        quote: str = "USDT",
        fee_asset: str | None = None,
        perp_assets: Mapping[str, Decimal] | None = None,
    ) -> None:
        """Open an account with deposits; `fee_asset` pays fees at a discount while it lasts (spot only), `perp_assets`
        are what lies in the perp wallet beside the quote asset."""
        if name in self._state.accounts:
            raise Refusal(RefusalReason.BAD_REQUEST, f"account {name!r} exists")
        account = self._state.accounts[name] = AccountState(name, quote, fee_asset)
        for asset, amount in spot.items():
            self._settlement.deposit(account, asset, amount, to_perp=False)
        for asset, amount in {quote: perp, **(perp_assets or {})}.items():
            self._settlement.deposit(account, asset, amount, to_perp=True)

    def rows(self) -> Iterator[tuple[Key, Any]]:
        """The whole state, to be stored (`snapshot.rows_of`)."""
        return rows_of(self._state, self._margin, self.flows)

    def restore(self, rows: Mapping[Key, Any]) -> None:
        """Take over a stored state; for an exchange without accounts. ValueError when it does not fit."""
        restore(self._state, self._margin, self.flows, rows)
        self._instruments = (None, {})

    def account_names(self) -> tuple[str, ...]:
        return tuple(self._state.accounts)

    def fee_asset(self, account: str) -> str | None:
        return self._state.account(account).fee_asset

    def fee_rates(self, account: str, symbol: str) -> tuple[Decimal, Decimal]:
        """(maker, taker) rates that the account is charged, without a discount for `fee_asset`."""
        self._state.listing(symbol)
        return self._state.fee_rates(self._state.account(account), symbol)

    def set_fee_rates(self, account: str, symbol: str, *, maker: Decimal, taker: Decimal) -> None:
        """The account has its own rates of the symbol from now on, instead of the instrument's."""
        self._state.listing(symbol)
        self._state.account(account).fee_rates[symbol] = (maker, taker)

    def balances(self, account: str) -> Mapping[str, Balance]:
        held = self._state.account(account)
        return {
            asset: Balance(asset, total - held.locked.get(asset, ZERO), held.locked.get(asset, ZERO))
            for asset, total in self._state.ledger.assets(held.spot).items()
            if total
        }

    def wallet(self, account: str) -> PerpWallet:
        return self._margin.wallet(self._state.account(account))

    def positions(self, account: str) -> tuple[SimPosition, ...]:
        """Positions with a size, by symbol and side."""
        held = self._state.account(account)
        return tuple(self._margin.position(held, key) for key in sorted(held.positions) if held.positions[key].size)

    def order_margin(self, account: str, symbol: str, side: PositionSide | None = None) -> Decimal:
        """Margin that the resting orders of a perp hold; with `side` those of one side of hedge mode."""
        self._state.perp(symbol)
        return self._margin.order_margin(self._state.account(account), symbol, side=side)

    def position(self, account: str, symbol: str, side: PositionSide = PositionSide.BOTH) -> SimPosition | None:
        held = self._state.account(account)
        self._state.perp(symbol)
        return self._margin.position(held, (symbol, side)) if held.size_of(symbol, side) else None

    def symbol_config(self, account: str, symbol: str) -> SymbolConfig:
        self._state.perp(symbol)
        return self._state.config(self._state.account(account), symbol)

    def set_leverage(self, account: str, symbol: str, leverage: int) -> SymbolConfig:
        """LEVERAGE_INVALID, LEVERAGE_REDUCTION (isolated with a position), LEVERAGE_BRACKET, INSUFFICIENT_MARGIN."""
        return self._settings.set_leverage(account, symbol, leverage)

    def set_margin_type(self, account: str, symbol: str, *, isolated: bool) -> None:
        """MARGIN_TYPE_SAME, OPEN_ORDERS_EXIST, POSITION_EXISTS."""
        self._settings.set_margin_type(account, symbol, isolated=isolated)

    def modes(self, account: str) -> AccountModes:
        held = self._state.account(account)
        return AccountModes(
            held.is_hedge_mode, held.is_multi_assets, held.can_trade, held.can_withdraw, held.can_deposit
        )

    def set_position_mode(self, account: str, *, hedge: bool) -> None:
        """POSITION_MODE_SAME, POSITION_MODE_ORDERS, POSITION_MODE_POSITION."""
        self._settings.set_position_mode(account, hedge=hedge)

    def set_multi_assets(self, account: str, *, on: bool) -> None:
        """MULTI_ASSETS_SAME, MULTI_ASSETS_ISOLATED, MULTI_ASSETS_ORDERS, MARGIN_INSUFFICIENT."""
        self._settings.set_multi_assets(account, on=on)

    def put_into_modes(self, account: str, modes: AccountModes) -> None:
        """The account is in these modes from now on, whatever it holds: for tests and simulations, which a venue would
        ask to close everything first. ValueError to leave hedge mode with both sides of one symbol."""
        held = self._state.account(account)
        self._settings.put_into_position_mode(held, hedge=modes.is_hedge_mode)
        held.is_multi_assets = modes.is_multi_assets
        held.can_trade, held.can_withdraw, held.can_deposit = modes.can_trade, modes.can_withdraw, modes.can_deposit

    def perp_assets(self, account: str) -> Mapping[str, Decimal]:
        """Wallet balances of the perp wallet by asset, those that are zero left out."""
        held = self._state.account(account)
        return {asset: amount for asset, amount in self._state.ledger.assets(held.perp).items() if amount}

    def collateral(self, account: str) -> Decimal:
        """Value in quote of the perp wallet's other assets that count as margin."""
        return self._margin.collateral(self._state.account(account))

    def move_margin(self, account: str, symbol: str, amount: Decimal, side: PositionSide = PositionSide.BOTH) -> None:
        """Add (positive) or take isolated margin. POSITION_SIDE, POSITION_MISSING (none, or cross),
        MARGIN_INSUFFICIENT."""
        self._settings.move_margin(account, symbol, amount, side)

    def transfer(self, account: str, amount: Decimal, *, to_perp: bool) -> int:
        """Quote money between the wallets; the transfer's id. INSUFFICIENT_BALANCE, BAD_REQUEST."""
        return self._settlement.transfer(self._state.account(account), amount, to_perp=to_perp)

    def place(self, account: str, order: NewOrder) -> SimOrder:
        """Take an order; the answer has its `trades`. Raises Refusal, which changes nothing."""
        held = self._state.account(account)
        placed = self._matching.place(held, order)
        self.lists.follow()
        if self._state.listings[order.symbol].instrument.is_perp:
            self._liquidation.check(held)
        return placed

    def check(self, account: str, order: NewOrder) -> None:
        """All checks of `place`, nothing else. Raises Refusal."""
        self._admission.plan(self._state.account(account), order)

    def cancel(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_client_id: str | None = None,
        is_trigger: bool | None = None,
    ) -> SimOrder:
        """UNKNOWN_ORDER when it is not open."""
        held = self._state.account(account)
        self._state.listing(symbol)
        result = records.find_order(held, symbol, order_id, client_id, is_trigger)
        if result is None or not result.is_open or (client_id is not None and result.client_id != client_id):
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"no open order {order_id or client_id} of {symbol}")
        canceled = self._matching.cancel(held, result, cancel_client_id or "")
        self.lists.follow()
        return canceled

    def cancel_all(self, account: str, symbol: str, *, is_trigger: bool | None = None) -> tuple[SimOrder, ...]:
        held = self._state.account(account)
        self._state.listing(symbol)
        result = self.open_orders(account, symbol, is_trigger=is_trigger)
        canceled = tuple(self._matching.cancel(held, order) for order in result)
        self.lists.follow()
        return canceled

    def order(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        is_trigger: bool | None = None,
    ) -> SimOrder | None:
        """The order, by client id the newest with it; `is_trigger` looks among perp trigger orders (True) or the
        others (False) only."""
        self._state.listing(symbol)
        return records.find_order(self._state.account(account), symbol, order_id, client_id, is_trigger)

    def open_orders(
        self, account: str, symbol: str | None = None, *, is_trigger: bool | None = None
    ) -> tuple[SimOrder, ...]:
        held = self._state.account(account)
        symbols = sorted(held.open) if symbol is None else [symbol]
        return tuple(
            order
            for name in symbols
            for order in held.open_of(name)
            if is_trigger is None or records.is_perp_trigger(order) is is_trigger
        )

    def orders(
        self, account: str, symbol: str, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> tuple[SimOrder, ...]:
        """Orders created in [start, end], oldest first: the oldest `limit` with a start, else the newest."""
        self._state.listing(symbol)
        return records.orders_of(self._state.account(account), symbol, start_ms, end_ms, limit)

    def trades(
        self,
        account: str,
        symbol: str,
        start_ms: int | None = None,
        end_ms: int | None = None,
        order_id: int | None = None,
        limit: int = 500,
        from_id: int | None = None,
    ) -> tuple[SimTrade, ...]:
        """Trades in [start, end], oldest first: the oldest `limit` with a start or `from_id`, else the newest."""
        self._state.listing(symbol)
        held = self._state.account(account)
        return records.trades_of(held, symbol, start_ms, end_ms, order_id, limit, from_id)

    def income(
        self,
        account: str,
        start_ms: int | None = None,
        kind: IncomeKind | None = None,
        limit: int = 1000,
        symbol: str | None = None,
        end_ms: int | None = None,
    ) -> tuple[Income, ...]:
        """Statement rows of the perp wallet in [start, end], oldest first: the oldest `limit` with a start, else the
        newest."""
        return records.income_of(self._state.account(account), start_ms, end_ms, kind, symbol, limit)

    def set_countdown(self, account: str, symbol: str, ms: int) -> None:
        """Cancel all orders of the symbol when `ms` have passed without another call; 0 switches it off."""
        held = self._state.account(account)
        self._state.listing(symbol)
        held.countdowns.pop(symbol, None)
        if ms > 0:
            held.countdowns[symbol] = self.now_ms + ms

    def audit(self) -> Mapping[str, Decimal]:
        """Sum of all holdings per asset, the exchange's own included. AssertionError when anything was made or lost."""
        return audit(self._state, self._margin)
