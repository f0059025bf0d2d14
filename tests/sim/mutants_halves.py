"""Ways to be wrong with two venues."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.portfolio import Account
from bot.risk import breakers, gate, order_checks
from bot.venues.pair.venue import PairVenue
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant
from tests.sim.world import MIXED


def remember_the_dark_venue(patch: pytest.MonkeyPatch) -> None:
    """The half that does not answer is taken to be as it was, so that its loss blocks nothing at the other."""
    original = PairVenue.fetch_account
    last: dict[str, Account] = {}

    async def mutant(self: Any) -> Account:
        account = await original(self)
        if not account.unreadable:
            last["account"] = account
        known = last.get("account")
        if known is None:
            return account
        spot = known if "spot:" in account.unreadable else account
        perp = known if "perp:" in account.unreadable else account
        return replace(
            account,
            balances=spot.balances,
            perp_wallet=perp.perp_wallet,
            perp_free=perp.perp_free,
            positions=perp.positions,
            unreadable={},
        )

    patch.setattr(PairVenue, "fetch_account", mutant)
    patch.setattr(breakers, "BREAKERS", tuple(one for one in breakers.BREAKERS if one is not breakers.lost_readings))


def sell_spot_beside_a_dark_hedge(patch: pytest.MonkeyPatch) -> None:
    """A rotation goes on selling while the perps cannot be read."""
    kept = tuple(check for check in gate.CHECKS if check.judge is not order_checks.check_other_side)
    patch.setattr(gate, "CHECKS", kept)


MUTANTS = (
    Mutant(
        "remember the dark venue",
        remember_the_dark_venue,
        ("nothing is opened while one of two venues is dark", "a rotation leaves a hedge and its spot together"),
        (Kind.HALF_DARK,),
        seeds=2,
        first=13,
        heaviness=8,
        playbook=SLICED,
        venue=MIXED,
    ),
    Mutant(
        "sell spot beside a dark hedge",
        sell_spot_beside_a_dark_hedge,
        ("a rotation leaves a hedge and its spot together",),
        (Kind.HALF_DARK,),
        seeds=6,
        heaviness=8,
        playbook={**SLICED, "playbook.regime.override": "downtrend"},  # it hedges and sells for as long as it runs
        lives=4,
        venue=MIXED,
    ),
)
