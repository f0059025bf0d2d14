"""Which unreadable rows equity may rest on: assets that count once they can be read, whether or not the books know."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Memory
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.portfolio import Account
from bot.playbook.book.portfolio import build_portfolio
from bot.risk import Limits
from bot.runtime.cycle import mark_equity
from tests.playbook.builders import golden_policy, neutral_world

D = Decimal


@pytest.mark.parametrize(("asset", "is_unread"), [("UNI", True), ("ETH", True), ("DUST", False)])
def test_no_day_begins_by_an_equity_that_lacks_a_holding_of_a_sector(asset: str, is_unread: bool) -> None:
    """On a first start, or after a deposit, the books do not know it: a reference without it would be too low, and the
    limit of the daily loss off until midnight."""
    world = neutral_world(golden_policy())
    whole = world.account()
    kept = {name: held for name, held in whole.balances.items() if name != asset}
    partial: Account = replace(whole, balances=kept, unreadable={f"spot:{asset}": "no amount"})
    seen = build_portfolio(partial, world.snapshot(), Memory(), world.policy, world.sectors)
    assert seen.unread == ((f"spot:{asset}",) if is_unread else ())
    before = Memory(equity_peak=D(1))
    marked = mark_equity(before, seen, Limits(), DAY_MS)
    assert (marked == before) is is_unread
    read = build_portfolio(whole, world.snapshot(), Memory(), world.policy, world.sectors)
    assert mark_equity(marked, read, Limits(), DAY_MS + 60_000).day_start_equity == read.equity


def test_an_asset_that_is_watched_counts_without_a_sector() -> None:
    world = neutral_world(golden_policy())
    bare = world.sectors.model_copy(update={"tokens": {}})
    account = replace(world.account(), unreadable={"spot:UNI": "no amount"}, balances={})
    assert build_portfolio(account, world.snapshot(), Memory(), world.policy, bare).unread == ("spot:UNI",)


@pytest.mark.parametrize("asset", ["UNI", "ETH"])
def test_a_day_begins_without_a_token_that_has_had_no_price_for_a_day(asset: str) -> None:
    """Found by a back-test over a delisting: the loss of the day was measured from the day before it for years, and
    orders and turnover of all those days were counted into one."""
    world = neutral_world(golden_policy())
    world.unquoted = {world.sectors.spot(asset)}
    account, snapshot = world.account(), world.snapshot()
    memory = Memory(equity_peak=D(1), day_start_ms=0, day_start_equity=D(1))
    for hour in range(50):
        at_ms = snapshot.at_ms + hour * HOUR_MS
        at = replace(snapshot, at_ms=at_ms)
        seen = build_portfolio(account, at, memory, world.policy, world.sectors)
        memory = mark_equity(memory, seen, Limits(), at_ms)
        is_awaited = hour <= 24
        assert (seen.unpriced, seen.uncounted) == (((asset,), ()) if is_awaited else ((), (asset,)))
        assert memory.day_start_ms == (0 if is_awaited else at_ms - at_ms % DAY_MS)
    assert memory.day_start_equity == seen.equity
    world.unquoted = set()
    priced = build_portfolio(account, replace(world.snapshot(), at_ms=at_ms), memory, world.policy, world.sectors)
    assert (priced.unpriced, priced.uncounted) == ((), ())
    marked = mark_equity(memory, priced, Limits(), at_ms)
    assert marked.price_waits == {}
    assert marked.day_start_equity == priced.equity, "the day began without it: its value is no profit of the day"


def test_a_bot_that_slept_has_not_watched_a_price_and_a_silent_venue_takes_no_token_away() -> None:
    """One slow answer before the sleep and one after it are no day without prices: the day would begin at an equity
    without any token, and its loss be measured from there."""
    world = neutral_world(golden_policy())
    account = world.account()
    whole = build_portfolio(account, world.snapshot(), Memory(), world.policy, world.sectors)
    before = mark_equity(Memory(), whole, Limits(), world.at_ms)
    for silent in ({world.sectors.spot("UNI")}, {world.sectors.spot(token) for token in world.sectors.tokens}):
        world.unquoted, memory = silent, before
        for hours in (0, 30, 31, 70):
            at_ms = world.at_ms + hours * HOUR_MS
            seen = build_portfolio(account, replace(world.snapshot(), at_ms=at_ms), memory, world.policy, world.sectors)
            assert (seen.unpriced, seen.uncounted) == (tuple(sorted(name.split("/")[0] for name in silent)), ())
            memory = mark_equity(memory, seen, Limits(), at_ms)
            assert (memory.day_start_ms, memory.day_start_equity) == (before.day_start_ms, before.day_start_equity)
    for hours in range(70, 120):
        at_ms = world.at_ms + hours * HOUR_MS
        seen = build_portfolio(account, replace(world.snapshot(), at_ms=at_ms), memory, world.policy, world.sectors)
        memory = mark_equity(memory, seen, Limits(), at_ms)
        assert seen.uncounted == (), "no price has come at all"
