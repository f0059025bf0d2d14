"""Snapshots: all sources at once, each with its deadline; unsound readings dropped and named; history only extended."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Book, Funding, Macro, OpenInterest, Quote, Tvl
from bot.feeds.candle_cache import PAGE, CandleCache, CandleHistory, merge
from bot.feeds.concurrent_fetch import gather_each, results_of
from bot.feeds.open_interest import InterestCache
from bot.feeds.snapshot import Deadlines, Kept, Observer, SnapshotRequest, observe
from bot.ports import Unavailable, Venue
from bot.runtime.settings.model import Sources
from bot.runtime.wiring import snapshot_request
from tests.feeds.static_sources import StaticTvl

D = Decimal
HOUR = 3_600_000
NOW = 500_000 * HOUR + 1_234
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
WANTED = SnapshotRequest(
    (SPOT,),
    (PERP,),
    candles=(SPOT,),
    candle_count=10,
    funding=(PERP,),
    open_interest=(PERP,),
    tvl=("defi",),
    books=(SPOT, PERP),
)
QUICK = Deadlines(*[50] * 7, at_once=2)


def instrument(symbol: str) -> Instrument:
    kind = Kind.PERP if ":" in symbol else Kind.SPOT
    return Instrument("sim", symbol, kind, "UNI", "USDT", D("0.01"), D("0.1"), D("0.1"), D(5))


@dataclass
class Market:
    """A venue that reads only: answers, failures and silences by method name; counts what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    bugs: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0
    now: int = NOW
    listed_ms: int = 0

    def now_ms(self) -> int:
        return self.now

    async def _ask(self, name: str) -> None:
        self.asked.append(name)
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            await asyncio.sleep(60 if name in self.hangs else 0)
        finally:
            self.open_now -= 1
        if name in self.bugs:
            raise ZeroDivisionError
        if name in self.fails:
            raise Unavailable(f"{name} is down")

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        await self._ask("instruments")
        return {symbol: instrument(symbol) for symbol in symbols or () if "XYZ" not in symbol}

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        await self._ask("quotes")
        fair = {s: Quote(s, D("9.99"), D("10.01"), NOW, D(10), D(10), D(10)) for s in symbols}
        return {s: q for s, q in (fair | self.answers.get("quotes", {})).items() if q}

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        await self._ask(f"book {symbol}")
        fair = Book(symbol, ((D("9.99"), D(5)), (D("9.98"), D(5))), ((D("10.01"), D(5)), (D("10.02"), D(5))), NOW)
        return cast(Book, self.answers.get(f"book {symbol}", fair))

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        await self._ask(f"candles {symbol}")
        since_ms = max(since_ms, self.listed_ms)
        closed = self.now - self.now % timeframe_ms
        starts = tuple(range(since_ms, closed, timeframe_ms))[:limit]
        ones = tuple(float(start % 97 + 1) for start in starts)
        return CandleSeries(symbol, timeframe_ms, starts, ones, ones, ones, ones, ones)

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        await self._ask("funding")
        return {s: self.answers.get("funding") or Funding(s, D("0.0001"), 8, NOW + HOUR, NOW) for s in symbols}

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        await self._ask("interest")
        return cast(OpenInterest, self.answers.get("interest", OpenInterest(symbol, D(1000), NOW)))


TVL = StaticTvl({"defi": Tvl("defi", (NOW,), (D(5),))})


def venue(market: Market) -> Venue:
    return cast(Venue, market)


async def look(market: Market, wanted: SnapshotRequest = WANTED, **changes: Any) -> Any:
    return await observe(venue(market), wanted, None, market.now, QUICK, **({"tvl": TVL} | changes))


def named(snapshot: Any) -> dict[str, str]:
    return {missing.what: missing.why for missing in snapshot.missing}


