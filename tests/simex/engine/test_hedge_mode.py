"""Hedge mode: a long and a short position of one symbol, each with its own size, margin, orders and liquidation."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.order import OrderType
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import AccountModes, EventKind, NewOrder, OrderStatus, PositionSide
from bot.simex.store import Store
from tests.profiles import examples
from tests.simex.engine.floor import (
    BUY,
    FEE,
    HOUR,
    PERP,
    SELL,
    SPOT,
    D,
    again,
    exchange,
    instrument,
    isolated,
    limit,
    market,
    refused,
    trigger,
)
from tests.simex.scripted_market import ScriptedMarket

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
OPENING, CLOSING = {LONG: BUY, SHORT: SELL}, {LONG: SELL, SHORT: BUY}


def hedged(*args: object, **kwargs: object) -> Exchange:
    venue = exchange(*args, **kwargs)  # type: ignore[arg-type]
    venue.set_position_mode("a", hedge=True)
    return venue


def unopened() -> Exchange:
    """An exchange without accounts, to restore into."""
    return Exchange(
        instruments={symbol: instrument(symbol) for symbol in (SPOT, PERP, FEE)},
        market=ScriptedMarket({SPOT: [(0, 10.0)], FEE: [(0, 500.0)]}, perps=[PERP]),
        start_ms=0,
    )


def sizes(venue: Exchange) -> dict[PositionSide, Decimal]:
    return {position.side: position.size for position in venue.positions("a")}


def open_both(venue: Exchange, long: str = "100", short: str = "40") -> None:
    venue.place("a", market(PERP, BUY, long, position_side=LONG))
    venue.place("a", market(PERP, SELL, short, position_side=SHORT))


def test_both_sides_of_one_symbol_are_held_beside_each_other() -> None:
    venue = hedged()
    open_both(venue)
    assert sizes(venue) == {LONG: D(100), SHORT: D(-40)}
    long, short = venue.positions("a")
    assert (long.entry_price, short.entry_price) == (D("10.002"), D("9.998"))
    assert venue.wallet("a").initial_margin == sum(p.initial_margin for p in (long, short)) > 0
    assert venue.position("a", PERP, SHORT) == short
    assert venue.position("a", PERP) is None
    venue.audit()


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_closing_one_side_leaves_the_other_as_it_was(side: PositionSide) -> None:
    venue = hedged([(0, 10.0), (HOUR, 11.0)])
    open_both(venue)
    before = {position.side: position for position in venue.positions("a")}
    venue.place("a", market(PERP, CLOSING[side], "1000", position_side=side))
    (left,) = venue.positions("a")
    assert (left.size, left.entry_price) == (before[left.side].size, before[left.side].entry_price)
    assert left.side is not side
    assert refused(venue, market(PERP, CLOSING[side], "1", position_side=side)) is RefusalReason.REDUCE_ONLY
    venue.audit()


def test_the_stop_of_a_side_closes_that_side_and_its_end_takes_its_orders_with_it() -> None:
    venue = hedged([(0, 10.0), (HOUR, 8.0)])
    open_both(venue)
    stop = venue.place("a", trigger(OrderType.STOP, PERP, SELL, "60", "9", position_side=LONG))
    exit_ = venue.place("a", limit(PERP, SELL, "40", "12", position_side=LONG))
    other = venue.place("a", limit(PERP, BUY, "40", "7", position_side=SHORT))
    venue.advance(HOUR)
    assert again(venue, stop).status is OrderStatus.TRIGGERED
    assert sizes(venue) == {LONG: D(40), SHORT: D(-40)}
    venue.cancel("a", PERP, order_id=exit_.id)
    exit_ = venue.place("a", limit(PERP, SELL, "30", "12", position_side=LONG))
    venue.place("a", market(PERP, SELL, "10", position_side=LONG))
    assert again(venue, exit_).is_open
    venue.amendments.amend("a", exit_, side=SELL, size=D(10), price=D(12))
    venue.place("a", market(PERP, SELL, "20", position_side=LONG))
    venue.deleverage("a", PERP, D(10), LONG)
    assert sizes(venue) == {SHORT: D(-40)}
    assert again(venue, exit_).status is OrderStatus.EXPIRED
    assert again(venue, other).is_open


def test_close_position_takes_the_whole_of_its_own_side() -> None:
    venue = hedged([(0, 10.0), (HOUR, 12.0)])
    open_both(venue)
    order = trigger(OrderType.STOP, PERP, BUY, None, "11", position_side=SHORT, close_position=True)
    wrong = trigger(OrderType.STOP, PERP, BUY, None, "11", position_side=LONG, close_position=True)
    assert refused(venue, wrong) is RefusalReason.BAD_REQUEST
    venue.place("a", order)
    venue.advance(HOUR)
    assert sizes(venue) == {LONG: D(100)}


def test_orders_that_open_bind_margin_on_both_sides_and_orders_that_close_none() -> None:
    venue = hedged()
    venue.set_leverage("a", PERP, 10)
    open_both(venue, "100", "100")
    venue.place("a", limit(PERP, BUY, "10", "9", position_side=LONG))
    venue.place("a", limit(PERP, SELL, "10", "11", position_side=SHORT))
    venue.place("a", limit(PERP, SELL, "100", "12", position_side=LONG))
    assert venue.order_margin("a", PERP) == D(20)
    assert (venue.order_margin("a", PERP, LONG), venue.order_margin("a", PERP, SHORT)) == (D(9), D(11))
    assert venue.wallet("a").order_margin == D(20)


def test_funding_is_paid_by_one_side_and_received_by_the_other() -> None:
    venue = hedged(funding={PERP: [(HOUR, 0.001)]})
    open_both(venue)
    venue.advance(HOUR)
    paid = [(e.side, e.amount) for e in venue.history if e.kind is EventKind.PERP_WALLET and e.reason == "funding"]
    assert paid == [(LONG, D("-1.0")), (SHORT, D("0.4"))]


def test_each_isolated_side_is_liquidated_alone() -> None:
    venue = hedged([(0, 10.0), (HOUR, 8.9), (2 * HOUR, 8.9)])
    isolated(venue, 10)
    open_both(venue, "100", "100")
    resting = venue.place("a", limit(PERP, BUY, "50", "5", position_side=SHORT))
    venue.advance(2 * HOUR)
    assert sizes(venue) == {SHORT: D(-100)}
    assert again(venue, resting).is_open, "orders of the other side stay"
    calls = [(e.kind, e.side) for e in venue.history if e.kind in (EventKind.MARGIN_CALL, EventKind.LIQUIDATION)]
    assert calls[0] == (EventKind.MARGIN_CALL, LONG)
    (forced,) = [order for order in venue.orders("a", PERP) if order.is_liquidation]
    assert forced.position_side is LONG
    venue.audit()


def test_margin_is_moved_to_the_side_that_is_named() -> None:
    venue = hedged()
    isolated(venue, 10)
    open_both(venue)
    before = {p.side: p.isolated_wallet for p in venue.positions("a")}
    venue.move_margin("a", PERP, D(7), SHORT)
    after = {p.side: p.isolated_wallet for p in venue.positions("a")}
    assert (after[LONG], after[SHORT]) == (before[LONG], before[SHORT] + 7)
    with pytest.raises(Refusal) as caught:
        venue.move_margin("a", PERP, D(7))
    assert caught.value.reason is RefusalReason.POSITION_SIDE


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(1, 6_000), st.integers(1, 6_000), st.integers(300, 2_000))
def test_both_sides_in_cross_margin_have_one_liquidation_price(long: int, short: int, perp: int) -> None:
    venue = hedged(perp=str(perp), depth_quote=1e7)
    venue.set_leverage("a", PERP, 50)
    with suppress(Refusal):
        open_both(venue, str(long), str(short))
    held = venue.positions("a")
    prices = {position.liquidation_price for position in held}
    assert len(prices) <= 1
    if len(held) < 2 or None in prices:
        return
    (price,) = prices
    assert price is not None
    margin, state = venue._margin, venue._state
    account = state.account("a")
    together = [p for _, p in account.sides_of(PERP)]
    equity = margin.cross_balance(account) + sum((margin.profit(PERP, p, price) for p in together), D(0))
    assert abs(equity - sum((margin.maintenance(PERP, p, price) for p in together), D(0))) < D("1e-6")
    beyond = price * (D("1.001") if price > held[0].mark else D("0.999"))
    left = margin.cross_balance(account) + sum((margin.profit(PERP, p, beyond) for p in together), D(0))
    assert left < sum((margin.maintenance(PERP, p, beyond) for p in together), D(0)), "beyond it nothing is carried"


def test_a_hedged_pair_in_cross_margin_outlives_a_price_that_one_side_alone_does_not() -> None:
    path = [(0, 10.0), (HOUR, 7.0)]
    pair, alone = (hedged(path, perp="600", depth_quote=1e7) for _ in range(2))
    for venue in (pair, alone):
        venue.set_leverage("a", PERP, 10)
    open_both(pair, "200", "190")
    alone.place("a", market(PERP, BUY, "250", position_side=LONG))
    for venue in (pair, alone):
        venue.advance(HOUR)
        venue.audit()
    assert sizes(pair) == {LONG: D(200), SHORT: D(-190)}
    assert sizes(alone) == {}


@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([LONG, SHORT]), st.booleans(), st.integers(1, 3_000), st.none() | st.integers(8_000, 12_000)
        ),
        max_size=12,
    ),
    st.lists(st.integers(6_000, 15_000), min_size=2, max_size=5),
    st.booleans(),
)
def test_nothing_is_made_or_lost_and_no_side_is_turned(
    script: list[tuple[PositionSide, bool, int, int | None]], path: list[int], lone: bool
) -> None:
    points = [(0, 10.0), *((HOUR * (at + 1), tick / 1_000) for at, tick in enumerate(path))]
    venue = hedged(points, funding={PERP: [(at * HOUR, 0.0003) for at in range(1, 6)]})
    if lone:
        isolated(venue, 15)
    for side, is_opening, size, price in script:
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        order_side = OPENING[side] if is_opening else CLOSING[side]
        at = None if price is None else price * D("0.001")
        with suppress(Refusal):
            venue.place("a", NewOrder(PERP, order_side, kind, size=D(size), price=at, position_side=side))
        venue.advance(venue.now_ms + HOUR // 4)
        assert all(position.size * OPENING[position.side].sign > 0 for position in venue.positions("a"))
    venue.advance(8 * HOUR)
    venue.audit()
    assert all(position.size * OPENING[position.side].sign > 0 for position in venue.positions("a"))


def test_a_closing_limit_order_is_changed_while_it_rests() -> None:
    venue = hedged()
    open_both(venue)
    order = venue.place("a", limit(PERP, SELL, "100", "12", position_side=LONG))
    changed = venue.amendments.amend("a", order, side=SELL, size=D(90), price=D("11.5"))
    assert (changed.size, changed.price, changed.position_side) == (D(90), D("11.5"), LONG)


def test_a_stored_state_with_both_sides_is_read_again(tmp_path: Path) -> None:
    venue = hedged()
    open_both(venue)
    store = Store(tmp_path / "state.sqlite3")
    store.save(venue.rows())
    rows = dict(store.load())
    store.close()
    del rows[("form",)]
    restored = unopened()
    restored.restore(rows)
    assert restored.positions("a") == venue.positions("a")


def test_a_stored_state_of_the_version_before_names_the_symbol_alone(tmp_path: Path) -> None:
    venue = hedged()
    venue.place("a", market(PERP, SELL, "40", position_side=SHORT))
    store = Store(tmp_path / "state.sqlite3")
    store.save(venue.rows())
    rows = dict(store.load())
    store.close()
    account = rows["account", "a"]
    account["positions"] = {name.partition("|")[0]: held for name, held in account["positions"].items()}
    restored = unopened()
    restored.restore(rows)
    assert restored.positions("a") == venue.positions("a")


def test_a_mode_put_by_force_gives_positions_and_orders_their_sides_and_back() -> None:
    venue = exchange()
    venue.place("a", market(PERP, BUY, "100"))
    stop = venue.place("a", trigger(OrderType.STOP, PERP, SELL, "100", "9", reduce_only=True))
    venue.put_into_modes("a", AccountModes(is_hedge_mode=True))
    assert sizes(venue) == {LONG: D(100)}
    assert again(venue, stop).position_side is LONG
    venue.place("a", market(PERP, SELL, "40", position_side=SHORT))
    with pytest.raises(ValueError, match="both sides"):
        venue.put_into_modes("a", AccountModes())
    venue.place("a", market(PERP, BUY, "40", position_side=SHORT))
    venue.put_into_modes("a", AccountModes())
    assert sizes(venue) == {PositionSide.BOTH: D(100)}
    assert again(venue, stop).position_side is PositionSide.BOTH
