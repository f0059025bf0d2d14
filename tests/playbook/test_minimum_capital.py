"""The book that settings need: what is said is what then can be traded (decision 0022)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.playbook.book.minimum_capital import MINIMUM_SPARE, capital_lines, capital_needs, tokens_held
from bot.playbook.policy.numbers import Policy
from bot.runtime.settings.capital import capital_lines_of
from bot.runtime.settings.model import load_settings
from tests.playbook.builders import make_sectors

D = Decimal
SECTORS = make_sectors()
MINIMUMS = {
    **{f"{token}/USDT": D(5) for token in ("UNI", "AAVE", "ETH", "SOL")},
    "UNI/USDT:USDT": D(5),
    "ETH/USDT:USDT": D(20),
}


def test_what_each_part_needs_by_hand() -> None:
    needs = {need.what: need.book_quote for need in capital_needs(Policy(), SECTORS, MINIMUMS)}
    assert needs == {
        "one token of defi": 120,  # 1.2 · 5 / 5 %
        "all 2 tokens of defi": 240,
        "a hedge of defi": 30,  # the whole shift: 1.2 · 5 / 20 %
        "one token of infra": 120,
        "all 2 tokens of infra": 240,
        "a hedge of infra": 480,  # what the first tranche leaves: 1.2 · 20 / 5 %
        "a tactical long": 100,  # 1.2 · 5 / (20 % · 10 % · 3)
    }


def test_a_line_says_what_is_needed_what_is_there_and_what_to_change() -> None:
    lines = capital_lines(capital_needs(Policy(), SECTORS, MINIMUMS), D(300), "USDT")
    assert len(lines) == 1
    assert "a hedge of infra needs a book of 480 USDT, this one has 300.00: raise playbook.rotation.shift" in lines[0]
    assert capital_lines(capital_needs(Policy(), SECTORS, MINIMUMS), D(480), "USDT") == []
    without = Policy(hedge=False, tactical=False)
    assert all("token" in need.what for need in capital_needs(without, SECTORS, MINIMUMS))


@given(st.integers(1, 500), st.integers(1, 50))
def test_the_book_that_is_named_holds_all_tokens_and_less_does_not(minimum: int, buffer: int) -> None:
    policy = Policy(drift_buffer=D(buffer) / 100)
    minimums = {symbol: D(minimum) for symbol in SECTORS.spot_symbols}
    need = next(n for n in capital_needs(policy, SECTORS, minimums) if n.what == "all 2 tokens of infra")
    assert tokens_held("infra", policy, SECTORS, minimums, need.book_quote) >= 2
    assert tokens_held("infra", policy, SECTORS, minimums, need.book_quote - 1) <= 2
    book = 2 * MINIMUM_SPARE * minimum / policy.allocation.drift_buffer
    assert tokens_held("infra", policy, SECTORS, minimums, book * D("0.99")) == 1


@pytest.mark.parametrize(("book", "is_enough"), [("500", False), ("100000", True)])
def test_config_check_speaks_of_the_paper_book(book: str, is_enough: bool) -> None:
    lines = capital_lines_of(load_settings((), (f'paper.book_quote="{book}"',)))
    assert lines
    if is_enough:
        assert lines[0].startswith("everything trades from a book of 1,440 USDT on (all 12 tokens of infra)")
    else:
        assert any("all 12 tokens of infra needs a book of 1,440 USDT, this one has 500.00" in line for line in lines)
