"""The supply of stablecoins in a back-test: read from the table, known when its day is over."""

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import DAY_MS
from bot.lab.backtest.command import macro_of
from bot.lab.backtest.history import HistoryWindow, load_history
from bot.lab.backtest.virtual_time import VirtualClock
from bot.lab.data.recorded_supply import RecordedSupply
from bot.playbook.policy.numbers import Sector, Sectors
from bot.ports import Unavailable
from bot.runtime.settings.model import load_settings
from tests.lab.markets import DAY, START_MS, wandering, write_history

SUPPLIES = st.lists(st.integers(1, 10**12), min_size=1, max_size=60)
SECTORS = Sectors(sectors={"defi": Sector(hedge=("UNI",))}, tokens={"UNI": {"defi": 1}})


async def known(values: list[int], at_ms: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    rows = [(START_MS + day * DAY_MS, float(value)) for day, value in enumerate(values)]
    try:
        found = await RecordedSupply(rows, lambda: at_ms).fetch_macro("stablecoins")
    except Unavailable:
        return None
    return found.at_ms, tuple(map(int, found.values))


@given(SUPPLIES, SUPPLIES, st.integers(0, 70 * 24))
async def test_what_is_recorded_later_changes_nothing_that_was_known(
    values: list[int], bent: list[int], hours: int
) -> None:
    """No look-ahead: a day counts when it is over, whatever stands in the rows after it."""
    at_ms = START_MS + hours * 3_600_000
    over = min(len(values), hours // 24)
    assert await known(values, at_ms) == await known(values[:over] + bent, at_ms) or over == len(values)
    found = await known(values, at_ms)
    if found is not None:
        assert all(day + DAY_MS <= at_ms for day in found[0])
        assert found[1] == tuple(values[:over])


async def test_an_old_value_is_no_value() -> None:
    assert await known([5, 6], START_MS + 5 * DAY_MS) is not None
    assert await known([5, 6], START_MS + 6 * DAY_MS) is None


async def test_a_directory_with_the_scope_gives_the_series_and_the_setting_switches_it_off(tmp_path: Path) -> None:
    write_history(tmp_path, {"BTC/USDT": wandering(1, 9.0), "UNI/USDT": wandering(2, 5.0)}, START_MS, 24)
    rows = {"ts": [START_MS, START_MS], "scope": ["total", "stablecoin_supply"], "name": ["all", "all_stablecoins"]}
    pq.write_table(pa.table({**rows, "tvl_usd": [1.0, 2e9]}), tmp_path / "tvl_daily.parquet")
    window = HistoryWindow(START_MS, START_MS + 5 * DAY, 2 * DAY)
    history = load_history(tmp_path, SECTORS, window, market_symbol="BTC/USDT", tvl_parts={"defi": ("all",)})
    assert history.supply == [(START_MS, 2e9)]
    make = macro_of(load_settings((), ()), history.supply, tmp_path)
    assert make is not None
    found = await make(VirtualClock(START_MS + DAY)).fetch_macro("stablecoins")
    assert (found.at_ms, found.values) == ((START_MS,), (2_000_000_000,))
    assert macro_of(load_settings((), ("macro.stablecoins=false",)), history.supply, tmp_path) is None
    assert macro_of(load_settings((), ()), (), tmp_path) is None
