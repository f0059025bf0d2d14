"""Each order type on spot and perp: what it fills, what it locks, how it ends."""

from decimal import Decimal

import pytest

from bot.domain.order import OrderType, TimeInForce
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import DuplicateScope, Rules
from bot.simex.engine.types import EventKind, ExpiryReason, ListingStatus, NewOrder, OrderStatus
from tests.simex.engine.floor import (
    BUY,
    HOUR,
    MINUTE,
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

R = RefusalReason


def test_a_market_buy_takes_the_ask_and_pays_its_fee_in_the_base_asset() -> None:
    venue = exchange()
    order = venue.place("a", market(SPOT, BUY, "100"))
    assert order.status is OrderStatus.FILLED
    assert order.average_price == venue.quote(SPOT).ask == D("10.002")
    assert (order.trades[0].fee, order.trades[0].fee_asset) == (D("0.1"), "UNI")
    assert venue.balances("a")["UNI"].free == D("1099.9")
    assert venue.balances("a")["USDT"].free == D("100000") - D("1000.2")
    venue.audit()


def test_a_market_sell_pays_its_fee_in_quote() -> None:
    venue = exchange()
    order = venue.place("a", market(SPOT, SELL, "100"))
    assert (order.trades[0].fee, order.trades[0].fee_asset) == (D("0.9998"), "USDT")
    assert venue.balances("a")["USDT"].free == D("100000") + D("999.8") - D("0.9998")


def test_the_fee_asset_pays_at_a_discount_while_it_lasts() -> None:
    venue = exchange(spot={"USDT": "100000", "BNB": "0.002"}, fee_asset="BNB")
    first, second = venue.place("a", market(SPOT, BUY, "100")), venue.place("a", market(SPOT, BUY, "100"))
    assert (first.trades[0].fee_asset, first.trades[0].fee) == ("BNB", D("0.0015003"))
    assert second.trades[0].fee_asset == "UNI"
    venue.audit()


def test_a_market_order_by_quote_spends_no_more_than_asked() -> None:
    venue = exchange()
    order = venue.place("a", NewOrder(SPOT, BUY, OrderType.MARKET, quote_size=D(1000)))
    assert order.status is OrderStatus.FILLED
    assert D(1000) - D("0.11") < order.filled_quote <= 1000
    assert order.size == order.filled_size


def test_a_large_market_order_walks_the_book_and_the_book_refills_with_time() -> None:
    venue = exchange()
    fresh = venue.book(SPOT, 3)
    order = venue.place("a", market(SPOT, BUY, "2500"))
    assert len(order.trades) == 2
    assert [t.price for t in order.trades] == [price for price, _ in fresh.asks[:2]]
    assert venue.book(SPOT, 1).asks[0][0] == fresh.asks[1][0]
    venue.advance(30_000)
    half_back = venue.book(SPOT, 1).asks[0]
    assert half_back[0] == fresh.asks[0][0]
    assert half_back[1] < fresh.asks[0][1]
    venue.advance(MINUTE)
    assert venue.book(SPOT, 3).asks == fresh.asks


def test_a_market_order_beyond_the_book_fills_what_is_there_and_expires() -> None:
    venue = exchange(depth_quote=1_000.0)
    order = venue.place("a", market(SPOT, BUY, "2000"))
    assert order.status is OrderStatus.EXPIRED
    assert order.expiry_reason is ExpiryReason.BOOK_EMPTY
    assert 0 < order.filled_size < 2000


def test_a_perp_market_order_stays_inside_the_band_around_the_mark() -> None:
    venue = exchange(depth_quote=1_000.0, rules=Rules(take_bound=Decimal("0.005")))
    order = venue.place("a", market(PERP, BUY, "2000"))
    assert order.expiry_reason is ExpiryReason.PRICE_BOUND
    assert max(t.price for t in order.trades) <= D("10.05")


def test_a_resting_buy_locks_quote_and_fills_as_maker_when_the_path_reaches_it() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0), (2 * HOUR, 11.0)])
    order = venue.place("a", limit(SPOT, BUY, "100", "9.5"))
    assert (order.status, order.trades) == (OrderStatus.NEW, ())
    assert venue.balances("a")["USDT"].used == 950
    venue.advance(2 * HOUR)
    done = again(venue, order)
    assert (done.status, done.updated_ms, done.average_price) == (OrderStatus.FILLED, HOUR // 2, D("9.5"))
    (trade,) = venue.trades("a", SPOT)
    assert trade.is_maker
    assert trade.fee == D("0.1")
    assert venue.balances("a")["USDT"].used == 0
    venue.audit()


def test_a_marketable_limit_takes_up_to_its_price_and_rests_with_the_remainder() -> None:
    venue = exchange()
    order = venue.place("a", limit(SPOT, BUY, "2000", "10.002"))
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.filled_size == order.trades[0].size == D("1481.19")
    assert venue.balances("a")["USDT"].used == order.open_size * D("10.002")


@pytest.mark.parametrize(
    ("tif", "size", "price", "status", "reason"),
    [
        (TimeInForce.IOC, "2000", "10.002", OrderStatus.EXPIRED, ExpiryReason.IOC_REST),
        (TimeInForce.IOC, "100", "9", OrderStatus.EXPIRED, ExpiryReason.IOC_REST),
        (TimeInForce.IOC, "100", "10.002", OrderStatus.FILLED, ExpiryReason.NONE),
        (TimeInForce.FOK, "2000", "10.002", OrderStatus.EXPIRED, ExpiryReason.FOK_UNFILLED),
        (TimeInForce.FOK, "2000", "10.01", OrderStatus.FILLED, ExpiryReason.NONE),
        (TimeInForce.POST_ONLY, "100", "10.001", OrderStatus.NEW, ExpiryReason.NONE),
    ],
)
def test_time_in_force_says_what_happens_to_the_rest(
    tif: TimeInForce, size: str, price: str, status: OrderStatus, reason: ExpiryReason
) -> None:
    order = exchange().place("a", limit(SPOT, BUY, size, price, tif))
    assert (order.status, order.expiry_reason) == (status, reason)
    assert (order.filled_size == 0) == (reason is ExpiryReason.FOK_UNFILLED or price in ("9", "10.001"))


def test_post_only_and_fok_are_refused_or_expire_as_the_rules_say() -> None:
    post, fok = limit(PERP, BUY, "100", "10.002", TimeInForce.POST_ONLY), limit(PERP, BUY, "9", "9", TimeInForce.FOK)
    strict, old = exchange(), exchange(rules=Rules(is_post_only_refused=False, is_perp_fok_refused=False))
    assert refused(strict, post) is R.WOULD_TAKE
    assert refused(strict, fok) is R.FOK_UNFILLED
    assert old.place("a", post).expiry_reason is ExpiryReason.WOULD_TAKE
    assert old.place("a", fok).expiry_reason is ExpiryReason.FOK_UNFILLED


def test_a_resting_order_larger_than_the_book_fills_in_parts() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0), (3 * HOUR, 9.0)], depth_quote=1_000.0)
    order = venue.place("a", limit(SPOT, BUY, "5000", "9.5"))
    venue.advance(HOUR // 2)
    part = again(venue, order)
    assert part.status is OrderStatus.PARTIALLY_FILLED
    venue.advance(3 * HOUR)
    assert again(venue, order).status is OrderStatus.FILLED
    venue.audit()


def test_no_resting_order_is_stepped_over_whatever_the_step() -> None:
    points = [(0, 10.0), (HOUR, 9.4), (HOUR + 1, 10.0), (48 * HOUR, 10.0)]
    for steps in ([48 * HOUR], [HOUR // 2, HOUR, HOUR + 1, 48 * HOUR], range(HOUR, 49 * HOUR, HOUR)):
        venue = exchange(points)
        order = venue.place("a", limit(SPOT, BUY, "100", "9.5"))
        for to_ms in steps:
            venue.advance(to_ms)
        assert again(venue, order).status is OrderStatus.FILLED
        assert again(venue, order).updated_ms == 50 * MINUTE


def test_a_perp_stop_fires_on_the_mark_and_makes_an_ordinary_order() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0)])
    isolated(venue)
    venue.place("a", market(PERP, BUY, "100"))
    stop = venue.place("a", trigger(OrderType.STOP, PERP, SELL, None, "9.5", close_position=True, client_id="s1"))
    assert stop.status is OrderStatus.UNTRIGGERED
    assert venue.open_orders("a", PERP, is_trigger=True) == (stop,)
    venue.advance(HOUR)
    parent = again(venue, stop)
    assert (parent.status, parent.triggered_ms) == (OrderStatus.TRIGGERED, HOUR // 2)
    child = venue.order("a", PERP, client_id="s1", is_trigger=False)
    assert child is not None
    assert (child.id, child.parent_id, child.status) == (parent.child_id, parent.id, OrderStatus.FILLED)
    assert venue.positions("a") == ()
    assert venue.order("a", PERP, client_id="s1", is_trigger=True) == parent
    venue.audit()


def test_triggers_listen_to_mark_or_last_as_asked() -> None:
    points = [(0, 10.0), (HOUR, 9.0)]
    venue = exchange(points, marks={PERP: [(0, 10.0), (HOUR, 9.8)]})
    venue.place("a", market(PERP, BUY, "100"))
    by_mark = venue.place("a", trigger(OrderType.STOP, PERP, SELL, "10", "9.5", reduce_only=True))
    by_last = venue.place(
        "a", trigger(OrderType.STOP, PERP, SELL, "10", "9.5", reduce_only=True, trigger_by_mark=False)
    )
    venue.advance(HOUR)
    assert again(venue, by_mark).status is OrderStatus.UNTRIGGERED
    assert again(venue, by_last).status is OrderStatus.TRIGGERED


def test_a_take_profit_fires_upwards_for_a_long() -> None:
    venue = exchange([(0, 10.0), (HOUR, 12.0)])
    venue.place("a", market(PERP, BUY, "100"))
    take = venue.place("a", trigger(OrderType.TAKE_PROFIT, PERP, SELL, "100", "11", reduce_only=True))
    venue.advance(HOUR)
    assert again(venue, take).status is OrderStatus.TRIGGERED
    assert venue.positions("a") == ()


def test_a_spot_stop_goes_on_under_its_own_id() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0)])
    stop = venue.place("a", trigger(OrderType.STOP, SPOT, SELL, "100", "9.5"))
    assert venue.balances("a")["UNI"].used == 100
    venue.advance(HOUR)
    done = again(venue, stop)
    assert (done.status, done.filled_size, done.triggered_ms) == (OrderStatus.FILLED, 100, HOUR // 2)
    assert venue.balances("a")["UNI"].used == 0
    venue.audit()


def test_a_stop_limit_rests_at_its_price_after_firing() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0), (2 * HOUR, 10.0)])
    stop = venue.place("a", trigger(OrderType.STOP, SPOT, SELL, "100", "9.5", price=D("9.8")))
    venue.advance(HOUR)
    assert again(venue, stop).status is OrderStatus.NEW
    venue.advance(2 * HOUR)
    assert again(venue, stop).average_price == D("9.8")
    venue.audit()


