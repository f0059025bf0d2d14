"""Resting orders of a journal that was lost: an acceptance takes them into the journal before anything else is sent."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType as Type
from bot.domain.order import Purpose
from bot.domain.order_ids import ClientOrderId, instrument_number
from bot.domain.states import OrderState
from bot.ports import NotListed, OrderReport, Unavailable
from tests.client_ids import leg_of
from tests.execution.scripted_venue import PERP, ScriptedVenue, VenueOrder
from tests.execution.worlds import ACCOUNT, SYMBOLS, World, open_world

STOP_OF_GUARD = ClientOrderId(ACCOUNT, 0, 3, instrument_number(PERP), 0, 0, epoch=77).text
LEG = ClientOrderId(ACCOUNT, 4, 1, 2, 0, 0, epoch=77).text


class ListLacksAnOrder(ScriptedVenue):
    """A venue whose list of open orders lacks a row, and which answers no question about one order while `is_mute`,
    and refuses its symbol while `is_refusing`."""

    hidden = ""
    is_mute = False
    is_refusing = False

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        return tuple(r for r in await super().fetch_open_orders(symbols) if r.client_id != self.hidden)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        if self.is_mute:
            raise Unavailable("no answer")
        if self.is_refusing:
            raise NotListed("-1121 Invalid symbol.")
        return await super().fetch_order(symbol, client_id, is_trigger=is_trigger)


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made = await open_world(tmp_path / "j.db", ListLacksAnOrder())
    await made.reconciler.settle(SYMBOLS)
    yield made
    made.journal.reader.verify()
    await made.journal.close()


def rest_stop(world: World, client_id: str) -> VenueOrder:
    """A resting reduce-only stop that another journal of this bot has sent."""
    order = world.venue.rest_foreign(client_id)
    order.request = replace(
        order.request,
        symbol=PERP,
        side=Side.BUY,
        order_type=Type.STOP,
        price=None,
        trigger_price=Decimal(12),
        reduce_only=True,
    )
    return order


async def test_a_stop_that_the_list_lacks_is_taken_in_with_the_acceptance(world: World) -> None:
    """The guard sent a second one into its place (simulation, seed 600011)."""
    rest_stop(world, STOP_OF_GUARD)
    await world.reconciler.settle(SYMBOLS)
    world.venue.hidden = STOP_OF_GUARD
    await world.reconciler.accept(by="operator", reason="a copy was restored")
    order = world.journal.reader.load_order(STOP_OF_GUARD)
    assert order is not None
    assert (order.state, order.intent_id, order.purpose) == (OrderState.OPEN, f"x3.{PERP}", Purpose.EXIT)
    truth = await world.reconciler.settle(SYMBOLS)
    assert [(one.client_id, one.intent_id) for one in truth.working] == [(STOP_OF_GUARD, f"x3.{PERP}")]


async def test_a_second_stop_of_one_place_is_taken_in_beside_the_first(world: World) -> None:
    """The journal takes one live order of an intent: the second could not be written (simulation, seed 71)."""
    first = ClientOrderId(ACCOUNT, 0, 3, instrument_number(PERP), 1, 0, epoch=76).text
    rest_stop(world, first)
    rest_stop(world, STOP_OF_GUARD)
    await world.reconciler.settle(SYMBOLS)
    await world.reconciler.accept(by="operator", reason="a copy was restored")
    working = world.journal.reader.load_working()
    assert {order.client_id for order in working} == {first, STOP_OF_GUARD}
    assert len({order.intent_id for order in working}) == 2


async def test_an_order_of_a_rotation_is_taken_in_without_a_place(world: World) -> None:
    rest_stop(world, LEG)
    await world.reconciler.settle(SYMBOLS)
    await world.reconciler.accept(by="operator", reason="a copy was restored")
    order = world.journal.reader.load_order(LEG)
    assert order is not None
    assert order.intent_id == f"adopted.{LEG}"


async def test_nothing_is_accepted_while_an_order_cannot_be_looked_up(world: World) -> None:
    rest_stop(world, STOP_OF_GUARD)
    await world.reconciler.settle(SYMBOLS)
    world.venue.is_mute = True
    with pytest.raises(Unavailable):
        await world.reconciler.accept(by="operator", reason="a copy was restored")
    assert not world.journal.reader.load_facts("twins_accepted")


async def test_nothing_is_accepted_while_a_listed_symbol_is_refused(world: World) -> None:
    """One refusal is no proof that the market has ended: the list of instruments still has it."""
    rest_stop(world, STOP_OF_GUARD)
    await world.reconciler.settle(SYMBOLS)
    world.venue.is_refusing = True
    with pytest.raises(NotListed):
        await world.reconciler.accept(by="operator", reason="a copy was restored")
    assert not world.journal.reader.load_facts("twins_accepted")


async def test_an_order_that_has_ended_meanwhile_is_not_taken_in(world: World) -> None:
    rest_stop(world, STOP_OF_GUARD)
    await world.reconciler.settle(SYMBOLS)
    await world.venue.cancel_order(PERP, STOP_OF_GUARD, is_trigger=True)
    await world.reconciler.accept(by="operator", reason="a copy was restored")
    assert world.journal.reader.load_order(STOP_OF_GUARD) is None


def test_the_leg_of_an_id_is_the_same_in_every_epoch() -> None:
    later = ClientOrderId(ACCOUNT, 0, 3, instrument_number(PERP), 5, 1, epoch=78).text
    assert leg_of(STOP_OF_GUARD) == leg_of(later)
