"""A venue behind ccxt: the port's methods, put together from the connection, the reads and the writes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import aiohttp

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill, Order
from bot.domain.portfolio import Account
from bot.ports import (
    AccountRefused,
    AccountReview,
    Answered,
    ChecksUnanswered,
    Clock,
    Lane,
    OrderReport,
    OrderRequest,
    Payment,
    ReadsPositionSize,
    SetupFailed,
    Stream,
    Unavailable,
)
from bot.venues.ccxt.account.brackets import LeverageBrackets
from bot.venues.ccxt.account.credentials import Credentials
from bot.venues.ccxt.adapter import Adapter, load_channels
from bot.venues.ccxt.connection import Connection, ConnectionRules, Seams
from bot.venues.registry import abilities_of
from bot.venues.streams.client import StreamClient

__all__ = ["CcxtVenue", "ConnectionRules", "Credentials", "Seams"]


class CcxtVenue:
    """One account at one exchange through unmodified ccxt; implements `bot.ports.Venue`,
    `bot.ports.ReadsPositionSize` and `bot.ports.RecallsStops`.

    Args:
        adapter: the venue.
        environment: a name of its profile's `environments`.
        account: our name of the account; it goes into client order ids.
        credentials: None for market data only.
        session_factory: see `Connection`.
    """

    def __init__(
        self,
        adapter: Adapter,
        *,
        environment: str,
        account: str,
        credentials: Credentials | None,
        quote: str = "USDT",
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
        clock: Clock,
        rules: ConnectionRules = ConnectionRules(),  # noqa: B008 - frozen
    ) -> None:
        self._link = Connection(
            adapter.profile,
            environment,
            credentials=credentials,
            quote=quote,
            session_factory=session_factory,
            clock=clock,
            rules=rules,
        )
        self._reads, self._writes = adapter.reads(self._link), adapter.writes(self._link)
        self._fees = adapter.fees(self._link)
        self._brackets = LeverageBrackets(self._link, self._reads.load_brackets)
        self._checks = adapter.checks(self._link, account=account, trades=rules.trades)
        self._review: AccountReview | None = None
        self._reviewed_ms = 0
        self.id, self.environment, self.account_name = adapter.profile.id, environment, account
        self.has_transfers = self._link.environment.has_transfers
        self.receive_window_ms, self.forced_ids = self._link.receive_window_ms, adapter.profile.forced_ids
        self.kinds_listed_by_symbol = abilities_of(adapter.profile.id).kinds_listed_by_symbol
        self.quiet_period_ms = adapter.profile.quiet_period_ms(self.receive_window_ms)

    @property
    def clock_skew_ms(self) -> int:
        return self._link.clock_skew_ms

    async def open(self) -> None:
        """Connect, verify the environment, measure the clock and check account and key."""
        try:
            await self._link.open()
            if self._link.has_keys:
                await self._check_account()
        except (AccountRefused, ChecksUnanswered):
            raise  # connected: the caller decides
        except BaseException:
            await self._link.close()
            raise

    async def close(self) -> None:
        await self._link.close()

    def now_ms(self) -> int:
        return self._link.now_ms()

    def held_seconds(self) -> Mapping[str, float]:
        return {market: gate.held_s for market, gate in self._link.wire.gates.items() if gate.held_s}

    def requests_used(self) -> Mapping[str, float]:
        return {
            market: max((used / limit for used, limit in gate.loads().values()), default=0.0)
            for market, gate in self._link.wire.gates.items()
        }

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        loads_before = self._link.loads
        result = await self._link.load_instruments(symbols, is_known_enough=self._fees.are_due())
        is_fresh = self._link.loads != loads_before
        notes = dict(result.notes)
        if self._link.has_keys:
            await self._brackets.refresh(is_fresh=is_fresh)
            await self._fees.refresh(symbols or (), is_fresh=is_fresh)
            for symbol, instrument in self._link.instruments.items():
                self._link.instruments[symbol] = self._brackets.applied(self._fees.applied(instrument))
            notes |= {symbol: why for symbol, why in self._fees.notes().items() if symbol in result}
            for symbol in result:
                why = self._brackets.note(self._link.instruments[symbol])
                if why is not None:
                    notes[symbol] = why
        return Answered(
            {symbol: self._link.instruments[symbol] for symbol in result}, notes, result.unreadable, result.former
        )

    def are_facts_due(self) -> bool:
        """Whether instruments should be asked for again before anything is decided by them."""
        are_due = self._link.are_facts_due() or self._fees.are_due()
        return are_due or (self._link.has_keys and self._brackets.are_due())

    async def fetch_clock_skew(self) -> int:
        return await self._link.measure_clock()

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        if not self._link.has_keys:
            return AccountReview()
        if self._review is None or abs(self.now_ms() - self._reviewed_ms) >= max_age_ms:
            self._review = await self._checks.review()
            self._reviewed_ms = self.now_ms()
        return self._review

    async def fetch_account(self) -> Account:
        account = await self._reads.fetch_account()
        self._writes.compare_leverage(account.positions)
        return account

    async def fetch_position_size(self, symbol: str) -> Decimal:
        """By the venue's own question for one position; where there is none, by the whole account."""
        reads = self._reads
        if isinstance(reads, ReadsPositionSize):
            return await reads.fetch_position_size(symbol)
        account = await self.fetch_account()
        if why := next((why for key, why in account.unreadable.items() if key in ("perp:", f"perp:{symbol}")), ""):
            raise Unavailable(why)
        held = account.positions.get(symbol)
        return ZERO if held is None else held.size

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        return await self._reads.fetch_quotes(symbols)

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        return await self._reads.fetch_book(symbol, levels)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        return await self._reads.fetch_candles(symbol, timeframe_ms, since_ms, limit)

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        return await self._reads.fetch_funding(symbols)

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        return await self._reads.fetch_open_interest(symbol)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        return await self._reads.fetch_order(symbol, client_id, is_trigger=is_trigger)

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        return await self._reads.fetch_open_orders(symbols)

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        return await self._reads.fetch_order_history(symbol, since_ms)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        return await self._reads.fetch_fills(symbol, since_ms)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        return await self._reads.fetch_payments(since_ms)

    async def admit(self, symbol: str, lane: Lane) -> None:
        await self._writes.admit(symbol, lane)

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        return await self._writes.submit_order(request)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        await self._writes.cancel_order(symbol, client_id, is_trigger=is_trigger)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await self._writes.set_leverage(symbol, leverage)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        await self._writes.move_cash(amount, to_perp=to_perp)

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        await self._writes.move_margin(symbol, amount)

    def recall_stops(self, working: Iterable[Order]) -> None:
        orders = tuple(working)
        self._link.stops.recall(orders, self.quiet_period_ms)
        self._link.sent.recall(order for order in orders if order.state.is_live)

    def streams(self, symbols: Collection[str]) -> Sequence[Stream]:
        make = load_channels(self.id)
        return tuple(StreamClient(channel, self._session) for channel in make(self._link, symbols))

    def _session(self) -> aiohttp.ClientSession:
        if self._link.session is None:
            raise Unavailable(f"{self.id} is closed")
        return self._link.session

    async def _check_account(self) -> None:
        """Refuse an account or key that is not as it must be, and one that could not be checked."""
        review = await self.fetch_account_review(0)
        blocking = [problem for problem in review.problems if problem.is_blocking]
        if blocking:
            refusal = SetupFailed if any(problem.is_key_refused for problem in blocking) else AccountRefused
            raise refusal("; ".join(f"{problem.words}: {problem.remedy}" for problem in blocking))
        if review.unanswered:
            raise ChecksUnanswered(
                f"account {self.account_name!r} of {self.id} could not be checked, which is not passed: "
                f"{'; '.join(review.unanswered.values())}. Try again later, or see whether the key may read this and "
                "the venue's status page"
            )