async def test_a_snapshot_holds_all_that_was_wanted() -> None:
    snapshot = await look(Market())
    assert snapshot.missing == ()
    assert set(snapshot.instruments) == set(snapshot.quotes) == set(snapshot.books) == {SPOT, PERP}
    assert set(snapshot.candles) == {SPOT}
    assert set(snapshot.funding) == set(snapshot.open_interest) == {PERP}
    assert set(snapshot.tvl) == {"defi"}
    assert snapshot.at_ms == NOW


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("instruments", {f"instrument {SPOT}", f"instrument {PERP}"}),
        ("quotes", {f"quote {SPOT}", f"quote {PERP}"}),
        (f"book {SPOT}", {f"book {SPOT}"}),
        (f"candles {SPOT}", {f"candles {SPOT}"}),
        ("funding", {f"funding {PERP}"}),
        ("interest", {f"open interest {PERP}"}),
    ],
)
async def test_a_source_that_fails_or_hangs_is_named_and_spoils_nothing_else(name: str, lost: set[str]) -> None:
    failed = await look(Market(fails={name}))
    assert named(failed) == dict.fromkeys(lost, f"{name} is down")
    silent = await look(Market(hangs={name}))
    assert named(silent) == dict.fromkeys(lost, "no answer within 50 ms")


async def test_a_bug_in_a_source_is_not_swallowed() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await look(Market(bugs={"interest"}))
    assert caught.group_contains(ZeroDivisionError)


BAD_QUOTES = {
    "nan": {"bid": D("NaN")},
    "zero": {"ask": D(0)},
    "negative": {"bid": D(-1)},
    "infinite": {"mark": D("Infinity")},
    "crossed": {"bid": D("10.02")},
}


@pytest.mark.parametrize("kind", BAD_QUOTES)
async def test_an_unsound_quote_is_dropped_and_named(kind: str) -> None:
    bad = replace(Quote(SPOT, D("9.99"), D("10.01"), NOW, D(10), D(10), D(10)), **BAD_QUOTES[kind])
    snapshot = await look(Market(answers={"quotes": {SPOT: bad}}))
    assert set(snapshot.quotes) == {PERP}
    assert list(named(snapshot)) == [f"quote {SPOT}"]


async def test_a_bad_last_price_does_not_spoil_a_quote() -> None:
    bad = Quote(SPOT, D("9.99"), D("10.01"), NOW, D("NaN"))
    assert (await look(Market(answers={"quotes": {SPOT: bad}}))).quotes[SPOT].last is None


async def test_a_quote_that_the_venue_leaves_out_is_named() -> None:
    assert named(await look(Market(answers={"quotes": {SPOT: None}}))) == {f"quote {SPOT}": "the source sent none"}


BAD_BOOKS = {
    "crossed": Book(SPOT, ((D(11), D(1)),), ((D(10), D(1)),), NOW),
    "nan": Book(SPOT, ((D("NaN"), D(1)),), ((D(10), D(1)),), NOW),
    "empty level": Book(SPOT, ((D(9), D(0)),), ((D(10), D(1)),), NOW),
    "bids upside down": Book(SPOT, ((D(8), D(1)), (D(9), D(1))), ((D(10), D(1)),), NOW),
    "asks upside down": Book(SPOT, ((D(9), D(1)),), ((D(11), D(1)), (D(10), D(1))), NOW),
}


@pytest.mark.parametrize("kind", BAD_BOOKS)
async def test_an_unsound_book_is_dropped_and_named(kind: str) -> None:
    snapshot = await look(Market(answers={f"book {SPOT}": BAD_BOOKS[kind]}))
    assert list(named(snapshot)) == [f"book {SPOT}"]
    assert set(snapshot.books) == {PERP}


async def test_unsound_funding_interest_and_tvl_are_dropped() -> None:
    market = Market(
        answers={"funding": Funding(PERP, D("NaN"), 8, NOW, NOW), "interest": OpenInterest(PERP, D("-1"), NOW)}
    )
    snapshot = await look(market, tvl=StaticTvl({"defi": Tvl("defi", (), ())}))
    assert set(named(snapshot)) == {f"funding {PERP}", f"open interest {PERP}", "tvl defi"}


