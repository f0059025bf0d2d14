"""PLAYBOOK §7: every leveraged position ends by its plan, and nothing that has ended begins again."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import Intent, Order, OrderType, Purpose
from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from bot.domain.states import LegState, OrderState
from bot.domain.turn.decision import Decision
from bot.playbook.book.context import PlanContext
from bot.playbook.decide import close_early
from bot.playbook.positions.exits import with_funding
from bot.playbook.positions.hedge import near_liquidation
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each, resting

D = Decimal
UNI = "UNI/USDT:USDT"
ETH = "ETH/USDT:USDT"


def world_with_a_long(**changes: object) -> World:
    policy = golden_policy(bridge="reserve", reserve_quote=5000, tactical_leverage=3, max_leverage=3, **changes)
    world = neutral_world(policy, sectors=one_token_each())
    world.run()
    assert world.positions[UNI].size > 0
    return world


def orders_on(symbol: str, world: World) -> tuple[Order, ...]:
    """Live orders in one perp: the hedge of the same rotation has a stop of its own."""
    return tuple(order for order in world.working if order.symbol == symbol)


def acts(made: Decision) -> list[Intent]:
    return [intent for intent in made.intents if not intent.order_type.is_trigger]


def reasons(made: Decision) -> set[Reason]:
    return {note.reason for note in made.notes}


def test_a_stop_rests_at_the_venue_as_soon_as_the_long_is_filled() -> None:
    world = world_with_a_long()
    stops = [order for order in orders_on(UNI, world) if order.order_type is OrderType.STOP]
    assert len(stops) == 1
    assert stops[0].reduce_only
    assert stops[0].size == world.positions[UNI].size
    assert stops[0].trigger_price == D("9.20")
    assert world.guard().intents == ()


def test_the_stop_stays_inside_the_liquidation_price() -> None:
    for leverage in range(1, 11):
        world = neutral_world(golden_policy(tactical_leverage=leverage), sectors=one_token_each())
        world.run()
        plan = world.memory.exits[0].plan
        liquidation = D(10) * (1 - D(1) / leverage) / (1 - world.policy.sizing.maintenance_rate)
        assert plan.stop_price > liquidation


def test_a_fall_through_the_stop_closes_the_long_and_the_leg_is_not_opened_again() -> None:
    world = world_with_a_long()
    world.prices["UNI"] = D(9)
    made = world.guard()
    assert Reason.EXIT_STOP in reasons(made)
    closing = [i for i in acts(made) if i.symbol == UNI]
    assert [(i.side, i.size, i.reduce_only) for i in closing] == [(Side.SELL, world.positions[UNI].size, True)]
    world.prices["UNI"] = D(12)
    assert [i.id for i in acts(world.guard())] == [i.id for i in closing], "a bounce does not undo a decision to close"
    world.apply(closing)
    stops = tuple(order.client_id for order in orders_on(UNI, world))
    ended = world.guard()
    assert ended.cancels == stops
    assert world.memory.exits == ()
    world.working = ()
    assert not any(i.purpose is Purpose.TACTICAL for d in world.run() for i in d.intents)


@pytest.mark.parametrize("state", [state for state in OrderState if state.is_live])
def test_a_stop_that_no_longer_fits_is_withdrawn_only_when_its_successor_is_known_to_rest(state: OrderState) -> None:
    world = world_with_a_long()
    (old,) = world.working = orders_on(UNI, world)
    world.positions.pop(ETH)
    grown = replace(world.positions[UNI], size=world.positions[UNI].size * 2)
    world.positions[UNI] = grown
    (successor,) = world.guard().intents
    assert successor.size == grown.size
    assert successor.id != old.intent_id, "two orders of one intent would both be live"
    world.working = (old, resting(successor, 9, state))
    made = world.guard()
    assert made.cancels == ((old.client_id,) if state is OrderState.OPEN else ())
    assert made.intents == ()


def test_a_stop_follows_the_grid_of_prices_that_the_venue_has_made_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with_a_long(stop="0.083")
    world.working = ()
    world.positions.pop(ETH)
    coarser = {s: replace(i, price_tick=D("0.1")) for s, i in world.instruments().items()}
    assert world.memory.exits[0].plan.stop_price % D("0.1") != 0
    monkeypatch.setattr(world, "instruments", lambda: coarser)
    (stop,) = world.guard().intents
    assert stop.trigger_price is not None
    assert stop.trigger_price % D("0.1") == 0
    assert stop.trigger_price > world.memory.exits[0].plan.stop_price


def test_of_two_stops_that_no_longer_fit_the_better_one_stays() -> None:
    world = world_with_a_long()
    (old,) = orders_on(UNI, world)
    world.positions.pop(ETH)
    better = replace(old, client_id="better", intent_id=old.intent_id.replace("x3", "x6"), trigger_price=D("9.30"))
    world.working = (better, old)
    world.positions[UNI] = replace(world.positions[UNI], size=world.positions[UNI].size * 2)
    made = world.guard()
    assert (made.cancels, made.intents) == ((old.client_id,), ())


def test_a_stop_that_filled_at_the_venue_ends_an_unfinished_tactical_leg() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), sectors=one_token_each())
    for _ in range(40):
        made = world.decide()
        tactical = [i for i in made.intents if i.purpose is Purpose.TACTICAL]
        world.move(made.transfers)
        world.apply(
            replace(i, size=world.instruments()[UNI].floor_size(i.size / 2)) if i in tactical else i
            for i in made.intents
        )
        if tactical:
            break
    world.decide()
    assert world.memory.exits
    world.positions.pop(UNI)
    world.guard()
    campaign = world.memory.campaign
    assert campaign is not None
    legs = [leg for leg in campaign.tranches[0].legs if leg.purpose is Purpose.TACTICAL]
    assert [leg.state for leg in legs] == [LegState.DONE]
    assert not any(i.purpose is Purpose.TACTICAL for d in world.run() for i in d.intents)


def test_the_ladder_sells_its_parts_once_and_the_rest_trails() -> None:
    world = world_with_a_long()
    entered = world.positions[UNI].size
    world.prices["UNI"] = D("10.85")
    first = acts(world.guard())
    assert len(first) == 1
    assert abs(first[0].size - entered * D("0.4")) < D("0.001")
    world.apply(first)
    assert acts(world.guard()) == []
    world.prices["UNI"] = D("11.60")
    second = acts(world.guard())
    assert abs(second[0].size - entered * D("0.3")) < D("0.001")
    world.apply(second)
    world.prices["UNI"] = D("13.00")
    raised = world.guard()
    assert acts(raised) == []
    stop = [i for i in raised.intents if i.order_type is OrderType.STOP]
    assert stop[0].trigger_price == D("12.22")
    assert raised.cancels == (), "the old stop stays until the new one is known to rest"
    world.apply(stop)
    cancels = world.guard().cancels
    assert [order.trigger_price for order in world.working if order.client_id in cancels] == [D("9.20")]
    world.working = tuple(order for order in world.working if order.client_id not in cancels)
    settled = world.guard()
    assert (settled.intents, settled.cancels) == ((), ())
    world.prices["UNI"] = D("12.20")
    last = world.guard()
    assert Reason.EXIT_TARGET in reasons(last)
    assert acts(last)[0].size == world.positions[UNI].size


def test_time_and_funding_end_a_long() -> None:
    world = world_with_a_long()
    world.skip(world.policy.tactical.hours * 60 + 1)
    assert Reason.EXIT_TIME in reasons(world.guard())

    world = world_with_a_long()
    budget = world.memory.exits[0].plan.funding_budget_quote
    world.memory = with_funding(world.memory, {UNI: budget})
    assert acts(world.guard()) == []
    world.memory = with_funding(world.memory, {UNI: D("0.01")})
    made = world.guard()
    assert Reason.EXIT_FUNDING in reasons(made)
    assert acts(made)


def test_an_exit_under_way_is_not_asked_for_twice() -> None:
    world = world_with_a_long()
    world.prices["UNI"] = D(9)
    closing = acts(world.guard())[0]
    world.working += (resting(closing, state=OrderState.IN_DOUBT),)
    assert acts(world.guard()) == []


def test_a_hedge_shrinks_with_the_spot_it_covers() -> None:
    world = world_with_a_long()
    world.spot["ETH"] = D("1.5")
    made = world.guard()
    intents = [i for i in acts(made) if i.symbol == ETH]
    assert [(i.side, i.reduce_only) for i in intents] == [(Side.BUY, True)]
    world.apply(intents)
    assert -world.positions[ETH].size * world.prices["ETH"] <= world.spot["ETH"] * world.prices["ETH"]
    assert Reason.HEDGE_OVER_SPOT in reasons(made)


def test_a_hedge_over_spot_that_has_no_price_for_the_moment_is_left_alone() -> None:
    world = world_with_a_long()
    world.unquoted = {"ETH/USDT"}
    assert Reason.HEDGE_OVER_SPOT not in reasons(made := world.guard())
    assert [i for i in acts(made) if i.symbol == ETH] == []


@pytest.mark.parametrize(("label", "shrinks"), [("10000", False), ("1000", True)])
def test_a_hedge_near_liquidation_is_topped_up_from_idle_margin_or_shrunk(label: str, shrinks: bool) -> None:
    world = world_with_a_long()
    position = world.positions[ETH]
    world.positions[ETH] = replace(position, liquidation_price=world.prices["ETH"] * D("1.07"))
    infra = D(label)
    world.memory = replace(world.memory, labels={"infra": infra, "defi": world.perp_wallet - infra})
    made = world.guard()
    assert Reason.LIQUIDATION_NEAR in reasons(made)
    assert bool([i for i in acts(made) if i.symbol == ETH]) is shrinks
    assert (ETH in made.top_ups) is not shrinks


@pytest.mark.parametrize(("idle", "topped_up", "halved"), [(300, 1, 2), (600, 2, 1), (5_000, 3, 0), (0, 0, 3)])
def test_idle_margin_is_given_to_one_hedge_of_a_basket_only(idle: int, topped_up: int, halved: int) -> None:
    """Every perp of it was given the same 300, 900 in all, so that none shrank."""
    world = neutral_world(golden_policy())
    perps = {f"{token}/USDT:USDT": world.prices[token] for token in ("AAVE", "ETH", "UNI")}
    for symbol, price in perps.items():
        size = D(4_000) / price
        world.positions[symbol] = Position(symbol, -size, price, price, ZERO, D(800), D(5), price * D("1.09"))
    label = D(2_400 + idle)
    world.memory = replace(world.memory, hedges=dict.fromkeys(perps, "defi"), labels={"defi": label, "infra": D(9_000)})
    world.perp_wallet = label + 9_000
    context = PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())
    shrinks, top_ups, _ = near_liquidation(world.memory, context)
    assert sum(top_ups.values(), ZERO) <= idle
    assert (len(top_ups), len(shrinks)) == (topped_up, halved)
    assert {*top_ups, *(shrink.symbol for shrink in shrinks)} == perps.keys()


def test_guard_intents_never_share_numbers_with_a_leg() -> None:
    world = world_with_a_long()
    world.prices["UNI"] = D(9)
    world.spot["ETH"] = D("0.5")
    made = world.guard()
    numbers = [(i.campaign, i.tranche, i.leg) for i in made.intents]
    assert len(set(numbers)) == len(numbers) == len({i.id for i in made.intents})
    assert all(campaign == 0 and tranche > 0 for campaign, tranche, _ in numbers)


def test_dear_funding_cuts_or_skips_the_long() -> None:
    policy = golden_policy(bridge="reserve", reserve_quote=5000, tactical_leverage=5)
    world = neutral_world(policy, sectors=one_token_each())
    world.funding = {UNI: D("0.0020")}
    made = world.run()
    assert any(Reason.FUNDING_DEAR in reasons(d) for d in made)
    size = world.positions[UNI].size * 10 if UNI in world.positions else D(0)
    assert size * D("0.002") * 21 <= D(200) + 1


def test_an_edit_of_the_sectors_changes_no_id_and_leaves_stops_of_earlier_versions_in_force() -> None:
    """A place in a list renamed every live stop, and a guard met an empty choice for ever."""
    world = world_with_a_long()
    (stop,) = orders_on(UNI, world)
    world.positions.pop(ETH)
    assert stop.intent_id == f"x3.{UNI}"
    old = tuple(replace(stop, client_id=f"old{n}", intent_id=f"x{kind}.7") for n, kind in ((1, 3), (2, 6)))
    world.working = (old[0],)
    assert world.guard().intents == ()
    world.positions[UNI] = replace(world.positions[UNI], size=world.positions[UNI].size * 2)
    (successor,) = world.guard().intents
    assert (successor.id, successor.size) == (f"x6.{UNI}", world.positions[UNI].size)
    world.working = old
    made = world.guard()
    assert len(made.cancels) == 1, "two that do not fit: one makes room"


def test_an_exit_under_an_earlier_name_is_not_asked_for_twice() -> None:
    world = world_with_a_long()
    world.prices["UNI"] = D(9)
    (closing,) = acts(world.guard())
    order = replace(resting(closing), intent_id="x1.4", state=OrderState.IN_DOUBT)
    world.working = (*world.working, order)
    assert acts(world.guard()) == []


def test_an_early_exit_takes_of_the_guard_what_closes_the_named_perp_and_nothing_else() -> None:
    world = world_with_a_long()
    world.prices["UNI"] = D(9)
    before = world.memory
    found = world.guard()
    other = replace(acts(found)[0], id="x", symbol=ETH)
    stop = replace(acts(found)[0], id="y", order_type=OrderType.STOP, trigger_price=D(8))
    opening = replace(acts(found)[0], id="z", reduce_only=False)
    changed = replace(found.memory, equity_peak=found.memory.equity_peak + 1)
    wider = replace(
        found, intents=(*found.intents, other, stop, opening), cancels=("a",), top_ups={UNI: D(1)}, memory=changed
    )
    made = close_early(wider, before, (UNI, ETH))
    assert [intent.id for intent in made.intents] == [intent.id for intent in acts(found) if intent.symbol == UNI]
    assert (made.cancels, made.top_ups, made.transfers) == ((), {}, ())
    assert {note.reason for note in made.notes} == {Reason.EXIT_STOP}
    assert replace(made.memory, exits=before.exits) == before
    assert [held.closing for held in made.memory.exits] == [Reason.EXIT_STOP.value]
    nothing = close_early(wider, before, (ETH,))
    assert (nothing.intents, nothing.memory, nothing.notes) == ((), before, ())
