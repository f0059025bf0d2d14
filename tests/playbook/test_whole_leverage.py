"""Leverage is sent as a whole number, rounded down and within the caps: venues refuse any other."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.order import Purpose
from tests.playbook.builders import golden_policy, neutral_world, one_token_each

D = Decimal
ANY = st.decimals("1", "5", places=1)


@settings(max_examples=40, deadline=None)
@given(tactical=ANY, hedge=ANY, most=ANY, rate=st.decimals("0", "0.004", places=5))
def test_every_leverage_that_is_asked_for_is_a_whole_number_within_its_caps(
    tactical: Decimal, hedge: Decimal, most: Decimal, rate: Decimal
) -> None:
    policy = golden_policy(
        bridge="reserve", reserve_quote=5000, tactical_leverage=tactical, hedge_leverage=hedge, max_leverage=most
    )
    world = neutral_world(policy, sectors=one_token_each())
    world.funding = {f"{token}/USDT:USDT": rate for token in world.prices}
    asked = [intent for made in world.run() for intent in made.intents if intent.leverage is not None]
    assert asked, "the hedge at least"
    for intent in asked:
        wanted = hedge if intent.purpose is Purpose.HEDGE else tactical
        assert intent.leverage is not None
        assert intent.leverage == intent.leverage.to_integral_value()
        assert 1 <= intent.leverage <= min(wanted, most)
        assert abs(intent.margin_quote * intent.leverage - intent.size * intent.reference_price) <= intent.size * D("1")
