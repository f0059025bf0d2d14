"""The command as a person runs it: files, exit codes, and one line when something cannot be."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

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
        "backtest", "--data", str(candles), "--from", "2024-01-01", "--to", "2024-01-06", "--out", "page.html",
        "--journal", "kept.db", "--json", cwd=tmp_path,
    )  # fmt: skip
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
        (("--from", "2024-01-01", "--to", "2024-01-02", "--set", "playbook.shift=7"), "playbook.shift", None),
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
