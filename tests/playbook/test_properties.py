"""Properties of every rotation, whatever the policy and the account."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, Memory, PriceWait, Stance
from bot.domain.candles import CandleSeries
from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.domain.order import OrderType, Purpose
from bot.domain.reason import Reason
from bot.domain.states import LegState, OrderState, TrancheState
from bot.domain.turn.decision import Decision
from bot.playbook.market.stance import target_shares
from bot.playbook.policy.numbers import Policy
from bot.playbook.rotation.progress import ASKS_MIN
from tests.playbook.builders import World, golden_policy, make_sectors, neutral_world, resting
from tests.profiles import examples

D = Decimal
BRIDGES = ("none", "reserve", "idle-margin")
CONDITIONS = (Condition.BREAKOUT, Condition.EUPHORIA, Condition.UNCERTAINTY, Condition.DOWNTREND)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return golden_policy(
        shift=draw(st.decimals("0.02", "0.45", places=2)),
        first_tranche=draw(st.decimals("0.2", "1", places=2)),
        max_sell_fraction=draw(st.decimals("0.05", "0.5", places=2)),
        bridge=draw(st.sampled_from(BRIDGES)),
        reserve_quote=draw(st.sampled_from(("0", "5000"))),
        tactical_leverage=draw(st.integers(1, 10)),
        max_leverage=draw(st.integers(1, 10)),
        hedge_leverage=draw(st.integers(1, 5)),
        condition_override=draw(st.sampled_from(CONDITIONS)).value,
    )


def finish(world: World) -> list[Decision]:
    """Run all tranches."""
    made: list[Decision] = []
    for _ in range(40):
        made += world.run()
        world.skip(61)
        if world.memory.campaign is not None and world.memory.campaign.is_over:
            return made + world.run()
    return made


@given(stance=st.sampled_from(list(Stance)), policy=policies(), tactical=st.booleans())
def test_shares_add_up_to_the_book_and_none_is_negative(stance: Stance, policy: Policy, tactical: bool) -> None:
    shares, _ = target_shares(stance, policy, tactical_allowed=tactical)
    assert sum(shares.values(), ZERO) == 1
    assert all(part >= 0 for part in shares.values())
    for sector in ("defi", "infra"):
        capital = shares[f"{sector}.spot"] + shares[f"{sector}.futures"]
        assert shares[f"{sector}.spot"] >= policy.allocation.spot_share_min * capital


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=policies(), fee=st.sampled_from(("0", "0.0005", "0.001")))
def test_a_rotation_keeps_its_bounds_and_comes_to_rest(policy: Policy, fee: str) -> None:
    world = neutral_world(policy, fee=D(fee))
    book = world.portfolio().book
    made: list[Decision] = []
    for _ in range(40):
        for _ in range(40):
            decision = world.turn()
            made.append(decision)
            assert_bounds(world, decision, book)
            if not decision.intents and not decision.transfers:
                break
        else:
            raise AssertionError("a tranche does not come to rest")
        world.skip(61)
        if world.memory.campaign is not None and world.memory.campaign.is_over:
            break
    assert world.memory.campaign is not None
    assert world.memory.campaign.is_over
    assert not world.memory.hedges
    rest = world.run()
    assert rest[0].intents == ()
    assert rest[0].transfers == ()


def assert_bounds(world: World, decision: Decision, book: Decimal) -> None:
    portfolio = world.portfolio()
    for symbol, sector in decision.memory.hedges.items():
        position = portfolio.account.positions.get(symbol)
        if position is not None and position.size < 0:
            assert -position.size * position.mark_price <= portfolio.sectors[sector].spot
            assert position.leverage is not None
            assert position.leverage <= min(world.policy.hedging.leverage, world.policy.sizing.position_leverage_max)
    longs = [p for p in portfolio.account.positions.values() if p.size > 0]
    assert sum((p.margin for p in longs), ZERO) <= world.policy.tactical.margin_max * book + 1
    assert all(p.leverage is not None and p.leverage <= world.policy.sizing.position_leverage_max for p in longs)
    assert portfolio.account.perp_free >= -1
    assert sum(portfolio.labels.values(), ZERO) == portfolio.account.perp_wallet
    for intent in decision.intents:
        instrument = world.instruments()[intent.symbol]
        assert instrument.is_tradable(intent.size, intent.reference_price, reduce_only=intent.reduce_only)
        assert instrument.floor_size(intent.size) == intent.size
        if intent.leverage is not None and intent.purpose is Purpose.TACTICAL:
            assert intent.exits is not None
            assert intent.exits.stop_price < intent.reference_price


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=policies())
def test_no_tranche_sells_more_than_its_fraction_of_the_sector(policy: Policy) -> None:
    world = neutral_world(policy)
    finish(world)
    campaign = world.memory.campaign
    assert campaign is not None
    for tranche in campaign.tranches:
        for sector in ("defi", "infra"):
            legs = [leg for leg in tranche.legs if leg.purpose is Purpose.REDUCE and leg.sector == sector]
            sold = sum((leg.quote_value for leg in legs), ZERO)
            assert sold <= policy.rotation.max_sell_fraction * campaign.baseline[f"{sector}.spot"] + 1


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=policies(), scale=st.sampled_from((2, 10)))
def test_a_rotation_is_free_of_scale(policy: Policy, scale: int) -> None:
    policy = policy.changed({"allocation.reserve_quote": ZERO, "gate.order_notional_max_quote": D(10**9)})
    small = neutral_world(policy, book=D(1_000_000))
    large = neutral_world(policy, book=D(1_000_000) * scale)
    finish(small)
    finish(large)
    for sleeve, value in small.table().items():
        assert abs(large.table()[sleeve] - scale * value) <= scale * 20


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=policies(), rounds=st.integers(1, 12))
def test_a_decision_is_a_function_of_what_was_journaled(policy: Policy, rounds: int) -> None:
    world = neutral_world(policy)
    for _ in range(rounds):
        world.turn()
    twin = World(world.sectors, policy, memory=decode(Memory, encode(world.memory)))
    twin.prices, twin.spot, twin.positions = dict(world.prices), dict(world.spot), dict(world.positions)
    twin.perp_wallet, twin.at_ms, twin.working = world.perp_wallet, world.at_ms, world.working
    assert encode(twin.decide()) == encode(world.decide())


def test_an_account_at_its_neutral_weights_plans_nothing() -> None:
    world = neutral_world(golden_policy(condition_override=None))
    made = world.decide()
    assert made.intents == ()
    assert made.transfers == ()
    assert made.campaign is None
    assert Reason.DRIFT_WITHIN_BUFFER in {note.reason for note in made.notes}


def test_an_account_of_nothing_but_cash_is_brought_to_neutral_in_tranches() -> None:
    world = World(make_sectors(), golden_policy(condition_override=None), spot={"USDT": D(100_000)})
    finish(world)
    table = world.table()
    for sleeve, share in world.policy.allocation.neutral.items():
        assert abs(table[sleeve] - share * 100_000) < 50, sleeve
    assert world.memory.campaign is not None
    assert len(world.memory.campaign.tranches) == 2


def test_too_small_an_account_skips_its_legs_and_says_so() -> None:
    world = neutral_world(golden_policy(), book=D(30))
    made = world.run()
    assert world.memory.campaign is not None
    legs = world.memory.campaign.tranches[0].legs
    assert any(leg.state is LegState.SKIPPED for leg in legs)
    assert Reason.BELOW_MINIMUM in {note.reason for decision in made for note in decision.notes}


def test_a_holding_of_a_sector_without_a_price_stops_a_new_campaign_until_it_was_watched_for_a_day() -> None:
    world = neutral_world(golden_policy())
    world.unquoted = {world.sectors.spot("UNI")}
    for watched_ms in (0, DAY_MS - 1):
        world.memory = replace(world.memory, price_waits={"UNI": PriceWait(world.at_ms, watched_ms)})
        made = world.decide()
        assert made.campaign is None
        assert Reason.PRICE_BAD in {note.reason for note in made.notes}
    world.memory = replace(world.memory, price_waits={"UNI": PriceWait(world.at_ms, DAY_MS)})
    made = world.decide()
    assert made.campaign is not None
    assert all("UNI" not in intent.symbol for intent in made.intents)


@pytest.mark.parametrize("amount", [D("0.00000001"), D(50_000_000)])
def test_a_holding_of_no_sector_without_a_price_stops_nothing(amount: Decimal) -> None:
    """An airdrop, dust, or one of the hundreds of assets of a test network's account."""
    world = neutral_world(golden_policy())
    wanted = world.decide()
    world.spot["ZZZ"] = amount
    assert world.portfolio().uncounted == ("ZZZ",)
    made = world.decide()
    assert made.campaign is not None
    assert made.intents == wanted.intents


