"""A refusal that does not pass by itself is not asked for again every cycle; what only reduces always is."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.execution.executor import Outcome
from bot.execution.phases import HOLD_MS
from bot.ports import Rejection, VenueRejected
from tests.execution.scripted_venue import PERP, SPOT, ScriptedVenue
from tests.execution.worlds import World, approve, open_world

PERMANENT = [kind for kind in Rejection if kind.is_permanent]


class StrictVenue(ScriptedVenue):
    """Refuses every change of leverage while `refusal` is set."""

    refusal: VenueRejected | None = None

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await super().set_leverage(symbol, leverage)
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await open_world(tmp_path / "j.db", StrictVenue(), threaded=True)
    yield made
    await made.journal.close()


async def hedge(world: World, leg: int) -> Outcome:
    item = approve(
        Purpose.HEDGE,
        id=f"1.1.{leg}",
        leg=leg,
        symbol=PERP,
        side=Side.SELL,
        worst_price=Decimal(9),
        leverage=Decimal(5),
    )
    (outcome,) = await world.executor.act([item])
    return outcome


def test_mode_permission_and_leverage_are_permanent_and_passing_troubles_are_not() -> None:
    assert set(PERMANENT) == {Rejection.PERMANENT, Rejection.AUTHENTICATION, Rejection.LEVERAGE}


@pytest.mark.parametrize("kind", PERMANENT)
async def test_a_refused_leverage_is_said_and_asked_once_an_hour(world: World, kind: Rejection) -> None:
    venue = world.venue
    assert isinstance(venue, StrictVenue)
    venue.refusal = VenueRejected("-4168", "multi-assets mode", kind)
    for leg in range(1, 4):
        outcome = await hedge(world, leg)
        assert "-4168" in outcome.refused_for_good
        venue.advance(300_000)
    assert [call for call in venue.calls if call.startswith("set_leverage")] == [f"set_leverage {PERP} 5"]
    assert venue.posts == []
    venue.refusal = None
    venue.advance(HOLD_MS)
    outcome = await hedge(world, 4)
    assert outcome.refused_for_good == ""
    assert outcome.is_complete


@pytest.mark.parametrize("kind", PERMANENT)
async def test_a_refused_order_is_said_and_sent_once_an_hour(world: World, kind: Rejection) -> None:
    for leg in range(1, 4):
        world.venue.submits.append(f"reject:{kind}")
        (outcome,) = await world.executor.act([approve(id=f"1.1.{leg}", leg=leg)])
        assert Reason.LEG_REFUSED in {note.reason for note in outcome.notes}
    assert len(world.venue.posts) == 1


@pytest.mark.parametrize("kind", ["funds", "filter", "market_closed", "other", "rate_limit"])
async def test_a_refusal_that_may_pass_holds_nothing_back(world: World, kind: str) -> None:
    for leg in range(1, 3):
        world.venue.submits.extend([f"reject:{kind}"] * 3)
        (outcome,) = await world.executor.act([approve(id=f"1.1.{leg}", leg=leg)])
        assert outcome.refused_for_good == ""
        assert outcome.client_ids


@pytest.mark.parametrize("purpose", [Purpose.EXIT, Purpose.REDUCE, Purpose.FLATTEN, Purpose.RELEASE])
async def test_what_only_reduces_is_always_sent(world: World, purpose: Purpose) -> None:
    for leg in range(1, 4):
        world.venue.submits.append("reject:permanent")
        item = approve(purpose, id=f"1.1.{leg}", leg=leg, side=Side.SELL, worst_price=Decimal(9), symbol=SPOT)
        (outcome,) = await world.executor.act([item])
        assert outcome.refused_for_good
    assert len(world.venue.posts) == 3
