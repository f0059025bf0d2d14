"""What belongs together is kept together, and what does not is refused."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.order import OrderType
from bot.journal.journal import JournalBusy, JournalError, JournalReader
from bot.lab.demo.scenarios import packaged_config
from bot.runtime.settings.model import Settings, Sources
from bot.runtime.simulator.embedded import embed_synthetic
from bot.runtime.wiring import build


def settings(directory: Path, mode: str) -> Settings:
    assignments = ("environment=sim", f"mode={mode}", f'state_directory="{directory}"')
    return Sources(files=(packaged_config() / "golden.toml",), assignments=assignments).load()


@pytest.mark.slow
async def test_a_dry_run_goes_on_with_its_paper_account_after_a_restart(tmp_path: Path) -> None:
    """Nothing is bought or sold anew. Resting orders do not outlive the paper account's process, so stops are sent
    again, once the absence of the former ones is believed: in the first cycle of a slow machine, in a later one here.
    """
    app = await build(settings(tmp_path, "dry-run"))
    for _ in range(20):
        turn = await app.cycle.run()
        if not turn.has_acted and not turn.decision.intents:
            break
    else:
        pytest.fail("the first run has not come to rest")
    before = await app.venue.fetch_account()
    await app.close()
    app = await build(settings(tmp_path, "dry-run"))
    try:
        result = await app.cycle.run()
        after = await app.venue.fetch_account()
    finally:
        await app.close()
    assert before.positions, "the rotation has opened a hedge and a long"
    assert {s: p.size for s, p in after.positions.items()} == {s: p.size for s, p in before.positions.items()}
    assert {a: b.total for a, b in after.balances.items()} == {a: b.total for a, b in before.balances.items()}
    assert result.truth.is_agreed
    assert {intent.order_type for intent in result.decision.intents} <= {OrderType.STOP}


async def test_a_journal_of_another_mode_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    app = await build(settings(tmp_path, "dry-run"))
    await app.close()
    real = settings(tmp_path, "trade").model_copy(update={"environment": "testnet"})
    with pytest.raises(JournalError, match="belongs to dry-run sim binance, and this run is trade testnet binance"):
        await build(real)


@pytest.mark.slow
async def test_a_second_simulation_does_not_take_the_journal_from_under_the_first(tmp_path: Path) -> None:
    app = await build(settings(tmp_path, "trade"))
    try:
        with pytest.raises(JournalBusy):
            await build(settings(tmp_path, "trade"))
        assert (await app.cycle.run()).truth.is_agreed
        reader = JournalReader(app.settings.journal_path)
        assert reader.load_last_cycle() is not None, "what is at that path is what the first one writes"
        reader.close()
    finally:
        await app.close()


async def test_closing_a_bot_leaves_an_exchange_it_was_handed_running(tmp_path: Path) -> None:
    made = settings(tmp_path, "trade")
    embedded = await embed_synthetic(made, scenario="golden", seed=1)
    try:
        for _ in range(2):
            app = await build(made, embedded=embedded)
            await app.close()
    finally:
        await embedded.stop()


@pytest.mark.slow
def test_an_exchange_that_starts_empty_gets_a_journal_of_its_own(tmp_path: Path) -> None:
    async def number_the_first_cycle() -> int:
        app = await build(settings(tmp_path, "trade"))
        number = app.journal.reader.next_cycle_number()
        await app.cycle.run()
        await app.close()
        return number

    assert [asyncio.run(number_the_first_cycle()) for _ in range(2)] == [1, 1]
    assert len(list(tmp_path.glob("*-journal.db"))) == 1
