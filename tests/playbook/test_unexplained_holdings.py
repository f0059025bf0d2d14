"""What is still to trade of a leg, while account and journal differ on what is held."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Leg
from bot.domain.order import Purpose
from bot.playbook.book.context import PlanContext
from tests.playbook.builders import golden_policy, neutral_world

D = Decimal


@pytest.mark.parametrize(
    ("purpose", "symbol", "start", "goal", "shown", "booked", "left"),
    [
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "100", "100", "20"),
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "100", "80", "0"),  # sold, and the account does not show it
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "100", "90", "10"),
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "105", "100", "20"),  # a deposit holds no sale up, and is not sold
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "85", "80", "0"),
        (Purpose.REDUCE, "SOL/USDT", "100", "80", "70", "100", "0"),  # withdrawn by hand
        (Purpose.HEDGE, "ETH/USDT:USDT", "0", "-6", "0", "-6", "0"),
        (Purpose.HEDGE, "ETH/USDT:USDT", "0", "-6", "-6", "0", "0"),
        (Purpose.RELEASE, "ETH/USDT:USDT", "-6", "-2", "-6", "-3", "1"),
        (Purpose.INCREASE, "UNI/USDT", "10", "50", "10", "40", "10"),
    ],
)
def test_a_leg_has_no_more_left_than_account_and_journal_both_leave(
    purpose: Purpose, symbol: str, start: str, goal: str, shown: str, booked: str, left: str
) -> None:
    """Found in tests of two venues: an account that went on showing what was sold had it sold again."""
    world = neutral_world(golden_policy())
    portfolio = world.portfolio()
    key = f"perp:{symbol}" if ":" in symbol else f"spot:{symbol.partition('/')[0]}"
    account = replace(portfolio.account, unexplained={key: D(shown) - D(booked)} if shown != booked else {})
    seen = replace(portfolio, account=account)
    leg = Leg(0, purpose, "infra", symbol, D(start), D(goal), D(1), D(1), words="")

    class Holding(PlanContext):
        def held(self, symbol: str) -> Decimal:
            return D(shown)

    context = Holding(world.snapshot(), seen, world.policy, world.sectors, ())
    assert context.left(leg) == D(left)
