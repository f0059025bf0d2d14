"""Replay: a journaled cycle gives the same decision again, and a difference is named."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.journal.reader import JournalReader
from bot.journal.turns import whole_payload
from bot.runtime.replay import ReplayDifference, compare, replay
from bot.runtime.settings.model import load_settings
from tests.commands import sectorbot

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def reader(finished_run: Path) -> Iterator[JournalReader]:
    found = JournalReader(finished_run / "var" / "sim-dry-run" / "journal.db")
    yield found
    found.close()


@pytest.mark.parametrize("number", [1, 2])
def test_a_cycle_replays_to_the_same_decision_whatever_is_configured_now(reader: JournalReader, number: int) -> None:
    settings = load_settings((), ("playbook.rotation.shift=0.01", "playbook.regime.override=downtrend"))
    result = replay(settings, reader, number)
    assert (result.is_identical, result.configuration) == (True, "journaled")
    assert result.words == f"cycle {number} (cycle): the decision is identical"


def copy_journal(finished_run: Path, path: Path) -> sqlite3.Connection:
    """A copy that may be written to; its protection is taken off."""
    copy = sqlite3.connect(path, isolation_level=None)
    with closing(sqlite3.connect(finished_run / "var" / "sim-dry-run" / "journal.db")) as source:
        source.backup(copy)
    for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        copy.execute(f"DROP TRIGGER {name}")
    return copy


def test_without_its_configuration_a_cycle_is_decided_with_the_present_one_and_a_warning(
    finished_run: Path, workplace: Path
) -> None:
    """A journal of an older version holds no configuration: its facts are removed here."""
    path = workplace / "old.db"
    with closing(copy_journal(finished_run, path)) as db:
        db.execute("DELETE FROM event WHERE kind = 'config'")
    reader = JournalReader(path)
    same = load_settings((), ("environment=sim", "cadence.cycle_seconds=0.2"))
    other = load_settings((), ("playbook.regime.override=downtrend",))
    assert (replay(same, reader, 1).configuration, replay(same, reader, 1).is_identical) == ("same", True)
    result = replay(other, reader, 1)
    reader.close()
    assert result.configuration == "different"
    assert not result.is_identical
    assert "give the same with --config" in result.words
    assert "condition: journaled neutral, now downtrend" in result.words


def test_the_command_ends_with_1_when_a_decision_differs(finished_run: Path, workplace: Path) -> None:
    path = workplace / "changed.db"
    with closing(copy_journal(finished_run, path)) as db:
        seq, payload = db.execute("SELECT seq, payload FROM event WHERE kind = 'cycle' ORDER BY seq").fetchone()
        changed = whole_payload(lambda sql, values: db.execute(sql, values).fetchall(), json.loads(payload))
        changed["decision"]["stance"] = "into_defi"
        db.execute("UPDATE event SET payload = ? WHERE seq = ?", [json.dumps(changed), seq])
    done = sectorbot("replay", "1", "--journal", str(path), "--json", cwd=workplace)
    document = json.loads(done.stdout)
    assert (done.returncode, document["is_identical"]) == (1, False)
    assert document["differences"] == [{"key": "stance", "journaled": "into_defi", "replayed": "neutral"}]


def test_differences_are_named_down_to_the_leaf() -> None:
    old = {"a": 1, "b": {"c": [1, {"d": 2}]}, "gone": 1, "e": [1]}
    new = {"a": 1, "b": {"c": [1, {"d": 3}]}, "new": 2, "e": [1, 2]}
    assert compare(old, new) == [
        ReplayDifference("b.c.1.d", 2, 3),
        ReplayDifference("gone", 1, None),
        ReplayDifference("e", [1], [1, 2]),
        ReplayDifference("new", None, 2),
    ]
