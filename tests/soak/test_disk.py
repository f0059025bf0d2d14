"""A journal that cannot be written ends trading at once; with the disk in order again, the next start settles."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.journal.journal import JournalReader
from tests.soak.driver import FEW_ORDERS, Soak
from tests.soak.spoiling import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Soak]:
    async with Soak(tmp_path / "soak", seed=1, plan=Plan(1, is_on=False), assignments=FEW_ORDERS) as made:
        yield made


def log_lines(run: Soak) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.directory / "daemon.log").read_text().splitlines()]


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ({"kind": "full", "nth": 5, "pages": 2}, "no space"),
        ({"kind": "read-only", "nth": 5}, "read-only|readonly|written"),
        ({"kind": "file", "bytes": 700_000}, ""),
    ],
    ids=["full", "read-only", "input-output-error"],
)
async def test_a_disk_that_fails_in_a_rotation_stops_trading_and_loses_nothing(
    run: Soak, disk: dict[str, Any], words: str
) -> None:
    process = await run.start(disk=disk)
    async with asyncio.timeout(40):
        assert await process.wait() == 1
    failed = [line for line in log_lines(run) if line["event"] == "journal_failed"]
    assert len({line["why"] for line in failed}) == len(failed) > 0, (
        "cycle and guard meet the same failure; it is said once"
    )
    assert all(line["level"] == "critical" and re.search(words, line["why"]) for line in failed)
    reader = JournalReader(run.journal)
    known = {order.client_id for order in reader.load_orders(1_000)}
    reader.close()
    assert {order["client_id"] for order in (await run.dump())["orders"]} <= known, "nothing was sent unwritten"
    verdict = await run.settle(finishes=False)
    assert run.tally.problems == []
    assert verdict.mismatches == []


async def test_an_exchange_that_cannot_be_reached_at_the_start_is_waited_for(run: Soak) -> None:
    run.proxy.is_dark = True
    once = await run.start(once=True)
    assert await once.wait() == 5
    process = await run.start()
    async with asyncio.timeout(30):
        while not [line for line in log_lines(run) if line.get("retry_in_seconds")]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    assert process.returncode is None
    run.proxy.is_dark = False
    await run.until(process, lambda reader: reader.count_orders(0) > 0)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_daemon_told_to_stop_while_it_sends_leaves_nothing_in_doubt(run: Soak) -> None:
    trap = {"method": "submit_order", "nth": 4, "when": "before", "signal": signal.SIGTERM}
    process = await run.start(trap=trap)
    async with asyncio.timeout(40):
        assert await process.wait() == 0
    assert run.unsettled() == []
    assert not (run.journal.parent / "health.json").exists()
    verdict = await run.settle(finishes=False)
    assert run.tally.problems == []
    assert verdict.mismatches == []