def test_a_unified_wallet_rotates_without_transfers() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), is_unified=True)
    made = world.run()
    assert all(decision.transfers == () for decision in made)
    table = world.table()
    assert abs(table["defi.futures"] - 7_000) <= 1
    assert abs(table["defi.spot"] - 48_000) <= 1
    assert abs(table["reserve"]) <= 1
    world.skip(61)
    world.run()
    assert abs(world.table()["infra.spot"] - 35_000) <= 1
    assert abs(world.table()["reserve"] - 5_000) <= 1


def test_scenario_b_hedges_the_whole_shift_before_the_first_sale_and_shrinks_it() -> None:
    world = neutral_world(golden_policy(condition_override="uncertainty", bridge="none"))
    made = [intent for decision in world.run() for intent in decision.intents]
    assert made[0].purpose is Purpose.HEDGE
    assert abs(made[0].size * made[0].reference_price - 20_000) <= 600
    campaign = world.memory.campaign
    assert campaign is not None
    unsold = campaign.baseline["defi.spot"] - campaign.target["defi.spot"] - 8_400
    held = world.portfolio().sectors["defi"].perp_notional
    assert abs(-held - unsold) <= 600
    finish(world)
    table = world.table()
    assert abs(table["defi.spot"] - 10_500) <= 5
    assert abs(table["infra.spot"] - 75_000) <= 5


