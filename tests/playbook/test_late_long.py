"""The long of a stance that stands already: taken when breakout or confidence come after the rotation (PLAYBOOK §4)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Condition, Memory, RegimeMemory, Stance
from bot.domain.codec import decode, encode
from bot.domain.instrument import Side
from bot.domain.market import CalendarEvent
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.order_ids import OrderKind
from bot.domain.reason import Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.decide import decide
from bot.playbook.market.regime import Reading
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.stance import Choice, target_shares
from bot.playbook.overlays.directional import Speculation, plan_speculation
from bot.playbook.rotation.campaign import start_campaign
from tests.playbook.builders import World, golden_policy, one_token_each
from tests.playbook.test_speculation import AAVE, ETH, UNI, Market, acts, reasons, standing_at

D = Decimal


def longing(**changes: object) -> Market:
    """A breakout in which the book stands in DeFi already, and the long is open."""
    world = standing_at(Stance.INTO_DEFI, tactical=True, **changes)
    world.run()
    assert world.positions[UNI].size > 0
    return world


def ask(world: World, choice: Choice) -> Speculation:
    scene = PlanContext(
        world.snapshot(), world.portfolio(), world.policy, world.sectors, world.working, world.memory.directional
    )
    reading = Reading(Condition.EUPHORIA, D("0.7"), {}, D(1), RegimeMemory(Condition.EUPHORIA))
    return plan_speculation(world.memory, scene, reading, choice, ())


def test_a_stance_that_stands_takes_its_long_from_the_idle_margin_of_its_sleeve() -> None:
    world = standing_at(Stance.INTO_DEFI, tactical=True)
    made = world.decide()
    (entry,) = made.intents
    assert (entry.purpose, entry.symbol, entry.side, entry.leverage) == (Purpose.TACTICAL, UNI, Side.BUY, D(3))
    assert (entry.campaign, entry.tranche) == (0, OrderKind.LATE_LONG.number)
    assert entry.size * 10 / 3 == D(2000), "a tenth of a shift of a fifth of the book"
    assert entry.exits is not None
    assert entry.exits.stop_price == D("9.20")
    assert made.campaign is None, "nothing is sold and nothing is moved for it"
    assert made.transfers == ()


def test_its_stop_rests_as_soon_as_it_is_filled_and_nothing_else_is_asked_for() -> None:
    world = longing()
    (stop,) = world.working
    assert (stop.side, stop.reduce_only, stop.trigger_price) == (Side.SELL, True, D("9.20"))
    assert [held.purpose for held in world.memory.exits] == [Purpose.TACTICAL]
    assert world.memory.opening == ()
    assert world.decide().intents == ()


def test_nothing_is_opened_before_the_market_allows_it() -> None:
    world = standing_at(Stance.INTO_DEFI)
    assert ask(world, Choice(Stance.INTO_DEFI, tactical_allowed=False)).intents == ()
    assert [i.symbol for i in ask(world, Choice(Stance.INTO_DEFI, tactical_allowed=True)).intents] == [UNI]


def test_what_is_being_opened_is_left_as_it_is_when_it_is_allowed_no_longer() -> None:
    world = standing_at(Stance.INTO_DEFI)
    begun = ask(world, Choice(Stance.INTO_DEFI, tactical_allowed=True))
    world.memory = begun.memory
    ended = ask(world, Choice(Stance.INTO_DEFI, tactical_allowed=False))
    assert (ended.intents, dict(ended.memory.directional)) == ((), {})


def test_an_infra_stance_has_one_for_the_upgrade_that_the_calendar_names() -> None:
    world = standing_at(Stance.INTO_INFRA, tactical=True)
    assert world.decide().intents == ()
    fork = CalendarEvent("a fork", "upgrade", world.at_ms - 1, world.at_ms + 1, D(1))
    snapshot = replace(world.snapshot(), events=(fork,))
    made = decide(snapshot, world.portfolio(), world.memory, world.policy, world.sectors, (), SignalCache())
    (entry,) = made.intents
    assert (entry.purpose, entry.symbol) == (Purpose.TACTICAL, ETH)


@pytest.mark.parametrize("stance", [Stance.NEUTRAL, Stance.DE_RISK])
def test_no_other_stance_has_one(stance: Stance) -> None:
    assert standing_at(stance, tactical=True).decide().intents == ()


def test_one_that_was_stopped_is_not_opened_again_in_this_stance() -> None:
    world = longing()
    world.prices["UNI"] = D("9.1")
    made = world.guard()
    assert Reason.EXIT_STOP in reasons(made)
    world.apply(acts(made))
    world.working = ()
    world.prices["UNI"] = D(10)
    assert not any(acts(d) for d in world.run())
    assert (world.memory.exits, world.memory.longed) == ((), Stance.INTO_DEFI)


def test_a_rotation_that_had_its_long_leaves_none_for_later() -> None:
    world = World(one_token_each(), golden_policy(drift_buffer="0.5"))
    world.spot, world.perp_wallet = {"UNI": D(3000), "ETH": D(22), "USDT": ZERO}, D(15_000)
    for _ in range(4):
        world.run()
        world.skip(60)
    assert world.memory.stance is Stance.INTO_DEFI
    assert world.memory.longed is Stance.INTO_DEFI
    world.prices["UNI"] = D("9.1")
    world.apply(acts(world.guard()))
    world.working = ()
    assert world.positions[UNI].size == 0
    assert not any(i.purpose is Purpose.TACTICAL for d in world.run() for i in d.intents)


def test_it_waits_for_the_rotation_that_is_under_way() -> None:
    world = standing_at(Stance.INTO_DEFI, tactical=True)
    shares, _ = target_shares(Stance.INTO_DEFI, world.policy, tactical_allowed=False)
    scene = PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, (), SignalCache())
    campaign, _ = start_campaign(Stance.INTO_DEFI, shares, world.memory, scene, tactical_allowed=False)
    world.memory = replace(world.memory, campaign=campaign, stance=Stance.NEUTRAL)
    assert ask(world, Choice(Stance.INTO_DEFI, tactical_allowed=True)).intents == ()


def test_it_is_closed_with_its_stance_before_its_perp_is_shorted() -> None:
    world = longing()
    world.policy = world.policy.changed({"regime.override": Condition.UNCERTAINTY})
    made = world.turn()
    assert acts(made)[0].symbol == UNI
    assert {(i.side, i.reduce_only) for i in acts(made) if i.symbol == UNI} == {(Side.SELL, True)}
    assert Reason.EXIT_SIGNS in reasons(made)
    world.working = ()
    world.run()
    assert world.memory.exits == ()
    assert world.positions[UNI].size <= 0, "what is left of the stance is hedged"


def test_a_perp_that_hedges_carries_none() -> None:
    world = standing_at(Stance.INTO_DEFI, tactical=True)
    world.memory = replace(world.memory, hedges={UNI: "defi"})
    (entry,) = world.decide().intents
    assert entry.symbol == AAVE


def test_the_idle_margin_is_its_limit() -> None:
    world = standing_at(Stance.INTO_DEFI, tactical=True)
    world.memory = replace(world.memory, labels={"defi": D(600), "infra": D(14_400)})
    (entry,) = world.decide().intents
    assert entry.size * 10 / 3 == D(600)
    world = standing_at(Stance.INTO_DEFI, tactical=True)
    world.memory = replace(world.memory, labels={"defi": ZERO, "infra": D(15_000)})
    made = world.decide()
    assert made.intents == ()
    assert Reason.TRANSFER_NEEDED in reasons(made)


def test_what_is_remembered_survives_the_journal_and_old_memories_still_read() -> None:
    world = longing()
    assert decode(Memory, encode(world.memory)) == world.memory
    written = encode(world.memory)
    del written["longed"]
    assert decode(Memory, written) == replace(world.memory, longed=Stance.NEUTRAL)
    assert not any(acts(d) for d in world.run()), "an old memory does not make a second one"
