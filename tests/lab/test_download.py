"""`data download` against the embedded exchange on loopback: whole, interrupted, checked, and traded on."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from bot.lab.data.check import check_folder
from bot.lab.data.download import DownloadRequest, download
from bot.runtime.exit_codes import CommandFailed
from bot.simex.engine.exchange import Exchange
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.replay import ReplayMarket
from bot.simex.server import Simex
from bot.simex.tls import loopback_session
from bot.venues.binance.adapter import ADAPTER
from bot.venues.bybit.adapter import ADAPTER as BYBIT
from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.history import PublicHistory
from bot.venues.pair.history import PairHistory
from tests.commands import sectorbot_process
from tests.lab.markets import DAY, START_MS, H, path_of, wandering
from tests.venues.conftest import HandClock

TOKENS = ("BTC", "UNI")
FIRST_MS, NOW_MS = START_MS - 160 * DAY, START_MS + 10 * DAY
SYMBOLS = ("BTC/USDT", "UNI/USDT", "UNI/USDT:USDT")


class Stopped(Exception):
    """The download is interrupted here."""


@dataclass
class Recorded:
    """An exchange with 170 days behind it, and what reads it."""

    server: Simex
    clock: HandClock

    def history(self, adapter: Adapter) -> PublicHistory:
        return PublicHistory(
            adapter,
            "sim",
            quote="USDT",
            clock=self.clock,
            session_factory=lambda: loopback_session(self.server.https_port, self.server.ca_path),
        )


@pytest.fixture
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recorded]:
    """Speaks as either venue; UNI's perp is as old as its spot."""
    paths = {f"{token}/USDT": path_of(wandering(n, 40.0), FIRST_MS, 24 * 170) for n, token in enumerate(TOKENS)}
    paths["UNI/USDT:USDT"] = paths["UNI/USDT"]
    funding = {"UNI/USDT:USDT": [(FIRST_MS + number * 8 * H, 0.0001) for number in range(510)]}
    market = ReplayMarket(paths, funding=funding)
    known = default_instruments(TOKENS, dict.fromkeys(TOKENS, 40.0))
    instruments = {symbol: instrument for symbol, instrument in known.items() if symbol in paths}
    exchange = Exchange(instruments=instruments, market=market, start_ms=NOW_MS)
    clock = HandClock(NOW_MS)
    server = Simex(exchange, keys={}, clock=clock.now_ms)
    server.serve_dialects(("binance", "bybit"))
    await server.start(tls_dir=tmp_path_factory.mktemp("tls"))
    yield Recorded(server, clock)
    await server.stop()


@pytest.fixture
async def history(recorded: Recorded) -> AsyncIterator[PublicHistory]:
    """Public reads of it as one venue."""
    reads = recorded.history(ADAPTER)
    await reads.open()
    yield reads
    await reads.close()


def wanted(folder: Path, *, start_ms: int = FIRST_MS, end_ms: int = START_MS + 9 * DAY) -> DownloadRequest:
    return DownloadRequest(folder, start_ms, end_ms, SYMBOLS)