def test_a_fired_stop_without_a_position_expires() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0)])
    stop = venue.place("a", trigger(OrderType.STOP, PERP, SELL, "10", "9.5", reduce_only=True))
    venue.advance(HOUR)
    assert again(venue, stop).expiry_reason is ExpiryReason.REDUCE_ONLY


def test_reduce_only_takes_the_position_and_no_more() -> None:
    venue = exchange()
    venue.place("a", market(PERP, BUY, "100"))
    order = venue.place("a", market(PERP, SELL, "150", reduce_only=True))
    assert (order.filled_size, order.status) == (100, OrderStatus.EXPIRED)
    assert order.expiry_reason is ExpiryReason.REDUCE_ONLY
    assert venue.positions("a") == ()


def test_resting_reduce_only_orders_end_with_the_position() -> None:
    venue = exchange()
    venue.place("a", market(PERP, BUY, "100"))
    resting = venue.place("a", limit(PERP, SELL, "100", "11", reduce_only=True))
    venue.place("a", market(PERP, SELL, "100"))
    assert again(venue, resting).expiry_reason is ExpiryReason.REDUCE_ONLY


def test_cancel_frees_what_was_locked_and_knows_only_open_orders() -> None:
    venue = exchange()
    order = venue.place("a", limit(SPOT, BUY, "100", "9.5", client_id="x"))
    canceled = venue.cancel("a", SPOT, client_id="x", cancel_client_id="c")
    assert (canceled.status, canceled.cancel_client_id) == (OrderStatus.CANCELED, "c")
    assert venue.balances("a")["USDT"].used == 0
    for arguments in ({"client_id": "x"}, {"order_id": order.id}, {"order_id": 99}):
        with pytest.raises(Refusal) as caught:
            venue.cancel("a", SPOT, **arguments)
        assert caught.value.reason is R.UNKNOWN_ORDER