def test_a_downtrend_reduces_both_sectors_to_cash() -> None:
    world = neutral_world(golden_policy(condition_override="downtrend"))
    finish(world)
    table = world.table()
    assert abs(table["defi.spot"] - 15_000) <= 5
    assert abs(table["infra.spot"] - 35_000) <= 5
    assert abs(table["defi.futures"] - 2_000) <= 5
    assert abs(table["reserve"] - 43_000) <= 5


def test_a_reversal_closes_the_long_before_it_shorts_the_same_perp() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    world.run()
    assert world.positions["UNI/USDT:USDT"].size > 0
    world.policy = world.policy.changed({"regime.override": Condition.UNCERTAINTY})
    made = world.run()
    notes = {note.reason for decision in made for note in decision.notes}
    assert Reason.CAMPAIGN_REVERSED in notes
    order = [i for d in made for i in d.intents if i.symbol == "UNI/USDT:USDT" and not i.order_type.is_trigger]
    assert order[0].reduce_only
    assert order[0].purpose is Purpose.EXIT
    assert order[1].purpose is Purpose.HEDGE
    assert world.positions["ETH/USDT:USDT"].size == 0
    finish(world)
    assert abs(world.table()["infra.spot"] - 75_000) <= 60


def test_the_return_to_neutral_gives_the_margin_back() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    finish(world)
    world.policy = world.policy.changed({"regime.override": Condition.NEUTRAL, "regime.neutral_return_hours": 1})
    world.turn()
    world.skip(120)
    finish(world)
    table = world.table()
    for sleeve, share in world.policy.allocation.neutral.items():
        assert abs(table[sleeve] - share * 100_000) <= 60, sleeve


def test_drift_beyond_the_buffer_is_rebalanced_without_a_hedge() -> None:
    world = neutral_world(golden_policy(condition_override=None))
    world.prices["UNI"] *= 2
    made = finish(world)
    assert not any(i.purpose is Purpose.HEDGE for d in made for i in d.intents)
    portfolio = world.portfolio()
    assert abs(portfolio.sectors["defi"].spot / portfolio.book - D("0.30")) < D("0.05")
    assert abs(portfolio.sectors["infra"].spot / portfolio.book - D("0.55")) < D("0.05")


def test_drift_is_not_bought_in_a_downtrend_and_sold_all_the_same() -> None:
    """2020-03-13: a book at its de_risk weights bought infrastructure because it had fallen by half."""
    world = neutral_world(golden_policy(condition_override="downtrend"))
    finish(world)
    for token in ("ETH", "SOL"):
        world.prices[token] /= 2
    made = finish(world)
    assert not any(i.purpose is Purpose.INCREASE for d in made for i in d.intents)
    for token in ("ETH", "SOL"):
        world.prices[token] *= 4
    made = finish(world)
    assert {i.purpose for d in made for i in d.intents} == {Purpose.REDUCE}