def partial(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def quiet(done: int, count: int, words: str) -> None:
    del done, count, words


@pytest.mark.slow
async def test_a_download_is_what_check_and_backtest_read(history: PublicHistory, tmp_path: Path) -> None:
    found = await download(wanted(tmp_path), history, on_progress=quiet)
    assert found["rows"]["ohlcv_1h"] == 2 * 24 * 169
    assert found["rows"]["perp_ohlcv_1h"] == 24 * 169
    checked = check_folder(tmp_path)
    assert checked["errors"] == []
    assert checked["tables"]["ohlcv_1h"]["missing"] == 0
    rows = pq.read_table(tmp_path / "ohlcv_1h.parquet").to_pylist()
    opened = {row["ts"]: row["open"] for row in rows if row["symbol"] == "BTC/USDT"}
    assert opened[START_MS] == pytest.approx(wandering(0, 40.0)(START_MS), rel=1e-3)
    done = sectorbot_process(
        "backtest", "--data", str(tmp_path), "--from", "2024-01-01", "--to", "2024-01-04", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["tokens"]) >= {"BTC/USDT", "UNI/USDT"}


async def test_an_interrupted_download_goes_on_and_leaves_nothing_half_written(
    history: PublicHistory, tmp_path: Path
) -> None:
    def stop(done: int, count: int, words: str) -> None:
        del count, words
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        await download(wanted(tmp_path), history, on_progress=stop)
    assert not (tmp_path / "ohlcv_1h.parquet").exists()
    found = await download(wanted(tmp_path), history, on_progress=quiet)
    assert found["fetched"] == found["parts"] - 5
    assert not partial(tmp_path)
    again = await download(wanted(tmp_path), history, on_progress=quiet)
    assert (again["fetched"], again["rows"]) == (0, found["rows"])
    whole = tmp_path / "whole"
    await download(wanted(whole), history, on_progress=quiet)
    for table in ("ohlcv_1h", "perp_ohlcv_1h", "funding_8h"):
        assert pq.read_table(tmp_path / f"{table}.parquet").equals(pq.read_table(whole / f"{table}.parquet"))


async def test_of_two_venues_every_symbol_is_fetched_where_it_is_traded(
    recorded: Recorded, history: PublicHistory, tmp_path: Path
) -> None:
    days = {"start_ms": START_MS - 60 * DAY, "end_ms": START_MS}
    await download(wanted(tmp_path / "one", **days), history, on_progress=quiet)
    recorded.server.request_log.clear()
    pair = PairHistory(recorded.history(ADAPTER), recorded.history(BYBIT))
    await pair.open()
    try:
        await download(wanted(tmp_path / "two", **days), pair, on_progress=quiet)
    finally:
        await pair.close()
    asked = {path for _, _, path, _ in recorded.server.request_log}
    assert {"/api/v3/klines", "/v5/market/kline", "/v5/market/funding/history"} <= asked
    assert not any("klines" in path or "fundingRate" in path for path in asked if path.startswith("/fapi/"))
    for table in ("ohlcv_1h", "perp_ohlcv_1h", "funding_8h"):
        one, two = (pq.read_table(tmp_path / name / f"{table}.parquet").to_pylist() for name in ("one", "two"))
        assert [(row["ts"], row["symbol"]) for row in two] == [(row["ts"], row["symbol"]) for row in one], table


async def test_a_longer_download_keeps_each_candle_once(history: PublicHistory, tmp_path: Path) -> None:
    await download(wanted(tmp_path, start_ms=START_MS - 5 * DAY, end_ms=START_MS + DAY), history, on_progress=quiet)
    longer = await download(
        wanted(tmp_path, start_ms=START_MS - 6 * DAY, end_ms=START_MS + 2 * DAY), history, on_progress=quiet
    )
    assert longer["rows"]["ohlcv_1h"] == 2 * 24 * 8
    assert check_folder(tmp_path)["errors"] == []


async def test_tables_of_others_are_not_replaced_and_the_future_is_not_asked_for(
    history: PublicHistory, tmp_path: Path
) -> None:
    (tmp_path / "ohlcv_1h.parquet").write_bytes(b"mine")
    with pytest.raises(CommandFailed, match=r"ohlcv_1h\.parquet was not made by a download"):
        await download(wanted(tmp_path), history, on_progress=quiet)
    assert (tmp_path / "ohlcv_1h.parquet").read_bytes() == b"mine"
    with pytest.raises(CommandFailed, match="--to 2024-01-12: is not over yet"):
        await download(wanted(tmp_path, end_ms=START_MS + 11 * DAY), history, on_progress=quiet)
    with pytest.raises(CommandFailed, match="lists none of NIX/USDT"):
        await download(DownloadRequest(tmp_path, FIRST_MS, START_MS, ("NIX/USDT",)), history, on_progress=quiet)
