"""The golden case with perps that are listed by the thousand: what pairs them with spot goes by value (PLAYBOOK §5)."""

from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.campaign import Campaign
from bot.domain.order import Purpose
from bot.lab.demo.scenarios import SIM_START
from bot.playbook.positions.funding import expected_funding
from bot.runtime.simulator.embedded import ACCOUNT, Embedded, embed_synthetic
from tests.stage import Stage, golden

D = Decimal
PEPE, SHIB = "1000PEPE/USDT:USDT", "1000SHIB/USDT:USDT"
START_MS = int(SIM_START.timestamp() * 1000)
BY_THOUSANDS = (
    "universe.tokens.PEPE={ defi = 1 }",
    "universe.tokens.SHIB={ infra = 1 }",
    f'universe.perps={{ PEPE = "{PEPE}", SHIB = "{SHIB}" }}',
    'universe.sectors.infra.hedge=["SHIB"]',
    'universe.sectors.defi.tactical=["PEPE"]',
    "risk.asset_max=0.6",
)


async def embedded(directory: Path) -> tuple[Stage, Embedded]:
    settings = golden(directory, *BY_THOUSANDS)
    found = await embed_synthetic(settings, scenario="golden", seed=1, start_ms=START_MS)
    return Stage(settings, found), found


@pytest.mark.slow
async def test_a_golden_rotation_hedges_and_goes_long_on_perps_by_the_thousand(tmp_path: Path) -> None:
    stage, world = await embedded(tmp_path)
    try:
        async with stage.app() as app:
            worth: dict[str, Decimal] = {}
            shorts: list[tuple[Decimal, Decimal]] = []
            for _ in range(40):
                result = await stage.turn(app)
                for position in result.truth.account.positions.values():
                    value = position.size * position.mark_price
                    worth[position.symbol] = max(worth.get(position.symbol, D(0)), abs(value))
                    if value < 0:
                        shorts.append((-value, result.portfolio.sectors["infra"].spot))
                campaign = result.decision.campaign
                if campaign is not None and campaign.is_over and not result.decision.intents:
                    break
                if not result.has_acted:
                    world.clock.skip(3_600_000)
            assert campaign is not None
            assert campaign.is_over
            # The golden numbers: 5,000 of spot waits, and 2,000 of margin carry a long of 20,000.
            assert worth[SHIB] == pytest.approx(D(5_000), abs=D(60))
            assert worth[PEPE] == pytest.approx(D(20_000), rel=D("0.02"))
            assert shorts
            assert all(short <= spot for short, spot in shorts), "a hedge exceeds the spot it covers"
            _compare_basis(campaign, stage)
            await stage.check_books(app)
        thousand = 1000 * world.exchange.quote("PEPE/USDT").mid
        assert world.exchange.quote(PEPE).mark == pytest.approx(thousand, rel=D("0.01"))
        assert {o.symbol for o in world.exchange.orders(ACCOUNT, SHIB)} == {SHIB}
    finally:
        await world.stop()


def _compare_basis(campaign: Campaign, stage: Stage) -> None:
    """Perp against a thousand tokens of spot: near nothing, where the bare prices are a thousand apart."""
    first = stage.results[0]
    (tranche, leg) = next((t, g) for t in campaign.tranches for g in t.legs if g.purpose is Purpose.TACTICAL)
    found = expected_funding(leg, tranche, campaign, first.snapshot, 72)
    assert found is not None
    assert found.basis_annual is not None
    assert abs(found.basis_annual) < 10, "a basis of a thousand times the price would be a million a year"
    assert first.snapshot.instruments[PEPE].multiplier == 1000
    assert first.snapshot.instruments[PEPE].token == "PEPE"