def test_a_sector_of_which_nothing_is_listed_is_not_rebalanced_towards_again_and_again() -> None:
    world = neutral_world(golden_policy(condition_override=None))
    for token in ("UNI", "AAVE"):
        world.spot["USDT"] += world.spot.pop(token) * world.prices.pop(token)
    finish(world)
    begun = world.memory.campaigns
    for _ in range(5):
        world.skip(2 * 24 * 60)
        finish(world)
    assert world.memory.campaigns == begun
    world.prices["UNI"] = D(10)
    finish(world)
    assert world.portfolio().sectors["defi"].spot > 25_000, "and is bought when it is listed"


def test_a_hedge_without_margin_is_cut_and_the_note_names_the_shortfall() -> None:
    world = neutral_world(golden_policy())
    world.memory = replace(world.memory, labels={"defi": D(14_500), "infra": D(500)})
    made = world.turn()
    cut = next(note for note in made.notes if note.reason is Reason.HEDGE_CUT)
    assert abs(D(cut.numbers["short_by"]) - 2_500) <= 10


def test_a_sale_of_a_token_of_two_sectors_is_made_good_in_the_other_one() -> None:
    shared = make_sectors(
        tokens={"UNI": {"defi": 1}, "AAVE": {"defi": 1}, "ETH": {"infra": 1}, "SOL": {"infra": "0.8", "defi": "0.2"}}
    )
    world = neutral_world(golden_policy(bridge="none", first_tranche=1, max_sell_fraction="0.5"))
    world.sectors = shared
    world.spot["SOL"] /= D("0.8")
    world.spot["UNI"] -= world.spot["SOL"] * world.prices["SOL"] * D("0.2") / world.prices["UNI"]
    before = world.table()
    assert abs(before["defi.spot"] - 30_000) < 1
    finish(world)
    table = world.table()
    assert abs(table["infra.spot"] - 35_000) < 5
    assert abs(table["defi.spot"] - 48_000) < 5


def test_a_doubt_in_one_phase_stops_the_next_and_a_settled_one_lets_it_go_on() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    hedge = world.decide().intents[0]
    world.working = (resting(hedge, state=OrderState.IN_DOUBT),)
    for _ in range(3):
        made = world.decide()
        assert made.intents == ()
        assert Reason.ORDER_IN_DOUBT in {note.reason for note in made.notes}
        assert made.campaign is not None
        states = {leg.purpose: leg.state for leg in made.campaign.tranches[0].legs}
        assert states[Purpose.HEDGE] is LegState.WORKING
        assert states[Purpose.REDUCE] is LegState.BLOCKED
    world.working = ()
    again = world.decide().intents
    assert [(i.id, i.size) for i in again] == [(hedge.id, hedge.size)], "it never existed: the same wish again"
    world.apply(again)
    assert {i.purpose for i in world.decide().intents if not i.order_type.is_trigger} == {Purpose.REDUCE}


def test_a_leg_half_done_asks_for_the_rest_only() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    hedge = world.decide().intents[0]
    world.apply([replace(hedge, size=hedge.size / 2)])
    rest = world.decide().intents
    stop, *legs = rest
    assert [(i.id, i.size) for i in legs] == [(hedge.id, hedge.size / 2)]
    assert (stop.order_type, stop.size) == (OrderType.STOP, hedge.size / 2), "what has filled has its stop"


def test_a_rest_that_only_the_valuation_makes_large_enough_is_not_asked_for_again_and_again() -> None:
    """The gate and the venue judge the minimum by the worst price: what is worth between the two counts as done."""
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), notional_min=D(600))
    while not (sales := [i for i in world.decide().intents if i.purpose is Purpose.REDUCE]):
        world.apply(world.decisions[-1].intents)
    sale = sales[0]
    worst = sale.worst_price / sale.reference_price
    assert worst < 1
    rest = world.notional_min / sale.reference_price / (1 + worst) * 2
    rest = (rest / world.lot).to_integral_value() * world.lot
    assert rest * sale.reference_price > world.notional_min > rest * sale.worst_price
    world.apply([replace(sale, size=sale.size - rest), *sales[1:]])
    made = world.decide()
    assert not [i for i in made.intents if i.symbol == sale.symbol]
    assert Purpose.INCREASE in {i.purpose for i in made.intents}, "the next phase has begun"


