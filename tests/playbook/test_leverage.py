"""Leverage and margin type of a position are what the venue reports, and a difference stops entries."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from tests.playbook.builders import golden_policy, neutral_world, one_token_each
from tests.playbook.test_exits import ETH, UNI, reasons, world_with_a_long

D = Decimal


def test_leverage_as_it_was_set_is_no_event() -> None:
    world = world_with_a_long()
    made = world.guard()
    assert Reason.LEVERAGE_DIFFERS not in reasons(made)
    assert (made.memory.leverages[UNI], dict(made.memory.leverage_wrong)) == (world.positions[UNI].leverage, {})


@pytest.mark.parametrize("leverage", ["1", "2", "4", "20", "50"])
def test_another_leverage_stops_entries_and_names_what_was_set(leverage: str) -> None:
    world = world_with_a_long()
    world.guard()
    world.positions[UNI] = replace(world.positions[UNI], leverage=D(leverage))
    for _ in range(2):
        made = world.guard()
        assert made.memory.leverages[UNI] == 3
        assert f"reports leverage {leverage}, 3 was set" in made.memory.leverage_wrong[UNI]
    world.positions[UNI] = replace(world.positions[UNI], leverage=D(3))
    assert not world.guard().memory.leverage_wrong


def test_a_position_first_seen_at_another_leverage_is_compared_with_its_leg() -> None:
    """Case a24: the venue confirmed the leverage of the leg, and the position stands at another."""
    world = world_with_a_long()
    world.memory = replace(world.memory, leverages={})
    world.positions[UNI] = replace(world.positions[UNI], leverage=D(2))
    assert world.guard().memory.leverages[UNI] == 3
    assert UNI in world.memory.leverage_wrong


def test_a_hedge_keeps_the_leverage_it_was_opened_with_when_the_policy_changes() -> None:
    world = neutral_world(golden_policy(hedge_leverage=5), sectors=one_token_each())
    world.memory = replace(world.memory, hedges={ETH: "defi"})
    hedge = Position(ETH, D(-1), D(100), D(100), D(0), D(20), D(5), D(115))
    world.positions[ETH] = hedge
    world.guard()
    world.policy = replace_policy(world.policy, D(4))
    assert not world.guard().memory.leverage_wrong
    world.positions[ETH] = replace(hedge, leverage=D(4))
    assert not world.guard().memory.leverage_wrong
    world.positions[ETH] = replace(hedge, leverage=D(10))
    assert "10, 4 was set" in world.guard().memory.leverage_wrong[ETH]


def replace_policy(policy: object, leverage: Decimal) -> object:
    return policy.changed({"hedging.leverage": leverage})  # type: ignore[attr-defined]


def test_cross_margin_stops_entries_whoever_opened_the_position() -> None:
    world = world_with_a_long()
    world.positions[UNI] = replace(world.positions[UNI], is_isolated=False, margin=D(0))
    world.positions[ETH] = Position(ETH, D(1), D(100), D(100), D(0), D(0), D(20), None, False)
    made = world.guard()
    assert sorted(made.memory.leverage_wrong) == [ETH, UNI]
    assert all("cross margin" in words for words in made.memory.leverage_wrong.values())


@pytest.mark.parametrize("unread", ["perp:", f"perp:{UNI}"])
def test_what_was_wrong_stays_wrong_while_the_position_cannot_be_read(unread: str) -> None:
    """The books know neither leverage nor margin type: what they say of the position is no answer."""
    world = world_with_a_long()
    read = world.positions[UNI]
    world.positions[UNI] = replace(read, leverage=D(20), is_isolated=False, margin=D(0))
    wrong = dict(world.guard().memory.leverage_wrong)
    assert UNI in wrong
    world.positions[UNI], world.unreadable = replace(read, leverage=None), {unread: "no answer"}
    made = world.guard()
    assert (dict(made.memory.leverage_wrong), made.memory.leverages[UNI]) == (wrong, 3)
    world.positions[UNI], world.unreadable = read, {}
    assert not world.guard().memory.leverage_wrong


def test_a_position_that_is_gone_is_forgotten() -> None:
    world = world_with_a_long()
    world.guard()
    world.positions.clear()
    made = world.guard()
    assert (dict(made.memory.leverages), dict(made.memory.leverage_wrong)) == ({}, {})
