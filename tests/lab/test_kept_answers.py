"""A back-test keeps what has not changed from turn to turn, and asks its venue without tasks and deadlines. One that
keeps nothing and asks as the daemon does gives the same, to the last row."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("pyarrow")

from bot.domain.candles import CandleSeries
from bot.journal.facts import FactReader
from bot.lab.backtest.page import page_of
from bot.lab.backtest.record import Record, csv_of, document_of
from bot.playbook.market import view
from bot.playbook.market.signal_cache import Point, SignalCache
from bot.runtime import cycle
from bot.venues.paper.engine_venue import EngineVenue
from tests.lab.markets import H
from tests.lab.test_backtest import SEED, prices_of, settings_in, walk

T = TypeVar("T")


class Forgetful(SignalCache):
    """Works everything out anew."""

    def latest(self, name: str, objects: tuple[object, ...], values: Hashable, work: Callable[[], T]) -> T:
        return work()

    def windows(self, name: str, series: CandleSeries, window: int, *rest: Any) -> list[float | None]:
        return SignalCache().windows(name, series, window, *rest)

    def floats(self, name: str, symbol: str, points: Sequence[Point]) -> Sequence[float]:
        return [float(value) for _, value in points]

    def beside(self, name: str, symbol: str, points: Sequence[Point], values: Hashable, work: Any) -> Sequence[float]:
        return work(points, 0, len(points))  # type: ignore[no-any-return]


def all_of(folder: Path, seed: int, days: int, *, least: int = 5, **options: Any) -> dict[str, Any]:
    """What a back-test leaves behind: document, page, table and every row of its journal."""
    record, orders = walk(folder, prices_of(seed), days, **options)
    document = document_of(record)
    with closing(sqlite3.connect(settings_in(folder).journal_path)) as db:
        rows = [line for line in db.iterdump() if "_sqlite_migrations" not in line]  # they have the time on the wall
    shutil.rmtree(folder)  # for the run that is compared, which has the same names
    assert len(orders) > least
    assert sum(line.startswith('INSERT INTO "fills"') for line in rows) > least
    return {"document": json.dumps(document, default=str), "table": csv_of(record), "page": _page(record), "rows": rows}


def _page(record: Record) -> str:
    return page_of(record, document_of(record))


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 2, SEED + 3])
def test_a_run_that_keeps_no_answers_is_the_same_to_the_last_row(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = all_of(tmp_path / "run", seed, 7)
    monkeypatch.setattr(cycle, "SignalCache", Forgetful)
    read_through, describe = FactReader.read_through, EngineVenue._instrument
    asked = {"answers": 0, "instruments": 0}

    def reads_again(self: Any, db: Any, newest: Any = None) -> None:
        asked["answers"] += 1
        read_through(self, db)

    def described_again(self: Any, engine: Any, listed: Any) -> Any:
        asked["instruments"] += 1
        self._described.clear()
        return describe(self, engine, listed)

    monkeypatch.setattr(FactReader, "read_through", reads_again)
    monkeypatch.setattr(EngineVenue, "answers_at_once", False)
    monkeypatch.setattr(EngineVenue, "_instrument", described_again)
    slow = all_of(tmp_path / "run", seed, 7)
    assert all(asked.values()), "a slow path that nobody takes proves nothing"
    for name, value in kept.items():
        assert slow[name] == value, name


def test_signals_are_worked_out_once_a_candle_and_not_once_a_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    ratio_of = view._ratio_of

    def counted(candles: Any, *rest: Any) -> Any:
        made.append(max(series.end_ms for series in candles.values()))
        return ratio_of(candles, *rest)

    monkeypatch.setattr(view, "_ratio_of", counted)
    record, _ = walk(tmp_path, prices_of(SEED), 2, decide_ms=H)
    assert record.counts.cycles > 40
    assert len(made) == len(set(made)) < 20