def test_cancel_all_takes_one_symbol() -> None:
    venue = exchange()
    venue.place("a", limit(SPOT, BUY, "100", "9.5"))
    kept = venue.place("a", limit(PERP, BUY, "100", "9.5"))
    assert len(venue.cancel_all("a", SPOT)) == 1
    assert venue.open_orders("a") == (kept,)


def test_the_countdown_cancels_when_nobody_calls_again() -> None:
    venue = exchange([(0, 10.0), (HOUR, 10.0)])
    order = venue.place("a", limit(PERP, BUY, "100", "9"))
    venue.set_countdown("a", PERP, MINUTE)
    venue.advance(MINUTE - 1)
    venue.set_countdown("a", PERP, MINUTE)
    venue.advance(2 * MINUTE - 2)
    assert again(venue, order).is_open
    venue.advance(2 * MINUTE)
    assert (again(venue, order).status, again(venue, order).updated_ms) == (OrderStatus.CANCELED, 2 * MINUTE - 1)


def test_a_client_id_is_free_again_after_its_order_ended_unless_the_rules_say_never() -> None:
    order = limit(SPOT, BUY, "100", "9.5", client_id="x")
    loose, strict = exchange(), exchange(rules=Rules(duplicate_scope=DuplicateScope.NEVER))
    for venue in (loose, strict):
        venue.place("a", order)
        assert refused(venue, order) is R.DUPLICATE_CLIENT_ID
        venue.cancel("a", SPOT, client_id="x")
    second = loose.place("a", order)
    assert loose.order("a", SPOT, client_id="x") == second
    assert refused(strict, order) is R.DUPLICATE_CLIENT_ID


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (limit("XXX/USDT", BUY, "1", "1"), R.UNKNOWN_SYMBOL),
        (limit(SPOT, BUY, "100", "9.5005"), R.PRICE_TICK),
        (limit(SPOT, BUY, "100", "0"), R.PRICE_FILTER),
        (limit(SPOT, BUY, "1", "50.001"), R.PERCENT_PRICE_HIGH),
        (limit(SPOT, BUY, "100", "1.999"), R.PERCENT_PRICE_LOW),
        (limit(PERP, BUY, "1", "11.501"), R.PERCENT_PRICE_HIGH),
        (limit(PERP, SELL, "1", "8.499"), R.PERCENT_PRICE_LOW),
        (limit(SPOT, BUY, "0.001", "9"), R.LOT_SIZE),
        (limit(SPOT, BUY, "-1", "9"), R.LOT_SIZE),
        (limit(SPOT, BUY, "2000000", "9"), R.LOT_SIZE),
        (limit(SPOT, BUY, "1.005", "9"), R.LOT_STEP),
        (market(SPOT, SELL, "600000"), R.MARKET_LOT_SIZE),
        (limit(SPOT, BUY, "0.5", "9"), R.MIN_NOTIONAL),
        (market(PERP, BUY, "0.1"), R.MIN_NOTIONAL),
        (market(PERP, BUY, "0.1", reduce_only=True), R.REDUCE_ONLY),
        (NewOrder(SPOT, BUY, OrderType.MARKET, quote_size=D(4)), R.MIN_NOTIONAL),
        (limit(SPOT, BUY, "20000", "9"), R.INSUFFICIENT_BALANCE),
        (market(SPOT, BUY, "20000"), R.INSUFFICIENT_BALANCE),
        (NewOrder(SPOT, BUY, OrderType.MARKET, quote_size=D(100_001)), R.INSUFFICIENT_BALANCE),
        (market(SPOT, SELL, "1000.01"), R.INSUFFICIENT_BALANCE),
        (trigger(OrderType.STOP, SPOT, SELL, "2000", "9"), R.INSUFFICIENT_BALANCE),
        (market(PERP, BUY, "25000"), R.INSUFFICIENT_MARGIN),
        (market(PERP, BUY, "200000"), R.LEVERAGE_BRACKET),
        (limit(SPOT, BUY, "100", "10.002", TimeInForce.POST_ONLY), R.WOULD_TAKE),
        (trigger(OrderType.STOP, PERP, SELL, "10", "10.1"), R.TRIGGER_IMMEDIATE),
        (trigger(OrderType.STOP, PERP, BUY, "10", "9.9"), R.TRIGGER_IMMEDIATE),
        (trigger(OrderType.TAKE_PROFIT, PERP, SELL, "10", "9.9"), R.TRIGGER_IMMEDIATE),
        (trigger(OrderType.TAKE_PROFIT, SPOT, BUY, "10", "10.1"), R.TRIGGER_IMMEDIATE),
        (limit(SPOT, BUY, "100", "9", client_id="no spaces"), R.BAD_CLIENT_ID),
        (limit(SPOT, BUY, "100", "9", client_id="x" * 37), R.BAD_CLIENT_ID),
        (NewOrder(SPOT, BUY, OrderType.LIMIT, size=D(1)), R.BAD_REQUEST),
        (NewOrder(SPOT, BUY, OrderType.MARKET), R.BAD_REQUEST),
        (NewOrder(PERP, BUY, OrderType.MARKET, quote_size=D(100)), R.BAD_REQUEST),
    ],
)
def test_every_refusal_has_its_reason_and_changes_nothing(order: NewOrder, reason: RefusalReason) -> None:
    assert refused(exchange(), order) is reason


