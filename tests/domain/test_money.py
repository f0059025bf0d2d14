"""Rounding is directional, and floats are kept out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import ceil_to, dec, floor_to, nearest_to, plain, share

amounts = st.decimals(min_value="-1e9", max_value="1e9", allow_nan=False, allow_infinity=False, places=9)
steps = st.sampled_from([Decimal(text) for text in ("0.00001", "0.001", "0.05", "1", "25")])


@pytest.mark.parametrize("value", [0.1, True, None, [1]])
def test_only_text_integers_and_decimals_are_parsed(value: object) -> None:
    with pytest.raises(TypeError, match="parsed from text"):
        dec(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity", "", "1,5", "abc"])
def test_text_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        dec(text)


@given(amounts, steps)
def test_floor_and_ceil_enclose_the_value_within_one_step(value: Decimal, step: Decimal) -> None:
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low <= value <= high
    assert high - low in (0, step)
    assert low % step == 0
    assert high % step == 0
    assert nearest_to(value, step) in (low, high)


def test_the_classic_float_trap_keeps_its_step() -> None:
    assert floor_to(dec("0.3") - dec("0.1"), dec("0.1")) == dec("0.2")


@given(amounts)
def test_plain_text_has_no_exponent_and_reads_back_to_the_same_number(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "e" not in plain(value).lower()


def test_a_share_of_nothing_is_nothing() -> None:
    assert share(dec("5"), dec("0")) == 0
