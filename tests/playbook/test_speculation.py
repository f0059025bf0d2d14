"""The speculative short and the scalp (PLAYBOOK §§5, 7, 9): off by default, capped, exits before they are opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, Memory, ScalpDay, Stance
from bot.domain.candles import CandleSeries
from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.market import Cost, Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Intent, OrderType, Purpose
from bot.domain.order_ids import OrderKind
from bot.domain.reason import Reason
from bot.domain.states import LegState, OrderState
from bot.domain.turn.decision import Decision
from bot.playbook.market.stance import target_shares
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exits import with_funding
from tests.playbook.builders import BOOK, World, make_sectors, resting
from tests.profiles import examples

D = Decimal
UNI, AAVE, ETH, SOL = (f"{token}/USDT:USDT" for token in ("UNI", "AAVE", "ETH", "SOL"))
QUIET = settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
CALM = {"order_share_max": 1, "order_max_quote": 10_000_000, "drift_buffer": "0.5", "hedge_with": "leader"}
CONDITIONS = {
    Stance.INTO_DEFI: Condition.BREAKOUT,
    Stance.INTO_INFRA: Condition.UNCERTAINTY,
    Stance.DE_RISK: Condition.DOWNTREND,
    Stance.NEUTRAL: Condition.NEUTRAL,
}
OVERSOLD_TURN = (100.0, *(100.0 - n for n in range(1, 20)), 90.0)
OVERBOUGHT_TURN = tuple(200.0 - close for close in OVERSOLD_TURN)
OVERBOUGHT = tuple(100.0 + n for n in range(21))
TURNED = (*OVERBOUGHT, 119.0)  # the RSI falls and is still above 70


@dataclass
class Market(World):
    """A world with candles of tokens, the last of which closes now."""

    closes: dict[str, Sequence[float]] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        candles = {}
        for token, closes in self.closes.items():
            step, line = self.policy.candle_ms, tuple(closes)
            end_ms = self.at_ms // step * step
            starts = tuple(end_ms - (len(line) - n) * step for n in range(len(line)))
            candles[f"{token}/USDT"] = CandleSeries(
                f"{token}/USDT", step, starts, line, line, line, line, tuple(1e6 for _ in line)
            )
        return replace(super().snapshot(), candles=candles)


def standing_at(
    stance: Stance,
    *,
    book: Decimal = BOOK,
    tactical_sector: object = None,
    sectors: dict[str, Any] | None = None,
    **changes: object,
) -> Market:
    """An account exactly where a stance wants it, with defi: UNI, AAVE and infra: ETH, SOL to hold a wager on."""
    policy = Policy.model_validate(CALM | {"condition_override": CONDITIONS[stance].value, "tactical": False} | changes)
    made = make_sectors(
        sectors=sectors
        or {
            "defi": {"hedge": ["UNI", "AAVE"], "tactical": tactical_sector or ["UNI", "AAVE"], "weight_max": 1},
            "infra": {"hedge": ["ETH", "SOL"], "tactical": ["ETH", "SOL"], "weight_max": 1},
        }
    )
    shares, _ = target_shares(stance, policy, tactical_allowed=False)
    world = Market(made, policy)
    for name in made.sectors:
        members = made.members(name)
        for token in members:
            world.spot[token] = book * shares[f"{name}.spot"] / len(members) / world.prices[token]
    labels = {name: book * shares[f"{name}.futures"] for name in made.sectors}
    world.spot["USDT"] = book * shares["cash"] + policy.allocation.reserve_quote
    world.perp_wallet = sum(labels.values(), ZERO)
    world.memory = Memory(stance=stance, labels=labels)
    return world


def shorting(**changes: Any) -> Market:
    """A downtrend in which the short is open and its stop rests."""
    world = standing_at(Stance.DE_RISK, speculative_short=True, **changes)
    world.run()
    assert world.positions[AAVE].size < 0
    return world


def acts(made: Decision) -> list[Intent]:
    return [intent for intent in made.intents if not intent.order_type.is_trigger]


def reasons(made: Decision) -> set[Reason]:
    return {note.reason for note in made.notes}


# The speculative short


def with_gains(**changes: Any) -> Market:
    """A downtrend in which a standing hedge of what has gained and the short are due in one turn."""
    world = standing_at(Stance.DE_RISK, speculative_short=True, gain_hedge="full", **changes)
    plain = world.snapshot
    world.snapshot = lambda: replace(  # type: ignore[method-assign]
        plain(),
        costs={
            f"{t}/USDT": Cost(f"{t}/USDT", world.spot[t], world.spot[t] * world.prices[t] / 3) for t in ("UNI", "AAVE")
        },
    )
    return world


@pytest.mark.parametrize("is_unified", [False, True])
@pytest.mark.parametrize("label", [600, 1_000, 3_000, 6_000])
def test_a_short_takes_no_margin_that_a_standing_hedge_takes_in_the_same_turn(label: int, is_unified: bool) -> None:
    """Both were sized by the sleeve as it was before the turn: 500 and 1,000 of a sleeve of 1,000."""
    world = with_gains()
    world.memory = replace(world.memory, labels={"defi": D(label), "infra": D(9_000)})
    world.perp_wallet = ZERO if is_unified else D(label + 9_000)
    world.spot["USDT"] += label + 9_000 if is_unified else 0
    world.is_unified = is_unified
    opened = [intent for intent in world.turn().intents if not intent.reduce_only]
    assert Purpose.HEDGE in {intent.purpose for intent in opened}
    assert sum((intent.margin_quote for intent in opened), ZERO) <= label


@pytest.mark.parametrize("choice", ["leader", "basket"])
def test_no_short_opens_on_a_perp_that_becomes_a_standing_hedge_in_the_same_turn(choice: str) -> None:
    """Of a basket only the first perp was kept for the hedge: both opened on the second one, and ended each other."""
    world = with_gains(hedge_with=choice)
    world.memory = replace(world.memory, labels={"defi": D(8_000), "infra": D(9_000)})
    world.perp_wallet = D(17_000)
    opened = [intent for intent in world.turn().intents if not intent.reduce_only]
    hedged = {intent.symbol for intent in opened if intent.purpose is Purpose.HEDGE}
    shorted = {intent.symbol for intent in opened if intent.purpose is Purpose.TACTICAL_SHORT}
    assert hedged == ({UNI, AAVE} if choice == "basket" else {UNI})
    assert shorted == (set() if choice == "basket" else {AAVE})
    for _ in range(3):
        made = world.turn()
        assert [i for i in acts(made) if i.reduce_only] == [], "neither ends the other"


def test_both_are_off_unless_they_are_asked_for() -> None:
    assert not Policy().short.is_on
    assert not Policy().scalp.is_on
    world = standing_at(Stance.DE_RISK)
    world.closes = dict.fromkeys(("UNI", "AAVE"), OVERBOUGHT_TURN)
    assert world.decide().intents == ()


def test_a_downtrend_is_shorted_on_a_perp_that_hedges_nothing_with_exits_on_the_entry() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    assert (entry.purpose, entry.symbol, entry.side, entry.reduce_only) == (
        Purpose.TACTICAL_SHORT,
        AAVE,
        Side.SELL,
        False,
    )
    assert entry.exits is not None
    assert (entry.leverage, entry.campaign, entry.tranche) == (D(3), 0, OrderKind.TACTICAL_SHORT.number)
    assert entry.exits.stop_price == D("216.00")
    assert [price for price, _ in entry.exits.targets] == [D("184.00"), D("170.00")]
    assert entry.exits.deadline_ms == world.at_ms + 168 * HOUR_MS
    assert world.memory.opening[0].plan == entry.exits


@pytest.mark.parametrize("stance", [stance for stance in Stance if stance is not Stance.DE_RISK])
def test_no_other_condition_is_shorted(stance: Stance) -> None:
    world = standing_at(stance, speculative_short=True)
    assert Purpose.TACTICAL_SHORT not in {i.purpose for d in world.run() for i in d.intents}


def test_where_every_perp_is_a_hedge_the_short_is_refused_with_the_reason() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True, tactical_sector=["UNI"])
    made = world.decide()
    assert made.intents == ()
    assert [note.words for note in made.notes if note.reason is Reason.PERP_TAKEN] == [
        "no speculative short: every perp of defi carries something or is kept for its hedge: UNI/USDT:USDT"
    ]


def test_a_stop_above_the_entry_rests_at_the_venue_as_soon_as_the_short_is_filled() -> None:
    world = shorting()
    (stop,) = world.working
    assert (stop.order_type, stop.side, stop.reduce_only) == (OrderType.STOP, Side.BUY, True)
    assert (stop.trigger_price, stop.size) == (D("216.00"), -world.positions[AAVE].size)
    assert stop.price is not None
    assert stop.price > D("216.00")
    assert world.guard().intents == ()
    assert world.memory.opening == ()


def test_the_targets_below_are_taken_in_turn_and_the_rest_trails() -> None:
    world = shorting()
    whole = -world.positions[AAVE].size
    for price, part in (("184", D("0.6")), ("170", D("0.3"))):
        world.prices["AAVE"] = D(price)
        made = world.turn()
        assert {(i.side, i.reduce_only) for i in acts(made)} == {(Side.BUY, True)}
        assert abs(-world.positions[AAVE].size - whole * part) <= world.lot
        world.working = tuple(o for o in world.working if o.client_id not in world.guard().cancels)
    world.prices["AAVE"] = D(150)
    world.guard()
    world.prices["AAVE"] = D("158.9")
    assert acts(world.guard()) == []
    world.prices["AAVE"] = D("159.1")
    made = world.guard()
    assert Reason.EXIT_TARGET in reasons(made)
    world.apply(acts(made))
    assert world.positions[AAVE].size == 0
    assert world.perp_wallet > D(100_000) * (D("0.02") + D("0.05")), "it has gained"


def test_a_rise_through_the_stop_closes_it_and_this_downtrend_has_no_second_one() -> None:
    world = shorting()
    world.prices["AAVE"] = D(217)
    made = world.guard()
    assert Reason.EXIT_STOP in reasons(made)
    assert [(i.side, i.size, i.reduce_only) for i in acts(made)] == [(Side.BUY, -world.positions[AAVE].size, True)]
    world.apply(acts(made))
    world.working = ()
    world.prices["AAVE"] = D(200)
    assert not any(i.purpose is Purpose.TACTICAL_SHORT for d in world.run() for i in d.intents)
    assert world.memory.exits == ()


def test_time_and_funding_end_it_too() -> None:
    late = shorting()
    late.skip(168 * 60)
    assert Reason.EXIT_TIME in reasons(late.guard())
    dear = shorting()
    margin = dear.positions[AAVE].margin
    dear.memory = with_funding(dear.memory, {AAVE: margin * D("0.11")})
    assert Reason.EXIT_FUNDING in reasons(dear.guard())


def test_it_ends_with_the_downtrend() -> None:
    world = shorting()
    world.policy = world.policy.changed({"regime.override": Condition.UNCERTAINTY})
    made = world.turn()
    assert Reason.EXIT_SIGNS in reasons(made)
    assert (AAVE, Side.BUY, True) in [(i.symbol, i.side, i.reduce_only) for i in made.intents]


def test_a_rotation_hedges_on_another_perp_than_the_short() -> None:
    """In one-way mode a hedge on the perp of a short would be one position with it."""
    world = shorting()
    before = world.positions[AAVE].size
    world.memory = replace(world.memory, stance=Stance.NEUTRAL)
    world.spot["AAVE"] *= 3
    world.spot["UNI"] *= 3
    made = world.run()
    assert AAVE not in world.memory.hedges
    assert AAVE not in {i.symbol for d in made for i in d.intents if i.purpose is Purpose.HEDGE}
    assert world.positions[AAVE].size in (before, ZERO)


def test_a_short_that_was_cut_is_filled_up_and_one_whose_exit_began_is_not() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    half = replace(entry, size=world.instruments()[AAVE].floor_size(entry.size / 2))
    world.apply([half])
    (rest,) = [i for i in acts(world.turn()) if i.purpose is Purpose.TACTICAL_SHORT]
    assert rest.size + half.size == entry.size
    assert world.memory.exits[0].size_entered == half.size
    world.guard()
    assert world.memory.exits[0].size_entered == entry.size


def test_nothing_more_is_asked_for_while_its_order_is_under_way() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    for state in (OrderState.OPEN, OrderState.IN_DOUBT, OrderState.SUBMITTING):
        world.working = (resting(entry, state=state),)
        assert world.decide().intents == ()
        assert world.memory.opening != ()


def test_a_fill_that_comes_late_has_its_exits() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    world.working = (resting(entry, state=OrderState.IN_DOUBT),)
    world.skip(200 * 60)
    world.decide()
    world.apply([entry])
    world.guard()
    assert [held.purpose for held in world.memory.exits] == [Purpose.TACTICAL_SHORT]


@pytest.mark.parametrize(("minutes", "is_watched"), [(50, True), (70, False)])
def test_a_fill_of_an_order_that_was_believed_never_to_have_been_has_its_exits(minutes: int, is_watched: bool) -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    world.skip(100 * 60)
    assert world.decide().intents == ()
    assert dict(world.memory.directional) == {}, "its perp is free again"
    world.skip(minutes)
    world.decide()
    world.apply([entry])
    made = world.guard()
    assert [held.purpose for held in world.memory.exits] == [Purpose.TACTICAL_SHORT] * is_watched
    assert [(i.order_type, i.is_for_unowned) for i in made.intents] == [(OrderType.STOP, not is_watched)]


def test_a_hedge_on_the_perp_of_what_was_given_up_is_not_taken_for_it() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    (entry,) = world.decide().intents
    world.skip(100 * 60)
    world.decide()
    world.apply([entry])
    world.memory = replace(world.memory, hedges={AAVE: "defi"})
    world.guard()
    assert world.memory.exits == ()


# The scalp


def waiting(closes: Sequence[float] = OVERBOUGHT, **changes: Any) -> Market:
    """A rotation into infrastructure: DeFi is hedged and sold, ETH is bought, that of SOL may wait."""
    world = standing_at(Stance.NEUTRAL, scalp=True, **{"shift": "0.10", "first_tranche": 1} | changes)
    world.policy = world.policy.changed({"regime.override": Condition.UNCERTAINTY})
    world.closes = {"SOL": OVERBOUGHT}
    world.run()
    assert [n.subject for n in world.decide().notes if n.reason is Reason.ENTRY_WAITS] == ["SOL/USDT"]
    world.closes = {"SOL": closes}
    return world


def scalps(made: Decision) -> list[Intent]:
    return [intent for intent in acts(made) if intent.purpose is Purpose.SCALP]


def test_a_token_whose_purchase_waits_is_sold_short_when_its_rsi_turns_down() -> None:
    world = waiting(TURNED)
    made = world.decide()
    (entry,) = acts(made)
    assert (entry.purpose, entry.symbol, entry.side, entry.sector) == (Purpose.SCALP, SOL, Side.SELL, "infra")
    assert Reason.ENTRY_WAITS in reasons(made), "the purchase waits on"
    assert entry.exits is not None
    assert entry.exits.targets == ((D("122.5"), D(1)),)
    assert entry.exits.stop_price == D("126.25")
    assert entry.exits.deadline_ms == world.at_ms + 12 * HOUR_MS
    assert abs(entry.margin_quote - 1000) < 10


@pytest.mark.parametrize("closes", [OVERBOUGHT, (*TURNED, 121.0)], ids=["still rising", "turned up again"])
def test_without_a_turn_nothing_is_scalped(closes: Sequence[float]) -> None:
    assert acts(waiting(closes).decide()) == []


@pytest.mark.parametrize("stance", list(Stance))
def test_without_a_purchase_that_waits_nothing_is_scalped(stance: Stance) -> None:
    world = standing_at(stance, scalp=True)
    for closes in (TURNED, OVERSOLD_TURN, OVERBOUGHT_TURN):
        world.closes = dict.fromkeys(("UNI", "AAVE", "ETH", "SOL"), closes)
        assert scalps(world.decide()) == []


def test_the_perp_of_a_leg_is_not_scalped() -> None:
    """The hedge of DeFi stands on ETH, whose purchase waits as well."""
    hedged = {"defi": {"hedge": ["ETH"], "tactical": ["UNI"], "weight_max": 1}}
    world = waiting(TURNED, sectors=hedged | {"infra": {"hedge": ["SOL"], "tactical": ["ETH"], "weight_max": 1}})
    world.closes = {"ETH": TURNED, "SOL": TURNED}
    assert scalps(world.decide()) == []


def test_the_margin_that_a_leg_still_needs_is_not_taken() -> None:
    """The long of the rotation follows the purchases: the sleeve has 10,000 of margin, and its leg takes all of it."""
    world = waiting(TURNED)
    campaign = world.memory.campaign
    assert campaign is not None
    long = next(leg for leg in campaign.tranches[0].legs if leg.sector == "infra")
    for margin, expected in ((D(9_500), 500), (D(10_000), 0)):
        leg = replace(long, index=99, purpose=Purpose.TACTICAL, symbol=ETH, margin=margin, state=LegState.BLOCKED)
        running, *later = campaign.tranches
        tranches = (replace(running, legs=(*running.legs, leg)), *later)
        world.memory = replace(
            world.memory, campaign=replace(campaign, tranches=tranches), opening=(), scalps=ScalpDay()
        )
        taken = sum((intent.margin_quote for intent in scalps(world.decide())), ZERO)
        assert abs(taken - expected) < 10


def test_a_scalp_ends_when_its_purchase_is_made() -> None:
    world = waiting(TURNED)
    world.turn()
    assert world.positions[SOL].size < 0
    made = world.turn()
    assert acts(made) == [], "the wait lasts, so does the scalp"
    world.closes = {"SOL": (*TURNED, 90.0)}
    made = world.turn()
    assert {(i.symbol, i.side) for i in acts(made)} == {(SOL, Side.BUY), ("SOL/USDT", Side.BUY)}
    assert next(note.words for note in made.notes if note.reason is Reason.EXIT_SIGNS).endswith("waits any more")
    assert world.positions[SOL].size == 0
    world.run()
    assert world.memory.exits == ()


@pytest.mark.parametrize("condition", [Condition.DOWNTREND, Condition.BREAKOUT])
def test_a_scalp_ends_when_its_rotation_is_given_up(condition: Condition) -> None:
    world = waiting(TURNED)
    world.turn()
    world.policy = world.policy.changed({"regime.override": condition})
    made = world.decide()
    assert [(i.side, i.reduce_only) for i in acts(made) if i.symbol == SOL] == [(Side.BUY, True)]


def test_a_scalp_that_is_still_being_opened_is_given_up_with_the_wait() -> None:
    world = waiting(TURNED)
    world.decide()
    assert [opening.symbol for opening in world.memory.opening] == [SOL]
    world.closes = {}
    made = world.decide()
    assert scalps(made) == []
    assert [opening.until_ms for opening in world.memory.opening] == [0]


def test_the_target_closes_all_of_a_scalp_and_the_same_turn_is_not_scalped_again() -> None:
    world = waiting(TURNED)
    world.turn()
    world.prices["SOL"] = D("122.4")
    made = world.turn()
    assert [(i.side, i.reduce_only) for i in acts(made)] == [(Side.BUY, True)]
    assert world.positions[SOL].size == 0
    world.working = ()
    assert not any(acts(d) for d in world.run())
    assert (world.memory.scalps.count, world.memory.scalps.loss_quote) == (1, ZERO)


def test_losses_of_the_day_stop_scalps_till_the_next() -> None:
    world = waiting(TURNED, scalp_loss_max="0.0005", scalp_per_day=9, entry_wait_hours=48)
    world.run()
    notional = -world.positions[SOL].size * world.prices["SOL"]
    world.positions[SOL] = replace(world.positions[SOL], size=ZERO)  # stopped at the venue, between two looks
    world.working = ()
    world.guard()
    lost = world.memory.scalps.loss_quote
    assert abs(lost - notional / 100) < 1
    world.skip(240)
    made = world.decide()
    assert acts(made) == []
    assert [note.subject for note in made.notes if note.reason is Reason.SCALP_BUDGET] == [SOL]
    world.at_ms = (world.at_ms // DAY_MS + 1) * DAY_MS
    assert [i.purpose for i in acts(world.decide())] == [Purpose.SCALP]


def test_there_are_no_more_scalps_in_a_day_than_are_allowed() -> None:
    world = waiting(TURNED, scalp_per_day=1)
    world.memory = replace(world.memory, scalps=ScalpDay(world.at_ms // DAY_MS * DAY_MS, count=1))
    assert Reason.SCALP_BUDGET in reasons(world.decide())


# Both


@QUIET
@given(
    stance=st.sampled_from(list(Stance)),
    leverage=st.integers(1, 10),
    cap=st.integers(1, 10),
    margins=st.tuples(st.decimals("0.001", "0.05", places=3), st.decimals("0.001", "0.02", places=3)),
    most=st.decimals("0.005", "0.05", places=3),
    stop=st.decimals("0.01", "0.5", places=2),
    scale=st.integers(1, 40),
    tactical=st.booleans(),
)
def test_wagers_keep_their_caps_have_exits_inside_liquidation_and_come_to_rest(
    stance: Stance,
    leverage: int,
    cap: int,
    margins: tuple[Decimal, Decimal],
    most: Decimal,
    stop: Decimal,
    scale: int,
    tactical: bool,
) -> None:
    book = D(100_000) * scale
    world = standing_at(
        stance,
        book=book,
        speculative_short=True,
        scalp=True,
        tactical_leverage=leverage,
        scalp_leverage=leverage,
        max_leverage=cap,
        leverage_override=True,
        short_margin=margins[0],
        scalp_margin=margins[1],
        tactical_margin_max=most,
        stop=stop,
        order_max_quote=10**9,
        tactical=tactical,
    )
    world.sectors = make_sectors(
        sectors={
            "defi": {"hedge": ["UNI"], "tactical": ["AAVE", "LINK"], "weight_max": 1},
            "infra": {"hedge": ["ETH"], "tactical": ["SOL"], "weight_max": 1},
        },
        perps={"LINK": "LINK/USDT:USDT"},
    )
    world.closes = dict.fromkeys(("AAVE", "LINK"), OVERBOUGHT_TURN if stance is Stance.DE_RISK else OVERSOLD_TURN)
    made = world.run()
    entries = [i for d in made for i in d.intents if not i.reduce_only and i.purpose.is_directional]
    check_exits(entries, world.policy, cap)
    assert sum((p.margin for p in world.positions.values()), ZERO) <= most * book * D("1.0001")
    assert not set(world.memory.hedges) & {entry.symbol for entry in entries}
    assert {held.symbol for held in world.memory.exits} == {s for s, p in world.positions.items() if p.size}
    assert {order.symbol for order in world.working} == {held.symbol for held in world.memory.exits}
    assert world.decide().intents == ()


def check_exits(entries: Sequence[Intent], policy: Policy, cap: int) -> None:
    """Each has its leverage within the cap, and exits that come before its liquidation."""
    for entry in entries:
        assert entry.exits is not None
        assert entry.exits.targets
        assert entry.leverage is not None
        assert entry.leverage <= cap
        sign, rate = entry.side.sign, policy.sizing.maintenance_rate
        liquidation = entry.reference_price * (1 - sign / entry.leverage) / (1 - sign * rate)
        assert (entry.exits.stop_price - liquidation) * sign > 0
        assert (entry.reference_price - entry.exits.stop_price) * sign > 0


@QUIET
@given(
    leverage=st.integers(1, 10),
    cap=st.integers(1, 10),
    margin=st.decimals("0.001", "0.02", places=3),
    most=st.decimals("0.005", "0.05", places=3),
    scale=st.integers(1, 40),
)
def test_a_scalp_keeps_its_caps_beside_the_hedge_of_its_rotation(
    leverage: int, cap: int, margin: Decimal, most: Decimal, scale: int
) -> None:
    book = BOOK * scale
    world = waiting(
        TURNED,
        book=book,
        scalp_leverage=leverage,
        max_leverage=cap,
        leverage_override=True,
        scalp_margin=margin,
        scalp_loss_max="0.02",
        tactical_margin_max=most,
        order_max_quote=10**9,
    )
    made = world.run()
    entries = [i for d in made for i in d.intents if not i.reduce_only and i.purpose.is_directional]
    assert {entry.symbol for entry in entries} == {SOL}
    check_exits(entries, world.policy, cap)
    assert world.positions[SOL].margin <= min(most, margin) * book * D("1.0001")
    assert [held.symbol for held in world.memory.exits] == [SOL]
    assert {order.symbol for order in world.working} == {SOL, UNI}, "a stop of each rests"
    assert set(world.memory.hedges) == {s for s, p in world.positions.items() if p.size} - {SOL} == {UNI}
    assert acts(world.decide()) == []


@QUIET
@given(scale=st.sampled_from([3, 10, 50]), is_short=st.booleans())
def test_wagers_are_free_of_scale(scale: int, is_short: bool) -> None:
    sizes = []
    for factor in (1, scale):
        book, symbol = BOOK * factor, AAVE if is_short else SOL
        world = (
            standing_at(Stance.DE_RISK, book=book, speculative_short=True) if is_short else waiting(TURNED, book=book)
        )
        world.run()
        sizes.append(-world.positions[symbol].size)
    assert sizes[0] > 0
    assert abs(sizes[1] - scale * sizes[0]) <= scale * D("0.0002")


def test_what_is_remembered_survives_the_journal_and_old_memories_still_read() -> None:
    world = standing_at(Stance.DE_RISK, speculative_short=True)
    world.decide()
    assert decode(Memory, encode(world.memory)) == world.memory
    written = encode(world.memory)
    for name in ("opening", "shorted_ms", "scalps"):
        del written[name]
    assert decode(Memory, written) == replace(world.memory, opening=(), shorted_ms=-1)
