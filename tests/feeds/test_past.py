"""The past of open interest and funding: watched, thinned, recalled after a restart, never made up."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Cost, Funding, OpenInterest, Quote, Snapshot
from bot.feeds.history import Past, PastRules
from bot.feeds.snapshot import Observer
from tests.feeds.test_snapshot import NOW, PERP, QUICK, SPOT, WANTED, Market, venue

D = Decimal


def look(past: Past, at_ms: int, value: int = 1000, rate: str = "0.0001") -> Snapshot:
    next_ms = at_ms - at_ms % (8 * HOUR_MS) + 8 * HOUR_MS
    return past.joined(
        Snapshot(
            at_ms,
            {},
            {},
            funding={PERP: Funding(PERP, D(rate), 8, next_ms, at_ms)},
            open_interest={PERP: OpenInterest(PERP, D(value), at_ms)},
        )
    )


def test_the_first_look_has_no_past() -> None:
    seen = look(Past(), NOW)
    assert seen.open_interest[PERP].earlier == ()
    assert seen.funding[PERP].earlier == ()


def test_open_interest_is_kept_once_a_step_and_funding_once_a_settlement() -> None:
    past = Past()
    for minute in range(0, 3 * 24 * 60, 30):
        seen = look(past, NOW + minute * 60_000, value=1000 + minute, rate=f"0.000{minute % 480 // 30:02d}")
    assert 8 <= len(seen.open_interest[PERP].earlier) <= 10
    settled = seen.funding[PERP].earlier
    assert [b[0] - a[0] for a, b in pairwise(settled)] == [8 * HOUR_MS] * (len(settled) - 1)
    assert settled[-1][0] < seen.funding[PERP].next_ms
    assert len({rate for _, rate in settled[1:]}) == 1, "the rate last seen before each settlement"


@given(gaps=st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_the_past_only_grows_at_its_end_and_never_holds_the_present_or_the_future(gaps: list[int]) -> None:
    past, at_ms, before = Past(), NOW, ()
    for number, hours in enumerate(gaps):
        at_ms += hours * HOUR_MS
        found = look(past, at_ms, value=1000 + number).open_interest[PERP]
        assert found.earlier[: len(before)] == before
        assert all(at < at_ms for at, _ in found.earlier)
        assert list(found.earlier) == sorted(found.earlier)
        before = found.earlier


def test_what_is_too_old_is_forgotten() -> None:
    past = Past(PastRules(span_ms=2 * DAY_MS))
    for hour in range(0, 24 * 10, 4):
        seen = look(past, NOW + hour * HOUR_MS)
    assert seen.open_interest[PERP].earlier[0][0] >= seen.at_ms - 2 * DAY_MS
    assert len(seen.funding[PERP].earlier) <= 8


async def test_a_restart_goes_on_from_the_journaled_snapshot() -> None:
    market = Market()
    first = Observer(venue(market), WANTED, deadlines=QUICK)
    for _ in range(4):
        seen = await first.observe()
        market.now += 8 * HOUR_MS
        market.answers["interest"] = OpenInterest(PERP, D(1000), market.now)
        market.answers["funding"] = Funding(PERP, D("0.0001"), 8, market.now + HOUR_MS, market.now)
    second, third = (Observer(venue(market), WANTED, deadlines=QUICK) for _ in range(2))
    second.recall(decode(Snapshot, encode(seen)))
    known = await first.observe()
    assert (await second.observe()).open_interest == known.open_interest
    assert (await third.observe()).open_interest[PERP].earlier == ()
    assert len(known.open_interest[PERP].earlier) == 4
    assert len(known.funding[PERP].earlier) == 4


async def test_a_guard_learns_funding_and_forgets_no_open_interest() -> None:
    market = Market()
    observer = Observer(venue(market), WANTED, deadlines=QUICK)
    await observer.observe()
    market.now += 9 * HOUR_MS
    market.answers["funding"] = Funding(PERP, D("0.0002"), 8, market.now + HOUR_MS, market.now)
    guarded = await observer.observe(with_history=False)
    assert guarded.open_interest == {}
    assert len(guarded.funding[PERP].earlier) == 1
    market.answers["interest"] = OpenInterest(PERP, D(1000), market.now)
    assert len((await observer.observe()).open_interest[PERP].earlier) == 1


def test_a_journal_without_a_past_is_read() -> None:
    seen = encode(look(Past(), NOW))
    for kind in ("open_interest", "funding"):
        del seen[kind][PERP]["earlier"]
    assert decode(Snapshot, seen) == look(Past(), NOW)
    assert replace(look(Past(), NOW), open_interest={}).open_interest == {}


async def test_costs_come_from_whoever_keeps_the_books() -> None:
    books = {SPOT: Cost(SPOT, D(3), D(12))}
    observer = Observer(venue(Market()), WANTED, deadlines=QUICK, costs=lambda: books)
    seen = await observer.observe()
    assert decode(Snapshot, encode(seen)).costs == books
    assert (await observer.observe(with_history=False)).costs == {}, "a guard has no use for them"
    assert (await Observer(venue(Market()), WANTED, deadlines=QUICK).observe()).costs == {}


def priced(at_ms: int, mark: str, index: str, *, is_guard: bool = False) -> Snapshot:
    candles = {} if is_guard else {SPOT: CandleSeries(SPOT, HOUR_MS, (), (), (), (), (), ())}
    quotes = {SPOT: Quote(SPOT, D(1), D(1), at_ms), PERP: Quote(PERP, D(1), D(1), at_ms, D(1), D(mark), D(index))}
    return Snapshot(at_ms, {}, quotes, candles=candles)


def test_premiums_are_kept_once_a_step_by_looks_at_everything_and_survive_a_restart() -> None:
    past = Past()
    for hour in range(48):
        seen = past.joined(priced(NOW + hour * HOUR_MS, f"1.0{hour:02d}", "1"))
    found = seen.premiums[PERP]
    assert found.share == D("0.047")
    assert [at for at, _ in found.earlier] == sorted({at for at, _ in found.earlier})
    assert 6 <= len(found.earlier) <= 7
    assert set(seen.premiums) == {PERP}, "spot has no premium"
    other = Past()
    other.recall(decode(Snapshot, encode(seen)))
    later = priced(NOW + 60 * HOUR_MS, "1", "1")
    assert other.joined(later).premiums == past.joined(later).premiums
    assert past.joined(priced(NOW + 61 * HOUR_MS, "1", "1", is_guard=True)).premiums == {}


def test_a_mark_at_twice_its_index_is_no_premium() -> None:
    assert Past().joined(priced(NOW, "2", "1")).premiums == {}
    assert Past().joined(priced(NOW, "1.9", "1")).premiums[PERP].share == D("0.9")


def test_a_journal_from_before_premiums_is_read() -> None:
    seen = encode(Past().joined(priced(NOW, "1", "1")))
    del seen["premiums"]
    assert decode(Snapshot, seen).premiums == {}
