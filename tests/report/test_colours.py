"""Losses, refusals and the kill switch have colours on a terminal, none in a pipe and none with NO_COLOR."""

import io
import re

import pytest
from rich.console import Console, RenderableType

from bot.report.format import Column, TextTable, coloured

RED, YELLOW, GREEN, ALARM = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1;31m"


def drawn(part: RenderableType, *, is_terminal: bool = True) -> str:
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=is_terminal, highlight=False, legacy_windows=False).print(part)
    return out.getvalue()


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "part", "colour"),
    [
        ("today -12.30 (0.10 %)", "-12.30", RED),
        ("since start +1,012.30 USDT", "+1,012.30", GREEN),
        ("UNI/USDT refused: too large", "refused", YELLOW),
        ("kill switch  flatten, by anna", "flatten", ALARM),
        ("kill switch  pause", "pause", YELLOW),
        ("10 rejected", "rejected", YELLOW),
        ("NOT RUNNING: this is what the last daemon left", "NOT RUNNING", ALARM),
        ("ENTRIES STOPPED: hedge mode", "ENTRIES STOPPED", ALARM),
    ],
)
def test_what_must_not_be_overlooked_has_a_colour(text: str, part: str, colour: str) -> None:
    assert f"{colour}{part}\x1b[0m" in drawn(coloured(text))
    table = TextTable("Rows", [Column("words")], [[text]])
    assert colour in drawn(table)


@pytest.mark.parametrize(
    "text", ["2026-01-31 12:00:00", "tsb-12.30x", "price 12.30", "1.5e-12", "UNI-2.30", "0 rejected, 0 in doubt"]
)
def test_dates_ids_and_plain_numbers_have_none(text: str) -> None:
    assert drawn(coloured(text)) == f"{text}\n"


def test_a_pipe_and_no_color_get_the_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = coloured("NOT RUNNING, today -12.30")
    assert drawn(text, is_terminal=False) == "NOT RUNNING, today -12.30\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*3\d", drawn(text))
