"""What the portfolio says about a sector: the spot that its hedges may cover."""

from decimal import Decimal

import pytest

from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Portfolio, Sleeves

D = Decimal
# spot, perps, sold, room, room beside what is held
ROWS = [
    (D(100), ZERO, ZERO, D(100), D(100)),
    (D(100), D(-30), ZERO, D(100), D(70)),
    (D(100), D(30), ZERO, D(100), D(100)),  # a long covers nothing
    (D(100), D(-30), D(80), D(20), ZERO),
    (D(100), D(-130), ZERO, D(100), ZERO),
    (D(-5), ZERO, ZERO, ZERO, ZERO),
]


@pytest.mark.parametrize(("spot", "perps", "sold", "room", "beside"), ROWS)
def test_the_room_for_hedges(spot: Decimal, perps: Decimal, sold: Decimal, room: Decimal, beside: Decimal) -> None:
    account = Account(0, "USDT", {}, ZERO, ZERO, {})
    portfolio = Portfolio(account, D(100), ZERO, D(100), {"defi": Sleeves(spot=spot, perp_notional=perps)})
    assert portfolio.hedge_room("defi", sold=sold) == room
    assert portfolio.hedge_room("defi", sold=sold, beside_held=True) == beside
    assert portfolio.hedge_room("unknown") == ZERO
