"""PLAYBOOK §2, row by row: two bridges, two tranches, one table."""

from collections import defaultdict
from decimal import Decimal

import pytest

from bot.domain.campaign import Bridge
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.turn.decision import Decision
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import World, golden_policy, make_sectors, neutral_world, one_token_each

D = Decimal
WORLDS = {"one token each": one_token_each, "two tokens each": make_sectors}
CASE_1 = {
    1: {"defi.spot": 48_000, "defi.futures": 7_000, "infra.spot": 40_000, "infra.futures": 10_000, "reserve": 0},
    2: {"defi.spot": 48_000, "defi.futures": 7_000, "infra.spot": 35_000, "infra.futures": 10_000, "reserve": 5_000},
}
CASE_2 = {
    1: {"defi.spot": 48_000, "defi.futures": 7_000, "infra.spot": 40_000, "infra.futures": 5_000, "reserve": 0},
    2: {"defi.spot": 48_000, "defi.futures": 7_000, "infra.spot": 35_000, "infra.futures": 10_000, "reserve": 0},
}


def golden_world(case: int, *, fee: str = "0", shape: str = "two tokens each", **changes: object) -> World:
    settings = {"bridge": "reserve", "reserve_quote": 5_000} if case == 1 else {"bridge": "idle-margin"}
    policy: Policy = golden_policy(**(settings | changes))
    return neutral_world(policy, sectors=WORLDS[shape](), fee=D(fee))


def traded(decisions: list[Decision]) -> dict[Purpose, dict[str, Decimal]]:
    """Value and margin per phase, from the intents that were filled."""
    found: dict[Purpose, dict[str, Decimal]] = defaultdict(lambda: {"value": D(0), "margin": D(0)})
    for decision in decisions:
        for intent in decision.intents:
            if not intent.order_type.is_trigger:
                value = intent.size * intent.reference_price
                found[intent.purpose]["value"] += value
                found[intent.purpose]["margin"] += value / intent.leverage if intent.leverage else D(0)
    return found


def assert_table(world: World, expected: dict[str, int], tolerance: Decimal) -> None:
    table = world.table()
    for sleeve, value in expected.items():
        assert abs(table[sleeve] - value) <= tolerance, f"{sleeve}: {table[sleeve]} instead of {value}"


@pytest.mark.parametrize("shape", WORLDS)
@pytest.mark.parametrize(("case", "tables"), [(1, CASE_1), (2, CASE_2)])
@pytest.mark.parametrize(("fee", "tolerance"), [("0", D(1)), ("0.001", D(60))])
def test_both_golden_cases_come_out_as_the_playbook_says(
    case: int, tables: dict[int, dict[str, int]], fee: str, tolerance: Decimal, shape: str
) -> None:
    world = golden_world(case, fee=fee, shape=shape)
    first = world.run()
    legs = traded(first)
    assert abs(legs[Purpose.HEDGE]["value"] - 5_000) <= tolerance
    assert abs(legs[Purpose.HEDGE]["margin"] - 1_000) <= tolerance
    assert abs(legs[Purpose.REDUCE]["value"] - 15_000) <= tolerance
    assert abs(legs[Purpose.INCREASE]["value"] - 18_000) <= tolerance
    assert abs(legs[Purpose.TACTICAL]["value"] - 20_000) <= tolerance
    assert abs(legs[Purpose.TACTICAL]["margin"] - 2_000) <= tolerance
    assert_table(world, tables[1], tolerance)
    owed = {"reserve": D(5000)} if case == 1 else {"infra.futures": D(5000)}
    assert world.memory.campaign is not None
    assert {name: round(value) for name, value in world.memory.campaign.owed.items()} == owed

    assert world.run()[0].intents == ()
    world.skip(60)
    second = traded(world.run())
    assert abs(second[Purpose.REDUCE]["value"] - 5_000) <= tolerance
    assert abs(second[Purpose.RELEASE]["value"] - 5_000) <= tolerance
    assert_table(world, tables[2], tolerance)
    assert not world.memory.hedges

    world.skip(60)
    third = world.turn()
    assert [i for i in third.intents if not i.order_type.is_trigger] == []
    assert third.transfers == ()
    assert third.campaign is not None
    assert third.campaign.is_over