async def test_no_more_requests_of_a_kind_are_open_than_allowed() -> None:
    symbols = tuple(f"T{n}/USDT" for n in range(9))
    market = Market()
    await CandleCache().refresh(venue(market), CandleHistory(symbols, HOUR, 5), NOW, deadline_ms=5_000, at_once=3)
    assert market.open_most == 3


async def test_history_is_fetched_once_and_then_only_extended() -> None:
    market, cache = Market(), CandleCache()
    first = await look(market, kept=Kept(candles=cache))
    assert len(first.candles[SPOT]) == 10
    assert first.candles[SPOT].end_ms == NOW - NOW % HOUR
    await look(market, kept=Kept(candles=cache))
    assert market.asked.count(f"candles {SPOT}") == 1
    market.now += 2 * HOUR
    later = await look(market, kept=Kept(candles=cache))
    assert market.asked.count(f"candles {SPOT}") == 2
    assert len(later.candles[SPOT]) == 10
    assert later.candles[SPOT].starts_ms[:8] == first.candles[SPOT].starts_ms[2:]
    assert later.candles[SPOT].closes[:8] == first.candles[SPOT].closes[2:]


async def test_long_histories_come_in_pages() -> None:
    market, cache = Market(), CandleCache()
    wanted = replace(WANTED, candle_count=2 * PAGE + 7)
    snapshot = await look(market, wanted, kept=Kept(candles=cache))
    assert len(snapshot.candles[SPOT]) == 2 * PAGE + 7
    starts = snapshot.candles[SPOT].starts_ms
    assert all(b - a == HOUR for a, b in pairwise(starts))
    assert market.asked.count(f"candles {SPOT}") == 3


async def test_a_young_token_has_the_history_it_has() -> None:
    market = Market(listed_ms=NOW - NOW % HOUR - 4 * HOUR)
    snapshot = await look(market)
    assert len(snapshot.candles[SPOT]) == 4
    assert snapshot.missing == ()


async def test_known_history_bridges_a_short_outage_and_not_a_long_one() -> None:
    market, cache = Market(), CandleCache()
    await look(market, kept=Kept(candles=cache))
    market.fails.add(f"candles {SPOT}")
    market.now += 2 * HOUR
    short = await look(market, kept=Kept(candles=cache))
    assert len(short.candles[SPOT]) == 10
    assert f"candles {SPOT}" in named(short)
    market.now += HOUR
    assert (await look(market, kept=Kept(candles=cache))).candles == {}


async def test_symbols_that_are_no_longer_wanted_are_forgotten() -> None:
    market, cache = Market(), CandleCache()
    await look(market, replace(WANTED, candles=(SPOT, PERP)), kept=Kept(candles=cache))
    assert len(cache) == 2
    await look(market, kept=Kept(candles=cache))
    assert len(cache) == 1


def test_merging_leaves_out_unsound_repeated_and_running_candles() -> None:
    good = CandleSeries(SPOT, HOUR, (0, HOUR), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0))
    starts = (HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR)
    closes = (9.0, 2.0, float("nan"), 4.0, 5.0)
    page = CandleSeries(SPOT, HOUR, starts, closes, closes, closes, closes, (1.0,) * 5)
    grown = merge(good, page, closed_ms=5 * HOUR)
    assert grown is not None
    assert grown.starts_ms == (0, HOUR, 2 * HOUR, 4 * HOUR)
    assert grown.closes == (1.0, 1.0, 2.0, 4.0)


PRICES = st.one_of(st.floats(0.5, 2.0), st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e308]))


