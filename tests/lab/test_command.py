"""The command as a person runs it: files, exit codes, and one line when something cannot be."""

import json
from pathlib import Path
from shutil import copyfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands import sectorbot
from tests.lab.markets import DAY, START_MS, wandering, write_history

SYMBOLS = ("BTC/USDT", "UNI/USDT", "ETH/USDT", "SOL/USDT", "AAVE/USDT")


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candles")
    prices = {symbol: wandering(index, 40.0) for index, symbol in enumerate(SYMBOLS)}
    write_history(folder, prices, START_MS - 160 * DAY, 24 * 170)
    return folder


def test_one_command_writes_page_table_journal_and_document(candles: Path, tmp_path: Path) -> None:
    done = sectorbot(
        "backtest",
        "--data",
        str(candles),
        "--from",
        "2024-01-01",
        "--to",
        "2024-01-06",
        "--out",
        "page.html",
        "--journal",
        "kept.db",
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["reconciled"] is True
    assert set(document["figures"]) == {"sectorbot", "hold", "monthly", "btc"}
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert len((tmp_path / "page.csv").read_text().splitlines()) == 7
    why = sectorbot("why", "--journal", str(tmp_path / "kept.db"), cwd=tmp_path)
    assert why.returncode == 0, why.stderr


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("--from", "2024-01-05", "--to", "2024-01-02"), "--to 2024-01-02 is not after --from 2024-01-05", 2),
        (("--from", "2019-01-01", "--to", "2019-02-01"), "has a candle in the time asked for", 1),
        (("--from", "2024-01-01", "--to", "2024-01-02", "--out", "no/where.html"), "there is no directory", 1),
        (
            ("--from", "2024-01-01", "--to", "2024-01-02", "--set", "playbook.rotation.shift=7"),
            "playbook.rotation.shift",
            None,
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    candles: Path, tmp_path: Path, arguments: tuple[str, ...], words: str, code: int | None
) -> None:
    done = sectorbot("backtest", "--data", str(candles), *arguments, cwd=tmp_path)
    assert words in done.stderr
    assert done.returncode == code if code is not None else done.returncode != 0
    assert "Traceback" not in done.stderr
    assert code is None or len(done.stderr.strip().splitlines()) == 1


def test_a_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = sectorbot("backtest", "--data", "nowhere", "--from", "2024-01-01", "--to", "2024-01-02", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "nowhere: there is no such directory" in done.stderr


def test_a_directory_is_checked(candles: Path, tmp_path: Path) -> None:
    done = sectorbot("data", "check", str(candles), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ohlcv_1h: 20,400 candles of 5 symbols, 0 missing" in done.stdout


def test_gaps_and_early_ends_of_every_table_are_named_and_change_nothing(candles: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    copyfile(candles / "ohlcv_1h.parquet", folder / "ohlcv_1h.parquet")
    first = START_MS - 30 * DAY
    perp, interest, locked = "UNI/USDT:USDT", "AAVE/USDT:USDT", ("chain", "Ethereum")
    settled = [at for at in range(first, START_MS + 6 * DAY, DAY // 3) if not 0 <= at - START_MS < DAY]
    pq.write_table(
        pa.table({"ts": settled, "symbol": [perp] * len(settled), "funding_rate": [0.0] * len(settled)}),
        folder / "funding_8h.parquet",
    )
    days = list(range(first, START_MS, DAY))
    values = [1e9] * len(days)
    pq.write_table(
        pa.table({"ts": days, "symbol": [interest] * len(days), "oi_usd": values}), folder / "open_interest.parquet"
    )
    scopes, names = ([text] * len(days) for text in locked)
    pq.write_table(
        pa.table({"ts": days, "scope": scopes, "name": names, "tvl_usd": values}), folder / "tvl_daily.parquet"
    )
    span = ("--from", "2024-01-01", "--to", "2024-01-06")
    done = sectorbot("backtest", "--data", str(folder), *span, "--out", "page.html", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    gaps = json.loads(done.stdout)["gaps"]
    nothing = {"to": None, "ends_early": True, "gaps": []}
    missing = dict.fromkeys(("all", "chain:Arbitrum", "chain:Avalanche", "chain:Solana"), nothing)
    assert gaps == {
        "funding_8h": {perp: {"to": "2024-01-05", "ends_early": False, "gaps": [{"from": "2024-01-01", "hours": 24}]}},
        "open_interest": {interest: {"to": "2023-12-31", "ends_early": True, "gaps": []}, perp: nothing},
        "tvl_daily": {"chain Ethereum": {"to": "2023-12-31", "ends_early": True, "gaps": []}} | missing,
    }
    page = (tmp_path / "page.html").read_text()
    assert f"funding_8h is incomplete: {perp} gaps 2024-01-01 24 h" in page
    told = sectorbot("backtest", "--data", str(folder), *span, cwd=tmp_path)
    assert f"open_interest is incomplete: {interest} ends 2023-12-31, the run 2024-01-06; {perp} has no" in told.stdout
    assert "tvl_daily is incomplete: chain Ethereum ends 2023-12-31, the run 2024-01-06; all has no row" in told.stdout
    checked = sectorbot("data", "check", str(folder), "--json", cwd=tmp_path)
    found = json.loads(checked.stdout)["tables"]["funding_8h"]["series"][perp]
    assert found["gaps"] == gaps["funding_8h"][perp]["gaps"]
