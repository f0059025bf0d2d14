"""Two accounts as one venue: every question and every order goes to the one that has the kind of market.

What is asked of both is answered as far as one of them answers. The half that does not is unreadable: entries stop on
both, what the books hold there is believed to be there, and exits at the other go on.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.order import Fill, Order
from bot.domain.portfolio import Account
from bot.domain.symbol import is_perp
from bot.ports import (
    AccountRefused,
    AccountReview,
    Answered,
    ChecksUnanswered,
    ForcedClose,
    HalfUnavailable,
    Lane,
    Listed,
    OrderReport,
    OrderRequest,
    Payment,
    ReadsPositionSize,
    RecallsStops,
    Rejection,
    SetupFailed,
    Stream,
    Unavailable,
    Venue,
    VenueRejected,
    defects_of,
    kinds_listed_by_symbol,
)
from bot.venues.pair.account import joined, joined_review, perp_payments, spot_payments
from bot.venues.pair.reading import PATIENCE_S, Half, read_both

T = TypeVar("T")
CLOCKS_APART_MAX_MS = 1_000
"""How far the two venues' clocks may differ: both take part in deciding when an order can no longer be accepted."""
_INSTRUMENTS_PATIENCE_S = 12.0  # a list of markets is long
_PAGED_PATIENCE_S = 8.0  # payments and reviews of an account take several requests