@given(
    starts=st.lists(st.integers(-1, 6), max_size=6),
    closes=st.lists(PRICES, min_size=6, max_size=6),
    volumes=st.lists(PRICES, min_size=6, max_size=6),
)
def test_a_first_page_keeps_exactly_its_sound_rows(
    starts: list[int], closes: list[float], volumes: list[float]
) -> None:
    size = len(starts)
    times, ones = tuple(start * HOUR for start in starts), (1.0,) * size
    page = CandleSeries(SPOT, HOUR, times, ones, ones, ones, tuple(closes[:size]), tuple(volumes[:size]))
    expected, last = [], -1
    for at, close, volume in zip(times, closes, volumes, strict=False):
        if last < at <= 4 * HOUR and 0 < close < float("inf") and 0 <= volume < float("inf"):
            expected.append((at, close, volume))
            last = at
    grown = merge(None, page, closed_ms=5 * HOUR)
    kept = list(zip(grown.starts_ms, grown.closes, grown.volumes_quote, strict=True)) if grown is not None else []
    assert kept == expected


async def test_an_observer_asks_for_instruments_only_when_they_are_old() -> None:
    market = Market()
    observer = Observer(venue(market), WANTED, tvl=TVL, deadlines=QUICK)
    for _ in range(3):
        assert (await observer.observe()).missing == ()
    assert market.asked.count("instruments") == 1
    market.now += QUICK.instruments_age_max_ms + 1
    await observer.observe()
    assert market.asked.count("instruments") == 2


async def test_old_instruments_serve_while_new_ones_cannot_be_had() -> None:
    market = Market()
    observer = Observer(venue(market), WANTED, tvl=TVL, deadlines=QUICK)
    await observer.observe()
    market.fails.add("instruments")
    market.now += QUICK.instruments_age_max_ms + 1
    snapshot = await observer.observe()
    assert set(snapshot.instruments) == {SPOT, PERP}
    assert f"instrument {SPOT}" in named(snapshot)


async def test_an_unlisted_symbol_is_named_and_does_not_make_it_ask_every_time() -> None:
    market = Market()
    observer = Observer(venue(market), replace(WANTED, spot=(SPOT, "XYZ/USDT")), tvl=TVL, deadlines=QUICK)
    for _ in range(2):
        assert "instrument XYZ/USDT" in named(await observer.observe())
    assert market.asked.count("instruments") == 1


async def test_one_unlisted_symbol_does_not_spoil_the_prices_of_the_others() -> None:
    class Strict(Market):
        async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
            if any("XYZ" in symbol for symbol in symbols):
                raise Unavailable("XYZ/USDT is not among the instruments loaded")
            return await super().fetch_quotes(symbols)

    observer = Observer(venue(Strict()), replace(WANTED, spot=(SPOT, "XYZ/USDT")), tvl=TVL, deadlines=QUICK)
    for _ in range(2):
        snapshot = await observer.observe()
        assert SPOT in snapshot.quotes
        assert "instrument XYZ/USDT" in named(snapshot)
    assert "XYZ/USDT" not in observer.symbols


async def test_the_first_look_knows_the_instruments_before_it_asks_for_prices() -> None:
    market = Market()
    await Observer(venue(market), WANTED, tvl=TVL, deadlines=QUICK).observe()
    assert market.asked[0] == "instruments"
    assert market.asked.count("instruments") == 1


async def test_a_guard_looks_without_history() -> None:
    market = Market()
    observer = Observer(venue(market), WANTED, tvl=TVL, deadlines=QUICK)
    snapshot = await observer.observe(with_history=False)
    assert snapshot.candles == snapshot.open_interest == snapshot.tvl == {}
    assert snapshot.missing == ()
    assert set(snapshot.quotes) == set(snapshot.books) == {SPOT, PERP}


