"""Series in a back-test: read from files, known from their time on, and named where only an address has them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import DAY_MS
from bot.feeds.series.rows import SeriesColumns
from bot.feeds.series.source import ConfiguredSeries, SeriesSpec
from bot.lab.backtest.command import macro_of, series_lines
from bot.lab.backtest.virtual_time import VirtualClock
from bot.ports import Unavailable
from bot.runtime.settings.model import load_settings
from tests.lab.markets import START_MS

VALUES = st.lists(st.integers(1, 10**6), min_size=1, max_size=40)
ADDRESS = ("series.far.source=https://example.org/x", "series.far.sector=market")


def table(values: list[int]) -> str:
    days = (datetime.fromtimestamp((START_MS + n * DAY_MS) / 1000, UTC).date() for n in range(len(values)))
    return "date,value\n" + "".join(f"{day},{value}\n" for day, value in zip(days, values, strict=True))


async def known(path: Path, values: list[int], at_ms: int) -> tuple[int, ...] | None:
    path.write_text(table(values))  # noqa: ASYNC240 - a test without other tasks
    spec = SeriesSpec(str(path), SeriesColumns(), "x", "", 1000 * DAY_MS, 1)
    try:
        return tuple(map(int, (await ConfiguredSeries({"x": spec}, lambda: at_ms).fetch_macro("x")).values))
    except Unavailable:
        return None


@given(values=VALUES, others=VALUES, hours=st.integers(0, 45 * 24))
async def test_what_is_dated_later_changes_nothing_that_was_known(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], others: list[int], hours: int
) -> None:
    path, at_ms = tmp_path_factory.getbasetemp() / "x.csv", START_MS + hours * 3_600_000
    days = hours // 24
    assert await known(path, values, at_ms) == (tuple(values[:days]) or None)
    bent = values[:days] + others
    assert await known(path, bent, at_ms) == (tuple(bent[:days]) or None)
    if days <= len(values):
        assert await known(path, bent, at_ms) == await known(path, values, at_ms)


async def test_the_directory_has_the_history_of_an_address(tmp_path: Path) -> None:
    settings = load_settings((), ADDRESS)
    assert macro_of(settings, (), tmp_path) is None
    (line,) = series_lines(settings, tmp_path)
    assert line.startswith("series.far is no part of the evidence here")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "far.csv").write_text(table([5, 6, 7]))
    make = macro_of(settings, (), tmp_path)
    assert make is not None
    assert series_lines(settings, tmp_path) == []
    found = await make(VirtualClock(START_MS + 2 * DAY_MS)).fetch_macro("far")
    assert found.values == (Decimal(5), Decimal(6))


async def test_an_answer_of_defillama_is_a_history_as_it_comes(tmp_path: Path) -> None:
    settings = load_settings((), ("series.fees.source=defillama:fees", "series.fees.sector=infra"))
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "fees.json").write_text(f'{{"totalDataChart":[[{START_MS // 1000},5]],"total24h":5}}')
    make = macro_of(settings, (), tmp_path)
    assert make is not None
    assert (await make(VirtualClock(START_MS + DAY_MS)).fetch_macro("fees")).values == (Decimal(5),)
    (tmp_path / "series" / "fees.csv").write_text(table([7]))
    make = macro_of(settings, (), tmp_path)
    assert make is not None
    assert (await make(VirtualClock(START_MS + DAY_MS)).fetch_macro("fees")).values == (Decimal(7),)