@pytest.mark.parametrize("purpose", [Purpose.REDUCE, Purpose.INCREASE])
def test_a_token_that_stops_trading_in_the_middle_is_skipped_after_the_deadline(purpose: Purpose) -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    while not (wanted := [i for i in world.decide().intents if i.purpose is purpose]):
        world.apply(world.decisions[-1].intents)
        world.move(world.decisions[-1].transfers)
    world.halted = {wanted[0].symbol}
    for _ in range(20):
        world.turn()
    campaign = world.decisions[-1].campaign
    assert campaign is not None
    legs = [leg for leg in campaign.tranches[0].legs if leg.symbol == wanted[0].symbol and leg.purpose is purpose]
    assert [leg.state for leg in legs] == [LegState.READY], "a halt may end any moment"
    world.skip(world.policy.entries.wait_hours * 60)
    made = world.turn()
    assert Reason.INSTRUMENT_INACTIVE in {note.reason for note in made.notes}
    world.run(60)
    campaign = world.decisions[-1].campaign
    assert campaign is not None
    assert campaign.tranches[0].state is TrancheState.DONE


@pytest.mark.parametrize("fall", ["0.95", "0.7", "0.5", "0.2"])
def test_a_sale_waits_for_the_hedge_when_what_it_covers_has_fallen_since(fall: str) -> None:
    world = neutral_world(golden_policy(condition_override="uncertainty", bridge="none"))
    (hedge,) = world.turn().intents
    world.prices["AAVE"] *= D(fall)
    sold = False
    for _ in range(40):
        made = world.turn()
        sold = sold or any(intent.purpose is Purpose.REDUCE for intent in made.intents)
        shorts = -world.positions[hedge.symbol].size * world.prices["UNI"]
        assert shorts <= world.portfolio().sectors["defi"].spot * D("1.011")
        if not made.intents and not made.transfers:
            break
    assert sold


def test_a_hedge_leg_never_asks_for_more_than_the_spot_that_is_left() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    hedge = world.decide().intents[0]
    world.spot = {token: size if token in ("USDT", "UNI", "AAVE") else size / 20 for token, size in world.spot.items()}
    left = world.portfolio().sectors["infra"].spot
    assert left < hedge.size * hedge.reference_price
    made = world.decide()
    cut = [i for i in made.intents if i.purpose is Purpose.HEDGE]
    assert [i.size * i.reference_price <= left for i in cut] == [True]
    assert Reason.HEDGE_CUT in {note.reason for note in made.notes}
    world.apply(cut)
    assert Purpose.HEDGE not in {i.purpose for i in world.decide().intents}, "and it is not asked for again"


def test_a_leg_that_is_refused_again_and_again_is_given_up_and_the_rotation_goes_on() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    refused = world.decide().intents[0].symbol
    world.skip((world.policy.entries.wait_hours + world.policy.constants.leg_patience_hours) * 60)
    assert {i.symbol for i in world.decide().intents} == {refused}, "a bot that was away is not impatient"
    for _ in range(ASKS_MIN - 2):
        made = world.decide()
        assert {i.purpose for i in made.intents} == {Purpose.HEDGE, Purpose.REDUCE}
        assert Reason.HEDGE_LATE in {note.reason for note in made.notes}
    made = world.decide()
    assert Reason.LEG_GIVEN_UP in {note.reason for note in made.notes}
    assert {i.purpose for i in made.intents} == {Purpose.REDUCE}


@pytest.mark.parametrize("how", ["time", "price"])
def test_a_tactical_leg_whose_exits_are_over_is_left_as_it_is(how: str) -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    while not [i for i in world.decide().intents if i.purpose is Purpose.TACTICAL]:
        world.apply(world.decisions[-1].intents)
        world.move(world.decisions[-1].transfers)
    leg = next(i for i in world.decisions[-1].intents if i.purpose is Purpose.TACTICAL)
    assert leg.exits is not None
    if how == "time":
        world.at_ms = leg.exits.deadline_ms
    else:
        world.prices["UNI"] = leg.exits.stop_price
    made = world.decide()
    assert not [i for i in made.intents if i.purpose is Purpose.TACTICAL]
    assert any(note.reason is Reason.EXIT_SIGNS and "left as it is" in note.words for note in made.notes)


def test_orders_are_cut_to_the_largest_allowed_and_the_rest_follows() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000, order_max_quote=1000))
    made = world.run(200)
    assert all(i.size * i.reference_price <= 1000 for d in made for i in d.intents if not i.order_type.is_trigger)
    assert abs(world.table()["defi.spot"] - 48_000) <= 5


