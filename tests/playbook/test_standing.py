"""Hedges outside of a rotation: gains, carry, delta-neutral waiting (PLAYBOOK §§2, 5, 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, Memory, Stance
from bot.domain.codec import decode, encode
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.market import Cost, Funding, Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Fill, Purpose
from bot.domain.order_ids import OrderKind
from bot.domain.reason import Reason
from bot.domain.turn.decision import Decision
from bot.feeds.cost_basis import cost_basis
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.funding import average_funding
from tests.playbook.builders import START_MS, World, make_sectors, neutral_world
from tests.profiles import examples

D = Decimal
ETH, UNI = "ETH/USDT:USDT", "UNI/USDT:USDT"
CALM = {
    "order_share_max": 1,
    "order_max_quote": 10_000_000,
    "neutral_return_hours": 0,
    "drift_buffer": "0.5",
    "hedge_with": "leader",
}


@dataclass
class Market(World):
    """A world that knows costs and the funding of the last days, the same rate at every settlement."""

    costs: dict[str, Cost] = field(default_factory=dict)
    settled: dict[str, Decimal] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        base = super().snapshot()
        funding = {}
        for symbol, rate in self.settled.items():
            times = range(self.at_ms - 96 * HOUR_MS, self.at_ms, 8 * HOUR_MS)
            past = tuple((at, rate) for at in times)
            funding[symbol] = Funding(symbol, rate, 8, self.at_ms + HOUR_MS, self.at_ms, past)
        return replace(base, costs=self.costs, funding=funding)


def waiting(rate: str = "0.0001", **changes: object) -> Market:
    """A book at its neutral weights in which no rotation runs."""
    policy = Policy.model_validate(CALM | changes)
    world = neutral_world(policy)
    settled = dict.fromkeys((ETH, UNI), D(rate))
    market = Market(world.sectors, policy, spot=world.spot, perp_wallet=world.perp_wallet, memory=world.memory)
    market.settled = settled
    return market


def paid(world: World, share_of_price: str) -> dict[str, Cost]:
    """All spot was bought at a share of the price of now."""
    return {
        f"{token}/USDT": Cost(f"{token}/USDT", size, size * world.prices[token] * D(share_of_price))
        for token, size in world.spot.items()
        if token != "USDT"
    }


def short(world: World, symbol: str) -> Decimal:
    """Value of a short."""
    position = world.positions.get(symbol)
    return ZERO if position is None else -position.size * world.prices[symbol.split("/", maxsplit=1)[0]]


def said(made: Decision, reason: Reason) -> list[str]:
    return [note.words for note in made.notes if note.reason is reason]


def test_without_a_feature_nothing_stands() -> None:
    world = waiting("0.001")
    world.costs = paid(world, "0.1")
    assert world.turn().intents == ()
    assert world.memory.hedges == {}


# Delta-neutral waiting


def test_the_book_waits_delta_neutral_as_far_as_the_margin_reaches() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=0, standing_cover=1)
    made = world.run()
    assert {i.purpose for d in made for i in d.intents if not i.order_type.is_trigger} == {Purpose.HEDGE}
    sectors = world.portfolio().sectors
    assert abs(short(world, UNI) - 25_000) < 10, "5,000 of margin at 5x"
    assert abs(short(world, ETH) - 50_000) < 10, "10,000 of margin at 5x"
    assert abs(sectors["infra"].net_exposure - 5_000) < 10
    cut = said(made[0], Reason.HEDGE_CUT)
    assert len(cut) == 2
    assert "short by 5" in cut[1]
    assert world.memory.hedges == {UNI: "defi", ETH: "infra"}


def test_margin_is_kept_free_beside_a_standing_hedge() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=1)
    world.run()
    assert abs(short(world, ETH) - 25_000) < 10
    assert world.account().perp_free >= world.perp_wallet / 2 - 10


def test_a_rotation_takes_the_hedge_over_and_leaves_no_more_than_it_needs() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=0, tactical=False, max_sell_fraction="0.20")
    world.run()
    world.policy = world.policy.changed({"regime.override": Condition.BREAKOUT, "tactical.is_on": False})
    made = world.run()
    assert short(world, UNI) == 0, "the sector that is rotated into is not hedged"
    unsold = D(20_000) - D(11_000)
    assert abs(short(world, ETH) - unsold) < 300
    orders = [i for d in made for i in d.intents if i.symbol in (ETH, UNI)]
    assert all(i.reduce_only for i in orders), "nothing new is shorted on the way"
    for _ in range(5):
        world.skip(1441)
        world.run()
    assert world.memory.stance is Stance.INTO_DEFI
    assert short(world, ETH) == 0
    assert world.memory.hedges == {}


def test_turning_the_feature_off_closes_the_hedge_and_says_why() -> None:
    world = waiting(neutral_futures="delta-neutral")
    world.run()
    world.policy = world.policy.changed({"allocation.neutral_futures": "flat"})
    made = world.turn()
    assert {(i.tranche, i.side, i.reduce_only) for i in made.intents} == {
        (OrderKind.REDUCE_HEDGE.number, Side.BUY, True)
    }
    assert "nothing asks for it any more" in said(made, Reason.HEDGE_OFF)[0]
    world.run()
    assert short(world, ETH) == short(world, UNI) == 0
    assert world.memory.hedges == {}


# Unrealised gains


def test_a_gain_is_hedged_from_its_trigger_on_and_not_before() -> None:
    world = waiting(gain_hedge="gain")
    world.costs = paid(world, "0.51")
    assert world.turn().intents == ()
    world.costs = paid(world, "0.5")
    made = world.turn()
    hedge = next(i for i in made.intents if i.sector == "defi")
    assert abs(hedge.size * hedge.reference_price - 12_500) < 10, (
        "half of the sleeve's margin at 5x; the gain is 15,000"
    )
    assert "has gained 100%" in hedge.words
    assert (hedge.campaign, hedge.tranche) == (0, OrderKind.OPEN_HEDGE.number)


@pytest.mark.parametrize(("rule", "wanted"), [("gain", 3_000), ("full", 6_000)])
def test_gain_hedges_the_gain_and_full_all_of_the_spot(rule: str, wanted: int) -> None:
    world = waiting(gain_hedge=rule, standing_cover=1)
    world.perp_wallet *= 10
    world.memory = Memory(labels={name: label * 10 for name, label in world.memory.labels.items()})
    world.spot = {token: size / 5 for token, size in world.spot.items()}
    world.costs = paid(world, "0.5")
    world.policy = world.policy.changed({"allocation.drift_buffer": D("0.5")})
    world.run()
    assert abs(short(world, UNI) - wanted) < 10


def test_between_its_two_thresholds_a_gain_hedge_stands_but_does_not_begin() -> None:
    fresh, held = waiting(gain_hedge="gain"), waiting(gain_hedge="gain")
    held.costs = paid(held, "0.5")
    held.run()
    assert short(held, UNI) > 0
    for world in (fresh, held):
        world.costs = paid(world, "0.6")
        world.run()
    assert short(fresh, UNI) == 0
    assert short(held, UNI) > 0
    held.costs = paid(held, "0.7")
    made = held.turn()
    assert any("is 43%, below 50%" in words for words in said(made, Reason.HEDGE_OFF))
    held.run()
    assert short(held, UNI) == 0


def test_an_unknown_cost_is_no_gain_and_is_named() -> None:
    world = waiting(gain_hedge="gain")
    made = world.turn()
    assert made.intents == ()
    assert [words for words in said(made, Reason.SIGNAL_MISSING) if "no spot of it has a journaled cost" in words]
    world.costs = {"UNI/USDT": Cost("UNI/USDT", D(10), D(10))}
    hedge = world.turn().intents
    assert [i.sector for i in hedge] == ["defi"]
    assert abs(hedge[0].size * hedge[0].reference_price - 90) < 10, "only the ten whose price is known have gained"


def test_a_gain_hedge_offsets_a_fall_of_what_it_covers() -> None:
    world = waiting(gain_hedge="full", hedge_margin_keep=0, standing_cover=1)
    world.costs = paid(world, "0.4")
    world.run()
    covered = short(world, ETH)
    before = world.portfolio().equity
    world.prices["ETH"] *= D("0.9")
    spot_loss = world.spot["ETH"] * world.prices["ETH"] / 9
    assert abs((before - world.portfolio().equity) - (spot_loss - covered / 10)) < 1


# Carry


def test_carry_begins_above_its_threshold_after_fees_and_ends_below_the_other_one() -> None:
    world = waiting("0.0001", carry=True)  # 10.95 % a year
    assert world.turn().intents == ()
    world.settled = dict.fromkeys((ETH, UNI), D("0.0002"))
    made = world.turn()
    assert {i.sector for i in made.intents} == {"defi", "infra"}
    assert all("earn 21.9% a year" in i.words for i in made.intents)
    world.run()
    assert abs(short(world, UNI) - 12_500) < 10
    world.settled = dict.fromkeys((ETH, UNI), D("0.0001"))
    assert world.turn().intents == (), "between the thresholds it stands"
    world.settled = dict.fromkeys((ETH, UNI), D("0.00004"))
    made = world.turn()
    assert "less than 5.0%" in said(made, Reason.HEDGE_OFF)[0]
    world.run()
    assert short(world, UNI) == short(world, ETH) == 0


def test_fees_of_both_ways_count_against_the_beginning_of_carry() -> None:
    world = waiting("0.00015", carry=True)  # 16.4 % a year
    assert world.turn().intents
    dear = waiting("0.00015", carry=True)
    dear.fee = D("0.001")  # 0.2 % in 30 days is 2.4 % a year
    made = dear.turn()
    assert made.intents == ()


def test_one_flip_of_the_sign_does_not_end_carry() -> None:
    world = waiting("0.0003", carry=True)
    world.run()
    held = short(world, UNI)
    base = world.snapshot()
    flipped = {s: replace(found, rate=D("-0.0003")) for s, found in base.funding.items()}
    world.snapshot = lambda: replace(base, funding=flipped)  # type: ignore[method-assign]
    assert world.decide().intents == ()
    assert short(world, UNI) == held


def test_a_young_average_is_none_and_carry_waits_for_it() -> None:
    past = tuple((START_MS - k * 8 * HOUR_MS, D("0.001")) for k in range(9, 0, -1))
    young = Funding(ETH, D("0.001"), 8, START_MS + 1, START_MS, past[-3:])
    assert average_funding(young, START_MS, 72) is None
    assert average_funding(replace(young, earlier=past), START_MS, 72) == D("0.001") * 3 * 365
    hourly = Funding(ETH, D("0.0001"), 1, START_MS + 1, START_MS, past[-3:])
    assert average_funding(hourly, START_MS, 72) is None, "four of 72 settlements are no average"
    world = waiting(carry=True)
    world.settled = {}
    made = world.turn()
    assert made.intents == ()
    assert said(made, Reason.SIGNAL_MISSING)


def test_a_hedge_whose_funding_is_too_dear_is_not_begun_and_ends() -> None:
    world = waiting(neutral_futures="delta-neutral")
    world.settled = dict.fromkeys((ETH, UNI), D("-0.0002"))  # shorts pay 21.9 %: above half of the limit
    made = world.turn()
    assert made.intents == ()
    assert "pay 21.9% a year" in said(made, Reason.FUNDING_DEAR)[0]
    world.settled = dict.fromkeys((ETH, UNI), ZERO)
    world.run()
    assert short(world, ETH) > 0
    world.settled = dict.fromkeys((ETH, UNI), D("-0.0002"))
    assert world.turn().intents == ()
    world.settled = dict.fromkeys((ETH, UNI), D("-0.0003"))
    world.run()
    assert short(world, ETH) == 0


def test_a_small_change_is_left_alone_and_what_exceeds_the_spot_is_not() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=0)
    world.run()
    world.prices["ETH"] *= D("1.03")
    world.prices["SOL"] *= D("1.03")
    assert world.turn().intents == ()
    world.spot["ETH"] /= 3
    world.spot["SOL"] /= 3
    made = world.turn()
    assert made.intents
    assert all(i.reduce_only for i in made.intents if i.symbol == ETH)
    world.run()
    assert short(world, ETH) <= world.portfolio().sectors["infra"].spot


def test_a_rising_price_does_not_shrink_a_hedge_into_its_loss() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=0)
    world.run()
    held = world.positions[ETH].size
    for _ in range(4):
        for token in ("ETH", "SOL", "UNI", "AAVE"):
            world.prices[token] *= D("1.04")
        made = world.run()
        assert [i for d in made for i in d.intents] == []
    assert world.positions[ETH].size == held


def test_hedges_that_grow_together_share_the_margin_that_is_really_free() -> None:
    world = waiting(neutral_futures="delta-neutral", hedge_margin_keep=0, hedge_leverage=2, standing_cover="0.3")
    world.run()
    before = dict(world.positions)
    for _ in range(2):
        world.prices["ETH"] *= D("0.75")
        world.prices["UNI"] *= D("0.75")
        world.run()
    assert all(world.positions[symbol].margin > before[symbol].margin for symbol in (ETH, UNI)), "both have grown"
    assert world.account().perp_free >= 0


def test_while_a_rotation_is_about_to_begin_the_hedge_is_left_to_it() -> None:
    world = waiting(neutral_futures="delta-neutral")
    world.run()
    unpriced = world.sectors.spot("AAVE")
    world.policy = world.policy.changed({"regime.override": Condition.UNCERTAINTY})
    world.unquoted = {unpriced}
    made = world.decide()
    assert Reason.PRICE_BAD in {note.reason for note in made.notes}, "the rotation waits for a price"
    assert made.campaign is None
    assert made.intents == ()
    assert said(made, Reason.HEDGE_OFF) == []


def test_a_hedge_in_flight_is_not_asked_for_twice() -> None:
    world = waiting(neutral_futures="delta-neutral")
    made = world.decide()
    ids = [i.id for i in made.intents]
    assert ids == [i.id for i in world.decide().intents], "the same wish has the same name"
    assert len(set(ids)) == len(ids)


def test_spot_without_a_price_leaves_a_standing_hedge_as_it_is() -> None:
    world = waiting(neutral_futures="delta-neutral")
    world.run()
    world.unquoted = {"ETH/USDT"}
    made = world.decide()
    assert not [i for i in made.intents if i.sector == "infra"]


# Small longs of the neutral stance


def small_longs(**changes: object) -> World:
    asked = {"neutral_futures": "small-long", "tranche_interval_minutes": 60} | changes
    world = World(make_sectors(), Policy.model_validate(CALM | asked), spot={"USDT": D(100_000)})
    for _ in range(4):
        world.run()
        world.skip(61)
    return world


def test_a_book_that_is_brought_to_neutral_opens_its_small_longs_with_exits() -> None:
    world = small_longs()
    made = [i for d in world.decisions for i in d.intents if i.purpose is Purpose.TACTICAL]
    assert {i.symbol: round(i.size * i.reference_price) for i in made} == {UNI: 5_000, ETH: 10_000}
    assert all(i.exits is not None and i.leverage == 3 for i in made)
    assert {held.symbol for held in world.memory.exits} == {UNI, ETH}
    longs = [p for p in world.account().positions.values() if p.size > 0]
    assert sum(p.margin for p in longs) <= world.policy.tactical.margin_max * world.portfolio().book


@pytest.mark.parametrize(("leverage", "margins"), [(1, [5_000]), (2, [2_500, 2_500])])
def test_small_longs_of_two_sectors_share_the_cap_on_all_of_them(leverage: int, margins: list[int]) -> None:
    world = small_longs(tactical_leverage=leverage)
    longs = [p for p in world.account().positions.values() if p.size > 0]
    assert [round(p.margin, -1) for p in longs] == margins
    assert sum(p.margin for p in longs) <= world.policy.tactical.margin_max * world.portfolio().book


def test_a_small_long_that_was_stopped_is_not_opened_again() -> None:
    world = small_longs()
    world.prices["UNI"] *= D("0.9")
    world.run()
    assert world.positions[UNI].size == 0
    world.prices["UNI"] /= D("0.9")
    world.skip(600)
    assert not [i for d in world.run() for i in d.intents if i.purpose is Purpose.TACTICAL]


def test_a_rotation_closes_the_small_longs_before_it_opens_its_own() -> None:
    world = small_longs()
    world.policy = world.policy.changed({"regime.override": Condition.BREAKOUT})
    made = world.run()
    orders = [i for d in made for i in d.intents if i.symbol == UNI and not i.order_type.is_trigger]
    assert [i.purpose for i in orders] == [Purpose.EXIT, Purpose.TACTICAL]
    assert world.positions[UNI].size == orders[1].size, "what was closed is not bought again"
    wanted = world.policy.rotation.shift * world.policy.rotation.tactical_split * D(100_000) * 3
    assert ZERO < orders[1].size * orders[1].reference_price <= wanted


FEATURES: Mapping[str, st.SearchStrategy[object]] = {
    "neutral_futures": st.sampled_from(["flat", "delta-neutral"]),
    "gain_hedge": st.sampled_from(["off", "gain", "full"]),
    "carry": st.booleans(),
    "hedge_with": st.sampled_from(["leader", "basket"]),
    "hedge_margin_keep": st.integers(0, 3),
    "hedge_leverage": st.integers(1, 5),
    "standing_cover": st.sampled_from(["0.3", "0.95", "1"]),
}


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    features=st.fixed_dictionaries(dict(FEATURES)),
    rates=st.lists(st.sampled_from(["-0.0005", "0", "0.0001", "0.0004"]), min_size=1, max_size=3),
    moves=st.lists(st.sampled_from(["0.85", "0.95", "1.02"]), min_size=1, max_size=3),
    cost=st.sampled_from(["0.3", "0.6", "1"]),
    condition=st.sampled_from([None, "breakout", "uncertainty", "downtrend"]),
)
def test_whatever_stands_never_exceeds_spot_margin_or_reason(
    features: dict[str, object], rates: list[str], moves: list[str], cost: str, condition: str | None
) -> None:
    world = waiting(**features)
    world.costs = paid(world, cost)
    for rate, move in zip(rates * 3, moves * 3, strict=False):
        world.settled = dict.fromkeys((ETH, UNI, "AAVE/USDT:USDT", "SOL/USDT:USDT"), D(rate))
        for _ in range(12):
            made = world.turn()
            assert_covered(world, made)
            if not made.intents:
                break
        world.prices["ETH"] *= D(move)
        world.prices["UNI"] *= D(move)
        for _ in range(3):
            guarded = world.guard()
            world.apply(guarded.intents)
    if condition is not None:
        world.policy = world.policy.changed({"regime.override": Condition(condition)})
        for _ in range(30):
            made = world.turn()
            assert_covered(world, made)


def assert_covered(world: Market, made: Decision) -> None:
    portfolio = world.portfolio()
    totals = dict.fromkeys(portfolio.sectors, ZERO)
    for symbol, position in world.positions.items():
        if position.size < 0:
            sector = made.memory.hedges[symbol]
            totals[sector] += short(world, symbol)
            assert position.leverage is not None
            assert position.leverage <= world.policy.hedging.leverage
    for sector, total in totals.items():
        assert total <= portfolio.sectors[sector].spot
    assert portfolio.account.perp_free >= -1
    for intent in made.intents:
        assert intent.words
        if intent.campaign == 0 and intent.purpose is Purpose.HEDGE:
            assert intent.side is Side.SELL
            assert intent.leverage is not None
            assert world.instruments()[intent.symbol].is_tradable(intent.size, intent.reference_price)
    twin = decode(Memory, encode(made.memory))
    assert twin == made.memory


# Cost basis


def fill(side: Side, size: str, price: str, fee: str = "0", fee_asset: str = "USDT") -> tuple[Fill, Decimal]:
    made = Fill(
        "sim", f"{side}{size}{price}", "UNI/USDT", "id", None, side, D(price), D(size), D(fee), fee_asset, False, 1
    )
    return made, D(size) * D(price)


def test_the_cost_of_what_is_left_is_its_average_with_fees() -> None:
    costs = cost_basis(
        [
            fill(Side.BUY, "10", "5", "1"),
            fill(Side.BUY, "10", "7", "0.5", "UNI"),
            fill(Side.SELL, "9.75", "9"),
        ]
    )
    assert costs["UNI/USDT"] == Cost("UNI/USDT", D("9.75"), D("60.5"))


def test_more_sold_than_bought_leaves_no_cost_and_perps_have_none() -> None:
    perp = replace(fill(Side.BUY, "1", "5")[0], symbol="UNI/USDT:USDT")
    assert cost_basis([fill(Side.BUY, "1", "5"), fill(Side.SELL, "3", "9"), (perp, D(5))]) == {}
    again = cost_basis([fill(Side.SELL, "3", "9"), fill(Side.BUY, "1", "5")])
    assert again["UNI/USDT"].value_quote == 5


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1, 20)), max_size=30))
def test_the_average_cost_lies_between_the_lowest_and_the_highest_price_paid(
    trades: list[tuple[bool, int, int]],
) -> None:
    fills = [fill(Side.BUY if buys else Side.SELL, str(size), str(price)) for buys, size, price in trades]
    prices = [price for buys, _, price in trades if buys]
    for cost in cost_basis(fills).values():
        assert min(prices) - D("0.001") <= cost.value_quote / cost.size <= max(prices) + D("0.001")
