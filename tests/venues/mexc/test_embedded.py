"""What the embedded MEXC refuses, so that a request which the venue may refuse is noticed before it is sent there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import Rejection, ReportState, VenueRejected
from bot.simex.engine.types import NewOrder
from bot.venues.mexc.adapter import ADAPTER
from tests.venues.simex_bench import PERP, Bench, D, simex_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A cross LONG of 30, opened by the owner."""
    async with simex_bench(tmp_path, adapter=ADAPTER) as made:
        assert not made.exchange.symbol_config("main", PERP).is_isolated
        made.exchange.place("main", NewOrder(PERP, Side.BUY, OrderType.MARKET, size=D(30)))
        yield made


async def test_a_cross_position_is_closed_as_what_it_is(bench: Bench) -> None:
    close = replace(bench.request(PERP, Side.SELL, "30", "9"), reduce_only=True, time_in_force=TimeInForce.IOC)
    with pytest.raises(VenueRejected) as caught:  # the position was not read: the order says that it is isolated
        await bench.venue.submit_order(close)
    assert (caught.value.code, caught.value.kind) == ("2027", Rejection.LEVERAGE)
    assert not (await bench.venue.fetch_account()).positions[PERP].is_isolated
    bench.clock.value_ms += 1_000
    again = replace(close, client_id="tsbabc2", stamp_ms=bench.venue.now_ms())
    await bench.venue.submit_order(again)
    report = await bench.venue.fetch_order(PERP, again.client_id)
    assert report is not None
    assert (report.state, report.filled_size) == (ReportState.FILLED, D(30))
    assert bench.exchange.positions("main") == ()
