"""The market at one instant: everything asked at once, with deadlines; what is missing or unsound is named.

A price that cannot be trusted is worse than none, so NaN, zero, negative and crossed readings are dropped here and
nothing below has to think of them (DESIGN §3, §9).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import (
    Book,
    CalendarEvent,
    Cost,
    Funding,
    Macro,
    Missing,
    Quote,
    SignalMarket,
    Snapshot,
    Tvl,
)
from bot.domain.portfolio import Account
from bot.domain.symbol import Lineage, is_perp
from bot.feeds.candle_cache import CandleCache, CandleHistory
from bot.feeds.concurrent_fetch import Answers, gather_all, gather_each, results_of, without_bugs
from bot.feeds.former_grid import with_former
from bot.feeds.history import Past
from bot.feeds.open_interest import INTEREST_EVERY_MS, InterestCache, interest_defect
from bot.feeds.series.rows import DIGITS_MAX
from bot.feeds.signal_feed import SignalFeed
from bot.ports import MacroSource, TvlSource, Venue, answers_at_once

Reading = TypeVar("Reading")


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What a snapshot should hold. Symbols are unified; `books` and `candles` name symbols of either kind."""

    spot: tuple[str, ...] = ()
    perps: tuple[str, ...] = ()
    candles: tuple[str, ...] = ()
    timeframe_ms: int = HOUR_MS
    candle_count: int = 500
    funding: tuple[str, ...] = ()
    open_interest: tuple[str, ...] = ()
    tvl: tuple[str, ...] = ()
    books: tuple[str, ...] = ()
    book_levels: int = 50
    lineages: Mapping[str, Lineage] = field(default_factory=dict)
    open_interest_every_ms: int = INTEREST_EVERY_MS

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*self.spot, *self.perps)

    def only(self, known: Collection[str]) -> "SnapshotRequest":
        """The same, without what the venue does not list: one unlisted symbol must not spoil the question for all."""

        def kept(symbols: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(symbol for symbol in symbols if symbol in known)

        return replace(
            self,
            spot=kept(self.spot),
            perps=kept(self.perps),
            candles=kept(self.candles),
            funding=kept(self.funding),
            open_interest=kept(self.open_interest),
            books=kept(self.books),
        )

    def without_history(self) -> "SnapshotRequest":
        """Prices, books and funding only: what a guard needs."""
        return replace(self, candles=(), open_interest=(), tvl=())


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each source may take, ms, and how many requests of one kind may be open at once."""

    instruments_ms: int = 20_000
    quotes_ms: int = 5_000
    books_ms: int = 8_000
    candles_ms: int = 30_000
    funding_ms: int = 8_000
    open_interest_ms: int = 8_000
    tvl_ms: int = 15_000
    macro_ms: int = 15_000
    at_once: int = 8
    instruments_age_max_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept between looks, because it changes little or slowly."""

    candles: CandleCache = field(default_factory=CandleCache)
    interest: InterestCache = field(default_factory=InterestCache)


async def observe(
    venue: Venue,
    wanted: SnapshotRequest,
    previous: Snapshot | None,
    now_ms: int,
    deadlines: Deadlines,
    *,
    kept: Kept | None = None,
    tvl: TvlSource | None = None,
    macro: MacroSource | None = None,
    known: Collection[str] | None = None,
    signals: SignalFeed | None = None,
) -> Snapshot:
    """Ask every source at once, about the `known` symbols where those are given. `previous` lends its instruments when
    it has any; `kept` holds what need not be asked again; `signals` stands for the venue where signals read the market.

    Never raises for a source that fails: the snapshot says what is missing and why.
    """
    requested = wanted if known is None else wanted.only(known)
    read_from, kept = venue if signals is None else signals, kept or Kept()
    history = CandleHistory(requested.candles, requested.timeframe_ms, requested.candle_count, requested.lineages)
    in_turn = answers_at_once(venue) and answers_at_once(read_from)
    at_once = 1 if in_turn else deadlines.at_once
    instruments, quotes, books, series, funding, interests, locked, outside, elsewhere = await results_of(
        [
            _instruments(venue, wanted, previous, deadlines),
            gather_all("quote", requested.symbols, venue.fetch_quotes, deadline_ms=deadlines.quotes_ms),
            gather_each(
                "book",
                requested.books,
                lambda symbol: venue.fetch_book(symbol, requested.book_levels),
                deadline_ms=deadlines.books_ms,
                at_once=at_once,
            ),
            kept.candles.refresh(read_from, history, now_ms, deadline_ms=deadlines.candles_ms, at_once=at_once),
            gather_all("funding", requested.funding, venue.fetch_funding, deadline_ms=deadlines.funding_ms),
            kept.interest.refresh(
                read_from.fetch_open_interest,
                requested.open_interest,
                now_ms,
                every_ms=wanted.open_interest_every_ms,
                deadline_ms=deadlines.open_interest_ms,
                at_once=at_once,
            ),
            _tvl(tvl, requested, deadlines),
            _macro(macro, deadlines),
            _signal_market(signals, requested, deadlines),
        ],
        in_turn=in_turn,
    )
    missing: list[Missing] = [*instruments[1], *series[1], *elsewhere[1]]
    return Snapshot(
        at_ms=now_ms,
        instruments=instruments[0],
        quotes=_valid("quote", quotes, quote_defect, missing, clean=_without_bad_extras),
        candles=series[0],
        books=_valid("book", books, book_defect, missing),
        funding=_valid("funding", funding, funding_defect, missing),
        open_interest=_valid("open interest", interests, interest_defect, missing),
        tvl=_valid("tvl", locked, tvl_defect, missing),
        macro=_valid("macro", outside, macro_defect, missing),
        missing=tuple(missing),
        signal_market=elsewhere[0],
    )


class Observer:
    """Looks at one venue again and again: keeps candles, instruments, and what it has seen of open interest and funding
    between looks. `costs` is the cost basis of spot, where it is recorded; `signals` the market that signals are read
    from, where it is another one."""

    def __init__(
        self,
        venue: Venue,
        wanted: SnapshotRequest,
        *,
        tvl: TvlSource | None = None,
        macro: MacroSource | None = None,
        deadlines: Deadlines | None = None,
        events: tuple[CalendarEvent, ...] = (),
        costs: Callable[[], Mapping[str, Cost]] = dict,
        signals: SignalFeed | None = None,
    ) -> None:
        self.venue, self.wanted, self.events, self.costs = venue, wanted, events, costs
        self.tvl, self.macro, self.signals = tvl, macro, signals
        self.deadlines = deadlines or Deadlines()
        self._kept = Kept()
        self._past = Past()
        self._previous: Snapshot | None = None
        self._instruments_ms = 0
        self._known: tuple[str, ...] = ()
        self._outside: tuple[str, ...] = ()
        self._recalled: Mapping[str, Instrument] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the venue lists of the wanted symbols; all of them before the first look."""
        return self._known or self.wanted.symbols

    def recall(self, snapshot: Snapshot) -> None:
        """Go on from what a journaled snapshot knew of the past, so that a restart does not forget it. The grids of its
        instruments serve where the venue lists one no more. Open interest of another market than today's is not."""
        name_then = snapshot.signal_market.name if snapshot.signal_market is not None else ""
        is_same_market = name_then == (self.signals.name if self.signals is not None else "")
        self._past.recall(snapshot if is_same_market else replace(snapshot, open_interest={}))
        if self.signals is not None:
            self.signals.recall(snapshot)
        self._recalled = snapshot.instruments

    async def observe(self, *, with_history: bool = True) -> Snapshot:
        """The market now, by the venue's clock. Without history: prices, books and funding, as a guard needs them."""
        now_ms = self.venue.now_ms()
        are_due: Callable[[], bool] = getattr(self.venue, "are_facts_due", lambda: False)
        is_old = now_ms - self._instruments_ms > self.deadlines.instruments_age_max_ms or are_due()
        required = replace(self.wanted, perps=tuple(dict.fromkeys((*self.wanted.perps, *self._outside))))
        required = required if with_history else required.without_history()
        lent = None if is_old else self._previous
        notes: tuple[Missing, ...] = ()
        if self._previous is None:
            # A venue knows its instruments only once they are loaded, and every other question needs them.
            known, absent = await _instruments(self.venue, required, None, self.deadlines)
            lent = Snapshot(now_ms, known, {})
            notes = tuple(one for one in absent if one.what.startswith("part of "))
            self._known = tuple(known)
        snapshot = await observe(
            self.venue,
            required,
            lent,
            now_ms,
            self.deadlines,
            kept=self._kept if with_history else None,
            tvl=self.tvl,
            macro=self.macro if with_history else None,
            known=self.symbols if self._known else None,
            signals=self.signals if with_history else None,
        )
        if is_old and self._previous is not None and not snapshot.instruments:
            snapshot = replace(snapshot, instruments=self._previous.instruments)
        elif is_old and snapshot.instruments:
            self._instruments_ms = now_ms
        self._known = tuple(snapshot.instruments) or self._known
        snapshot = self._past.joined(replace(snapshot, missing=(*snapshot.missing, *notes)))
        snapshot = replace(snapshot, events=self.events)
        if with_history:
            snapshot = replace(snapshot, costs=self.costs())
        self._previous = snapshot
        return snapshot

    async def with_held(self, snapshot: Snapshot, account: Account) -> Snapshot:
        """The snapshot with instrument and quote of every perp that is held outside of what is wanted: the guard has
        to place a stop there. They are asked for at every look while they are held."""
        held = {p.symbol: p.size for p in account.positions.values() if p.size and p.settles_in == account.quote}
        listed = {symbol for symbol in self.wanted.symbols if symbol in snapshot.instruments}
        before, self._outside = self._outside, tuple(sorted(held.keys() - listed))
        known, missing = dict(snapshot.instruments), list(snapshot.missing)
        new = [symbol for symbol in self._outside if symbol not in known]
        former: dict[str, Instrument] = {}
        if new:

            async def ask(symbols: Sequence[str]) -> Mapping[str, Instrument]:
                answer = await self.venue.fetch_instruments(symbols)
                former.update(getattr(answer, "former", {}))
                return answer

            result, absent = await gather_all("instrument", new, ask, deadline_ms=self.deadlines.instruments_ms)
            known.update(result)
            missing += [one for one in absent if one not in missing]
        requested = [s for s in self._outside if (s in known or s in former) and s not in snapshot.quotes]
        if requested:
            quotes, absent = await gather_all(
                "quote", requested, self.venue.fetch_quotes, deadline_ms=self.deadlines.quotes_ms
            )
            sound = _valid("quote", (quotes, absent), quote_defect, missing, clean=_without_bad_extras)
            snapshot = replace(snapshot, quotes={**snapshot.quotes, **sound})
        kept = {s: i for s, i in known.items() if s in self._outside or s not in before}
        self._known = tuple(kept) or self._known
        self._previous = replace(snapshot, instruments=kept)
        known = with_former(known, former, self._recalled, snapshot.quotes, held)
        return replace(snapshot, instruments=known, missing=tuple(missing))

    async def with_prices(self, snapshot: Snapshot, symbols: Sequence[str], *, deadline_ms: int) -> Snapshot:
        """The snapshot with the prices of `symbols` asked again, and those that do not come left out. What else a guard
        needs of it keeps its own age; history is left out."""
        answers = await gather_all("quote", symbols, self.venue.fetch_quotes, deadline_ms=deadline_ms)
        missing: list[Missing] = []
        kept = {symbol: quote for symbol, quote in snapshot.quotes.items() if symbol not in symbols}
        quotes = kept | _valid("quote", answers, quote_defect, missing, clean=_without_bad_extras)
        return Snapshot(
            self.venue.now_ms(),
            snapshot.instruments,
            quotes,
            funding=snapshot.funding,
            events=snapshot.events,
            missing=tuple(missing),
        )

    async def with_fresh_quotes(self, snapshot: Snapshot, *, without: Collection[Kind] = ()) -> Snapshot:
        """The snapshot with all prices asked again, so that they are of one time, but for those of markets of the kinds
        in `without`. One that does not come keeps its age, and the snapshot says why."""
        listed = dict.fromkeys((*snapshot.instruments, *snapshot.quotes))
        symbols = tuple(symbol for symbol in listed if _kind_of(symbol) not in without)
        answers = await gather_all("quote", symbols, self.venue.fetch_quotes, deadline_ms=self.deadlines.quotes_ms)
        absent: list[Missing] = []
        fresh = _valid("quote", answers, quote_defect, absent, clean=_without_bad_extras)
        known, came = {f"quote {symbol}" for symbol in snapshot.quotes}, {f"quote {symbol}" for symbol in fresh}
        missing = [one for one in snapshot.missing if one.what not in came]
        for one in absent:
            if one.what in known:
                missing.append(Missing(f"part of {one.what}", f"asked again: {one.why}"))
            elif one not in missing:
                missing.append(one)
        return replace(snapshot, quotes={**snapshot.quotes, **fresh}, missing=tuple(missing))

    async def with_books(self, snapshot: Snapshot, symbols: Sequence[str]) -> Snapshot:
        """The snapshot with the order books of `symbols`: only what is about to be traded needs its depth looked at."""
        if not symbols:
            return snapshot
        books, absent = await gather_each(
            "book",
            sorted(symbols),
            lambda symbol: self.venue.fetch_book(symbol, self.wanted.book_levels),
            deadline_ms=self.deadlines.books_ms,
            at_once=self.deadlines.at_once,
        )
        missing = list(snapshot.missing)
        result = _valid("book", (books, absent), book_defect, missing)
        return replace(snapshot, books={**snapshot.books, **result}, missing=tuple(missing))


def kinds_without_prices(snapshot: Snapshot) -> frozenset[Kind]:
    """The kinds of listed markets of which no price has come: their question was not answered in time."""
    return frozenset(map(_kind_of, snapshot.instruments)) - frozenset(map(_kind_of, snapshot.quotes))


def _kind_of(symbol: str) -> Kind:
    return Kind.PERP if is_perp(symbol) else Kind.SPOT


def quote_defect(quote: Quote) -> str | None:
    return quote.defect()


def book_defect(book: Book) -> str | None:
    """A level that is no number or not positive, an unsorted side, or a crossed book. An empty side is a fact."""
    for name, side, sign in (("bid", book.bids, -1), ("ask", book.asks, 1)):
        if not all(p.is_finite() and s.is_finite() and p > 0 and s > 0 for p, s in side):
            return f"a {name} level is not a positive number"
        if any((b[0] - a[0]) * sign < 0 for a, b in pairwise(side)):
            return f"its {name} levels are not sorted"
    if book.bids and book.asks and book.bids[0][0] > book.asks[0][0]:
        return f"bid {book.bids[0][0]} is above ask {book.asks[0][0]}"
    return None


def funding_defect(funding: Funding) -> str | None:
    if not funding.rate.is_finite() or abs(funding.rate) >= 1:
        return f"rate is {funding.rate}"
    return f"interval is {funding.interval_hours} hours" if funding.interval_hours <= 0 else None


def tvl_defect(tvl: Tvl) -> str | None:
    if not tvl.values_quote or len(tvl.values_quote) != len(tvl.at_ms):
        return "it has no values"
    if tvl.native_quote and not len(tvl.native_quote) == len(tvl.rest_quote) == len(tvl.at_ms):
        return "it has amounts of other days than values"
    values = (*tvl.values_quote, *tvl.native_quote, *tvl.rest_quote)
    is_sound = all(_is_amount(value) and value >= 0 for value in values)
    return None if is_sound else "a value is not a number, or beyond any amount"


def macro_defect(macro: Macro) -> str | None:
    if not macro.values or len(macro.values) != len(macro.at_ms):
        return "it has no values"
    return None if all(map(_is_amount, macro.values)) else "a value is not a number, or beyond any amount"


def _is_amount(value: Decimal) -> bool:
    """Whether signals can divide by it and multiply with it without leaving what a Decimal holds."""
    return value.is_finite() and (not value or abs(value.adjusted()) <= DIGITS_MAX)


def _without_bad_extras(quote: Quote) -> Quote:
    """`last` informs and nothing is traded on it, so a bad one does not spoil the quote."""
    if quote.last is not None and not (quote.last.is_finite() and quote.last > 0):
        return replace(quote, last=None)
    return quote


def _valid(
    what: str,
    answers: Answers[Reading],
    defect: Callable[[Reading], str | None],
    missing: list[Missing],
    *,
    clean: Callable[[Reading], Reading] = lambda reading: reading,
) -> dict[str, Reading]:
    missing.extend(answers[1])
    result = {}
    for name, reading in answers[0].items():
        why = defect(reading)
        if why:
            missing.append(Missing(f"{what} {name}", why))
        else:
            result[name] = clean(reading)
    return result


async def _instruments(
    venue: Venue, wanted: SnapshotRequest, previous: Snapshot | None, deadlines: Deadlines
) -> tuple[dict[str, Instrument], tuple[Missing, ...]]:
    if previous is not None and previous.instruments:
        known = previous.instruments
        absent = [symbol for symbol in wanted.symbols if symbol not in known]
        return dict(known), tuple(Missing(f"instrument {symbol}", "the venue does not list it") for symbol in absent)
    return await gather_all("instrument", wanted.symbols, venue.fetch_instruments, deadline_ms=deadlines.instruments_ms)


async def _tvl(
    source: TvlSource | None, wanted: SnapshotRequest, deadlines: Deadlines
) -> tuple[dict[str, Tvl], tuple[Missing, ...]]:
    if source is None:
        return {}, tuple(Missing(f"tvl {name}", "no source is configured") for name in wanted.tvl)
    return await gather_all("tvl", wanted.tvl, without_bugs(source.fetch_tvl), deadline_ms=deadlines.tvl_ms)


async def _macro(source: MacroSource | None, deadlines: Deadlines) -> tuple[dict[str, Macro], tuple[Missing, ...]]:
    """The series the source is configured for; others do not count as missing."""
    if source is None:
        return {}, ()
    result, missing = await gather_each(
        "macro",
        source.names,
        without_bugs(source.fetch_macro),
        deadline_ms=deadlines.macro_ms,
        at_once=deadlines.at_once,
    )
    notes: Mapping[str, str] = getattr(source, "notes", {})
    return result, (*missing, *(Missing(f"part of macro {name}", notes[name]) for name in result if name in notes))


async def _signal_market(
    signals: SignalFeed | None, asked: SnapshotRequest, deadlines: Deadlines
) -> tuple[SignalMarket | None, tuple[Missing, ...]]:
    if signals is None:
        return None, ()
    return await signals.fetch_market(asked.spot, asked.funding, deadline_ms=deadlines.candles_ms)
