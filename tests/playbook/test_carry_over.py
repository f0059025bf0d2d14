"""A rotation whose token is renamed on the way: given up under the old name with a reason, planned under the new."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.states import LegState
from bot.domain.turn.decision import Decision
from bot.playbook.book.portfolio import former_holdings
from tests.playbook.builders import PRICES, World, golden_policy, make_sectors, neutral_world

D = Decimal
OLD, NEW, OLD_PERP, NEW_PERP = "SOL/USDT", "SOLX/USDT", "SOL/USDT:USDT", "SOLX/USDT:USDT"
TEN = D(10)
TOKENS = {"UNI": {"defi": 1}, "AAVE": {"defi": 1}, "ETH": {"infra": 1}, "SOL": {"infra": 1}}


def world(ratio: Decimal = TEN, **changes: object) -> World:
    """Infrastructure is ETH and SOL, which becomes SOLX; SOL's perp is the hedge."""
    sectors = make_sectors(
        tokens=TOKENS | {"SOLX": {"infra": 1}},
        sectors={
            "defi": {"hedge": ["UNI"], "tactical": ["UNI"], "weight_max": 1},
            "infra": {"hedge": ["SOL", "SOLX"], "tactical": ["SOL"], "weight_max": 1},
        },
        renames={"SOLX": [{"was": "SOL", "at": "2025-10-09", "ratio": ratio}]},
    )
    before = make_sectors(tokens=TOKENS)
    prices = dict(PRICES) | {"SOLX": PRICES["SOL"] / ratio}
    found = neutral_world(golden_policy(entry_wait=False, bridge="none", **changes), sectors=before)
    found.sectors, found.prices = sectors, prices
    found.halted = {NEW, NEW_PERP}
    return found


def rename(found: World, ratio: Decimal) -> None:
    """The exchange ends the old name, settles its contract, turns the balance, and opens the new name."""
    found.halted = {OLD, OLD_PERP}
    found.unquoted = {OLD, OLD_PERP}
    found.spot["SOLX"] = found.spot.get("SOLX", D(0)) + found.spot.pop("SOL", D(0)) * ratio
    position = found.positions.pop(OLD_PERP, None)
    if position is not None:
        found.perp_wallet += position.size * (found.prices["SOL"] - position.entry_price)


def renamed_words(decisions: list[Decision]) -> list[str]:
    return [note.words for made in decisions for note in made.notes if note.reason is Reason.TOKEN_RENAMED]


@pytest.mark.parametrize("ratio", [D(1), D(10), D("0.1")])
def test_what_waits_is_sold_and_hedged_under_the_new_name(ratio: Decimal) -> None:
    found = world(ratio)
    for _ in range(6):
        found.turn()
    assert found.positions[OLD_PERP].size < 0
    short = -found.positions[OLD_PERP].size * found.prices["SOL"]
    rename(found, ratio)
    made = [found.turn() for _ in range(3)]
    assert any("ended with its hedge of infra; it is opened again on SOLX/USDT:USDT" in w for w in renamed_words(made))
    position = found.positions[NEW_PERP]
    assert -position.size * found.prices["SOLX"] == pytest.approx(short, rel=D("0.02"))
    found.skip(60)
    found.run()
    campaign = found.memory.campaign
    assert campaign is not None
    assert campaign.is_over
    sold = [leg for t in campaign.tranches[1:] for leg in t.legs if leg.purpose is Purpose.REDUCE]
    assert {leg.symbol for leg in sold} == {"ETH/USDT", NEW}
    assert {leg.state for leg in sold} == {LegState.DONE}


def test_a_leg_under_way_is_given_up_with_its_reason_and_planned_anew() -> None:
    found = world()
    while not any(intent.symbol == OLD for intent in found.decide().intents):
        found.move(found.decisions[-1].transfers)
        found.apply(found.decisions[-1].intents)
        found.at_ms += 1000
    held = found.spot["SOL"]
    rename(found, TEN)
    made = [found.turn() for _ in range(3)]
    assert any("sell SOL for infra: given up, SOL/USDT is SOLX/USDT now" in words for words in renamed_words(made))
    wanted = [intent for decision in made for intent in decision.intents]
    (sale,) = [intent for intent in wanted if intent.symbol == NEW]
    assert 0 < sale.size < held * TEN
    assert not [intent for intent in wanted if intent.symbol == OLD]


@given(turns=st.integers(0, 8), ratio=st.sampled_from([D(1), D(10), D("0.1")]), waits=st.booleans())
def test_a_rename_at_any_moment_of_a_rotation_leaves_equity_and_its_bounds(
    turns: int, ratio: Decimal, waits: bool
) -> None:
    found = world(ratio)
    for _ in range(turns):
        found.turn()
    before = found.portfolio()
    rename(found, ratio)
    after = found.portfolio()
    assert after.equity == before.equity, "to the last unit"
    assert after.sectors["infra"].spot == before.sectors["infra"].spot
    found.halted |= {NEW, NEW_PERP} if waits else set()
    for _ in range(2):
        found.turn()
    found.halted -= {NEW, NEW_PERP}
    for _ in range(20):
        found.turn()
        found.skip(30)
        short = sum((-p.size * found.prices[s.split("/")[0]] for s, p in found.positions.items() if p.size < 0), D(0))
        assert short <= found.portfolio().sectors["infra"].spot + found.portfolio().sectors["defi"].spot
    campaign = found.memory.campaign
    assert campaign is not None
    assert campaign.is_over


def test_a_balance_under_the_former_name_counts_as_what_it_becomes_and_is_told() -> None:
    found = world(D(25_000))
    before = found.portfolio()
    found.halted, found.unquoted = {OLD, OLD_PERP}, {OLD, OLD_PERP}
    after = found.portfolio()
    assert (after.equity, after.unpriced) == (before.equity, ())
    (note,) = former_holdings(after, found.snapshot(), found.sectors)
    assert note.words.startswith("220 SOL are of a token that became SOLX: they count as 5500000 SOLX")
    assert not [intent for intent in found.decide().intents if intent.symbol == OLD]


def test_a_name_that_still_trades_is_left_alone() -> None:
    found = world()
    found.halted = set()
    assert former_holdings(found.portfolio(), found.snapshot(), found.sectors) == ()
    assert not renamed_words([found.turn() for _ in range(5)])