async def test_open_interest_is_asked_again_once_it_is_half_an_hour_old() -> None:
    market = Market()
    wanted = replace(WANTED, open_interest=(PERP, "AAVE/USDT:USDT"), perps=(PERP, "AAVE/USDT:USDT"))
    observer = Observer(venue(market), wanted, deadlines=QUICK)

    async def asked_at(minutes: float) -> tuple[int, list[int]]:
        market.now, before = NOW + round(minutes * 60_000), market.asked.count("interest")
        market.answers["interest"] = OpenInterest(PERP, D(1000), market.now)
        seen = await observer.observe()
        readings = [(reading.at_ms - NOW) // 60_000 for reading in seen.open_interest.values()]
        return market.asked.count("interest") - before, readings

    assert await asked_at(0) == (2, [0, 0])
    await observer.observe(with_history=False)
    assert await asked_at(5) == (0, [0, 0])
    assert await asked_at(29) == (0, [0, 0])
    assert await asked_at(30) == (2, [30, 30])
    assert await asked_at(31) == (0, [30, 30])
    assert await asked_at(20) == (2, [20, 20]), "a clock that was set back makes no reading last longer"


async def test_open_interest_that_failed_or_cannot_be_used_is_asked_again_at_once() -> None:
    market, cache = Market(answers={"interest": OpenInterest(PERP, D("NaN"), NOW)}), InterestCache()
    assert "open interest UNI/USDT:USDT" in named(await look(market, kept=Kept(interest=cache)))
    market.fails.add("interest")
    assert "open interest UNI/USDT:USDT" in named(await look(market, kept=Kept(interest=cache)))
    market.fails.clear()
    market.answers.clear()
    for _ in range(2):
        seen = await look(market, kept=Kept(interest=cache))
        assert seen.open_interest[PERP].value_quote == 1000
    assert market.asked.count("interest") == 3


def test_a_reading_never_becomes_too_old_for_the_signal() -> None:
    assert snapshot_request(Sources().load()).open_interest_every_ms == 30 * 60_000
    few = Sources(assignments=("playbook.constants.signal_age_max_minutes=20",)).load()
    assert snapshot_request(few).open_interest_every_ms == 10 * 60_000


async def test_one_at_a_time_is_asked_without_a_task_and_names_what_fails() -> None:
    asked: list[tuple[str, bool]] = []
    own = asyncio.current_task()

    async def fetch(name: str) -> int:
        asked.append((name, asyncio.current_task() is own))
        if name == "b":
            raise Unavailable("b is down")
        await asyncio.sleep(60 if name == "c" else 0)
        return len(asked)

    found, missing = await gather_each("thing", ("a", "b", "c", "d"), fetch, deadline_ms=50, at_once=1)
    assert asked == [("a", True), ("b", True), ("c", True)]
    assert found == {"a": 1}
    assert {m.what: m.why for m in missing} == {
        "thing b": "b is down",
        "thing c": "no answer within 50 ms",
        "thing d": "no answer within 50 ms",
    }


async def test_work_in_turn_leaves_nothing_behind_when_a_part_fails() -> None:
    async def part(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        return number

    assert await results_of([part(1), part(3)], in_turn=True) == await results_of([part(1), part(3)], in_turn=False)
    for in_turn, error in ((True, ZeroDivisionError), (False, ExceptionGroup)):
        work = [part(1), part(2), part(3)]
        with pytest.raises(error):
            await results_of(work, in_turn=in_turn)
        assert all(one.cr_frame is None for one in work)


class Broken:
    """A source of signals with a bug. A `MacroSource` and a `TvlSource`."""

    names = ("developers",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def fetch_macro(self, name: str) -> Macro:
        raise self.error

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        raise self.error


@pytest.mark.parametrize("error", [OverflowError("out of range"), KeyError("date"), RecursionError("deep"), OSError(5)])
async def test_whatever_a_source_of_signals_raises_ends_no_look(error: Exception) -> None:
    snapshot = await look(Market(), tvl=Broken(error), macro=Broken(error))
    why = f"unexpected {type(error).__name__}: {error}"
    assert named(snapshot) == {"tvl defi": why, "macro developers": why}
    assert snapshot.quotes


@pytest.mark.parametrize("value", ["1e-999999", "1e999999"])
async def test_a_value_that_no_signal_can_divide_by_is_missing(value: str) -> None:
    source = StaticTvl({"defi": Tvl("defi", (NOW,), (D(value),))})
    assert named(await look(Market(), tvl=source)) == {"tvl defi": "a value is not a number, or beyond any amount"}