def test_check_answers_like_place_and_changes_nothing() -> None:
    venue = exchange()
    venue.check("a", market(SPOT, BUY, "100"))
    with pytest.raises(Refusal):
        venue.check("a", market(SPOT, BUY, "100000"))
    assert venue.history == ()


def test_only_so_many_orders_may_be_open() -> None:
    venue = exchange(rules=Rules(orders_max=2))
    for _ in range(2):
        venue.place("a", limit(SPOT, BUY, "1", "9"))
    assert refused(venue, limit(SPOT, BUY, "1", "9")) is R.MAX_ORDERS


def test_a_halted_symbol_takes_no_orders_and_fills_none_until_it_resumes() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.0), (2 * HOUR, 9.0)])
    order = venue.place("a", limit(SPOT, BUY, "100", "9.5"))
    venue.halt(SPOT)
    assert not venue.instruments[SPOT].active
    assert refused(venue, market(SPOT, BUY, "1")) is R.MARKET_CLOSED
    venue.advance(HOUR)
    assert again(venue, order).is_open
    venue.resume(SPOT)
    venue.advance(2 * HOUR)
    assert again(venue, order).status is OrderStatus.FILLED


def test_instruments_follow_every_change_of_a_moment_and_the_end_of_a_symbol() -> None:
    venue = exchange([(0, 10.0), (HOUR, 11.0)], ends_ms={PERP: HOUR})
    seen = venue.instruments
    assert seen[SPOT].active
    assert seen[PERP].active
    assert venue.instruments is seen
    venue.halt(SPOT)
    assert not venue.instruments[SPOT].active
    venue.resume(SPOT)
    assert venue.instruments == seen
    venue.set_status(SPOT, ListingStatus.BREAK)
    assert not venue.instruments[SPOT].active
    venue.advance(HOUR)
    assert not venue.instruments[PERP].active
    venue.remove(SPOT)
    assert SPOT not in venue.instruments


