"""What the garbage collector of a daemon looks through: not what its start has made."""

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.runtime.daemon import Daemon, Health
from bot.runtime.health.collector import LongLived
from tests.stage import staged


@pytest.fixture(autouse=True)
def of_a_process() -> Iterator[None]:
    """As a process begins: nothing is left out."""
    was_frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    yield
    gc.unfreeze()
    if was_frozen:
        gc.freeze()


async def test_a_daemon_looks_only_through_what_came_after_its_first_cycle(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.app() as app:
        stop = asyncio.Event()
        at_start = len(gc.get_objects())
        daemon = Daemon(app, stage.settings, Health(tmp_path / "health.json", "trade", "sim"), stop)
        running = asyncio.create_task(daemon.run(None))
        try:
            deadline = time.monotonic() + 20
            while not gc.get_freeze_count():
                assert time.monotonic() < deadline, "nothing was left out"
                await asyncio.sleep(0.05)
            assert app.journal.reader.next_cycle_number() > 1
            assert len(gc.get_objects()) < at_start / 4
        finally:
            stop.set()
            await running
        assert gc.get_freeze_count() == 0


def test_what_the_process_left_out_before_stays_left_out() -> None:
    gc.freeze()
    long_lived = LongLived()
    long_lived.leave_out()
    long_lived.take_back()
    assert gc.get_freeze_count() > 0


def test_it_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = list[int]()
    monkeypatch.setattr(gc, "collect", lambda: looks.append(1))
    long_lived = LongLived()
    long_lived.leave_out()
    long_lived.leave_out()
    assert looks == [1]
    long_lived.take_back()
