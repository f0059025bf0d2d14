"""Orders of a symbol that the venue no longer lists: over once every answer says so, and never by one answer alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Instrument
from bot.domain.order import TimeInForce
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.execution.unknown_outcomes import UNLISTED_SETTLEMENTS
from bot.ports import Answered, NotListed, OrderReport
from tests.execution.scripted_venue import SPOT, ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, approve, open_world


class EndingVenue(ScriptedVenue):
    """A venue on which SPOT ends: `refusing` questions about it, `missing` from so many lists (None: all). `nameless`:
    an order is asked for by its id alone."""

    refusing = False
    nameless = False
    missing: int | None = 0
    unreadable = False

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        found = dict(await super().fetch_instruments(symbols))
        if self.missing is None or self.missing > 0:
            found.pop(SPOT, None)
            self.missing = None if self.missing is None else self.missing - 1
        why = {} if SPOT in found else {SPOT: "why it is absent"}
        return Answered(found, why, why if self.unreadable else ())

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        if self.refusing and symbol == SPOT and not self.nameless:
            raise NotListed("-1121 Invalid symbol.")
        return await super().fetch_order(symbol, client_id, is_trigger=is_trigger)

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        if self.refusing and symbol == SPOT and self.nameless:
            raise NotListed("-1121 Invalid symbol.")
        return await super().fetch_order_history(symbol, since_ms)


@pytest.fixture
async def ending(tmp_path: Path) -> Any:
    venue = EndingVenue()
    made = await open_world(tmp_path / "j.db", venue)
    await made.reconciler.settle(SYMBOLS)
    yield made, venue
    made.journal.reader.verify()
    await made.journal.close()


async def place(made: World, venue: EndingVenue, word: str) -> None:
    venue.submits.append(word)
    await made.executor.act([approve(time_in_force=TimeInForce.GTC)])
    venue.orders.clear()
    venue.advance(20_000)


@pytest.mark.parametrize("nameless", [False, True])
@pytest.mark.parametrize("word", ["rest", "lost_request"])
async def test_an_order_of_a_removed_symbol_is_over(
    ending: tuple[World, EndingVenue], word: str, nameless: bool
) -> None:
    """Where the order's own endpoint takes no symbol it says that it does not know the order, and nothing of the
    symbol: the doubt stayed for ever, and the symbol locked (simulation at the wire, seed 2510014)."""
    made, venue = ending
    venue.nameless = nameless
    await place(made, venue, word)
    venue.refusing, venue.missing = True, None
    for _ in range(UNLISTED_SETTLEMENTS):
        truth = await made.reconciler.settle(SYMBOLS)
    assert truth.working == ()
    assert made.journal.reader.load_orders()[0].state is OrderState.EXPIRED


async def test_a_symbol_that_is_refused_and_missing_for_a_moment_does_not_end_its_orders(
    ending: tuple[World, EndingVenue],
) -> None:
    """An order that had executed was ended, and its executions were never read (simulation, seed 500560)."""
    made, venue = ending
    await place(made, venue, "rest")
    for _ in range(2):
        venue.refusing, venue.missing = True, None
        for _ in range(UNLISTED_SETTLEMENTS - 1):
            await made.reconciler.settle(SYMBOLS)
        venue.missing = 0  # the list has it again
        truth = await made.reconciler.settle(SYMBOLS)
        assert [order.state for order in truth.working] == [OrderState.OPEN]


@pytest.mark.parametrize(("refusing", "missing"), [(True, 0), (True, 1)])
async def test_one_list_without_the_symbol_does_not_end_its_orders(
    ending: tuple[World, EndingVenue], refusing: bool, missing: int
) -> None:
    made, venue = ending
    await place(made, venue, "rest")
    venue.refusing, venue.missing = refusing, missing
    truth = await made.reconciler.settle(SYMBOLS)
    assert [order.state for order in truth.working] == [OrderState.OPEN]
    assert Reason.VENUE_UNAVAILABLE in {note.reason for note in truth.notes}


async def test_a_removed_symbol_is_not_believed_before_the_quiet_period(ending: tuple[World, EndingVenue]) -> None:
    made, venue = ending
    venue.submits.append("lost_request")
    await made.executor.act([approve()])
    venue.refusing, venue.missing = True, None
    venue.advance(venue.quiet_period_ms - 1)
    truth = await made.reconciler.settle(SYMBOLS)
    assert [order.state for order in truth.working] == [OrderState.IN_DOUBT]


async def test_a_row_of_the_list_that_cannot_be_read_does_not_end_the_orders_of_its_symbol(
    ending: tuple[World, EndingVenue],
) -> None:
    made, venue = ending
    await place(made, venue, "rest")
    venue.refusing, venue.missing, venue.unreadable = True, None, True
    truth = await made.reconciler.settle(SYMBOLS)
    assert [order.state for order in truth.working] == [OrderState.OPEN]
    assert Reason.VENUE_UNAVAILABLE in {note.reason for note in truth.notes}
