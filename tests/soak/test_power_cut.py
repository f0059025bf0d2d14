"""The power goes: the journal's files as they lay on the disk at any instant, the log cut anywhere, are a journal."""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.journal.journal import Journal, JournalReader
from tests.soak.driver import FEW_ORDERS, Soak
from tests.soak.exchange import ACCOUNT
from tests.soak.spoiling import Plan

pytestmark = pytest.mark.slow

COPIES, CUTS = 3, 10
FRAME_BYTES, HEADER_BYTES = 24 + 4096, 32


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Soak]:
    async with Soak(tmp_path / "soak", seed=1, plan=Plan(1, is_on=False), assignments=FEW_ORDERS) as made:
        yield made


def copy_files(journal: Path, folder: Path) -> Path:
    """Database and log, without the index in shared memory, which no power cut leaves behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (journal.name, f"{journal.name}-wal"):
        (folder / name).unlink(missing_ok=True)
        if (journal.parent / name).exists():
            shutil.copyfile(journal.parent / name, folder / name)
    (folder / f"{journal.name}-shm").unlink(missing_ok=True)
    return folder / journal.name


async def copies_of_a_life(run: Soak, folder: Path, dice: random.Random) -> list[Path]:
    """The files at random instants of a rotation; the process stands still while they are copied."""
    process, copies = await run.start(), list[Path]()
    await run.until(process, lambda reader: reader.count_orders(0) > 0)
    for index in range(COPIES):
        await asyncio.sleep(dice.uniform(0.05, 0.6))
        process.send_signal(signal.SIGSTOP)
        copies.append(copy_files(run.journal, folder / str(index)))
        process.send_signal(signal.SIGCONT)
    process.kill()
    await process.wait()
    return copies


def events_of(journal: Path) -> list[tuple[int, str]]:
    reader = JournalReader(journal)
    try:
        reader.verify()
        return [(event.seq, event.kind) for event in reader.load_events(1_000_000)]
    finally:
        reader.close()


def log_of(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}-wal")


async def test_a_log_cut_at_any_byte_leaves_a_journal_that_opens_verifies_and_has_lost_only_its_end(
    run: Soak, tmp_path: Path
) -> None:
    dice, lengths = random.Random(7), set[int]()
    for number, copy in enumerate(await copies_of_a_life(run, tmp_path / "copies", dice)):
        size = log_of(copy).stat().st_size
        assert size > HEADER_BYTES, "there is a log to cut"
        cuts = [dice.randrange(size) for _ in range(CUTS)]
        cuts += [HEADER_BYTES + dice.randrange(size // FRAME_BYTES) * FRAME_BYTES + step for step in (-1, 0, 1)]
        whole = events_of(copy_files(copy, tmp_path / "whole"))
        for cut in cuts:
            torn = copy_files(copy, tmp_path / f"torn-{number}")
            with log_of(torn).open("r+b") as log:
                log.truncate(max(0, cut))
            journal = await Journal.open(torn, account=ACCOUNT, now_ms=run.clock.now_ms)
            await journal.close()
            *kept, last = events_of(torn)
            assert last[1] == "opened"
            assert kept == whole[: len(kept)]
            lengths.add(len(kept))
    assert len(lengths) > COPIES, "cuts at different places lose different much"


async def test_a_write_that_was_torn_by_the_power_cut_is_nothing_and_the_next_start_settles(run: Soak) -> None:
    process = await run.start(trap={"method": "submit_order", "nth": 4, "when": "after", "signal": signal.SIGKILL})
    await process.wait()
    half = random.Random(3).randbytes(FRAME_BYTES // 2)
    with log_of(run.journal).open("ab") as log:
        log.write(half)
    verdict = await run.settle(finishes=False)
    assert run.tally.problems == []
    assert verdict.mismatches == []
    assert verdict.orders > 4
