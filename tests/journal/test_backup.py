"""A copy of the journal is whole, and a bot that starts from an old one does nothing twice."""

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app as cli
from bot.domain.durations import MINUTE_MS
from bot.domain.order import Purpose
from bot.journal.disk.backup import back_up
from bot.journal.journal import Journal, JournalError, JournalReader
from bot.runtime.exit_codes import ExitCode
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.wiring import build
from tests.execution.scripted_venue import START_MS
from tests.stage import Stage, staged


async def test_a_copy_taken_while_the_journal_is_written_is_one_moment_of_it(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: START_MS)

    async def write() -> None:
        for number in range(300):
            await journal.record_fact("note", {"number": number})

    writing = asyncio.create_task(write())
    sizes = []
    for number in range(3):
        copy = tmp_path / f"copy-{number}.db"
        await asyncio.to_thread(back_up, journal.path, copy)
        reader = JournalReader(copy)
        reader.verify()
        sizes.append(reader.count_events())
        numbers = [fact.payload["number"] for fact in reader.load_facts("note", 1000)]
        assert sorted(numbers) == list(range(len(numbers))), "a prefix, without holes"
        reader.close()
    await writing
    assert journal.reader.count_events() >= sizes[-1] >= sizes[0]
    journal.reader.verify()
    await journal.close()


def test_a_backup_never_replaces_a_file_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    source = tmp_path / "j.db"
    with pytest.raises(JournalError, match=r"j\.db: there is no journal to copy; name the one to copy with --journal"):
        back_up(source, tmp_path / "copy.db")
    source.write_bytes(b"this is no database" * 100)
    with pytest.raises(JournalError, match=r"taken\.db: is there already; a backup never replaces a file"):
        back_up(source, taken)
    with pytest.raises(JournalError):
        back_up(source, tmp_path / "copy.db")
    assert taken.read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["j.db", "taken.db"]


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    async def make() -> None:
        journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: START_MS)
        await journal.record_fact("note", {})
        await journal.close()

    asyncio.run(make())
    source, copy = str(tmp_path / "j.db"), str(tmp_path / "copy.db")
    verified = CliRunner().invoke(cli, ["journal", "verify", "--journal", source])
    assert (verified.exit_code, "chain and tables agree" in verified.output) == (ExitCode.OK, True)
    assert CliRunner().invoke(cli, ["journal", "backup", copy, "--journal", source]).exit_code == ExitCode.OK
    again = CliRunner().invoke(cli, ["journal", "backup", copy, "--journal", source])
    assert again.exit_code == ExitCode.ERROR
    assert "is there already" in again.output
    damaged = bytearray(Path(copy).read_bytes())
    place = damaged.index(b'{"account":"main"')
    damaged[place : place + 10] = b"x" * 10
    Path(copy).write_bytes(damaged)
    assert CliRunner().invoke(cli, ["journal", "verify", "--journal", copy]).exit_code == ExitCode.ERROR


async def test_a_bot_that_starts_from_an_old_copy_repeats_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        path = stage.settings.journal_path
        async with stage.app() as app:
            await stage.turn(app)
            back_up(path, tmp_path / "old.db")
            for _ in range(6):
                await stage.turn(app)
            before = _holdings(stage)
            assert {order.purpose for order in app.journal.reader.load_orders(1000)} >= {
                Purpose.HEDGE,
                Purpose.REDUCE,
                Purpose.INCREASE,
            }
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
        shutil.copy(tmp_path / "old.db", path)
        app = await build(stage.settings, embedded=stage.embedded)
        try:
            for _ in range(4):
                result = await app.cycle.run()
                assert not result.truth.is_agreed, "a stop of ours rests there that this journal knows nothing of"
                assert "sectorbot resume --accept-mismatch" in " ".join(note.words for note in result.truth.notes)
                stage.embedded.clock.skip(MINUTE_MS)
            assert _holdings(stage) == before, "what the lost part of the journal did is not done again"
            await app.cycle.accept(by="tester", reason="restored from a copy")
            await stage.rotate(app)
            assert (await app.cycle.settle()).is_agreed
            assert abs(stage.results[-1].portfolio.sectors["defi"].spot - 48_000) < 300
            assert abs(stage.results[-1].portfolio.sectors["infra"].spot - 35_000) < 300
            ids = [(order.symbol, order.client_id) for order in stage.orders() if order.parent_id is None]
            assert len(ids) == len(set(ids)), "no id is used again, not even one the copy knows nothing of"
        finally:
            await app.close()


def _holdings(stage: Stage) -> dict[str, Decimal]:
    exchange = stage.embedded.exchange
    spot = {asset: balance.total for asset, balance in exchange.balances(ACCOUNT).items()}
    return spot | {p.symbol: p.size for p in exchange.positions(ACCOUNT)}
