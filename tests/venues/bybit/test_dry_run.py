"""A dry-run at Bybit: its account begins as a copy of the unified one, and trades on the venue's prices."""

from pathlib import Path

from bot.domain.instrument import Side
from bot.ports import ReportState
from bot.venues.bybit.adapter import ADAPTER
from bot.venues.paper.venue import PaperVenue
from tests.venues.simex_bench import PERP, SPOT, D, order_request, simex_bench


async def test_a_copy_of_a_unified_account_holds_its_money_once_and_its_position_with_its_margin(
    tmp_path: Path,
) -> None:
    async with simex_bench(tmp_path, adapter=ADAPTER, bases=("UNI", "BTC")) as bench:
        await bench.venue.set_leverage(PERP, D(4))
        await bench.venue.submit_order(bench.request(PERP, Side.SELL, "80", None))
        real = await bench.venue.fetch_account()
        await bench.venue.close()  # the paper account opens it for itself
        paper = PaperVenue(bench.venue, account="main")
        await paper.open()
        await paper.fetch_instruments([SPOT, PERP])
        copy = await paper.fetch_account()
        assert copy.positions[PERP].size == real.positions[PERP].size == D(-80)
        assert copy.positions[PERP].leverage == D(4)
        assert copy.cash + copy.perp_wallet == real.cash
        assert 0 < copy.perp_wallet < copy.cash
        bench.sent.clear()
        sent = order_request(paper, bench.clock, SPOT, Side.BUY, "10", "10.5")
        assert (await paper.submit_order(sent)).state is ReportState.FILLED
        assert [one["request"] for one in bench.sent if one["request"].startswith("POST")] == []
