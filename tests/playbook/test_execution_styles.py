"""Execution styles (PLAYBOOK §9): a TWAP spreads a leg over time inside its bound, the rest goes at once."""

from decimal import Decimal
from itertools import pairwise

import pytest

from bot.domain.money import ZERO
from bot.domain.order import Intent, Purpose, TimeInForce
from bot.domain.reason import Reason
from bot.playbook.policy import MINUTE_MS
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each

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
    plain, sliced = world(order_max_quote=10**9, order_share_max=1), world(
        order_max_quote=10**9, order_share_max=1, **{f"{purpose.value}_style": "twap"}
    )  # fmt: skip
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
