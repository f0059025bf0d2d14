"""Continuous copies by litestream (README): whatever it restores is a whole beginning of the journal."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.journal.journal import Journal, JournalReader
from tests.execution.scripted_venue import START_MS

CONFIG = Path(__file__).parent.parent.parent / "deploy" / "litestream.yml"
PATIENCE_SECONDS = 60.0


@pytest.fixture
def litestream() -> Path:
    """The program, beside the interpreter or on the path."""
    found = shutil.which("litestream", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("litestream is not installed")
    return Path(found)


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"SECTORBOT_STATE": str(tmp_path), "SECTORBOT_REPLICA": str(tmp_path / "replica")}


def started(litestream: Path, surroundings: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [str(litestream), "replicate", "-config", str(CONFIG)]
    return subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def copy_once(litestream: Path, surroundings: dict[str, str]) -> None:
    command = [str(litestream), "replicate", "-once", "-config", str(CONFIG)]
    subprocess.run(command, env=surroundings, capture_output=True, timeout=60, check=True)


def restored(litestream: Path, surroundings: dict[str, str], to: Path) -> list[int]:
    """The numbers of the notes in what comes back; the chain and the tables of it agree."""
    original = f"{surroundings['SECTORBOT_STATE']}/journal.db"
    command = [str(litestream), "restore", "-config", str(CONFIG), "-o", str(to), original]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    reader = JournalReader(to)
    reader.verify()
    numbers = sorted(fact.payload["number"] for fact in reader.load_facts("note", 100_000))
    reader.close()
    return numbers


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "stopped"])
async def test_what_litestream_restores_is_a_beginning_of_the_journal_without_holes(
    is_killed: bool, litestream: Path, surroundings: dict[str, str], tmp_path: Path
) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: START_MS)
    copying = started(litestream, surroundings)
    written = 0

    async def write_some() -> None:
        nonlocal written
        for _ in range(200):
            await journal.record_fact("note", {"number": written})
            written += 1

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any((tmp_path / "replica").rglob("*.ltx")):
                await write_some()
            await write_some()
        if is_killed:
            copying.kill()
            copying.wait(timeout=10)
            await write_some()
        else:
            copying.terminate()
            assert copying.wait(timeout=30) == 0
    finally:
        if copying.poll() is None:
            copying.kill()
            copying.wait(timeout=10)
    numbers = restored(litestream, surroundings, tmp_path / "restored.db")
    assert numbers == list(range(len(numbers))), "a prefix, without holes"
    assert 0 < len(numbers) <= written
    if not is_killed:
        assert len(numbers) == written, "stopped in order, it leaves nothing behind"
    journal.reader.verify()
    await journal.close()


async def test_a_bot_goes_on_with_what_litestream_has_restored(
    litestream: Path, surroundings: dict[str, str], tmp_path: Path
) -> None:
    journal = await Journal.open(tmp_path / "journal.db", account="main", now_ms=lambda: START_MS)
    await journal.record_fact("note", {"number": 0})
    copy_once(litestream, surroundings)
    await journal.record_fact("note", {"number": 1})
    await journal.close()
    assert restored(litestream, surroundings, tmp_path / "restored.db") == [0]
    again = await Journal.open(tmp_path / "restored.db", account="main", now_ms=lambda: START_MS)
    await again.record_fact("note", {"number": 2})
    again.reader.verify()
    await again.close()
