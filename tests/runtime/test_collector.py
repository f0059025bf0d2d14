"""What the garbage collector of a daemon looks through: not what its start has made."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.runtime.daemon import Daemon, Health
from bot.runtime.health.collector import STARTING, LongLived, begin_start
from tests.commands import environment, kept_collector
from tests.stage import staged

THRESHOLDS_OF_PYTHON = tuple(
    json.loads(
        subprocess.run(
            [sys.executable, "-c", "import gc, json; print(json.dumps(gc.get_threshold()))"],
            capture_output=True,
            check=True,
        ).stdout
    )
)


@pytest.fixture(autouse=True)
def of_a_process() -> Iterator[None]:
    """As a process begins: nothing is left out."""
    was_frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    with kept_collector():
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


def test_a_start_ends_with_the_first_collection() -> None:
    usual, callbacks = gc.get_threshold(), list(gc.callbacks)
    begin_start()
    begin_start()
    assert gc.get_threshold()[0] == STARTING
    long_lived = LongLived()
    long_lived.leave_out()
    assert gc.get_threshold() == THRESHOLDS_OF_PYTHON
    assert gc.callbacks == callbacks
    long_lived.take_back()
    gc.set_threshold(*usual)
    gc.collect()
    assert gc.get_threshold() == usual  # only the first


COUNTED = """
import contextlib, gc, io, sys
from bot.__main__ import main
sys.argv[1:] = ["status"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(sum(generation["collections"] for generation in gc.get_stats()))
"""


def test_a_command_has_begun_before_it_imports_anything_of_weight(finished_run: Path) -> None:
    """`status` makes some 100,000 objects that stay: with the usual thresholds they were examined 200 times."""
    command = [sys.executable, "-c", COUNTED]
    done = subprocess.run(command, cwd=finished_run, env=environment(), capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40


LEFT_AT_THE_END = """
import atexit, contextlib, gc, io, sys
atexit.register(lambda: print(len(gc.get_objects())))  # runs after all that are registered later
from bot.__main__ import main
sys.argv[1:] = ["status"]
output = io.StringIO()
with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
    main()
print(len(gc.get_objects()), bool(output.getvalue()))
"""


def test_at_the_end_of_a_command_nothing_is_left_to_examine(finished_run: Path) -> None:
    """Python collects twice while it ends: 0.15 s of CPU for what a plan has made, after it is printed."""
    command = [sys.executable, "-c", LEFT_AT_THE_END]
    done = subprocess.run(command, cwd=finished_run, env=environment(), capture_output=True, text=True, check=True)
    (before, has_printed), (after,) = (line.split() for line in done.stdout.splitlines())
    assert has_printed == "True"
    assert int(before) > 50_000
    assert int(after) < 1_000
