"""A journal from an older backup: the exchange has orders of this bot that the journal has lost."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.order import Purpose
from tests.soak.driver import Soak
from tests.soak.spoiling import Plan
from tests.soak.test_power_cut import copy_files

pytestmark = pytest.mark.slow


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Soak]:
    async with Soak(tmp_path / "soak", seed=1, plan=Plan(1, is_on=False)) as made:
        yield made


async def test_a_journal_that_has_lost_executed_orders_says_so_and_uses_no_id_again(run: Soak, tmp_path: Path) -> None:
    process = await run.start()
    await run.until(process, lambda reader: reader.count_fills(0) > 0)
    process.send_signal(signal.SIGSTOP)
    old = copy_files(run.journal, tmp_path / "old")
    process.send_signal(signal.SIGCONT)
    await run.until(
        process, lambda reader: any(o.purpose is Purpose.INCREASE and o.filled_size > 0 for o in reader.load_orders())
    )
    process.kill()
    await process.wait()
    before = {order["client_id"] for order in (await run.dump())["orders"]}
    copy_files(old, run.journal.parent)
    run.clock.skip(60_000)
    codes = []
    for _ in range(2):
        process = await run.start(once=True)
        codes.append(await process.wait())
    orders = [order for order in (await run.dump())["orders"] if order["parent_id"] is None]
    twice = [client_id for client_id, count in Counter(o["client_id"] for o in orders).items() if count > 1]
    assert not twice, "an id of an executed order was used again"
    assert [o["client_id"] for o in orders if o["client_id"] not in before and not o["reduce_only"]] == []
    assert codes == [11, 11]
