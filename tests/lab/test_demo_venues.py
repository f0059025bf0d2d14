"""The demo at every venue: a whole rotation through its wire, after which journal and exchange agree."""

import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from bot.domain.order import Purpose
from bot.journal.journal import JournalReader
from bot.lab.demo.run import DemoOptions, program_of, run_demo
from bot.report.demo_text import next_lines
from bot.venues.registry import FOLDERS

VENUES = sorted(FOLDERS)
PAIRS = list(zip(VENUES, (*VENUES[1:], VENUES[0]), strict=True))  # each has the spot once, and once the perps
LAST_CYCLE_SECONDS = 120.0  # no cycle begins after the limit; the longest, the first one at WEEX, takes half of this


@pytest.mark.slow
@pytest.mark.parametrize(
    "venues",
    [*({"venue": venue} for venue in VENUES), *({"spot_venue": spot, "perp_venue": perp} for spot, perp in PAIRS)],
    ids=lambda venues: "+".join(venues.values()),
)
def test_a_rotation_is_hedged_sold_bought_and_wagered_at_each_venue_and_in_pairs(
    venues: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DemoOptions(as_json=True, directory=tmp_path, **venues)
    began = time.monotonic()
    assert run_demo(options, lambda *_: nullcontext()) == 0
    assert time.monotonic() - began < options.limit_seconds + LAST_CYCLE_SECONDS
    capsys.readouterr()
    reader = JournalReader(tmp_path / "journal.db")
    filled = [order for order in reader.load_orders(1_000) if order.filled_size > 0]
    reader.close()
    purposes = {order.purpose for order in filled}
    assert {Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.RELEASE} <= purposes


def test_a_named_venue_has_the_time_that_its_request_limits_take() -> None:
    assert DemoOptions().limit_seconds == 55
    assert DemoOptions(venue="x").limit_seconds == DemoOptions(perp_venue="x").limit_seconds == 300
    assert DemoOptions(venue="x", max_seconds=7).limit_seconds == 7


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (DemoOptions(), "sectorbot run -e sim"),
        (DemoOptions(venue="x"), "sectorbot run -e sim --set venue.id=x"),
        (
            DemoOptions(spot_venue="x", perp_venue="y"),
            "sectorbot run -e sim --set venue.spot.id=x --set venue.perp.id=y",
        ),
    ],
)
def test_the_next_command_trades_at_the_venues_of_the_demo(options: DemoOptions, line: str) -> None:
    assert f"  {line}" in next_lines("journal.db", None, venue=options.venue_settings)


def test_the_next_commands_begin_by_making_the_program_known_to_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my bot" / "sectorbot"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert next_lines("journal.db", None, program=program_of(str(program)))[1] == f"  alias sectorbot='{program}'"
    monkeypatch.chdir(tmp_path)
    assert program_of("my bot/sectorbot") == str(program)
    monkeypatch.setenv("PATH", str(program.parent))
    assert not program_of(str(program)), "it is found by its name"
    assert not program_of("/somewhere/bot/__main__.py")
    assert "alias" not in next_lines("journal.db", None, program="")[1]