def test_a_delisted_symbol_expires_its_orders_and_settles_its_positions_at_mark() -> None:
    venue = exchange([(0, 10.0), (HOUR, 11.0)], ends_ms={PERP: HOUR})
    venue.place("a", market(PERP, BUY, "100"))
    order = venue.place("a", limit(PERP, BUY, "100", "9"))
    venue.advance(2 * HOUR)
    assert again(venue, order).expiry_reason is ExpiryReason.DELISTED
    assert venue.positions("a") == ()
    assert venue.trades("a", PERP)[-1].client_id.startswith("settlement_autoclose-")
    assert venue.trades("a", PERP)[-1].price == 11
    assert refused(venue, market(PERP, BUY, "100")) is R.MARKET_CLOSED
    venue.audit()


def test_a_conversion_ends_the_old_markets_and_turns_every_balance_at_the_ratio() -> None:
    new, new_perp = "UNIX/USDT", "UNIX/USDT:USDT"
    points = [(0, 10.0), (HOUR, 10.0)]
    made = ScriptedMarket({SPOT: points, new: [(0, 0.01)]}, perps=[PERP, new_perp])
    known = {symbol: instrument(symbol, price_tick=D("0.00001")) for symbol in (SPOT, PERP, new, new_perp)}
    venue = Exchange(instruments=known, market=made, start_ms=0)
    venue.create_account("a", spot={"USDT": D(100_000), "UNI": D("1000.00000007"), "UNIX": D(5)}, perp=D(10_000))
    venue.create_account("b", spot={"USDT": D(1)})
    for symbol in (new, new_perp):
        venue.halt(symbol)
    venue.place("a", market(PERP, SELL, "100"))
    order = venue.place("a", limit(SPOT, SELL, "100", "12"))
    venue.convert("UNI", "UNIX", D(1000))
    assert again(venue, order).expiry_reason is ExpiryReason.DELISTED
    assert venue.positions("a") == ()
    assert venue.trades("a", PERP)[-1].client_id.startswith("settlement_autoclose-")
    balances = venue.balances("a")
    assert "UNI" not in balances
    assert balances["UNIX"].total == D("1000005.00007")
    assert "UNIX" not in venue.balances("b")
    assert (venue.is_open(SPOT), venue.is_open(PERP), venue.is_open(new), venue.is_open(new_perp)) == (
        False,
        False,
        True,
        True,
    )
    venue.audit()
    with pytest.raises(Refusal):
        venue.convert("UNIX", "NOBODY", D(1))


