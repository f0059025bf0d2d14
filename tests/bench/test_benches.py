"""Every bench runs: a bench that nobody starts is broken by the next change of what it measures."""

import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bench import rig
from tests.bench.__main__ import PAGE, RUNS, Run, brief_environment, with_block

H, FIRST_MS = 3_600_000, 1_583_020_800_000  # 2020-03-01
TOKENS = ("UNI", "AAVE", "LDO", "LINK", "FIL", "GRT")


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """Recorded candles of some tokens over 100 days, as `bench_hedge` reads them."""

    def table(symbols: list[str], step: int, count: int, volume: str) -> pa.Table:
        rows = [
            (FIRST_MS + number * step, symbol, 10.0 + place + (number * (place + 3)) % 7 * 0.1, 1e6)
            for place, symbol in enumerate(symbols)
            for number in range(count)
        ]
        return pa.table(dict(zip(("ts", "symbol", "close", volume), map(list, zip(*rows, strict=True)), strict=True)))

    spots, perps = [f"{token}/USDT" for token in TOKENS], [f"{token}/USDT:USDT" for token in TOKENS]
    pq.write_table(table(spots, H, 2_400, "volume"), tmp_path / "ohlcv_1h.parquet")
    pq.write_table(table(spots, 24 * H, 100, "quote_volume"), tmp_path / "ohlcv_1d.parquet")
    pq.write_table(table(perps, 24 * H, 100, "volume"), tmp_path / "perp_ohlcv_1d.parquet")
    return tmp_path


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("run", RUNS, ids=[run.name for run in RUNS])
def test_every_bench_works(run: Run, candles: Path) -> None:
    command = run.command(is_brief=True, folder=str(candles))
    process = subprocess.run(
        command, env=brief_environment(), capture_output=True, text=True, check=False, timeout=300, cwd=candles
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert any(character.isdigit() for character in process.stdout)
    assert "Traceback" not in process.stderr


def test_every_bench_is_in_the_list_and_on_the_page() -> None:
    files = {path.stem.removeprefix("bench_") for path in rig.HERE.parent.glob("bench_*.py")}
    assert files == {run.name for run in RUNS}
    page = PAGE.read_text()
    for run in RUNS:
        if not run.needs_data:
            assert "new figures" in with_block(page, run.name, "new figures")


def test_figures_take_the_place_of_those_before() -> None:
    page = "a\n<!-- bench plan -->\nold\n<!-- end -->\nb\n<!-- bench idle -->\nkept\n<!-- end -->\n"
    changed = with_block(page, "plan", "1.0 s \\1\n")
    assert changed == page.replace("old\n", "```text\n1.0 s \\1\n```\n")
    with pytest.raises(ValueError, match="0 places for the figures of bench orders"):
        with_block(page, "orders", "")
