"""What is under way has its money already: cash for purchases, margin for entries nobody has confirmed.

Each room is found by asking the gate for more and more, so that a test knows the exact edge.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.order import Intent, Order, OrderType
from bot.domain.portfolio import Balance, Portfolio, Position
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.risk import Approved, Limits, Refused, TurnRisk, review
from tests.risk.test_checks import WIDE
from tests.risk.worlds import (
    CASH,
    SPOT,
    D,
    buy,
    context,
    hedge,
    portfolio,
    position,
    sell,
    tactical,
    working,
)

FEE = D("0.0005")
AAVE, UNI_PERP = "AAVE/USDT", "UNI/USDT:USDT"
PURSE = D(6_000)
PER_UNIT = hedge().reference_price * (D(1) / 5 + FEE)


def room(wish: Callable[[Decimal], Intent], world: TurnRisk, reason: Reason, limits: Limits = WIDE) -> Decimal:
    """The largest size that passes, to a thousandth; one more is refused for `reason`."""
    low, high = 0, 4_000_000
    while high - low > 1:
        middle = (low + high) // 2
        verdict = review([replace(wish(D(1)), size=D(middle) / 1000)], world, limits)[0]
        low, high = (middle, high) if isinstance(verdict, Approved) else (low, middle)
    refused = review([replace(wish(D(1)), size=D(high) / 1000)], world, limits)[0]
    assert isinstance(refused, Refused)
    assert refused.note.reason is reason, refused.note.words
    return D(low) / 1000


def poor(*positions: Position) -> Portfolio:
    """So little margin is free that it binds before anything else."""
    seen = portfolio(positions)
    return replace(seen, account=replace(seen.account, perp_free=PURSE))


def cash_room(*orders: Order, **changes: Any) -> Decimal:
    """Cash that purchases of AAVE may still spend."""
    world = context(working=orders, **changes)
    return room(lambda size: buy(symbol=AAVE), world, Reason.BALANCE_SHORT) * buy(symbol=AAVE).worst_price


def margin_room(*orders: Order, **changes: Any) -> Decimal:
    """Size of ETH perp hedges there is margin for."""
    world = context(working=orders, **{"portfolio": poor()} | changes)
    return room(lambda size: hedge(), world, Reason.MARGIN_SHORT)


NEAR = D("0.3")  # quote: a thousandth of AAVE, the step of the search


def test_a_purchase_under_way_has_its_cash_at_its_own_price() -> None:
    free = cash_room()
    for state in (OrderState.OPEN, OrderState.SUBMITTING, OrderState.IN_DOUBT):
        order = working(buy(1_000, id="old"), state, price=D("12.5"), size=D(100))
        assert abs(free - cash_room(order) - 1_250) < NEAR


def test_what_has_filled_of_a_purchase_takes_no_cash_any_more() -> None:
    order = working(buy(1_000, id="old"), price=D(10), size=D(100), filled_size=D(60), filled_quote=D(600))
    assert abs(cash_room() - cash_room(order) - 400) < NEAR


def test_a_purchase_at_market_takes_cash_at_the_valuation() -> None:
    order = working(buy(1_000, id="old"), price=None, order_type=OrderType.MARKET, size=D(100))
    assert abs(cash_room() - cash_room(order) - 1_000) < NEAR


@pytest.mark.parametrize(
    "order",
    [
        working(sell(1_000, id="old")),
        working(hedge(1_000, id="old")),
        working(tactical(1_000, id="old")),
        working(buy(1_000, id="old"), OrderState.CANCELED),
    ],
    ids=["a sale", "a hedge", "a long", "an order that is over"],
)
def test_sales_perps_and_what_is_over_take_no_cash(order: Order) -> None:
    assert cash_room(order) == cash_room()


def test_cash_that_the_venue_has_locked_already_is_not_taken_twice() -> None:
    order = working(buy(1_000, id="old"), price=D(10), size=D(100))
    account = portfolio().account
    locked = {**account.balances, "USDT": Balance("USDT", CASH - 1_000, D(1_000))}
    seen = replace(portfolio(), account=replace(account, balances=locked))
    assert abs(cash_room() - cash_room(order, portfolio=seen) - 1_000) < NEAR


def test_a_purchase_in_the_same_batch_has_its_cash_first_and_a_sale_brings_its_own_less_fees() -> None:
    def left(*earlier: Intent) -> Decimal:
        def last_passes(value: Decimal) -> bool:
            wish = buy(symbol=AAVE)
            wish = replace(wish, size=(value / wish.worst_price).quantize(D("0.001")))
            return isinstance(review([*earlier, wish], context(), WIDE)[-1], Approved)

        low, high = D(0), D(40_000)
        while high - low > NEAR:
            middle = (low + high) / 2
            low, high = (middle, high) if last_passes(middle) else (low, middle)
        return low

    free = left()
    assert abs(free - left(buy(1_000)) - buy(1_000).size * buy(1_000).worst_price) < 2 * NEAR
    assert abs(left(sell(2_000)) - free - 2_000 * (1 - FEE)) < 2 * NEAR
    assert left(tactical(1_000)) == free, "margin is another purse"


def unified() -> Portfolio:
    """The same money in one purse."""
    account = portfolio().account
    balances = {**account.balances, "USDT": Balance("USDT", PURSE)}
    return replace(portfolio(), account=replace(account, balances=balances, is_unified=True))


@pytest.mark.parametrize("state", [OrderState.SUBMITTING, OrderState.IN_DOUBT])
def test_an_entry_nobody_has_confirmed_has_its_margin_and_its_fee(state: OrderState) -> None:
    order = working(tactical(1_000, id="old"), state, price=D(10), size=D(300))
    asked = (order.size * 10) * (1 + FEE)  # nothing is held, so it counts at a leverage of one
    assert abs((margin_room() - margin_room(order)) * PER_UNIT - asked) < 1


def test_the_leverage_of_what_is_held_counts_for_an_entry_in_doubt() -> None:
    held = poor(position(UNI_PERP, D(10), leverage=D(4)))
    order = working(tactical(1_000, id="old"), OrderState.IN_DOUBT, price=D(10), size=D(300))
    taken = (margin_room(portfolio=held) - margin_room(order, portfolio=held)) * PER_UNIT
    assert abs(taken - 3_000 * (D(1) / 4 + FEE)) < 1


def test_an_entry_in_doubt_without_a_price_counts_at_the_valuation() -> None:
    order = working(
        tactical(1_000, id="old"), OrderState.IN_DOUBT, price=None, order_type=OrderType.MARKET, size=D(300)
    )
    assert abs((margin_room() - margin_room(order)) * PER_UNIT - 3_000 * (1 + FEE)) < 1


@pytest.mark.parametrize(
    "order",
    [
        working(tactical(1_000, id="old")),  # the venue's own balance shows it
        working(tactical(1_000, id="old", reduce_only=True), OrderState.IN_DOUBT),
        working(buy(1_000, id="old"), OrderState.IN_DOUBT),
    ],
    ids=["confirmed", "reduce-only", "spot"],
)
def test_what_locks_no_margin_beyond_the_venues_own_balance_takes_none(order: Order) -> None:
    assert margin_room(order) == margin_room()


def test_entries_of_the_same_batch_have_their_margin_first() -> None:
    first, world = tactical(1_500), context(portfolio=poor())
    verdicts = review([first, replace(hedge(), size=margin_room())], world, WIDE)
    assert [type(v) for v in verdicts] == [Approved, Refused]
    needed = first.size * first.worst_price * (D(1) / 3 + FEE)
    fits = replace(hedge(), size=(margin_room() - needed / PER_UNIT - D("0.01")).quantize(D("0.001")))
    assert [type(v) for v in review([first, fits], world, WIDE)] == [Approved, Approved]


def test_in_one_purse_margin_and_purchases_take_from_the_same_money() -> None:
    seen = unified()
    order = working(tactical(1_000, id="old"), OrderState.IN_DOUBT, price=D(10), size=D(100))
    taken = cash_room(portfolio=seen) - cash_room(order, portfolio=seen)
    assert abs(taken - 1_000 * (1 + FEE)) < NEAR
    purchase = working(buy(1_000, id="old"), price=D(10), size=D(100))
    assert abs((margin_room(portfolio=seen) - margin_room(purchase, portfolio=seen)) * PER_UNIT - 1_000) < 1


def test_the_floor_of_cash_is_never_spent() -> None:
    limits = WIDE.model_copy(update={"cash_floor_quote": WIDE.cash_floor_quote + 700})
    wish = buy(symbol=AAVE)
    less = room(lambda size: wish, context(), Reason.BALANCE_SHORT, limits) * wish.worst_price
    assert abs(cash_room() - less - 700) < NEAR


def test_tokens_of_a_sale_under_way_are_not_sold_again() -> None:
    held = SPOT["ETH"][1]
    selling = working(sell(2_000, id="old"), size=D(3))
    assert room(lambda size: sell(), context(working=(selling,)), Reason.BALANCE_SHORT) == held - 3
    bought = working(buy(2_000, symbol="ETH/USDT", id="old"), size=D(1))
    other = working(sell(2_000, symbol="SOL/USDT", id="old"), size=D(3))
    assert room(lambda size: sell(), context(working=(bought, other)), Reason.BALANCE_SHORT) == held
    first = sell(4_000)
    verdicts = review([first, replace(sell(id="second"), size=held - first.size + D("0.001"))], context(), WIDE)
    assert [type(v) for v in verdicts] == [Approved, Refused]


def test_the_exposure_of_an_order_counts_at_its_price_its_trigger_or_the_valuation() -> None:
    limits = WIDE.model_copy(update={"asset_max": D("0.5")})

    def left(order: Order) -> Decimal:
        return room(lambda size: buy(), context(working=(order,), portfolio=rich()), Reason.ASSET_EXPOSURE, limits)

    limit = working(buy(id="old"), size=D(100), price=D(20))
    market = working(buy(id="old"), size=D(100), price=None, order_type=OrderType.MARKET)
    nothing = working(buy(id="old"), OrderState.CANCELED, size=D(100), price=D(20))
    # A pending purchase at twice the price counts at that price, and what it would lose is gone from equity.
    assert left(nothing) > left(market) > left(limit)
    assert abs((left(nothing) - left(market)) * buy().worst_price - 1_000) < 5


def rich() -> Portfolio:
    """Cash enough that exposure is what binds."""
    account = portfolio().account
    return replace(
        portfolio(), account=replace(account, balances={**account.balances, "USDT": Balance("USDT", D(90_000))})
    )


def test_a_cross_position_counts_the_margin_its_leverage_asks_for() -> None:
    held = position(UNI_PERP, D(100), leverage=D(5))
    isolated = portfolio((held,))
    cross = portfolio((replace(held, margin=D(0)),))
    limits = WIDE.model_copy(update={"liquidation_distance_min": D("0.20")})
    passes = [
        isinstance(review([tactical(300, leverage=D(4))], context(portfolio=seen), limits)[0], Approved)
        for seen in (isolated, cross)
    ]
    assert passes[0] == passes[1], "a wallet of its own and the same margin asked for: the same distance"
    tighter = WIDE.model_copy(update={"liquidation_distance_min": D("0.205")})
    verdicts = [
        review([tactical(300, leverage=D(4))], context(portfolio=seen), tighter)[0] for seen in (isolated, cross)
    ]
    numbers = [v.note.numbers["liquidation"] for v in verdicts if isinstance(v, Refused)]
    assert len(set(numbers)) <= 1
