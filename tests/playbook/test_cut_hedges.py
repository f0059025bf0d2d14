"""Hedges that margin has cut, that lack data for a turn, or that the journal does not know: none is released, reopened
or counted as if it were another one."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Campaign, Memory
from bot.domain.codec import decode, encode
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.symbol import is_perp
from bot.playbook.positions.hedge_choice import choose_hedges
from bot.runtime.watch.restored_rotation import covered_sector
from tests.playbook.test_hedge_choice import ETH, SOL, Beta, basket_world, scene
from tests.profiles import examples

D = Decimal
UNI, AAVE, AVAX = "UNI/USDT:USDT", "AAVE/USDT:USDT", "AVAX/USDT:USDT"


def short_value(found: Beta) -> Decimal:
    return sum((-p.size * found.prices[s.split("/", maxsplit=1)[0]] for s, p in found.positions.items()), ZERO)


def unsold(campaign: Campaign, done: int) -> Decimal:
    legs = (leg for tranche in campaign.tranches if tranche.index > done for leg in tranche.legs)
    return sum((leg.quote_value for leg in legs if leg.purpose is Purpose.REDUCE), ZERO)


@settings(max_examples=examples(5), deadline=None)
@given(margin=st.integers(500, 6_000))
def test_a_later_tranche_releases_a_cut_hedge_down_to_what_is_unsold_only(margin: int) -> None:
    """It was released by the part that is sold as if it had been whole: what margin had cut was cut once more."""
    found = basket_world(condition_override="uncertainty", max_sell_fraction="0.10")
    found.memory = replace(found.memory, labels={"defi": D(margin), "infra": D(200)})
    found.perp_wallet = D(margin + 200)
    found.run()
    campaign = found.memory.campaign
    assert campaign is not None
    assert len(campaign.tranches) > 2
    opened = sum((leg.quote_value for leg in campaign.tranches[0].legs if leg.purpose is Purpose.HEDGE), ZERO)
    whole = unsold(campaign, 0)
    target = sum((size * found.prices[s.split("/", maxsplit=1)[0]] for s, size in campaign.hedge_sizes.items()), ZERO)
    for done in range(1, len(campaign.tranches) + 1):
        wanted = target * unsold(campaign, done) / whole
        assert short_value(found) == pytest.approx(min(opened, wanted), rel=D("0.03"), abs=D(30)), done
        found.skip(61)
        found.run()
    assert short_value(found) == 0


def test_a_campaign_of_an_older_journal_has_no_sizes_of_its_hedges() -> None:
    found = basket_world(condition_override="uncertainty")
    found.turn()
    assert found.memory.campaign is not None
    row = encode(found.memory.campaign)
    assert set(row.pop("hedge_sizes")) == {UNI, AAVE, ETH}
    assert set(row.pop("hedged")) == {"defi"}
    again = decode(Campaign, row)
    assert (again.hedge_sizes, again.hedged) == ({}, {})


def hedged_world() -> Beta:
    found = basket_world(condition_override="neutral", neutral_futures="delta-neutral")
    found.run()
    assert set(found.memory.hedges) == {UNI, AAVE, ETH, SOL}
    return found


@pytest.mark.parametrize("token", ["AAVE", "UNI", "SOL"])
def test_candles_that_are_missing_for_a_turn_do_not_close_a_part_of_a_standing_basket(token: str) -> None:
    found = hedged_world()
    assert [i for i in found.decide().intents if is_perp(i.symbol)] == []
    del found.multiples[token]
    assert [i for i in found.decide().intents if is_perp(i.symbol)] == []


@pytest.mark.parametrize("token", ["AAVE", "SOL"])
def test_a_price_that_is_missing_for_a_turn_leaves_the_other_parts_as_they_are(token: str) -> None:
    found = hedged_world()
    found.unquoted = {f"{token}/USDT:USDT"}
    moved = [i for i in found.decide().intents if i.sector == ("defi" if token == "AAVE" else "infra")]
    assert [i for i in moved if is_perp(i.symbol)] == []


def test_a_perp_without_candles_joins_no_new_basket() -> None:
    found = basket_world()
    del found.multiples["AAVE"]
    assert [part.symbol for part in choose_hedges("defi", scene(found))[0]] == [UNI, ETH]


@pytest.mark.parametrize(
    ("shorts", "sector"),
    [
        ([ETH], "infra"),
        ([ETH, SOL], "infra"),
        ([UNI, ETH], "defi"),
        ([UNI, AAVE, ETH], "defi"),
        ([UNI, AAVE, ETH, SOL], "defi"),
    ],
)
def test_a_short_of_two_baskets_is_of_the_one_that_stands_beside_it(shorts: list[str], sector: str) -> None:
    """An ETH hedge that the journal did not know was counted to DeFi, whatever it covered."""
    sectors = basket_world().sectors
    assert covered_sector(ETH, shorts, sectors) == sector
    owners = {perp: covered_sector(perp, shorts, sectors) for perp in shorts}
    assert {owners[p] for p in shorts if p in (UNI, AAVE)} <= {"defi"}
    assert {owners[p] for p in shorts if p == SOL} <= {"infra"}


def test_what_a_rotation_hedges_is_counted_to_its_sector_again() -> None:
    for condition in ("uncertainty", "breakout", "downtrend"):
        found = basket_world(condition_override=condition)
        found.turn()
        known = {s: name for s, name in found.memory.hedges.items() if s in found.positions}
        assert known, condition
        assert {s: covered_sector(s, tuple(known), found.sectors) for s in known} == known
    assert Memory().hedges == {}
