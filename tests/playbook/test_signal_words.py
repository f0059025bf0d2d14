"""What signals say of themselves, at the ends of their ranges as well."""

import pytest

from bot.playbook.market.derivative_signals import basis_words
from bot.playbook.market.price_signals import beside_history


@pytest.mark.parametrize(
    ("rank", "words"),
    [
        (0.0, "lower than ever in its history"),
        (0.004, "higher than 1% of its history"),
        (0.5, "higher than 50% of its history"),
        (0.999, "higher than 99% of its history"),
        (1.0, "higher than ever in its history"),
    ],
)
def test_a_rank_is_told_as_a_person_would(rank: float, words: str) -> None:
    assert beside_history(rank, "higher", "lower") == words


@pytest.mark.parametrize(
    ("premium", "words"),
    [(0.00012, "0.012% above spot"), (-0.00012, "0.012% below spot"), (0.000004, "at spot"), (-0.0, "at spot")],
)
def test_a_basis_of_nothing_has_no_side(premium: float, words: str) -> None:
    assert basis_words(premium) == words