@pytest.mark.parametrize("limit", [0, 100])
def test_a_limit_that_stops_entries_stops_neither_sales_nor_the_end_of_a_hedge(limit: int) -> None:
    """The gate refuses the entries by name; what only reduces goes on in slices of half a percent of equity."""
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    while not (made := world.decide()).memory.hedges or Purpose.REDUCE not in {i.purpose for i in made.intents}:
        world.apply(made.intents)
    usual = {i.symbol: i.size * i.reference_price for i in made.intents if i.purpose is Purpose.REDUCE}
    world.policy = world.policy.changed({"gate.order_notional_max_quote": D(limit)})
    sales = {i.symbol: i.size * i.reference_price for i in world.decide().intents if i.purpose is Purpose.REDUCE}
    least = world.policy.constants.reduce_share_min * world.portfolio().equity
    assert sales.keys() == usual.keys()
    for symbol, value in sales.items():
        assert value == pytest.approx(min(usual[symbol], least), rel=D("0.01"))


def test_an_entry_below_the_minimum_of_the_venue_is_left_to_the_gate_to_refuse() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000, order_max_quote=0))
    entries = [i for i in world.decide().intents if i.purpose is Purpose.HEDGE]
    assert entries, "an order that the gate refuses by name, not silence"
    for intent in entries:
        assert world.instruments()[intent.symbol].is_tradable(intent.size, intent.reference_price)


def test_a_transfer_the_wallets_do_not_show_is_asked_for_again_only_after_a_while() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    while not (made := world.decide()).transfers:
        world.apply(made.intents)
    asked = made.transfers[0]
    assert world.decide().transfers == ()
    world.at_ms += 61_000
    assert world.decide().transfers == (asked,)
    world.move([asked])
    world.perp_wallet -= D(40)
    later = world.decide()
    assert later.transfers == ()
    assert {i.purpose for i in later.intents} == {Purpose.TACTICAL}
    assert sum(later.memory.labels.values()) == world.perp_wallet


def test_an_overbought_token_is_bought_later() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000))
    made = world.decide()
    while Purpose.REDUCE not in {intent.purpose for intent in made.intents}:
        world.apply(made.intents)
        made = world.decide()
    world.apply(made.intents)
    closes = tuple(float(10 + step) for step in range(30))
    starts = tuple(world.at_ms - (30 - step) * 1000 for step in range(30))
    rising = CandleSeries("UNI/USDT", 1000, starts, closes, closes, closes, closes, closes)
    bare = world.snapshot()
    world.snapshot = lambda: replace(bare, at_ms=world.at_ms, candles={"UNI/USDT": rising})  # type: ignore[method-assign]
    waiting = world.decide()
    assert [i.symbol for i in waiting.intents] == ["AAVE/USDT"]
    assert Reason.ENTRY_WAITS in {note.reason for note in waiting.notes}
    world.skip(world.policy.entries.wait_hours * 60)
    assert {i.symbol for i in world.decide().intents} == {"AAVE/USDT", "UNI/USDT"}


def test_a_unified_wallet_without_labels_begins_with_the_neutral_futures_sleeves() -> None:
    """The first cycle of a bot has no memory: its hedge needs the capital of the sleeve all the same."""
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), is_unified=True)
    labels = world.memory.labels
    world.memory = Memory()
    assert world.portfolio().labels == labels
    assert world.decide().memory.labels == labels
    finish(world)
    assert abs(world.table()["defi.futures"] - 7_000) <= 1


def test_the_first_futures_sleeves_of_a_unified_wallet_leave_its_reserve_alone() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), is_unified=True)
    world.memory = Memory()
    world.spot["USDT"] = D(8_000)
    assert sum(world.portfolio().labels.values()) == 3_000


def test_margin_that_a_position_has_locked_is_not_kept_a_second_time_in_a_unified_wallet() -> None:
    """Cash that is free excludes it already: purchases lacked as much as the hedges had locked."""
    split, unified = (
        neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), is_unified=is_unified)
        for is_unified in (False, True)
    )
    for world in (split, unified):
        world.run()
        assert any(position.size for position in world.positions.values())
    assert abs(unified.table()["defi.spot"] - split.table()["defi.spot"]) <= 1
