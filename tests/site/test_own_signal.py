"""The signal that `docs/your-own-signal.md` prints is executed, read by itself and in the table of all signals."""

import runpy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bot.domain.turn.decision import Signal
from bot.playbook.market import signals
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.view import view_of
from tests.playbook.builders import golden_policy, neutral_world
from tests.playbook.reading import read_signals
from tests.site.pages import DOCS, blocks

PAGE = DOCS / "your-own-signal.md"


def written() -> Any:
    """The function that the page defines."""
    (block,) = [block for block in blocks(PAGE) if block.language == "python"]
    with TemporaryDirectory() as folder:
        module = Path(folder) / "own_signal.py"
        module.write_text(block.text, encoding="utf-8")
        return runpy.run_path(str(module))["pace"]


def test_the_signal_of_the_page_gives_value_and_score_and_says_what_is_missing() -> None:
    world = neutral_world(golden_policy())
    view = view_of(world.snapshot(), world.policy, world.sectors, SignalCache())
    window = world.policy.candles_in(20)
    steady = (100.0,) * (window - 1)
    for newest, score in ((100.0, 0.0), (110.0, 1.0), (50.0, -1.0)):
        signal = written()(_with_market(view, (*steady, newest)))
        assert isinstance(signal, Signal)
        assert signal.score == pytest.approx(score, abs=0.06)
        assert "from its 20-day average" in signal.words
    assert written()(_with_market(view, steady)) == f"the market has {window - 1} candles, {window} are needed"


def test_the_signal_of_the_page_is_read_where_the_page_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "READERS", {**signals.READERS, "pace": written()})
    world = neutral_world(golden_policy())
    found, notes = read_signals(world.snapshot(), world.policy, world.sectors)
    assert "pace" in {signal.name for signal in found} or any("pace" in note.words for note in notes)


def _with_market(view: Any, market: tuple[float, ...]) -> Any:
    return replace(view, market=market)
