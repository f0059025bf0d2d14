"""Signals from another market than the one that is traded: what comes from where, and what happens without it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.codec import decode, encode
from bot.domain.market import Funding, OpenInterest, Premium, Quote, SignalMarket, Snapshot
from bot.domain.reason import Reason
from bot.feeds.signal_feed import RETRY_MS, SignalFeed
from bot.feeds.snapshot import Observer, SnapshotRequest
from bot.playbook.market.other_market import describe_difference
from bot.playbook.market.point_in_time import as_of, as_signals_see
from bot.ports import Unavailable, Venue
from tests.feeds.test_snapshot import HOUR, NOW, PERP, QUICK, SPOT, Market, named, venue

D = Decimal
REQUEST = SnapshotRequest((SPOT,), (PERP,), candles=(SPOT,), candle_count=10, funding=(PERP,), open_interest=(PERP,))


@dataclass
class Real(Market):
    """The real market: dearer by a tenth, and it can be opened, closed and out of reach."""

    opened: int = 0
    closed: int = 0
    unlisted: set[str] = field(default_factory=set)

    async def open(self) -> None:
        self.opened += 1
        if "open" in self.fails:
            raise Unavailable("no route to it")

    async def close(self) -> None:
        self.closed += 1

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Any:
        found = await super().fetch_instruments(symbols)
        return {symbol: one for symbol, one in found.items() if symbol not in self.unlisted}

    async def fetch_quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        await self._ask("quotes")
        assert not self.unlisted & set(symbols), "one unlisted symbol spoils the question for all"
        return {s: Quote(s, D("10.99"), D("11.01"), NOW, D(11), D(11), D("10.89")) for s in symbols}

    async def fetch_funding(self, symbols: Sequence[str]) -> dict[str, Funding]:
        await self._ask("funding")
        return {s: Funding(s, D("0.0007"), 8, NOW + HOUR, NOW) for s in symbols}


def observer(traded: Market, real: Real, now: list[int] | None = None) -> Observer:
    clock = now or [NOW]
    feed = SignalFeed("mainnet", REQUEST.symbols, lambda: cast(Venue, real), lambda: clock[0])
    return Observer(venue(traded), REQUEST, deadlines=QUICK, signals=feed)


async def test_signals_come_from_the_one_market_and_what_is_traded_from_the_other() -> None:
    traded, real = Market(), Real()
    snapshot = await observer(traded, real).observe()
    assert {"candles UNI/USDT", "interest"} <= set(real.asked)
    assert not {"candles UNI/USDT", "interest"} & set(traded.asked)
    assert snapshot.price(SPOT) == D("10.00")
    assert snapshot.funding[PERP].rate == D("0.0001")
    assert snapshot.signal_market is not None
    assert snapshot.signal_market.prices == {SPOT: D("11.00")}
    seen = as_signals_see(snapshot)
    assert seen.funding[PERP].rate == D("0.0007")
    assert seen.premiums[PERP].share == D("0.0101010")
    assert decode(Snapshot, encode(snapshot)) == snapshot


async def test_a_guard_asks_the_other_market_nothing() -> None:
    traded, real = Market(), Real()
    snapshot = await observer(traded, real).observe(with_history=False)
    assert (snapshot.signal_market, real.asked) == (None, [])


async def test_out_of_reach_nothing_of_it_is_taken_from_the_market_that_is_traded() -> None:
    traded, real, now = Market(), Real(fails={"open"}), [NOW]
    eye = observer(traded, real, now)
    snapshot = await eye.observe()
    assert (snapshot.candles, snapshot.open_interest) == ({}, {})
    assert "no route to it" in named(snapshot)[f"candles {SPOT}"]
    assert as_signals_see(snapshot).funding == {}
    assert "candles UNI/USDT" not in traded.asked
    assert snapshot.price(SPOT) is not None, "what is held can still be sold"
    assert (real.opened, real.closed) == (1, 1)
    await eye.observe()
    assert real.opened == 1, "not asked again at once"
    now[0] += RETRY_MS
    real.fails.clear()
    assert (await eye.observe()).candles.keys() == {SPOT}
    assert real.opened == 2


async def test_a_slow_start_of_the_other_market_is_closed_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Real()

    async def hang() -> None:
        await asyncio.sleep(3_600)

    monkeypatch.setattr(real, "open", hang)
    feed = SignalFeed("mainnet", REQUEST.symbols, lambda: cast(Venue, real), lambda: NOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await feed.fetch_open_interest(PERP)
    assert real.closed == 1
    with pytest.raises(Unavailable, match="too slow"):
        await feed.fetch_open_interest(PERP)


async def test_open_interest_of_one_market_is_not_continued_with_that_of_another() -> None:
    market, real = Market(), Real()
    seen = await observer(market, real).observe()
    assert seen.open_interest
    later = Observer(venue(market), REQUEST, deadlines=QUICK)
    later.recall(replace(seen, at_ms=NOW - 2 * HOUR, open_interest={PERP: OpenInterest(PERP, D(7), NOW - HOUR)}))
    assert all(point[1] != 7 for one in (await later.observe()).open_interest.values() for point in one.earlier)


async def test_what_the_other_market_does_not_list_spoils_nothing_else() -> None:
    snapshot = await observer(Market(), Real(unlisted={SPOT})).observe()
    assert named(snapshot)[f"candles {SPOT}"] == "mainnet does not list it"
    assert snapshot.open_interest.keys() == {PERP}
    assert snapshot.signal_market is not None
    assert snapshot.signal_market.funding.keys() == {PERP}


async def test_its_past_goes_on_after_a_restart_and_is_kept_apart_from_the_others() -> None:
    before = await observer(Market(), Real()).observe()
    assert before.signal_market is not None
    later = replace(before, signal_market=replace(before.signal_market, at_ms=NOW))
    eye = observer(Market(now=NOW + 9 * HOUR), Real(now=NOW + 9 * HOUR))
    eye.recall(later)
    after = await eye.observe()
    assert after.signal_market is not None
    assert after.signal_market.premiums[PERP].earlier == ((NOW, D("0.0101010")),)
    assert after.premiums[PERP].earlier == ((NOW, D(0)),)


@given(late=st.integers(1, 10 * HOUR))
def test_its_past_holds_nothing_of_the_future(late: int) -> None:
    points = ((NOW - HOUR, D("0.001")), (NOW + late, D("0.9")))
    market = SignalMarket(
        "mainnet",
        NOW,
        {},
        {PERP: Funding(PERP, D("0.001"), 8, NOW + HOUR, NOW, points)},
        {PERP: Premium(PERP, D("0.001"), NOW, points)},
    )
    kept = as_signals_see(as_of(Snapshot(NOW, {}, {}, signal_market=market)))
    assert kept.funding[PERP].earlier == kept.premiums[PERP].earlier == points[:1]


def test_the_difference_is_said_in_whole_percents_with_the_largest_first() -> None:
    prices = {"A/USDT": D(100), "B/USDT": D(100), "C/USDT": D(100)}
    traded = {"A/USDT": D("100.4"), "B/USDT": D("96.6"), "C/USDT": D("112")}
    quotes = {symbol: Quote(symbol, price, price, NOW) for symbol, price in traded.items()}
    snapshot = Snapshot(NOW, {}, quotes, signal_market=SignalMarket("mainnet", NOW, prices))
    note = describe_difference(snapshot)
    assert note is not None
    assert note.reason is Reason.SIGNALS_ELSEWHERE
    assert "2 of 3 prices traded at are apart by 1% or more: C/USDT +12%, B/USDT -3%" in note.words
    near = replace(snapshot, signal_market=SignalMarket("mainnet", NOW, {"A/USDT": D(100)}))
    assert "agree within 1%" in str(describe_difference(near))
    assert describe_difference(Snapshot(NOW, {}, quotes)) is None


@pytest.mark.parametrize("name", ["quotes", "funding", "interest", f"candles {SPOT}", "instruments"])
async def test_a_bug_of_the_other_market_ends_no_look(name: str) -> None:
    snapshot = await observer(Market(), Real(bugs={name})).observe()
    assert snapshot.quotes
    assert any("ZeroDivisionError" in why for why in named(snapshot).values()), named(snapshot)
