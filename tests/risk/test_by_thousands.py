"""A perp that is listed by the thousand beside its spot: the gate counts value, and both as one token."""

from dataclasses import replace

import pytest

from bot.domain.instrument import multiplier_of
from bot.domain.order import Intent
from bot.domain.reason import Reason
from bot.risk import Approved, Refused, TurnRisk, review
from tests.risk.test_checks import WIDE
from tests.risk.worlds import D, book, context, exits, hedge, instrument, price_of, quote, snapshot, tactical

BY_THOUSANDS = "1000ETH/USDT:USDT"


def seen() -> TurnRisk:
    """ETH's spot, 27,500, and a perp of a thousand ETH at a thousand times its price, in steps of a thousandth."""
    price = price_of("ETH/USDT") * 1000
    base = snapshot()
    scaled = replace(
        instrument(BY_THOUSANDS),
        base="1000ETH",
        multiplier=multiplier_of("1000ETH"),
        size_step=D("0.000001"),
        size_min=D("0.000001"),
    )
    return context(
        snapshot=replace(
            base,
            instruments={**base.instruments, BY_THOUSANDS: scaled},
            quotes={**base.quotes, BY_THOUSANDS: quote(BY_THOUSANDS, price)},
            books={**base.books, BY_THOUSANDS: book(BY_THOUSANDS, price)},
        )
    )


def by_thousands(wish: Intent) -> Intent:
    """The same value on the perp of a thousand tokens."""
    return replace(
        wish,
        symbol=BY_THOUSANDS,
        size=wish.size / 1000,
        worst_price=wish.worst_price * 1000,
        reference_price=wish.reference_price * 1000,
    )


@pytest.mark.parametrize(("value", "passes"), [(27_000, True), (56_000, False)])
def test_a_hedge_by_the_thousand_is_measured_by_its_value_against_the_spot(value: int, passes: bool) -> None:
    found = seen()
    spot = found.portfolio.sectors["infra"].spot
    (verdict,) = review([by_thousands(hedge(value))], found, WIDE)
    (plain,) = review([hedge(value)], found, WIDE)
    assert (value <= spot) is passes
    assert isinstance(verdict, Approved) is isinstance(plain, Approved) is passes
    if isinstance(verdict, Refused):
        assert isinstance(plain, Refused)
        assert verdict.note.reason is plain.note.reason is Reason.HEDGE_EXCEEDS_SPOT


def test_spot_and_a_perp_by_the_thousand_are_one_exposure_to_one_token() -> None:
    limits = WIDE.model_copy(update={"asset_max": D("0.30")})
    wish = by_thousands(tactical(20_000, "ETH/USDT:USDT", exits=replace(exits(), stop_price=D(1_840_000))))
    (verdict,) = review([wish], seen(), limits)
    assert isinstance(verdict, Refused)
    assert verdict.note.reason is Reason.ASSET_EXPOSURE
    assert "exposure to ETH" in verdict.note.words
