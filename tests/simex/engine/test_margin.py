"""Perps: what is bound, funding, liquidation, leverage and margin settings."""

from itertools import pairwise

import pytest

from bot.domain import perp
from bot.domain.brackets import notional_cap
from bot.domain.order import OrderType
from bot.domain.perp import liquidation_in_brackets
from bot.simex.engine.margin.requirements import bracket_of, maintenance_of
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import MAJOR_BRACKETS, MINOR_BRACKETS, Rules, make_brackets
from bot.simex.engine.types import EventKind, ExpiryReason, IncomeKind
from tests.simex.engine.floor import (
    BUY,
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

R = RefusalReason


def test_an_isolated_position_binds_its_margin_and_leaves_the_rest_free() -> None:
    venue = exchange()
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    (position,) = venue.positions("a")
    assert (position.isolated_wallet, position.entry_price) == (D("100.02"), D("10.002"))
    wallet = venue.wallet("a")
    fee = D("1000.2") * D("0.0005")
    assert wallet.balance == 10_000 - fee
    assert wallet.cross_balance == wallet.available == wallet.transferable == 10_000 - fee - D("100.02")


def test_a_cross_position_binds_initial_margin_at_the_mark_and_lends_its_profit() -> None:
    venue = exchange([(0, 10.0), (HOUR, 11.0)])
    venue.set_leverage("a", PERP, 10)
    venue.place("a", market(PERP, BUY, "100"))
    venue.advance(HOUR)
    wallet = venue.wallet("a")
    assert wallet.unrealised_pnl == 100 * (11 - D("10.002"))
    assert wallet.initial_margin == 110
    assert wallet.available == wallet.balance + wallet.unrealised_pnl - 110
    assert wallet.transferable == wallet.available - wallet.unrealised_pnl


def test_closing_half_frees_half_of_the_margin_and_books_the_profit() -> None:
    venue = exchange([(0, 10.0), (HOUR, 11.0)])
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    venue.advance(HOUR)
    order = venue.place("a", market(PERP, SELL, "50"))
    (position,) = venue.positions("a")
    assert (position.size, position.isolated_wallet, position.entry_price) == (50, D("50.01"), D("10.002"))
    assert order.trades[0].realised_pnl == 50 * (venue.quote(PERP).bid - D("10.002"))
    assert venue.income("a", kind=IncomeKind.REALIZED_PNL)[-1].amount == order.trades[0].realised_pnl
    venue.audit()


def test_an_order_may_turn_a_position_around() -> None:
    venue = exchange()
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    venue.place("a", market(PERP, SELL, "150"))
    (position,) = venue.positions("a")
    assert (position.size, position.entry_price, position.isolated_wallet) == (-50, D("9.998"), D("49.99"))
    venue.audit()


def test_resting_orders_bind_margin_for_the_worse_side_only() -> None:
    venue = exchange()
    isolated(venue, 10)
    venue.place("a", limit(PERP, BUY, "100", "9"))
    assert venue.wallet("a").order_margin == 90
    venue.place("a", limit(PERP, SELL, "50", "11"))
    assert venue.wallet("a").order_margin == 90
    venue.place("a", limit(PERP, SELL, "100", "11"))
    assert venue.wallet("a").order_margin == 165
    assert venue.wallet("a").available == 10_000 - 165


def test_orders_that_only_reduce_need_no_margin() -> None:
    venue = exchange(perp="1010")
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "1000"))
    assert venue.wallet("a").available < 10
    assert refused(venue, market(PERP, BUY, "1000")) is R.INSUFFICIENT_MARGIN
    venue.place("a", limit(PERP, SELL, "1000", "11"))
    assert venue.place("a", market(PERP, SELL, "1000", reduce_only=True)).filled_size == 1000


def test_funding_moves_from_long_to_short_and_sums_to_zero() -> None:
    venue = exchange([(0, 10.0), (24 * HOUR, 10.0)], funding={PERP: [(8 * HOUR, 0.001), (16 * HOUR, -0.002)]})
    venue.create_account("b", spot={}, perp=D(10_000))
    isolated(venue)
    venue.place("a", market(PERP, BUY, "100"))
    venue.place("b", market(PERP, SELL, "100"))
    before = venue.positions("a")[0].isolated_wallet
    venue.advance(24 * HOUR)
    long, short = ([row.amount for row in venue.income(name, kind=IncomeKind.FUNDING_FEE)] for name in ("a", "b"))
    assert long == [-1, 2]
    assert [a + b for a, b in zip(long, short, strict=True)] == [0, 0]
    assert venue.positions("a")[0].isolated_wallet == before + 1
    assert [e.at_ms for e in venue.funding_history(PERP, 0, 24 * HOUR, 10)] == [8 * HOUR, 16 * HOUR]
    venue.audit()


