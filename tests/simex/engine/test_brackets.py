"""Risk brackets that no exchange has are refused, and changed ones go back to what the symbol usually has."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.brackets import Bracket
from bot.simex.engine.margin.requirements import maintenance_of
from bot.simex.engine.rules import MAJOR_BRACKETS, MINOR_BRACKETS, Rules, check_brackets, make_brackets
from tests.simex.engine.floor import PERP, exchange

D = Decimal
MINOR = make_brackets(MINOR_BRACKETS, 75)
BROKEN = {
    "the first rows left out, amounts kept (seed 500297)": MINOR[3:],
    "a row left out": (*MINOR[:2], *MINOR[3:]),
    "an amount that makes maintenance jump": (replace(MINOR[0], cum=D(1)), *MINOR[1:]),
    "a cap below the floor": (replace(MINOR[0], notional_cap=D(-1)),),
    "none at all": (),
}


@pytest.mark.parametrize("brackets", BROKEN.values(), ids=BROKEN)
def test_brackets_with_a_gap_or_a_jump_are_refused_everywhere(brackets: tuple[Bracket, ...]) -> None:
    with pytest.raises(ValueError, match="bracket"):
        Rules(brackets={PERP: brackets})
    venue = exchange()
    before = venue.brackets(PERP)
    with pytest.raises(ValueError, match="bracket"):
        venue.set_brackets(PERP, brackets)
    assert venue.brackets(PERP) == before


@pytest.mark.parametrize("table", [MAJOR_BRACKETS, MINOR_BRACKETS, MINOR_BRACKETS[3:]])
@pytest.mark.parametrize("leverage", [1, 20, 125])
def test_made_brackets_are_taken_and_need_no_negative_maintenance(
    table: tuple[tuple[str, int, str], ...], leverage: int
) -> None:
    brackets = make_brackets(table, leverage)
    check_brackets(brackets)
    values = [edge + more for bracket in brackets for edge in (bracket.notional_floor,) for more in (D(0), D(1))]
    assert all(maintenance_of(brackets, value) >= 0 for value in values)


def test_brackets_that_were_changed_twice_go_back_to_the_usual_ones() -> None:
    venue = exchange()
    usual = venue.brackets(PERP)
    for leverage in (10, 2):
        venue.set_brackets(PERP, make_brackets(MINOR_BRACKETS, leverage))
    venue.reset_brackets(PERP)
    assert venue.brackets(PERP) == usual
    venue.reset_brackets(PERP)
    assert venue.brackets(PERP) == usual
