"""Hedges on perps of a thousand tokens: planned by value, never above the spot they cover (PLAYBOOK §5)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.order import Purpose
from bot.playbook.policy.membership import Sectors
from tests.playbook.builders import PRICES, World, golden_policy, make_sectors, neutral_world

D = Decimal
BY_THOUSANDS = "1000SOL/USDT:USDT"


def sectors() -> Sectors:
    return make_sectors(
        sectors={
            "defi": {"hedge": ["UNI"], "tactical": ["UNI"], "weight_max": 1},
            "infra": {"hedge": ["SOL"], "tactical": ["SOL"], "weight_max": 1},
        },
        perps={"SOL": BY_THOUSANDS},
    )


def world() -> World:
    prices = dict(PRICES) | {"1000SOL": PRICES["SOL"] * 1000}
    return neutral_world(golden_policy(entry_wait=False), sectors=sectors(), prices=prices, lot=D("0.000001"))


@pytest.mark.parametrize(
    ("token", "perp", "spot", "scale"),
    [
        ("SOL", BY_THOUSANDS, "SOL/USDT", 1000),
        ("UNI", "UNI/USDT:USDT", "UNI/USDT", 1),
        ("1000SATS", "1000SATS/USDT:USDT", "1000SATS/USDT", 1),
    ],
)
def test_a_perp_is_paired_with_its_spot_and_with_how_much_of_it(token: str, perp: str, spot: str, scale: int) -> None:
    found = make_sectors(
        tokens={name: {"defi": 1} for name in ("UNI", "AAVE", "1000SATS")}
        | {name: {"infra": 1} for name in ("ETH", "SOL")},
        perps={"SOL": BY_THOUSANDS},
    )
    assert (found.perp(token), found.spot_of(perp), found.scale_of(perp)) == (perp, spot, scale)


def test_the_golden_hedge_is_worth_the_same_on_a_perp_by_the_thousand() -> None:
    found = world()
    legs = [leg for made in found.run() if made.campaign for t in made.campaign.tranches for leg in t.legs]
    hedges = [leg for leg in legs if leg.purpose is Purpose.HEDGE]
    assert {leg.symbol for leg in hedges} == {BY_THOUSANDS}
    assert hedges[0].quote_value == pytest.approx(D(5_000), abs=D(1))
    assert abs(hedges[0].size_to) * 1000 == pytest.approx(D(5_000) / PRICES["SOL"], abs=D("0.01"))


@given(price=st.decimals(min_value=1, max_value=1000, places=2))
def test_no_hedge_by_the_thousand_ever_exceeds_its_spot(price: Decimal) -> None:
    found = world()
    held = found.spot["SOL"] * PRICES["SOL"]
    found.prices |= {"SOL": price, "1000SOL": price * 1000}
    found.spot["SOL"] = held / price
    for _ in range(4):
        found.turn()
        position = found.positions.get(BY_THOUSANDS)
        short = -position.size * found.prices["1000SOL"] if position else D(0)
        assert short <= found.portfolio().sectors["infra"].spot
