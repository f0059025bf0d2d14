"""The first orders after a start are small, tradable, and pass the gate; what reduces by itself is left alone."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.order import Intent, Purpose
from bot.risk import Approved, Limits, Refused, TurnRisk, review, shrink
from tests.risk.worlds import D, buy, context, hedge, portfolio, position, release, sell, snapshot, tactical

LIMITS = Limits()
ROTATION = (hedge(5_000), sell(7_500), sell(7_500, symbol="SOL/USDT"), buy(9_000), buy(9_000, symbol="AAVE/USDT"))


def value(intent: Intent) -> Decimal:
    instrument = snapshot().instruments[intent.symbol]
    return instrument.notional(intent.size, max(intent.worst_price, intent.reference_price))


def first(**changes: object) -> TurnRisk:
    return context(is_canary=True, **changes)


def test_every_phase_of_a_rotation_is_cut_to_the_canary_and_approved() -> None:
    small = shrink((*ROTATION, tactical(8_000)), snapshot(), LIMITS)
    assert all(D(450) < value(intent) <= 500 for intent in small)
    assert [intent.id for intent in small] == [intent.id for intent in (*ROTATION, tactical(8_000))]
    assert [type(v) for v in review(small, first(), LIMITS)] == [Approved] * 6


def test_without_the_cut_the_gate_refuses_entries_and_still_lets_sales_through() -> None:
    verdicts = review(ROTATION, first(), LIMITS)
    refused = [v.intent.purpose for v in verdicts if isinstance(v, Refused)]
    assert refused == [Purpose.HEDGE, Purpose.INCREASE, Purpose.INCREASE]


def test_exits_releases_and_flattening_are_not_cut() -> None:
    held = portfolio((position("ETH/USDT:USDT", D(-2)),))
    urgent = (release(4_000), release(4_000, purpose=Purpose.EXIT), sell(9_000, purpose=Purpose.FLATTEN))
    assert shrink(urgent, snapshot(), LIMITS) == urgent
    for intent in urgent:
        assert isinstance(review((intent,), first(portfolio=held), LIMITS)[0], Approved)


def test_what_is_small_already_stays_as_it_is() -> None:
    assert shrink((buy(400),), snapshot(), LIMITS) == (buy(400),)


def test_margin_shrinks_with_the_size() -> None:
    (small,) = shrink((tactical(8_000, margin_quote=D(1_600), leverage=D(5)),), snapshot(), LIMITS)
    assert abs(small.margin_quote / small.size - D(1_600) / tactical(8_000).size) < D("0.001")


@given(
    minimum=st.decimals("1", "3000", places=2),
    step=st.sampled_from(["0.001", "0.1", "1", "7"]),
    canary=st.decimals("20", "2000", places=0),
    worst=st.decimals("0.95", "1.05", places=3),
)
def test_a_canary_is_never_below_what_the_venue_takes(
    minimum: Decimal, step: str, canary: Decimal, worst: Decimal
) -> None:
    """Or the bot would wait for its first fill for ever."""
    base, limits = snapshot(), Limits(canary_quote=canary)
    uni = replace(base.instruments["UNI/USDT"], notional_min=minimum, size_step=D(step), size_min=D(step))
    world = replace(base, instruments={**base.instruments, "UNI/USDT": uni})
    wish = replace(buy(), size=uni.floor_size(D(1_000)), worst_price=D(10) * worst)
    (small,) = shrink((wish,), world, limits)
    assert uni.is_tradable(small.size, min(small.worst_price, D(10)))
    assert value(small) <= max(canary, minimum * D("1.2") + D(step) * D("10.5") * D("2.2")) or small == wish


def test_an_instrument_nobody_can_value_is_left_to_the_gate() -> None:
    for world in (snapshot(quotes={}), snapshot(instruments={})):
        assert shrink((buy(9_000),), world, LIMITS) == (buy(9_000),)


@pytest.mark.parametrize("number", [D("NaN"), D("Infinity")])
def test_numbers_that_are_none_are_left_to_the_gate(number: Decimal) -> None:
    wish = buy(size=number)
    assert shrink((wish,), snapshot(), LIMITS) == (wish,)


def test_the_words_of_a_first_order_say_why_it_is_small() -> None:
    (small,) = shrink((buy(9_000, words="buy UNI"),), snapshot(), LIMITS)
    assert small.words == "buy UNI (first order: small)"


def test_what_is_exactly_a_canary_is_not_touched() -> None:
    wish = buy(worst_price=D(10), words="buy UNI", size=D(50))
    assert value(wish) == LIMITS.canary_quote
    assert shrink((wish,), snapshot(), LIMITS) == (wish,)


def test_a_price_of_nothing_is_left_to_the_gate() -> None:
    base = snapshot()
    worthless = replace(base.quotes["UNI/USDT"], bid=D(0), ask=D(0), last=D(0))
    wish = buy(worst_price=D(0))
    assert shrink((wish,), replace(base, quotes={**base.quotes, "UNI/USDT": worthless}), LIMITS) == (wish,)
