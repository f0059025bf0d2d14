"""Grids of prices and sizes, as venues write them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.simex.dialects.grids import decimals, is_written_in_digits
from bot.simex.market.catalogue import default_instruments

D = Decimal


@pytest.mark.parametrize(("value", "count"), [("0.50", 1), ("0.01", 2), ("1", 0), ("10", 0), ("0.0010", 3)])
def test_digits_after_the_point_are_those_that_a_number_needs(value: str, count: int) -> None:
    assert decimals(D(value)) == count


@pytest.mark.parametrize(
    ("step", "is_written"),
    [("0.001", True), ("1", True), ("1.000", True), ("10", False), ("0.5", False), ("0.025", False), ("2", False)],
)
@pytest.mark.parametrize("name", ["size_step", "price_tick"])
def test_a_number_of_digits_shows_powers_of_ten_up_to_one(name: str, step: str, is_written: bool) -> None:
    """A step of ten passed for a step of one, and each order was refused (wire seed 26 at BingX)."""
    one = replace(default_instruments(["UNI"])["UNI/USDT:USDT"], size_step=D("0.1"), price_tick=D("0.001"))
    assert is_written_in_digits(replace(one, **{name: D(step)})) is is_written
