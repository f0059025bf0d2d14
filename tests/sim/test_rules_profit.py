"""What the rule on profit counts for tokens that came in, beside what it finds."""

from decimal import Decimal

import pytest

from tests.sim.rules_profit import CENT, worth_of

D = Decimal
PRICES = [D("12.475"), D("9.983"), D("10.5")]  # the last one first


@pytest.mark.parametrize("came_in", ["0.014315", "5"])
def test_what_came_in_counts_at_a_price_that_was_seen(came_in: str) -> None:
    """A little beside a large holding was counted at the last price, which nobody knew when it came (seed 2510000)."""
    least, most = worth_of(D(came_in), PRICES)
    assert least <= D(came_in) * D("10.5") <= most
    assert (least, most) == (D(came_in) * D("9.983"), D(came_in) * D("12.475"))


def test_what_went_is_counted_as_well_and_nothing_is_nothing() -> None:
    least, most = worth_of(D("-0.5"), PRICES)
    assert least < most < -CENT
    assert worth_of(D(0), PRICES) == (0, 0)
