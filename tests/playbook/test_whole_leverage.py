"""Leverage is sent as a whole number, rounded down and within the caps: venues refuse any other."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.order import Purpose
from bot.domain.perp import liquidation_price
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


@settings(max_examples=60, deadline=None)
@given(leverage=st.integers(1, 10), moved=st.decimals("0.95", "1.4", places=3))
def test_a_long_is_asked_for_with_a_stop_inside_its_liquidation_wherever_the_price_has_gone(
    leverage: int, moved: Decimal
) -> None:
    """Soak seed 3: the price had risen since the plan, the stop lay beyond the liquidation of an entry at the new
    price, and the gate refused the leg in every cycle."""
    world = neutral_world(
        golden_policy(bridge="reserve", reserve_quote=5000, tactical_leverage=leverage), sectors=one_token_each()
    )
    for _ in range(20):
        made = world.decide()
        longs = [intent for intent in made.intents if intent.purpose is Purpose.TACTICAL]
        if longs:
            break
        world.move(made.transfers)
        world.apply(made.intents)
    world.prices["UNI"] *= moved
    for intent in (i for i in world.decide().intents if i.purpose is Purpose.TACTICAL):
        assert intent.exits is not None
        assert intent.leverage is not None
        found = liquidation_price(
            world.instruments()[intent.symbol],
            size=intent.size,
            entry=intent.reference_price,
            margin=intent.size * intent.reference_price / intent.leverage,
            maintenance_rate=world.policy.sizing.maintenance_rate,
        )
        assert found is None or found < intent.exits.stop_price < intent.reference_price
