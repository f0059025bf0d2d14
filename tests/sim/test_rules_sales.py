"""What the rules on the sales of a tranche add up and wait for, on a campaign that is only described."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.campaign import Campaign, CampaignState, Leg, Stance, Tranche
from bot.domain.order import Purpose
from bot.domain.states import LegState, TrancheState
from bot.domain.symbol import SymbolSuccession
from tests.sim.rules_account import SalesDoNotWaitForTheirHedge
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


def running(*legs: Leg) -> Campaign:
    """A rotation out of infra whose only tranche has these legs."""
    return Campaign(
        1,
        Stance.INTO_INFRA,
        Stance.INTO_DEFI,
        "infra",
        "defi",
        CampaignState.RUNNING,
        0,
        Decimal(0),
        Decimal(0),
        {"infra.spot": Decimal(10_000)},
        tranches=(Tranche(1, TrancheState.RUNNING, 0, legs),),
    )


def judged(*legs: Leg) -> list[str]:
    """What is violated where 2,800 of 10,000 may be sold at once, and as much in all."""
    found: list[str] = []
    campaign = running(*legs)
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


HEDGE = replace(sale("SOL/USDT:USDT", 20, "140"), purpose=Purpose.HEDGE)
STEADY = [(float(n), n + 1.0) for n in range(0, 600, 100)]  # six cycles within the first ten minutes


@pytest.mark.parametrize(
    ("last", "last_state", "is_found"),
    [
        ([(515.0, 702.0)], LegState.BLOCKED, False),  # it read the account before the time was over
        ([(515.0, 702.0), (702.0, 747.0)], LegState.READY, False),  # and the next one sells
        ([(515.0, 702.0), (702.0, 747.0)], LegState.BLOCKED, True),
        ([(660.0, 900.0)], LegState.BLOCKED, False),
        ([(662.0, 663.0)], LegState.BLOCKED, True),
    ],
)
def test_a_cycle_is_judged_by_when_it_began(
    last: list[tuple[float, float]], last_state: LegState, is_found: bool
) -> None:
    """Seed 1462167: a cycle read the account for a minute, sold for two more, and decided by what it had read at 572 s.

    The wait is ten minutes and one for a doubt, from the end of the first cycle that blocks the sales, at 1 s."""
    found: list[str] = []
    now = 0.0
    world: Any = SimpleNamespace(loop=SimpleNamespace(time=lambda: now), violate=lambda rule, words: found.append(rule))
    life: Any = SimpleNamespace()
    checkers: Any = SimpleNamespace()
    rule = SalesDoNotWaitForTheirHedge(world, checkers)
    policy = SimpleNamespace(rotation=SimpleNamespace(hedge_wait_minutes=10))
    cycles = [*STEADY, *last]
    for number, (began, over) in enumerate(cycles):
        state = last_state if number == len(cycles) - 1 else LegState.BLOCKED
        campaign = running(HEDGE, replace(sale("AVAX/USDT", 100, "25", state), index=2))
        now = began
        rule.before_turn(life, "cycle")
        rule.before_turn(life, "guard")
        now = over
        decision = SimpleNamespace(campaign=campaign)
        rule.after_turn(life, "cycle", SimpleNamespace(outcomes=(), decision=decision, policy=policy))
    assert found == (["sales do not wait for their hedge"] if is_found else [])
