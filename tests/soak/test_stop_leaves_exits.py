"""SIGTERM between an entry and its stop: the position must not be left without its exit."""

import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.order import Purpose
from tests.soak.books import compare
from tests.soak.driver import Soak
from tests.soak.exchange import ACCOUNT
from tests.soak.spoiling import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Soak]:
    async with Soak(tmp_path / "soak", seed=1, plan=Plan(1, is_on=False)) as made:
        yield made


async def test_a_daemon_told_to_stop_after_an_entry_still_places_its_stop(run: Soak) -> None:
    process = await run.start()
    await run.until(process, lambda reader: any(o.purpose is Purpose.TACTICAL for o in reader.load_orders()))
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    dump = await run.dump()
    verdict = compare(dump, run.journal, ACCOUNT)
    assert [words for words in verdict.mismatches if "with a stop of" in words] == []
    # A stop that a larger one has replaced is withdrawn a turn later, which may be the next start's.
    for symbol, size in dump["end"]["positions"].items():
        resting = [row for row in dump["orders"] if row["symbol"] == symbol and row["status"] == "UNTRIGGERED"]
        whole = [row for row in resting if Decimal(row["size"]) >= abs(Decimal(size))]
        assert (len(whole), len(resting) - len(whole)) in {(1, 0), (1, 1)}, (symbol, size, resting)
