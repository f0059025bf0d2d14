"""What the rule on the sales of a tranche adds up, on a campaign that is only described."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.campaign import Campaign, CampaignState, Leg, Stance, Tranche
from bot.domain.order import Purpose
from bot.domain.states import LegState, TrancheState
from bot.domain.symbol import SymbolSuccession
from tests.sim.rules_options import SalesHaveACap

RENAMED = SymbolSuccession("AVAX", "AVAXX", Decimal(100))
SECTORS = SimpleNamespace(
    spot=lambda token: f"{token}/USDT", succession_of=lambda token: RENAMED if token == RENAMED.was else None
)


def sale(symbol: str, size: int, price: str, state: LegState = LegState.READY) -> Leg:
    amount = Decimal(size)
    return Leg(
        1, Purpose.REDUCE, "infra", symbol, amount, Decimal(0), Decimal(price), amount * Decimal(price), state=state
    )


def judged(*legs: Leg) -> list[str]:
    """What is violated where 2,800 of 10,000 may be sold at once, and as much in all."""
    found: list[str] = []
    tranche = Tranche(1, TrancheState.RUNNING, 0, legs)
    baseline = {"infra.spot": Decimal(10_000)}
    campaign = Campaign(
        1,
        Stance.INTO_INFRA,
        Stance.INTO_DEFI,
        "infra",
        "defi",
        CampaignState.RUNNING,
        0,
        Decimal(0),
        Decimal(0),
        baseline,
        tranches=(tranche,),
    )
    rotation = SimpleNamespace(first_tranche=Decimal(1), by_phase=False, max_sell_fraction=Decimal("0.28"))
    parts = SimpleNamespace(policy=SimpleNamespace(rotation=rotation), sectors=SECTORS)
    life: Any = SimpleNamespace(app=SimpleNamespace(cycle=SimpleNamespace(parts=parts)))
    world: Any = SimpleNamespace(violate=lambda rule, words: found.append(rule))
    checkers: Any = SimpleNamespace()
    rule = SalesHaveACap(world, checkers)
    rule.after_turn(life, "cycle", SimpleNamespace(decision=SimpleNamespace(campaign=campaign)))
    return found


@pytest.mark.parametrize(
    ("legs", "is_too_much"),
    [
        ([sale("AVAX/USDT", 112, "25")], False),
        ([sale("AVAX/USDT", 113, "25")], True),
        ([sale("AVAX/USDT", 112, "25", LegState.SKIPPED), sale("AVAXX/USDT", 11_200, "0.25")], False),
        ([sale("AVAX/USDT", 112, "25", LegState.SKIPPED), sale("AVAXX/USDT", 11_300, "0.25")], True),
        ([sale("AVAX/USDT", 112, "25"), sale("AVAXX/USDT", 11_200, "0.25")], True),
        ([sale("AVAX/USDT", 113, "25", LegState.SKIPPED)], True),
        ([sale("SOL/USDT", 20, "140", LegState.SKIPPED), sale("AVAXX/USDT", 11_200, "0.25")], True),
    ],
)
def test_a_sale_under_a_new_name_counts_once(legs: list[Leg], is_too_much: bool) -> None:
    """Heavy seed 1454079: a copy of the journal knew the token by its former name, and the sale goes on by the new."""
    assert judged(*legs) == (["a tranche sells no more than its part"] if is_too_much else [])