def test_the_four_legs_come_in_the_playbooks_order() -> None:
    world = golden_world(1, shape="one token each")
    order = [i for d in world.run() for i in d.intents if not i.order_type.is_trigger]
    phases = list(dict.fromkeys(intent.purpose for intent in order))
    assert phases == [Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE, Purpose.TACTICAL]
    assert [intent.side for intent in order[:2]] == [Side.SELL, Side.SELL]
    assert order[0].symbol == "ETH/USDT:USDT"
    assert order[-1].symbol == "UNI/USDT:USDT"
    assert order[-1].leverage == 10


@pytest.mark.parametrize("case", [1, 2])
def test_the_default_leverage_cap_halves_the_long_and_says_so(case: int) -> None:
    world = golden_world(case, max_leverage=5, leverage_override=False)
    decisions = world.run()
    legs = traded(decisions)
    assert abs(legs[Purpose.TACTICAL]["value"] - 10_000) <= 1
    assert abs(legs[Purpose.TACTICAL]["margin"] - 2_000) <= 1
    cuts = [note for d in decisions for note in d.notes if note.reason is Reason.LEVERAGE_CUT]
    assert cuts
    assert "10x to 5x" in cuts[0].words


def test_net_exposure_after_the_first_tranche_is_not_the_table() -> None:
    world = golden_world(1)
    world.run()
    sectors = world.portfolio().sectors
    assert abs(sectors["infra"].net_exposure - 35_000) <= 1
    assert abs(sectors["defi"].net_exposure - 68_000) <= 1


def test_case_2_moves_three_thousand_and_relabels_two() -> None:
    world = golden_world(2)
    first = [transfer for decision in world.run() for transfer in decision.transfers]
    assert [(t.amount, t.to_perp, t.sector) for t in first] == [(D(3000), False, "infra")]
    world.skip(60)
    second = [transfer for decision in world.run() for transfer in decision.transfers]
    assert [(t.amount, t.to_perp, t.sector) for t in second] == [(D(5000), True, "infra")]


def test_a_crash_after_any_decision_neither_repeats_nor_loses_anything() -> None:
    """Decisions whose effects never came are simply made again; effects whose memory was lost are seen in the truth."""
    for lost in range(8):
        world = golden_world(1, shape="one token each")
        for round_number in range(40):
            memory = world.memory
            made = world.decide()
            if round_number == lost:
                world.memory = memory if made.campaign and memory.campaign is None else made.memory
                world.at_ms += 61_000
                continue
            world.move(made.transfers)
            world.apply(made.intents)
            world.at_ms += 1000
        assert_table(world, CASE_1[1], D(1))


def test_without_transfers_the_long_takes_what_the_perp_wallet_holds_and_the_note_names_the_amount() -> None:
    world = golden_world(1, transfers=False)
    decisions = world.run()
    assert all(decision.transfers == () for decision in decisions)
    needed = [note for d in decisions for note in d.notes if note.reason is Reason.TRANSFER_NEEDED]
    assert needed
    assert D(needed[0].numbers["amount"]) == 2_000

    poor = golden_world(1, transfers=False)
    poor.perp_wallet = D(2_000)
    poor.spot["USDT"] += 13_000
    poor.policy = poor.policy.changed({"allocation.reserve_quote": D(18_000)})
    decisions = poor.run()
    assert abs(traded(decisions)[Purpose.TACTICAL]["value"]) < 20_000


def test_the_second_tranche_waits_for_its_time() -> None:
    world = golden_world(1)
    world.run()
    waiting = world.turn()
    assert Reason.TRANCHE_WAITS in {note.reason for note in waiting.notes}
    assert world.memory.campaign is not None
    current = world.memory.campaign.current
    assert current is not None
    assert current.not_before_ms - world.memory.campaign.started_ms == 60 * MINUTE_MS


def test_the_bridge_names_are_those_of_the_settings() -> None:
    assert {bridge.value for bridge in Bridge} == {"none", "reserve", "idle-margin"}
