"""No tranche sells more of a sector than the cap, whatever earlier ones left unsold; the rest is sold after the last
planned tranche, and the hedge covers it until then."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Campaign, Leg, Memory
from bot.domain.codec import decode, encode
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState, TrancheState
from bot.playbook.policy.numbers import Policy
from bot.playbook.rotation.sale_cap import SLACK
from tests.playbook.builders import World, golden_policy, neutral_world
from tests.profiles import examples

D = Decimal
ETH, SOL = "ETH/USDT", "SOL/USDT"
PLAN = D(20_000)  # a shift of 20 % of 100,000 out of infra, whose baseline is 55,000
Skips = Mapping[int, frozenset[str]]


def policy(fraction: str = "0.10", **changes: object) -> Policy:
    """A shift into DeFi in four tranches: 5,500 three times, and 3,500."""
    return golden_policy(max_sell_fraction=fraction, tactical=False, bridge="none", **changes)


def campaign_of(world: World) -> Campaign:
    assert world.memory.campaign is not None
    return world.memory.campaign


def sales(campaign: Campaign, number: int) -> list[Leg]:
    return [leg for leg in campaign.tranches[number - 1].legs if leg.purpose is Purpose.REDUCE]


def turn(world: World, skips: Skips) -> list[Note]:
    """One cycle in which the sales of the named symbols are given up."""
    made = world.decide()
    campaign = campaign_of(world)
    tranches = tuple(
        replace(t, legs=tuple(given_up(leg, skips.get(t.index, frozenset())) for leg in t.legs))
        if t.state is TrancheState.RUNNING
        else t
        for t in campaign.tranches
    )
    world.memory = replace(world.memory, campaign=replace(campaign, tranches=tranches))
    dropped = {
        (t.index, leg.symbol) for t in tranches for leg in t.legs if leg.purpose is Purpose.REDUCE and is_given_up(leg)
    }
    world.move(made.transfers)
    world.apply(i for i in made.intents if i.purpose is not Purpose.REDUCE or (i.tranche, i.symbol) not in dropped)
    world.at_ms += 1000
    return list(made.notes)


def given_up(leg: Leg, symbols: frozenset[str]) -> Leg:
    is_sale = leg.purpose is Purpose.REDUCE and leg.symbol in symbols
    return replace(leg, state=LegState.SKIPPED) if is_sale else leg


def is_given_up(leg: Leg) -> bool:
    return leg.state is LegState.SKIPPED


def tranche(world: World, skips: Skips) -> list[Note]:
    """All cycles of the tranche that is due, and the time until the next one."""
    notes: list[Note] = []
    for _ in range(12):
        notes += turn(world, skips)
        if campaign_of(world).is_over:
            break
    world.skip(61)
    return notes


def short_value(world: World) -> Decimal:
    return sum((-p.size * world.prices[s.split("/", maxsplit=1)[0]] for s, p in world.positions.items()), ZERO)


def sold(world: World) -> Decimal:
    return D(55_000) - world.table()["infra.spot"]


def capped(notes: list[Note]) -> list[str]:
    return [note.words for note in notes if note.reason is Reason.SALE_CAPPED]


def test_what_the_first_tranche_did_not_sell_is_sold_by_one_more_tranche_inside_the_cap() -> None:
    world = neutral_world(policy())
    skips = {1: frozenset({ETH, SOL})}
    tranche(world, skips)
    assert (len(campaign_of(world).tranches), sold(world)) == (4, ZERO)
    (line,) = capped(tranche(world, skips))
    assert line.startswith("infra: 11000.00 are due for sale, tranche 2 sells 5500.00 and later ones the rest")
    assert "5 tranches instead of 4" in line
    assert sold(world) == pytest.approx(D(5_500), abs=20)
    for done in (D(11_000), D(16_500), PLAN):
        assert not campaign_of(world).is_over
        assert short_value(world) == pytest.approx(min(D(14_500), PLAN - sold(world)), abs=60)
        tranche(world, skips)
        assert sold(world) == pytest.approx(done, abs=20)
    assert campaign_of(world).is_over
    assert short_value(world) == 0
    assert not world.memory.hedges


def test_a_part_that_is_left_is_cut_in_proportion() -> None:
    world = neutral_world(policy())
    skips = {1: frozenset({ETH})}
    tranche(world, skips)
    tranche(world, skips)
    values = {leg.symbol: (leg.size_from - leg.size_to) * leg.price for leg in sales(campaign_of(world), 2)}
    assert sum(values.values()) == pytest.approx(D(5_500), abs=1)
    assert values[ETH] == pytest.approx(2 * values[SOL], rel=D("0.01")), "ETH had two parts to sell, SOL one"


def test_one_more_tranche_begins_an_interval_after_the_last_planned_one() -> None:
    world = neutral_world(policy())
    skips = {1: frozenset({ETH, SOL})}
    for _ in range(5):
        tranche(world, skips)
    begun = [t.started_ms for t in campaign_of(world).tranches]
    interval = world.policy.rotation.tranche_interval_minutes * 60_000
    assert len(begun) == 5
    assert all(later - earlier >= interval for earlier, later in pairwise(begun))


def test_a_campaign_that_sells_as_planned_keeps_its_outline() -> None:
    world = neutral_world(policy())
    world.decide()
    planned = [[(leg.symbol, leg.size_to) for leg in sales(campaign_of(world), n)] for n in (1, 2, 3, 4)]
    notes = [note for _ in range(4) for note in tranche(world, {})]
    assert not capped(notes)
    assert [[(leg.symbol, leg.size_to) for leg in sales(campaign_of(world), n)] for n in (1, 2, 3, 4)] == planned


def test_a_price_that_rises_does_not_cut_what_was_planned() -> None:
    world = neutral_world(policy())
    tranche(world, {})
    for token in ("ETH", "SOL"):
        world.prices[token] *= D("1.2")
    assert not capped(tranche(world, {}))
    assert len(campaign_of(world).tranches) == 4


def test_a_campaign_that_is_read_from_the_journal_keeps_the_cap() -> None:
    world = neutral_world(policy())
    skips = {1: frozenset({ETH, SOL})}
    for _ in range(5):
        tranche(world, skips)
        world.memory = decode(Memory, encode(world.memory))
        assert campaign_of(world).number == 1
    assert campaign_of(world).is_over
    assert sold(world) == pytest.approx(PLAN, abs=20)


def test_where_no_tranche_is_left_the_note_says_what_stays() -> None:
    base = policy()
    rotation = base.rotation.model_copy(update={"tranches_max": 4})
    world = neutral_world(base.model_copy(update={"rotation": rotation}))
    skips = {1: frozenset({ETH, SOL})}
    tranche(world, skips)
    (line,) = capped(tranche(world, skips))
    assert line.endswith("; 3500.00 stays for the next campaign")
    assert len(campaign_of(world).tranches) == 4


@pytest.mark.parametrize("gone", ["halted", "unlisted"])
def test_a_campaign_does_not_grow_for_a_token_that_is_not_traded_any_more(gone: str) -> None:
    """It grew to its greatest length, a tranche an interval, for sales that the venue could not take."""
    world = neutral_world(policy())
    tranche(world, {1: frozenset({ETH, SOL})})
    getattr(world, gone).update({ETH, SOL})
    tranche(world, {})
    assert len(campaign_of(world).tranches) == 4


def test_a_sale_of_what_is_not_listed_is_not_called_too_small() -> None:
    world = neutral_world(policy())
    tranche(world, {})
    world.unlisted.add(SOL)
    words = [note.words for note in tranche(world, {}) if note.reason is Reason.INSTRUMENT_UNKNOWN]
    assert "sell SOL for infra: the venue does not list SOL/USDT" in words


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fraction=st.sampled_from(("0.08", "0.10", "0.15", "0.28")),
    condition=st.sampled_from(("breakout", "uncertainty")),
    missed=st.dictionaries(
        st.integers(1, 3),
        st.frozensets(st.sampled_from((ETH, SOL, "UNI/USDT", "AAVE/USDT")), min_size=1),
        max_size=3,
    ),
)
def test_whatever_is_missed_is_sold_inside_the_cap_and_hedged_until_then(
    fraction: str, condition: str, missed: dict[int, frozenset[str]]
) -> None:
    world = neutral_world(policy(fraction, condition_override=condition))
    world.decide()
    campaign = campaign_of(world)
    sector, planned = campaign.source, len(campaign.tranches)
    cap = D(fraction) * campaign.baseline[f"{sector}.spot"]
    skips = {number: symbols for number, symbols in missed.items() if number < planned}
    for _ in range(planned + len(skips) + 2):
        tranche(world, skips)
        begun = [t.index for t in campaign_of(world).tranches if t.state is not TrancheState.WAITING]
        for number in begun:
            value = sum(((leg.size_from - leg.size_to) * leg.price for leg in sales(campaign_of(world), number)), ZERO)
            assert value <= cap * (1 + SLACK), number
        waiting = [leg for t in campaign_of(world).tranches if t.index > begun[-1] for leg in t.legs]
        unsold = sum((leg.quote_value for leg in waiting if leg.purpose is Purpose.REDUCE), ZERO)
        hedged = campaign_of(world).hedged.get(sector, ZERO)
        assert short_value(world) == pytest.approx(min(hedged, unsold), abs=610), "one contract is worth up to 600"
        if campaign_of(world).is_over:
            break
    assert campaign_of(world).is_over
    left = world.table()[f"{sector}.spot"] - campaign.target[f"{sector}.spot"]
    assert left == pytest.approx(ZERO, abs=60)
    assert short_value(world) == 0
