"""The resting stop of a hedge fires at the exchange: what the bot makes of it, and how it is counted."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.campaign import Memory
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import Order, OrderType, Purpose, TimeInForce
from bot.domain.order_ids import STOP_KINDS, OrderKind
from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.runtime.cycle import CycleResult
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.watch.stopped_hedges import count_stopped
from bot.runtime.wiring import App
from tests.runtime.test_speculation import AAVE, BEGINS_HOURS, START_MS, downtrend
from tests.stage import Stage, notes_of

D = Decimal
WAITING = (
    "playbook.regime.override=neutral",
    "playbook.allocation.neutral_futures=delta-neutral",
    'universe.sectors.defi.hedge=["AAVE"]',
)
JUMP = ((1, 1.0), (2, 1.6), (400, 1.6))


def hedge_of(stage: Stage) -> Decimal:
    return sum((-p.size for p in stage.embedded.exchange.positions(ACCOUNT) if p.symbol == AAVE), ZERO)


async def hedged(stage: Stage, app: App) -> None:
    """Turns until the hedge stands with its stop at the exchange and nothing is left to do."""
    for _ in range(40):
        result = await stage.turn(app)
        stops = [o for o in stage.embedded.exchange.open_orders(ACCOUNT, AAVE) if o.type is OrderType.STOP]
        if hedge_of(stage) and stops and not result.has_acted:
            return
        if not result.has_acted:
            stage.embedded.clock.skip(HOUR_MS // 4)
    pytest.fail(f"no hedge was opened: {[note.words for note in notes_of(stage.results[-1])]}")


@pytest.mark.parametrize("is_away", [False, True], ids=["while the bot runs", "while it is away"])
async def test_a_hedge_that_its_stop_has_closed_is_not_opened_again_for_a_while(tmp_path: Path, is_away: bool) -> None:
    async with downtrend(tmp_path, JUMP, WAITING) as stage:
        app = await stage.build()
        try:
            await hedged(stage, app)
            assert app.journal.reader.load_memory().hedges.get(AAVE) == "defi"
            if is_away:
                await app.close()
            stage.embedded.clock.skip(START_MS + (BEGINS_HOURS + 3) * HOUR_MS - stage.embedded.exchange.now_ms)
            if is_away:
                app = await stage.build()
            result = await stage.turn(app)
            assert hedge_of(stage) == 0, "the exchange has closed it"
            assert Reason.HEDGE_STOPPED in reasons(result)
            memory = app.journal.reader.load_memory()
            assert list(memory.hedges_stopped) == ["defi"]
            fired = [o for o in app.journal.reader.load_orders(10_000) if o.intent_id in ids_of(AAVE) and o.filled_size]
            assert [(o.purpose, o.side, o.order_type) for o in fired] == [(Purpose.EXIT, Side.BUY, OrderType.STOP)]
            hours = app.settings.playbook.hedging.stop_pause_hours
            for _ in range(4):
                said = reasons(await stage.turn(app))
                assert hedge_of(stage) == 0
                assert Reason.HEDGE_PAUSED in said
                assert Reason.HEDGE_STOPPED not in said, "it is said once"
            stage.embedded.clock.skip((hours + 1) * HOUR_MS)
            assert Reason.HEDGE_PAUSED not in reasons(await stage.turn(app))
            await stage.check_books(app)
        finally:
            await app.close()


def reasons(result: CycleResult) -> set[Reason]:
    return {note.reason for note in notes_of(result)}


def ids_of(symbol: str) -> set[str]:
    return {kind.intent_id(symbol) for kind in STOP_KINDS}


class Reader:
    """The journal's orders by intent."""

    def __init__(self, *orders: Order) -> None:
        self.orders = orders

    def load_orders_of_intent(self, intent_id: str) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.intent_id == intent_id)


STOP = Order(
    "c1",
    OrderKind.STOP.intent_id(AAVE),
    Purpose.EXIT,
    "defi",
    AAVE,
    Side.BUY,
    D(3),
    None,
    OrderType.STOP,
    TimeInForce.GTC,
    True,
    OrderState.FILLED,
    sent_ms=200,
    receive_window_ms=5_000,
    filled_size=D(3),
)
NEXT = replace(STOP, client_id="c2", intent_id=OrderKind.NEXT_STOP.intent_id(AAVE))
SHORT = Position(AAVE, D(-1), D(100), D(100), ZERO, D(30))
REMEMBERED = Memory(hedges={AAVE: "defi"}, hedges_since={AAVE: 100}, hedges_stopped={"infra": 7})
COUNTED = {"infra": 7, "defi": 900}
# what happened, the journal's orders, the positions of now, what counts as stopped
ROWS: Mapping[str, tuple[tuple[Order, ...], Mapping[str, Position], Mapping[str, int]]] = {
    "its stop has filled": ((STOP,), {}, COUNTED),
    "the successor of its stop has filled": ((NEXT,), {}, COUNTED),
    "a part of its stop has filled and the position is gone": ((replace(STOP, filled_size=D(1)),), {}, COUNTED),
    "the position has turned into a long": ((STOP,), {AAVE: replace(SHORT, size=D(1))}, COUNTED),
    "the short still stands": ((STOP,), {AAVE: SHORT}, {"infra": 7}),
    "it is gone and no stop of it was sent": ((), {}, {"infra": 7}),
    "its stop was cancelled without an execution": (
        (replace(STOP, state=OrderState.CANCELED, filled_size=ZERO),),
        {},
        {"infra": 7},
    ),
    "the stop of an earlier hedge had filled": ((replace(STOP, sent_ms=99),), {}, {"infra": 7}),
    "the stop of a long had filled": ((replace(STOP, side=Side.SELL),), {}, {"infra": 7}),
    "a close of the guard had filled": (
        (replace(STOP, intent_id=OrderKind.CLOSE.intent_id(AAVE)),),
        {},
        {"infra": 7},
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_only_a_stop_that_has_executed_counts(row: str) -> None:
    orders, positions, stopped = ROWS[row]
    reader: Any = Reader(*orders)
    after = count_stopped(REMEMBERED, reader, positions, 900)
    assert after.hedges_stopped == stopped
    assert (AAVE in after.hedges_since) == (stopped != COUNTED)
    if stopped != COUNTED:
        assert after is REMEMBERED
    else:
        assert count_stopped(after, reader, positions, 950) is after, "it is counted once"
