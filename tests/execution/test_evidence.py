"""One report means one thing: in every state of an order, whatever the venue says can be written down or is ignored."""

import itertools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.execution.order_reports import OrderReports, is_about
from bot.ports import OrderReport, ReportState
from tests.execution.scripted_venue import SPOT, START_MS, ScriptedVenue
from tests.execution.worlds import FAST, make_order
from tests.journal.test_journal import opened, shortest_way


def make_report(state: ReportState = ReportState.OPEN, filled: int = 0) -> OrderReport:
    order = make_order()
    return OrderReport(
        SPOT,
        order.client_id,
        "v1",
        state,
        Side.BUY,
        order.size,
        Decimal(filled),
        Decimal(filled * 10),
        order.price,
        False,
        False,
        START_MS,
    )


@pytest.mark.parametrize(("state", "reported"), list(itertools.product(OrderState, ReportState)))
async def test_every_report_fits_every_state_and_execution_never_shrinks(
    tmp_path: Path, state: OrderState, reported: ReportState
) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    evidence = OrderReports(ScriptedVenue(), journal, FAST)
    order = make_order()
    await journal.record_submitting(order)
    for event in shortest_way(state):
        order = await journal.record_order_event(order.client_id, event)
    most = Decimal(0)
    for filled in (0, 2, 1, 4, 0):
        order, notes = await evidence.record_report(order, make_report(reported, filled))
        assert order.filled_size >= most
        most = order.filled_size
        assert all(note.reason is Reason.LATE_FACT for note in notes)
    if reported is ReportState.FILLED:
        assert (order.state, order.filled_size) == (OrderState.FILLED, Decimal(4))
    elif reported is not ReportState.OPEN:
        assert not order.state.is_live
    elif state.is_live:
        assert order.state in (OrderState.OPEN, OrderState.CANCELING)
    journal.reader.verify()
    await journal.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"client_id": None}, True),
        ({"client_id": "other"}, False),
        ({"symbol": "ARB/USDT"}, False),
        ({"side": Side.SELL}, False),
        ({"venue_id": ""}, False),
        ({"at_ms": START_MS - 3_600_000}, False),
        ({"at_ms": 0}, True),
    ],
)
def test_a_report_is_evidence_only_when_it_can_be_of_the_order(change: dict[str, object], expected: bool) -> None:
    assert is_about(make_order(), replace(make_report(), **change)) is expected  # type: ignore[arg-type]