def test_a_replaced_instrument_changes_the_filters_at_once() -> None:
    venue = exchange()
    venue.replace_instrument(instrument(SPOT, size_step=D(1)))
    assert refused(venue, market(SPOT, BUY, "1.5")) is R.LOT_STEP


def test_events_are_numbered_and_reach_listeners_in_order() -> None:
    venue = exchange()
    seen = []
    venue.listeners.append(seen.append)
    venue.place("a", market(SPOT, BUY, "100"))
    assert [event.number for event in seen] == list(range(1, len(seen) + 1))
    assert tuple(seen) == venue.history
    kinds = [event.kind for event in seen]
    assert kinds.index(EventKind.ORDER_PLACED) < kinds.index(EventKind.ORDER_FILLED)


def test_ids_rise_per_symbol_and_reads_page_both_ways() -> None:
    venue = exchange([(0, 10.0), (HOUR, 10.0)])
    for minute in range(5):
        venue.advance(minute * MINUTE)
        venue.place("a", market(SPOT, BUY, "1"))
    assert [t.id for t in venue.trades("a", SPOT)] == [1, 2, 3, 4, 5]
    assert [t.id for t in venue.trades("a", SPOT, limit=2)] == [4, 5]
    assert [t.id for t in venue.trades("a", SPOT, start_ms=MINUTE, end_ms=3 * MINUTE, limit=2)] == [2, 3]
    assert [t.id for t in venue.trades("a", SPOT, from_id=4)] == [4, 5]
    assert [o.id for o in venue.orders("a", SPOT, start_ms=3 * MINUTE)] == [4, 5]
    assert [t.id for t in venue.trades("a", SPOT, order_id=3)] == [3]


def test_a_thin_book_fills_in_parts() -> None:
    for scale, fills in ((1.0, 1), (0.0001, 5)):
        venue = exchange(((0, 10.0), (HOUR, 8.0)), rules=Rules(depth_scale=scale))
        venue.place("a", limit(SPOT, BUY, "400", "9"))
        venue.advance(10 * HOUR)
        assert min(len(venue.trades("a", SPOT)), 5) == fills
        venue.audit()


def test_bands_and_bounds_are_those_of_the_symbol() -> None:
    venue = exchange(rules=Rules(bands={PERP: D("0.02")}))
    assert refused(venue, limit(PERP, BUY, "10", "10.3")) is RefusalReason.PERCENT_PRICE_HIGH
    assert refused(venue, limit(PERP, SELL, "10", "9.7")) is RefusalReason.PERCENT_PRICE_LOW
    venue.place("a", limit(PERP, BUY, "10", "10.1"))


def test_limits_of_spot_symbols_are_kept() -> None:
    venue = exchange(rules=Rules(spot_notional_max=D(1000)))
    assert refused(venue, limit(SPOT, BUY, "120", "9")) is RefusalReason.MIN_NOTIONAL
    for number in range(5):
        venue.place("a", trigger(OrderType.STOP, SPOT, SELL, "1", f"{9 - number}"))
    assert refused(venue, trigger(OrderType.STOP, SPOT, SELL, "1", "9.5")) is RefusalReason.MAX_TRIGGERS
