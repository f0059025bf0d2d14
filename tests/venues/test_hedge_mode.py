"""What the bot does in hedge mode, against the embedded exchange: it closes and guards a side, and opens nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderReport, OrderRequest, Rejection, ReportState, VenueRejected
from bot.simex.engine.types import NewOrder, PositionSide
from bot.venues.binance.adapter import ADAPTER as BINANCE
from bot.venues.bingx.adapter import ADAPTER as BINGX
from bot.venues.bybit.adapter import ADAPTER as BYBIT
from bot.venues.ccxt.adapter import Adapter
from bot.venues.mexc.adapter import ADAPTER as MEXC
from bot.venues.weex.adapter import ADAPTER as WEEX
from tests.venues.simex_bench import PERP, Bench, D, simex_bench

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
VENUES = {"binance": BINANCE, "bingx": BINGX, "bybit": BYBIT, "mexc": MEXC, "weex": WEEX}


@pytest.fixture(params=VENUES.values(), ids=VENUES.keys())
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def bench(tmp_path: Path, adapter: Adapter) -> AsyncIterator[Bench]:
    """LONG 30 and SHORT 20 of one perp, opened by the owner, and read once by the bot."""
    async with simex_bench(tmp_path, adapter=adapter, bases=("UNI", "BTC")) as made:
        made.exchange.set_position_mode("main", hedge=True)
        made.exchange.set_margin_type("main", PERP, isolated=True)
        for side, position_side, size in ((Side.BUY, LONG, "30"), (Side.SELL, SHORT, "20")):
            made.exchange.place(
                "main", NewOrder(PERP, side, OrderType.MARKET, size=D(size), position_side=position_side)
            )
        await made.venue.fetch_account()
        yield made


async def done(bench: Bench, request: OrderRequest) -> OrderReport:
    """What became of an order; a venue may acknowledge it first."""
    await bench.venue.submit_order(request)
    bench.clock.value_ms += 1_000
    report = await bench.venue.fetch_order(PERP, request.client_id, is_trigger=request.order_type.is_trigger)
    assert report is not None
    return report


def sizes(bench: Bench) -> dict[PositionSide, object]:
    return {position.side: position.size for position in bench.exchange.positions("main")}


async def test_closing_orders_take_one_side_after_the_other(bench: Bench) -> None:
    venue = bench.venue
    assert (await venue.fetch_account()).positions[PERP].size == D(30)
    long = replace(bench.request(PERP, Side.SELL, "30", "9"), reduce_only=True, time_in_force=TimeInForce.IOC)
    report = await done(bench, long)
    assert (report.state, report.filled_size) == (ReportState.FILLED, D(30))
    assert sizes(bench) == {SHORT: D(-20)}
    assert (await venue.fetch_account()).positions[PERP].size == D(-20)
    short = replace(bench.request(PERP, Side.BUY, "20", "11"), reduce_only=True, time_in_force=TimeInForce.IOC)
    assert (await done(bench, short)).state is ReportState.FILLED
    account = await venue.fetch_account()
    assert (account.positions, account.unreadable) == ({}, {})


async def test_a_stop_guards_the_side_that_it_closes(bench: Bench) -> None:
    stop = replace(
        bench.request(PERP, Side.SELL, "30", None), order_type=OrderType.STOP, trigger_price=D(9), reduce_only=True
    )
    assert (await done(bench, stop)).state is ReportState.OPEN
    (order,) = bench.exchange.open_orders("main", PERP)
    assert order.position_side is LONG
    (found,) = await bench.venue.fetch_open_orders([PERP])
    assert (found.client_id, found.reduce_only) == (stop.client_id, True)


async def test_margin_goes_to_the_side_that_was_read(bench: Bench) -> None:
    before = {p.side: p.isolated_wallet for p in bench.exchange.positions("main")}
    await bench.venue.move_margin(PERP, D(2))
    after = {p.side: p.isolated_wallet for p in bench.exchange.positions("main")}
    assert after == {LONG: before[LONG] + 2, SHORT: before[SHORT]}


async def test_the_other_perps_go_on(bench: Bench) -> None:
    """Binance, BingX and MEXC have one position mode for all perps, Bybit one for each."""
    account = await bench.venue.fetch_account()
    assert set(account.unreadable) == {f"perp:{PERP}"}
    assert account.balances["UNI"].total == 100


@pytest.mark.parametrize("adapter", [BINANCE, MEXC])
async def test_an_order_that_would_open_is_refused_for_good(bench: Bench) -> None:
    with pytest.raises(VenueRejected, match="position side") as caught:
        await bench.venue.submit_order(bench.request(PERP, Side.BUY, "5", "11"))
    assert caught.value.kind is Rejection.PERMANENT


async def test_a_closing_order_says_so_again_once_the_account_is_in_one_way_mode(bench: Bench) -> None:
    for side, position_side in ((Side.SELL, LONG), (Side.BUY, SHORT)):
        bench.exchange.place("main", NewOrder(PERP, side, OrderType.MARKET, size=D(30), position_side=position_side))
    bench.exchange.set_position_mode("main", hedge=False)
    bench.exchange.place("main", NewOrder(PERP, Side.BUY, OrderType.MARKET, size=D(10)))
    await bench.venue.fetch_account()
    close = replace(bench.request(PERP, Side.SELL, "10", "9"), reduce_only=True, time_in_force=TimeInForce.IOC)
    assert (await done(bench, close)).state is ReportState.FILLED
