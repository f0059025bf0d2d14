"""The world that most tests of books and orders begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A journal that agrees with its account. At the end its tables are the replay of its events."""
    made = await open_world(tmp_path / "j.db", ScriptedVenue())
    await made.reconciler.settle(SYMBOLS)
    yield made
    made.journal.reader.verify()
    await made.journal.close()
