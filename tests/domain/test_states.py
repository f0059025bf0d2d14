"""The order table, pair by pair."""

from itertools import product

import pytest

from bot.domain.states import (
    ORDER_TABLE,
    IllegalTransition,
    KillLevel,
    OrderEvent,
    OrderState,
    advance,
    is_late,
)

ENDED = [state for state in OrderState if not state.is_live]


@pytest.mark.parametrize(("state", "event"), list(product(OrderState, OrderEvent)))
def test_every_pair_either_moves_along_the_table_or_raises(state: OrderState, event: OrderEvent) -> None:
    row = ORDER_TABLE[state]
    if event in row:
        assert advance(ORDER_TABLE, state, event) is row[event]
    else:
        with pytest.raises(IllegalTransition, match=f"{state} has no transition on {event}"):
            advance(ORDER_TABLE, state, event)


@pytest.mark.parametrize("state", list(OrderState))
def test_a_fill_is_accepted_in_every_state(state: OrderState) -> None:
    assert advance(ORDER_TABLE, state, OrderEvent.FILLED) is OrderState.FILLED


def test_doubt_is_never_ended_by_silence_or_by_a_rejection_of_something_else() -> None:
    assert OrderEvent.REJECTED not in ORDER_TABLE[OrderState.IN_DOUBT]
    assert advance(ORDER_TABLE, OrderState.IN_DOUBT, OrderEvent.LOST) is OrderState.IN_DOUBT


def test_absence_is_believed_only_before_the_venue_ever_showed_the_order() -> None:
    believers = {state for state, row in ORDER_TABLE.items() if OrderEvent.NOT_FOUND in row}
    assert believers == {OrderState.SUBMITTING, OrderState.IN_DOUBT}


def test_a_refused_cancel_leaves_the_order_working() -> None:
    assert advance(ORDER_TABLE, OrderState.CANCELING, OrderEvent.REJECTED) is OrderState.OPEN
    assert advance(ORDER_TABLE, OrderState.CANCELING, OrderEvent.LOST) is OrderState.CANCELING


@pytest.mark.parametrize("state", ENDED)
def test_ended_orders_accept_nothing_but_late_facts(state: OrderState) -> None:
    assert set(ORDER_TABLE[state]) <= {OrderEvent.FILLED, OrderEvent.SEEN_OPEN}
    for event in ORDER_TABLE[state]:
        assert is_late(state, event) == (state is not OrderState.FILLED)


def test_kill_levels_rise_from_off_to_flatten() -> None:
    assert [level.value for level in KillLevel] == ["off", "pause", "reduce-only", "cancel", "cancel-all", "flatten"]
    assert [level.severity for level in KillLevel] == [0, 1, 2, 3, 4, 5]
    assert max(KillLevel, key=lambda level: level.severity) is KillLevel.FLATTEN
