"""The demo at every venue: a whole rotation through its wire, after which journal and exchange agree."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from bot.domain.order import Purpose
from bot.journal.journal import JournalReader
from bot.lab.demo.run import DemoOptions, run_demo
from bot.report.demo_text import next_lines
from bot.venues.registry import FOLDERS


@pytest.mark.slow
@pytest.mark.parametrize("venue", sorted(FOLDERS))
def test_a_rotation_is_hedged_sold_bought_and_wagered_at_each_venue(
    venue: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DemoOptions(as_json=True, directory=tmp_path, venue=venue, max_seconds=300)
    assert run_demo(options, lambda *_: nullcontext()) == 0
    capsys.readouterr()
    reader = JournalReader(tmp_path / "journal.db")
    filled = [order for order in reader.load_orders(1_000) if order.filled_size > 0]
    reader.close()
    purposes = {order.purpose for order in filled}
    assert {Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.RELEASE} <= purposes


@pytest.mark.parametrize(
    ("venue", "line"), [(None, "sectorbot run -e sim"), ("x", "sectorbot run -e sim --set venue.id=x")]
)
def test_the_next_command_trades_at_the_venue_of_the_demo(venue: str | None, line: str) -> None:
    assert f"  {line}" in next_lines("journal.db", None, venue=venue)
