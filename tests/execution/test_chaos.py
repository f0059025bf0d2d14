"""Many lives of one account under seeded faults: whatever happens, the journal ends up telling the venue's truth."""

import random
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Purpose, TimeInForce
from bot.domain.states import OrderState
from bot.ports import ReportState, Unavailable
from bot.risk import Approved
from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.test_crashes import CALLS, WRITES, Crash, Doom, unwrap
from tests.execution.worlds import SYMBOLS, approve, open_world

SUBMITS = (
    "fill",
    "fill",
    "partial",
    "rest",
    "expire",
    "lost_request",
    "lost_reply",
    "duplicate",
    "garbage",
    "reject:rate_limit",
    "reject:funds",
    "late:3000",
    "late_fill:4900",
    "late_fill:5001",
)
CANCELS = ("ok", "ok", "filled_first", "lost_request", "lost_reply", "refuse", "not_found")
LIVES = 12


def some_intents(chance: random.Random, life: int) -> list[Approved]:
    purposes = (Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE, Purpose.EXIT)
    return [
        approve(
            chance.choice(purposes),
            id=f"life{life}.leg{leg}",
            leg=leg,
            symbol=chance.choice(SYMBOLS),
            side=chance.choice(list(Side)),
            size=Decimal(chance.randint(1, 6)),
            time_in_force=chance.choice([TimeInForce.IOC, TimeInForce.IOC, TimeInForce.GTC]),
        )
        for leg in range(chance.randint(1, 3))
    ]


@pytest.mark.sweep(keep=5)
@pytest.mark.parametrize("seed", range(15))
async def test_no_order_is_doubled_lost_or_oversized(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    venue, path = ScriptedVenue(), tmp_path / "j.db"
    bounds: dict[str, Decimal] = {}
    for life in range(LIVES):
        world = await open_world(path, venue)
        doom = Doom(chance.randint(1, 80))
        items = some_intents(chance, life)
        bounds |= {item.intent.id: item.size for item in items}
        venue.lag_ms = chance.choice([0, 0, 1_000, 2_500])
        venue.submits.extend(chance.choices(SUBMITS, k=3))
        venue.cancels.extend(chance.choices(CANCELS, k=2))
        doom.wrap(world.journal, WRITES)
        doom.wrap(venue, CALLS)
        try:
            await world.reconciler.settle(SYMBOLS)
            await world.executor.act(items)
            venue.is_down = chance.random() < 0.2
            await world.reconciler.settle(SYMBOLS)
        except (Crash, Unavailable):
            pass
        unwrap(venue, CALLS)
        venue.is_down = False
        await world.journal.close()
        venue.advance(chance.choice([1, 500, 4_000, 30_000, 130_000]))
    await check_the_end(path, venue, bounds)


async def check_the_end(path: Path, venue: ScriptedVenue, bounds: dict[str, Decimal]) -> None:
    venue.submits.clear()
    venue.cancels.clear()
    world = await open_world(path, venue)
    for _ in range(3):
        venue.advance(20_000)
        await world.reconciler.settle(SYMBOLS)
        await world.executor.act([])
    truth = await world.reconciler.settle(SYMBOLS)
    reader = world.journal.reader
    assert truth.is_agreed, truth.notes
    assert not truth.locked
    executed: dict[str, Decimal] = {}
    for there in venue.orders:
        here = reader.load_order(there.request.client_id)
        assert here is not None
        assert (here.filled_size, here.filled_quote) == (there.filled_size, there.filled_quote)
        assert here.state.is_live == (there.state is ReportState.OPEN)
        executed[here.intent_id] = executed.get(here.intent_id, Decimal(0)) + here.filled_size + here.open_size
    assert all(size <= bounds[intent] for intent, size in executed.items()), executed
    assert len({order.request.client_id for order in venue.orders}) == len(venue.orders)
    assert {fill.trade_id for fill in reader.load_fills(10_000)} == {fill.trade_id for fill in venue.fills}
    assert all(order.state is OrderState.OPEN for order in truth.working)
    assert not reader.load_facts("foreign_order")
    assert not reader.load_facts("adjustment")
    reader.verify()
    await world.journal.close()