def test_funding_is_for_those_who_hold_at_the_instant() -> None:
    venue = exchange([(0, 10.0), (24 * HOUR, 10.0)], funding={PERP: [(8 * HOUR, 0.001)]})
    venue.advance(8 * HOUR)
    venue.place("a", market(PERP, BUY, "100"))
    venue.advance(24 * HOUR)
    assert venue.income("a", kind=IncomeKind.FUNDING_FEE) == ()


def test_a_liquidation_closes_inside_the_bankruptcy_price_and_ends_the_symbols_orders() -> None:
    venue = exchange([(0, 10.0), (HOUR, 8.0)])
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    order = venue.place("a", limit(PERP, SELL, "10", "12", reduce_only=True))
    other = venue.place("a", limit(SPOT, BUY, "10", "5"))
    price, wallet = venue.positions("a")[0].liquidation_price, venue.wallet("a")
    assert price is not None
    venue.advance(HOUR)
    assert venue.positions("a") == ()
    assert again(venue, order).expiry_reason is ExpiryReason.LIQUIDATION
    assert again(venue, other).is_open
    closing = venue.orders("a", PERP)[-1]
    assert closing.client_id.startswith("autoclose-")
    assert closing.client_id.removeprefix("autoclose-").isdigit()
    assert closing.is_liquidation
    when = (10 - float(price)) / 2 * HOUR
    assert abs(closing.created_ms - when) < 1_000
    lost = wallet.balance - venue.wallet("a").balance
    assert 0 < lost <= D("100.02")
    clear = venue.income("a", kind=IncomeKind.INSURANCE_CLEAR)
    assert clear[-1].amount < 0
    kinds = [event.kind for event in venue.history]
    assert kinds.index(EventKind.MARGIN_CALL) < kinds.index(EventKind.LIQUIDATION)
    venue.audit()


def test_the_insurance_fund_takes_over_what_a_gap_leaves() -> None:
    venue = exchange([(0, 10.0), (HOUR, 10.0), (HOUR, 5.0), (2 * HOUR, 5.0)])
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    venue.advance(2 * HOUR)
    trade = venue.trades("a", PERP)[-1]
    assert trade.is_takeover
    assert trade.price >= D("10.002") * D("0.9")
    assert trade.realised_pnl >= -D("100.02")
    venue.audit()


def test_cross_liquidation_takes_the_wallet_and_never_more() -> None:
    venue = exchange([(0, 10.0), (HOUR, 7.0)], perp="1000")
    venue.set_leverage("a", PERP, 10)
    venue.place("a", market(PERP, BUY, "900"))
    price = venue.positions("a")[0].liquidation_price
    assert price is not None
    venue.advance(HOUR)
    assert venue.positions("a") == ()
    assert 0 <= venue.wallet("a").balance < 1000
    assert abs(venue.trades("a", PERP)[-1].at_ms - (10 - float(price)) / 3 * HOUR) < 2_000
    venue.audit()


def test_margin_added_moves_the_liquidation_away_and_only_what_is_spare_comes_back() -> None:
    venue = exchange()
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    near = venue.positions("a")[0].liquidation_price
    venue.move_margin("a", PERP, D(50))
    far = venue.positions("a")[0].liquidation_price
    assert near is not None
    assert far is not None
    assert far < near
    with pytest.raises(Refusal) as caught:
        venue.move_margin("a", PERP, D(-51))
    assert caught.value.reason is R.MARGIN_INSUFFICIENT
    venue.move_margin("a", PERP, D(-49))
    with pytest.raises(Refusal):
        venue.move_margin("a", PERP, D(1_000_000))
    venue.audit()


def test_margin_moves_need_an_isolated_position() -> None:
    venue = exchange()
    for prepare in (lambda: None, lambda: venue.place("a", market(PERP, BUY, "100"))):
        prepare()
        with pytest.raises(Refusal) as caught:
            venue.move_margin("a", PERP, D(1))
        assert caught.value.reason is R.POSITION_MISSING


def test_leverage_has_its_limits() -> None:
    venue = exchange()
    isolated(venue, 10)
    for leverage, reason in ((0, R.LEVERAGE_INVALID), (51, R.LEVERAGE_INVALID)):
        with pytest.raises(Refusal) as caught:
            venue.set_leverage("a", PERP, leverage)
        assert caught.value.reason is reason
    venue.place("a", market(PERP, BUY, "9500"))
    for leverage, reason in ((5, R.LEVERAGE_REDUCTION), (50, R.LEVERAGE_BRACKET)):
        with pytest.raises(Refusal) as caught:
            venue.set_leverage("a", PERP, leverage)
        assert caught.value.reason is reason
    assert venue.set_leverage("a", PERP, 20).leverage == 20
    assert venue.symbol_config("a", PERP).is_isolated


