"""Spot histories of more than a day: the latest rows answer where they reach back far enough, windows otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.venues.binance import paging
from tests.venues.simex_bench import DAY_MS, NOW_MS, PERP, SPOT, Bench, simex_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with simex_bench(tmp_path) as made:
        yield made


async def place_daily(bench: Bench, symbol: str, days: int) -> list[str]:
    """One executed order a day, the last of them a day ago; their client ids."""
    sent = []
    for _ in range(days):
        request = bench.request(symbol, Side.BUY, "10", None)
        await bench.venue.submit_order(request)
        sent.append(request.client_id)
        bench.clock.value_ms += DAY_MS
    bench.sent.clear()
    return sent


def requests(bench: Bench, path: str) -> int:
    return sum(path in one["request"] for one in bench.sent)


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_orders_of_days_are_found_and_none_from_before_since(bench: Bench, symbol: str) -> None:
    sent = await place_daily(bench, symbol, 10)
    since_ms = NOW_MS + 3 * DAY_MS - 1
    found = await bench.venue.fetch_order_history(symbol, since_ms)
    assert [report.client_id for report in found] == sent[3:]
    fills = await bench.venue.fetch_fills(symbol, since_ms)
    assert [fill.at_ms >= since_ms for fill in fills] == [True] * 7


async def test_one_request_reads_a_month_of_spot_orders(bench: Bench) -> None:
    sent = await place_daily(bench, SPOT, 30)
    found = await bench.venue.fetch_order_history(SPOT, NOW_MS - DAY_MS)
    assert [report.client_id for report in found] == sent
    assert requests(bench, "/api/v3/allOrders") == 1


async def test_more_rows_than_a_page_are_read_window_by_window(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = await place_daily(bench, SPOT, 6)
    monkeypatch.setattr(paging, "PAGE", 3)
    found = await bench.venue.fetch_order_history(SPOT, NOW_MS - DAY_MS)
    assert [report.client_id for report in found] == sent
    assert requests(bench, "/api/v3/allOrders") > 6
