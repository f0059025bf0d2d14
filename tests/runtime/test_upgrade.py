"""Journal and settings of an older version still work: commit 65c02bd has written what is in the folder `upgrade`.

`journal.db.xz` is the journal of `sectorbot run --cycles 1` with `sectorbot.toml` there: a dry-run in the simulation
that has carried out the first of two tranches, holds a hedge and a tactical long, and has a stop resting. The snapshots
of its last three turns are kept. `default.toml` names every setting of that version.
"""

import json
import lzma
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.journal.reader import JournalReader
from bot.runtime.replay import replay
from bot.runtime.settings.model import load_settings
from tests.commands import sectorbot

pytestmark = pytest.mark.usefixtures("workplace")
RECORDED = Path(__file__).parent / "upgrade"
EVENTS = "SELECT seq, at_ms, kind, cycle, payload, prev_hash, hash FROM event ORDER BY seq"
TURNS = {5: "cycle", 6: "guard", 7: "cycle"}  # those whose snapshots are kept
# That version has no stops that rest for hedges, so this one orders one more, where that one had nothing to do; and
# the words of notes name settings as they are called now. It has fewer signals (decision 0021).
CHANGED = re.compile(r"intents|signals|verdicts|notes(\.\d+\.words)?")


@pytest.fixture
def older(workplace: Path) -> Path:
    """A working directory as that version has left it; its journal."""
    journal = workplace / "var" / "journal.db"
    journal.parent.mkdir()
    journal.write_bytes(lzma.decompress((RECORDED / "journal.db.xz").read_bytes()))
    (workplace / "sectorbot.toml").write_bytes((RECORDED / "sectorbot.toml").read_bytes())
    return journal


def events_of(journal: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(journal)) as db:
        return db.execute(EVENTS).fetchall()


def test_every_setting_of_the_older_version_is_accepted(workplace: Path) -> None:
    done = sectorbot("config", "check", "--config", str(RECORDED / "default.toml"), cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_journal_is_verified_and_read_as_it_was_left(older: Path, workplace: Path) -> None:
    assert "chain and tables agree" in sectorbot("journal", "verify", cwd=workplace).stdout
    status = json.loads(sectorbot("status", "--json", cwd=workplace).stdout)
    assert (status["last_cycle"], status["condition"], status["stance"]) == (7, "breakout", "into_defi")
    orders = json.loads(sectorbot("orders", "--json", cwd=workplace).stdout)
    assert [(order["purpose"], order["state"]) for order in orders[:2]] == [("exit", "open"), ("tactical", "filled")]
    assert len(orders) == 8
    for number in TURNS:
        why = json.loads(sectorbot("why", str(number), "--json", cwd=workplace).stdout)
        assert (why["cycle"], why["condition"], why["stance"]) == (number, "breakout", "into_defi")
    signals = json.loads(sectorbot("signals", "7", "--json", cwd=workplace).stdout)
    assert {"breadth", "trend", "tvl_growth"} <= {row["name"] for row in signals["signals"]}


@pytest.mark.parametrize(("number", "kind"), TURNS.items())
def test_a_turn_of_it_is_decided_again_and_differs_in_what_has_changed_since(
    older: Path, number: int, kind: str
) -> None:
    reader = JournalReader(older)
    result = replay(load_settings((), ()), reader, number)
    reader.close()
    assert (result.kind, result.configuration) == (kind, "journaled")
    known = [difference for difference in result.differences if difference.journaled is not None]
    # What it did not know has no journaled value.
    assert [difference.key for difference in known if not CHANGED.fullmatch(difference.key)] == []


def test_a_run_goes_on_from_it_and_ends_the_rotation(older: Path, workplace: Path) -> None:
    before = events_of(older)
    done = sectorbot("run", "--cycles", "2", "--json", cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert events_of(older)[: len(before)] == before  # nothing that was written is written anew
    assert "chain and tables agree" in sectorbot("journal", "verify", cwd=workplace).stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (migrated,) = [line for line in lines if line["event"] == "journal_migrated"]
    assert migrated["migrations"] == ["m003_events_by_order", "m004_records_nest_inputs", "m005_parts"]
    cycles = [line for line in lines if line["event"] in ("cycle", "guard")]
    assert cycles[0]["number"] == 8
    assert all(line["is_agreed"] and line["refused"] == 0 for line in cycles)
    assert cycles[-1]["campaign"] == "1 done"
    reader = JournalReader(older)
    orders = reader.load_orders()
    assert len({order.client_id for order in orders}) == len(orders) > 8
    assert not reader.load_working()
    last = reader.next_cycle_number() - 1
    assert replay(load_settings((), ()), reader, last).is_identical
    reader.close()