def test_lower_leverage_must_be_affordable_for_resting_orders() -> None:
    venue = exchange(perp="110")
    isolated(venue, 10)
    venue.place("a", limit(PERP, BUY, "100", "10"))
    with pytest.raises(Refusal) as caught:
        venue.set_leverage("a", PERP, 5)
    assert caught.value.reason is R.INSUFFICIENT_MARGIN
    assert venue.symbol_config("a", PERP).leverage == 10


def test_the_margin_type_changes_only_when_nothing_is_open() -> None:
    venue = exchange()

    def reason(*, wanted: bool) -> RefusalReason:
        with pytest.raises(Refusal) as caught:
            venue.set_margin_type("a", PERP, isolated=wanted)
        return caught.value.reason

    assert reason(wanted=False) is R.MARGIN_TYPE_SAME
    venue.place("a", limit(PERP, BUY, "100", "9"))
    assert reason(wanted=True) is R.OPEN_ORDERS_EXIST
    venue.cancel_all("a", PERP)
    venue.place("a", market(PERP, BUY, "100"))
    assert reason(wanted=True) is R.POSITION_EXISTS


def test_transfers_move_what_is_free_and_appear_in_the_statement() -> None:
    venue = exchange()
    isolated(venue, 10)
    venue.place("a", market(PERP, BUY, "100"))
    free = venue.wallet("a").transferable
    with pytest.raises(Refusal) as caught:
        venue.transfer("a", free + D("0.01"), to_perp=False)
    assert caught.value.reason is R.INSUFFICIENT_BALANCE
    number = venue.transfer("a", free, to_perp=False)
    assert venue.income("a", kind=IncomeKind.TRANSFER)[-1].id == number
    assert venue.wallet("a").available == 0
    assert venue.balances("a")["USDT"].free == 100_000 + free
    venue.transfer("a", D(10), to_perp=True)
    with pytest.raises(Refusal):
        venue.transfer("a", D(-1), to_perp=True)
    venue.audit()


def test_a_resting_order_that_can_no_longer_be_carried_expires_when_it_is_reached() -> None:
    venue = exchange([(0, 10.0), (HOUR, 9.2), (2 * HOUR, 9.2)], perp="2200")
    venue.set_leverage("a", PERP, 10)
    order = venue.place("a", limit(PERP, BUY, "1000", "9.3"))
    venue.place("a", market(PERP, BUY, "1200"))
    venue.advance(2 * HOUR)
    assert again(venue, order).expiry_reason is ExpiryReason.MARGIN
    venue.audit()


def test_close_position_orders_need_no_size_and_end_when_the_position_is_closed_otherwise() -> None:
    venue = exchange()
    venue.place("a", market(PERP, BUY, "100"))
    stop = venue.place("a", trigger(OrderType.STOP, PERP, SELL, None, "9", close_position=True))
    venue.place("a", market(PERP, SELL, "100"))
    assert again(venue, stop).expiry_reason is ExpiryReason.REDUCE_ONLY


@pytest.mark.parametrize("table", [MAJOR_BRACKETS, MINOR_BRACKETS])
def test_brackets_are_continuous_and_leverage_falls_with_size(table: tuple[tuple[str, int, str], ...]) -> None:
    brackets = make_brackets(table, 125)
    for low, high in pairwise(brackets):
        at = high.notional_floor
        assert at == low.notional_cap
        assert at * low.maintenance_rate - low.cum == at * high.maintenance_rate - high.cum
        assert high.leverage_max < low.leverage_max
        assert D(1) / low.leverage_max > low.maintenance_rate
    assert notional_cap(brackets, brackets[0].leverage_max) == brackets[0].notional_cap
    assert notional_cap(brackets, 1) == brackets[-1].notional_cap
    assert bracket_of(brackets, D(0)) is brackets[0]


def test_the_published_example_of_a_liquidation_price() -> None:
    brackets = make_brackets((("50000", 125, "0.004"),), 125)
    price = liquidation_in_brackets(instrument(PERP), brackets, size=D(1), entry=D(10_000), margin=D(1_000))
    assert price is not None
    assert round(price, 2) == D("9036.14")


def test_the_liquidation_price_uses_the_bracket_that_holds_there() -> None:
    brackets = make_brackets(MINOR_BRACKETS, 50)
    unit = instrument(PERP)
    for size in (D(100), D(1_050), D(9_900), D(20_000), -D(8_000), -D(80_000)):
        price = liquidation_in_brackets(unit, brackets, size=size, entry=D(10), margin=abs(size))
        assert price is not None
        notional = unit.notional(size, price)
        balance = abs(size) + perp.unrealised_pnl(unit, size, D(10), price)
        assert abs(balance - maintenance_of(brackets, notional)) < D("1e-12")


def test_own_brackets_of_a_symbol_win() -> None:
    own = make_brackets((("100", 5, "0.1"),), 5)
    venue = exchange(rules=Rules(brackets={PERP: own}, leverage_default=5))
    assert venue.brackets(PERP) == own
    assert refused(venue, market(PERP, BUY, "20")) is R.LEVERAGE_BRACKET