class PairVenue:
    """Spot at one venue, perps at another; implements `bot.ports.Venue`.

    Args:
        spot: the account whose spot wallet is traded.
        perp: the account whose perp wallet and positions are.
        quote: the currency that both are counted in.
    """

    has_transfers = False

    def __init__(self, spot: Venue, perp: Venue, *, quote: str) -> None:
        self._spot = Half(spot, "spot", self._compare_clocks)
        self._perp = Half(perp, "perps", self._compare_clocks)
        self._quote = quote
        self._clock = spot  # the half whose clock was measured last
        self._is_unified: dict[str, bool] = {}  # by role, of each half whose account has been read
        self._known: dict[str, dict[str, Instrument]] = {"spot": {}, "perps": {}}
        self.id, self.account_name = f"{spot.id}+{perp.id}", spot.account_name
        self.environment = spot.environment
        self.forced_ids: Mapping[str, ForcedClose] = {**spot.forced_ids, **perp.forced_ids}
        self.receive_window_ms = min(spot.receive_window_ms, perp.receive_window_ms)
        self.kinds_listed_by_symbol = frozenset(
            kind for kind, venue in ((Kind.SPOT, spot), (Kind.PERP, perp)) if kind in kinds_listed_by_symbol(venue)
        )
        self.quiet_period_ms = max(spot.quiet_period_ms, perp.quiet_period_ms) + CLOCKS_APART_MAX_MS

    @property
    def clock_skew_ms(self) -> int:
        """The larger of the two, as far as they were measured."""
        return max((half.venue.clock_skew_ms for half in self._open), key=abs)

    @property
    def _halves(self) -> tuple[Half, Half]:
        return self._spot, self._perp

    @property
    def _open(self) -> Sequence[Half]:
        return [half for half in self._halves if half.is_open]

    def _of(self, symbol: str) -> Venue:
        return self._perp.venue if is_perp(symbol) else self._spot.venue

    # connection and clock

    async def open(self) -> None:
        """Open both. One that cannot be used ends the other as well.

        After AccountRefused, ChecksUnanswered and HalfUnavailable what answers is connected, and the caller goes on or
        closes both."""
        results = await asyncio.gather(*(half.venue.open() for half in self._halves), return_exceptions=True)
        refused: list[tuple[Half, BaseException]] = []
        silent: list[Unavailable] = []
        for half, error in zip(self._halves, results, strict=True):
            if isinstance(error, AccountRefused | ChecksUnanswered):
                refused.append((half, error))
            elif isinstance(error, Unavailable):
                silent.append(half.failed(error))
                half.left_closed(error)
            elif error is not None:
                await self.close()
                raise _named(half, error)
        if len(silent) == len(self._halves):
            await self.close()
            raise Unavailable("; ".join(map(str, silent)))
        self._clock = next(half.venue for half in self._halves if half.is_open)
        try:
            if not silent:
                self._compare_clocks()
        except Unavailable as error:
            await self.close()
            raise SetupFailed(str(error)) from error
        if refused:
            is_refusal = any(isinstance(error, AccountRefused) for _, error in refused)
            words = "; ".join(f"{half.name}: {error}" for half, error in refused)
            raise (AccountRefused if is_refusal else ChecksUnanswered)("; ".join([words, *map(str, silent)]))
        if silent:
            raise HalfUnavailable(str(silent[0]), silent[0].retry_after)

    async def close(self) -> None:
        for half in self._halves:
            await half.close()

    def now_ms(self) -> int:
        """By the clock that was measured last: the two differ by less than a second, or entries stop."""
        return self._clock.now_ms()

    async def fetch_clock_skew(self) -> int:
        """Measure both clocks, of which one has to answer.

        Raises:
            Unavailable: neither does, or they differ: one of them is wrong, and nobody knows which.
        """
        spot, perp = await read_both(
            (self._spot, self._spot.ask(lambda venue: venue.fetch_clock_skew())),
            (self._perp, self._perp.ask(lambda venue: venue.fetch_clock_skew())),
            patience_s=PATIENCE_S,
        )
        self._clock = self._perp.venue if isinstance(spot, Unavailable) else self._spot.venue
        if not isinstance(spot, Unavailable) and not isinstance(perp, Unavailable):
            self._compare_clocks()
        return self.clock_skew_ms

    def _compare_clocks(self) -> None:
        """Of two that were measured. Raises Unavailable."""
        apart_ms = abs(self._spot.venue.clock_skew_ms - self._perp.venue.clock_skew_ms)
        if apart_ms > CLOCKS_APART_MAX_MS:
            raise Unavailable(
                f"the clocks of {self._spot.name} and {self._perp.name} differ by {apart_ms} ms, more than "
                f"{CLOCKS_APART_MAX_MS}: one of them is wrong; try again later"
            )

    def held_seconds(self) -> Mapping[str, float]:
        return {f"{h.name}, {part}": held for h in self._open for part, held in h.venue.held_seconds().items()}

    def requests_used(self) -> Mapping[str, float]:
        return {f"{h.name}, {part}": used for h in self._open for part, used in h.venue.requests_used().items()}

    # the market

    def are_facts_due(self) -> bool:
        """Whether instruments should be asked for again before anything is decided by them."""
        return any(not self._known[half.role] for half in self._open) or any(
            getattr(half.venue, "are_facts_due", lambda: False)() for half in self._open
        )

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        """Of a half that does not answer what was read last, each with a note."""
        spot, perps = (None, None) if symbols is None else _divide(symbols)
        answers = await self._ask(
            lambda venue, wanted: venue.fetch_instruments(wanted), spot, perps, patience_s=_INSTRUMENTS_PATIENCE_S
        )
        found: dict[str, Instrument] = {}
        notes: dict[str, str] = {}
        unreadable: set[str] = set()
        former: dict[str, Instrument] = {}
        for half, wanted, answer in answers:
            known = self._known[half.role]
            if isinstance(answer, Unavailable):
                asked = list(known) if wanted is None else wanted
                found |= {symbol: known[symbol] for symbol in asked if symbol in known}
                notes |= dict.fromkeys(asked, str(answer))
                unreadable |= set(asked) - known.keys()
                continue
            fitting = {symbol: one for symbol, one in answer.items() if is_perp(symbol) == (half is self._perp)}
            known |= fitting
            found |= fitting
            if isinstance(answer, Answered):
                notes |= answer.notes
                unreadable |= answer.unreadable
                former |= answer.former
        return Answered(found, notes, unreadable, former)

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        found: dict[str, Quote] = {}
        notes: dict[str, str] = {}
        for _, wanted, answer in await self._ask(
            lambda venue, wanted: venue.fetch_quotes(wanted or ()), *_divide(symbols)
        ):
            if isinstance(answer, Unavailable):
                notes |= dict.fromkeys(wanted or (), str(answer))
            else:
                found |= answer
                notes |= answer.notes if isinstance(answer, Answered) else {}
        return Answered(found, notes)

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        return await self._perp.venue.fetch_funding(_divide(symbols)[1])

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        return await self._of(symbol).fetch_book(symbol, levels)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        return await self._of(symbol).fetch_candles(symbol, timeframe_ms, since_ms, limit)

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        return await self._of(symbol).fetch_open_interest(symbol)

    # the account

    async def fetch_account(self) -> Account:
        spot, perp = await read_both(
            (self._spot, self._spot.ask(lambda venue: venue.fetch_account())),
            (self._perp, self._perp.ask(lambda venue: venue.fetch_account())),
            patience_s=PATIENCE_S,
        )
        for half, answer in zip(self._halves, (spot, perp), strict=True):
            if isinstance(answer, Account):
                self._is_unified[half.role] = answer.is_unified
        return joined(spot, perp, self._quote)

    async def fetch_position_size(self, symbol: str) -> Decimal:
        venue = self._of(symbol)
        if not isinstance(venue, ReadsPositionSize):
            raise Unavailable(f"{venue.id} has no question for one position")
        return await venue.fetch_position_size(symbol)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Not whole where a half does not answer: it is to be asked again soon."""
        spot, perp = await read_both(
            (self._spot, self._payments_of(self._spot, since_ms)),
            (self._perp, self._payments_of(self._perp, since_ms)),
            patience_s=_PAGED_PATIENCE_S,
        )
        found: list[Payment] = []
        defects: list[tuple[str, str]] = []
        for half, answer, chosen in ((self._spot, spot, spot_payments), (self._perp, perp, perp_payments)):
            if isinstance(answer, Unavailable):
                defects.append(("", f"payments of {answer}"))
            else:
                found += chosen(answer, is_unified=self._is_unified[half.role])
                defects += defects_of(answer)
        is_whole = not any(isinstance(answer, Unavailable) for answer in (spot, perp))
        return Listed(sorted(found, key=lambda payment: payment.at_ms), defects, is_whole=is_whole)

    async def _payments_of(self, half: Half, since_ms: int) -> tuple[Payment, ...]:
        """What a payment means depends on the kind of account, which is read first where it is not known yet."""
        if half.role not in self._is_unified:
            self._is_unified[half.role] = (await half.ask(lambda venue: venue.fetch_account())).is_unified
        return await half.ask(lambda venue: venue.fetch_payments(since_ms))

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        """The review of a half that does not answer is unanswered; what the other found counts."""
        reviews = await read_both(
            (self._spot, self._spot.ask(lambda venue: venue.fetch_account_review(max_age_ms))),
            (self._perp, self._perp.ask(lambda venue: venue.fetch_account_review(max_age_ms))),
            patience_s=_PAGED_PATIENCE_S,
        )
        return joined_review({half.name: review for half, review in zip(self._halves, reviews, strict=True)})

    # orders

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        return await self._of(symbol).fetch_order(symbol, client_id, is_trigger=is_trigger)

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Of a half that does not answer nothing is known: each of its orders is asked about by itself."""
        reports: list[OrderReport] = []
        defects: list[tuple[str, str]] = []
        for _, _, answer in await self._ask(
            lambda venue, wanted: venue.fetch_open_orders(wanted or ()), *_divide(symbols)
        ):
            if isinstance(answer, Unavailable):
                defects.append(("", f"open orders of {answer}"))
            else:
                reports += answer
                defects += defects_of(answer)
        return Listed(reports, defects)

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        return await self._of(symbol).fetch_order_history(symbol, since_ms)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        return await self._of(symbol).fetch_fills(symbol, since_ms)

    # writes

    async def admit(self, symbol: str, lane: Lane) -> None:
        await self._of(symbol).admit(symbol, lane)

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        return await self._of(request.symbol).submit_order(request)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        await self._of(symbol).cancel_order(symbol, client_id, is_trigger=is_trigger)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await self._of(symbol).set_leverage(symbol, leverage)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        source, target = self._halves if to_perp else reversed(self._halves)
        raise VenueRejected(
            "not sent", f"{amount} is not moved from {source.name} to {target.name}: there is no way", Rejection.OTHER
        )

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        await self._of(symbol).move_margin(symbol, amount)

    def recall_stops(self, working: Iterable[Order]) -> None:
        orders = tuple(working)
        for half, has_perps in zip(self._halves, (False, True), strict=True):
            if isinstance(half.venue, RecallsStops):
                half.venue.recall_stops([order for order in orders if is_perp(order.symbol) is has_perps])

    def streams(self, symbols: Collection[str]) -> Sequence[Stream]:
        """Those of each half about its markets and its account, as far as it has any."""
        found: list[Stream] = []
        for half, wanted in zip(self._halves, _divide(symbols), strict=True):
            make: Callable[[Collection[str]], Sequence[Stream]] | None = getattr(half.venue, "streams", None)
            found += make(wanted) if make is not None else ()
        return found

    async def _ask(
        self,
        ask: Callable[[Venue, Sequence[str] | None], Coroutine[Any, Any, T]],
        spot: Sequence[str] | None,
        perps: Sequence[str] | None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> list[tuple[Half, Sequence[str] | None, T | Unavailable]]:
        """The answer of each half that has symbols among those asked for (None: all), or why it has none.

        Raises:
            Unavailable: nobody answered.
        """
        wanted = [(half, names) for half, names in zip(self._halves, (spot, perps), strict=True) if names != []]
        if not wanted:
            return []
        if len(wanted) == 1:
            half, names = wanted[0]
            try:
                return [(half, names, await half.ask(lambda venue: ask(venue, names)))]
            except Unavailable as error:
                raise half.failed(error) from error
        answers = await read_both(
            (self._spot, self._spot.ask(lambda venue: ask(venue, spot))),
            (self._perp, self._perp.ask(lambda venue: ask(venue, perps))),
            patience_s=patience_s,
        )
        return [(half, names, answer) for (half, names), answer in zip(wanted, answers, strict=True)]


def _divide(symbols: Iterable[str]) -> tuple[list[str], list[str]]:
    """(spot, perps), each once, in order."""
    unique = dict.fromkeys(symbols)
    return [s for s in unique if not is_perp(s)], [s for s in unique if is_perp(s)]


def _named(half: Half, error: BaseException) -> BaseException:
    """What ended the start, with the name of the half; what is no failure of a venue stays as it is."""
    if isinstance(error, Unavailable):
        return half.failed(error)
    return type(error)(f"{half.name}: {error}") if type(error) is SetupFailed else error
