"""Execution styles (PLAYBOOK §9): a TWAP spreads a leg over time inside its bound, the rest goes at once."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from pydantic import ValidationError

from bot.domain.campaign import Condition
from bot.domain.durations import MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.order import FOREIGN, Intent, Purpose, TimeInForce
from bot.domain.reason import Reason
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each, resting

D = Decimal
STEP_MINUTES = 10


def world(**changes: object) -> World:
    settings: dict[str, object] = {"bridge": "none", "tactical": False, "entry_wait": False} | changes
    return neutral_world(golden_policy(**settings), sectors=one_token_each())


def sizes(made: list[Intent], purpose: Purpose) -> list[Decimal]:
    return [intent.size for intent in made if intent.purpose is purpose]


def walk(stage: World, turns: int, minutes: int = 1) -> list[tuple[int, Intent]]:
    """All intents with the minute at which they were made."""
    start, found = stage.at_ms, []
    for _ in range(turns):
        minute = (stage.at_ms - start) // MINUTE_MS
        found += [(minute, intent) for intent in stage.turn().intents]
        stage.skip(minutes)
    return found


@pytest.mark.parametrize("purpose", [Purpose.INCREASE, Purpose.REDUCE])
def test_a_twap_trades_what_one_order_would_in_slices_a_step_apart(purpose: Purpose) -> None:
    plain, sliced = (
        world(order_max_quote=10**9, order_share_max=1),
        world(order_max_quote=10**9, order_share_max=1, **{f"{purpose.value}_style": "twap"}),
    )
    at_once = [i for _, i in walk(plain, 100) if i.purpose is purpose and i.tranche == 1]
    slices = [(minute, i) for minute, i in walk(sliced, 100) if i.purpose is purpose and i.tranche == 1]
    assert len(at_once) == 1
    assert len(slices) in (6, 7)
    assert sum((i.size for _, i in slices), ZERO) == at_once[0].size
    minutes = [minute for minute, _ in slices]
    assert all(STEP_MINUTES <= b - a <= STEP_MINUTES + 2 for a, b in pairwise(minutes))
    assert {i.time_in_force for _, i in slices} == {TimeInForce.IOC}
    assert {i.worst_price for _, i in slices} == {at_once[0].worst_price}


def test_the_wait_between_slices_is_said_with_its_time() -> None:
    stage = world(reduce_style="twap")
    while not sizes(list(stage.turn().intents), Purpose.REDUCE):
        pass
    waits = [note for note in stage.turn().notes if note.reason is Reason.ENTRY_WAITS]
    assert ["the next slice is due in 10 min" in note.words for note in waits] == [True]


def test_hedges_never_go_in_slices() -> None:
    styles = {"increase_style": "twap", "reduce_style": "twap"}
    plain, sliced = ([i for _, i in walk(world(**s), 1) if i.purpose is Purpose.HEDGE] for s in ({}, styles))
    assert [i.size for i in sliced] == [i.size for i in plain] != []


def test_a_leg_whose_slices_would_be_below_the_minimum_goes_at_once() -> None:
    stage = world(reduce_style="twap", order_max_quote=10**9, order_share_max=1)
    stage.notional_min = D(4000)
    assert len({i.size for _, i in walk(stage, 30) if i.purpose is Purpose.REDUCE and i.tranche == 1}) == 1


def test_after_its_deadline_the_rest_goes_at_once() -> None:
    stage = world(reduce_style="twap", order_max_quote=10**9, order_share_max=1, entry_wait_hours=0)
    first = [i for _, i in walk(stage, 3) if i.purpose is Purpose.REDUCE]
    stage.skip(2 * 60)
    rest = [i for _, i in walk(stage, 2) if i.purpose is Purpose.REDUCE and i.tranche == 1]
    assert len(first) == len(rest) == 1
    assert rest[0].size == pytest.approx(5 * first[0].size, rel=D("0.01"))


def patient(style: str, **changes: object) -> World:
    stage = world(increase_style=style, rest_minutes=30, entry_wait_hours=0, **changes)
    stage.spread = D("0.002")
    return stage


def until_purchase(stage: World) -> Intent:
    for _ in range(40):
        for intent in stage.turn().intents:
            if intent.purpose is Purpose.INCREASE:
                return intent
    raise AssertionError("nothing was bought")


@pytest.mark.parametrize(
    ("style", "waits", "price"),
    [("post-only", TimeInForce.POST_ONLY, "9.99"), ("limit", TimeInForce.GTC, "10.00")],
)
def test_a_purchase_rests_at_the_touch_and_not_at_its_bound(style: str, waits: TimeInForce, price: str) -> None:
    intent = until_purchase(patient(style))
    assert (intent.time_in_force, intent.worst_price) == (waits, D(price))
    assert intent.worst_price <= until_purchase(patient("market")).worst_price


@pytest.mark.parametrize("style", ["limit", "post-only"])
def test_only_purchases_rest_and_only_until_their_deadline(style: str) -> None:
    stage = patient(style)
    made = [i for _, i in walk(stage, 20)]
    rested = {i.purpose for i in made if i.time_in_force.may_rest and not i.order_type.is_trigger}
    assert rested == {Purpose.INCREASE}
    assert {i.purpose for i in made} >= {Purpose.INCREASE, Purpose.HEDGE, Purpose.REDUCE}
    late = patient(style)
    late.fee = D(0)
    while Purpose.REDUCE not in {i.purpose for i in late.turn().intents}:
        pass
    late.skip(30)
    assert until_purchase(late).time_in_force is TimeInForce.IOC


def test_while_an_order_of_a_leg_rests_nothing_more_is_asked_for() -> None:
    stage = patient("post-only")
    first = until_purchase(stage)
    bought = stage.spot["UNI"] - first.size  # the builder fills at once: take the fill back and let the order rest
    stage.spot["UNI"] = bought
    stage.working = (resting(first, 1),)
    assert not [i for _, i in walk(stage, 10) if i.purpose is Purpose.INCREASE]
    stage.working = ()
    assert until_purchase(stage).id == first.id


def test_sales_never_rest() -> None:
    for style in ("limit", "post-only"):
        with pytest.raises(ValidationError, match=f"reduce_style = {style}: sales .* never wait .* use market or twap"):
            golden_policy(reduce_style=style)


@pytest.mark.parametrize(("moved", "is_left_behind"), [("1.0009", False), ("1.0012", True), ("0.99", False)])
def test_a_purchase_follows_the_bid_when_it_is_left_behind(moved: str, is_left_behind: bool) -> None:
    stage = patient("post-only")
    first = until_purchase(stage)
    stage.spot["UNI"] -= first.size
    order = resting(first, 1)
    stage.working = (order,)
    stage.prices["UNI"] *= D(moved)
    for made in (stage.guard(), stage.decide()):
        assert (order.client_id in made.cancels) is is_left_behind
        assert not [i for i in made.intents if i.purpose is Purpose.INCREASE], "and nothing replaces it in that turn"


def test_a_purchase_of_a_campaign_that_is_given_up_is_called_back() -> None:
    stage = patient("post-only")
    first = until_purchase(stage)
    order = resting(first, 1)
    stage.working = (order,)
    assert order.client_id not in stage.decide().cancels
    stage.policy = stage.policy.changed({"regime.override": Condition.DOWNTREND})
    assert order.client_id in stage.decide().cancels


def test_orders_of_others_are_left_where_they_are() -> None:
    stage = patient("post-only")
    foreign = replace(resting(until_purchase(stage), 1), client_id="foreign.v1", intent_id=FOREIGN)
    stage.working = (foreign,)
    stage.prices["UNI"] *= 2
    assert stage.guard().cancels == ()
