"""Each condition needs its own evidence, over what is listed; and neutral is returned to (decisions 0018, 0019)."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Campaign, Condition, Memory, RegimeMemory, Stance
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import CalendarEvent, Snapshot
from bot.domain.reason import Reason
from bot.domain.states import CampaignState
from bot.playbook.market.regime import Reading, coverages_in, read_regime
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import READERS, read_market
from bot.playbook.market.stance import choose_stance
from bot.playbook.market.view import Signal
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, make_sectors
from tests.playbook.reading import read_signals
from tests.profiles import examples

POLICY = Policy(candle_minutes=1440, confirm_hours=0, dwell_hours=0)
SECTORS = make_sectors()
EVIDENCE = {condition: frozenset(weights) for condition, weights in POLICY.regime.evidence.items()}
TOKENS = ("UNI", "AAVE", "ETH", "SOL")
RUNNING = Campaign(
    1, Stance.NEUTRAL, Stance.DE_RISK, "infra", "cash", CampaignState.RUNNING, START_MS, D(100_000), D("0.4")
)


def signals_of(scores: dict[str, float]) -> tuple[Signal, ...]:
    return tuple(Signal(name, 0.0, score, "", 0) for name, score in scores.items())


def speaking_for(condition: Condition) -> dict[str, float]:
    return {name: 1.0 if weight > 0 else -1.0 for name, weight in POLICY.regime.evidence[condition].items()}


@pytest.mark.parametrize("condition", list(POLICY.regime.evidence))
def test_a_condition_begins_on_its_own_evidence_alone(condition: Condition) -> None:
    reading = read_regime(signals_of(speaking_for(condition)), RegimeMemory(), POLICY, START_MS)
    assert reading.condition is condition
    assert reading.coverages[condition] == 1
    assert reading.coverage == 1


def test_a_fall_is_a_downtrend_though_nothing_is_known_of_the_sectors() -> None:
    """2020-03-13: trend, drawdown and volatility were there, the ratio of the sectors was not."""
    fall = signals_of({"trend": -1.0, "drawdown": -1.0, "volatility": -1.0})
    reading = read_regime(fall, RegimeMemory(), POLICY, START_MS, ("stablecoins", "rates", "usage", "calendar"))
    assert reading.condition is Condition.DOWNTREND
    assert reading.coverages[Condition.BREAKOUT] < POLICY.constants.coverage_min


def test_a_condition_does_not_begin_below_its_coverage_however_strong() -> None:
    thin = POLICY.changed({"regime.enter": D("0.2"), "regime.leave": D("0.1")})
    reading = read_regime(signals_of({"trend": -1.0}), RegimeMemory(), thin, START_MS)
    assert reading.confidences[Condition.DOWNTREND] > thin.regime.enter
    assert reading.condition is Condition.NEUTRAL
    assert reading.notes[0].reason is Reason.CONDITION_HELD
    assert "downtrend" in reading.notes[0].words


def test_what_is_missing_does_not_end_a_condition_and_another_may_follow_it() -> None:
    standing = RegimeMemory(Condition.EUPHORIA, 1, Condition.EUPHORIA, 1)
    blind = read_regime(signals_of({"trend": 0.0, "drawdown": 0.0, "volatility": 0.0}), standing, POLICY, START_MS)
    assert blind.condition is Condition.EUPHORIA
    assert "euphoria holds" in blind.notes[0].words
    falling = read_regime(signals_of(speaking_for(Condition.DOWNTREND)), standing, POLICY, START_MS)
    assert falling.condition is Condition.DOWNTREND


@settings(max_examples=examples(200), deadline=None)
@given(
    present=st.sets(st.sampled_from(sorted(READERS))),
    scores=st.lists(st.floats(-1, 1), min_size=len(READERS), max_size=len(READERS)),
    current=st.sampled_from(list(Condition)),
)
def test_no_condition_ever_begins_or_ends_on_less_than_its_own_coverage(
    present: set[str], scores: Sequence[float], current: Condition
) -> None:
    seen = {name: score for name, score in zip(sorted(READERS), scores, strict=True) if name in present}
    memory = RegimeMemory(current, 1, current, 1)
    reading = read_regime(signals_of(seen), memory, POLICY, START_MS)
    covered = {
        c for c, part in coverages_in(seen, POLICY.regime.evidence).items() if part >= POLICY.constants.coverage_min
    }
    if reading.condition is not current:
        assert reading.condition in covered | {Condition.NEUTRAL}
        assert reading.condition is not Condition.NEUTRAL or current in covered
    # What other conditions lack never matters to one: the same scores without the rest's give the same confidence.
    alone = {name: score for name, score in seen.items() if name in EVIDENCE[Condition.DOWNTREND]}
    other = read_regime(signals_of(alone), memory, POLICY, START_MS)
    assert other.confidences[Condition.DOWNTREND] == reading.confidences[Condition.DOWNTREND]
    assert other.coverages[Condition.DOWNTREND] == reading.coverages[Condition.DOWNTREND]


def falling(symbol: str, count: int = 200) -> CandleSeries:
    closes = tuple(100 * math.exp(-0.01 * day + 0.02 * math.sin(day * 1.7)) for day in range(count))
    starts = tuple(START_MS - (count - day) * DAY_MS for day in range(count))
    return CandleSeries(symbol, DAY_MS, starts, closes, closes, closes, closes, tuple(1e6 for _ in closes))


def instrument(symbol: str, *, active: bool = True) -> Instrument:
    one = D("0.01")
    return Instrument("test", symbol, Kind.SPOT, symbol[:-5], "USDT", one, one, one, D(5), active=active)


@pytest.mark.parametrize("listed", [("ETH",), ("ETH", "UNI")])
def test_breadth_and_liquidity_count_the_listed_tokens(listed: Sequence[str]) -> None:
    """A test network with fewer than half of the list has both all the same."""
    candles = {f"{t}/USDT": falling(f"{t}/USDT") for t in ("BTC", *listed)}
    instruments = {f"{t}/USDT": instrument(f"{t}/USDT") for t in ("BTC", *listed)}
    instruments["SOL/USDT"] = instrument("SOL/USDT", active=False)
    found = {s.name: s for s in read_signals(Snapshot(START_MS, instruments, {}, candles=candles), POLICY, SECTORS)[0]}
    assert {"breadth", "liquidity"} <= set(found)
    assert f"of {len(listed)} tokens" in found["breadth"].words


def test_a_listed_token_that_is_not_read_still_counts() -> None:
    candles = {f"{t}/USDT": falling(f"{t}/USDT") for t in ("BTC", "ETH")}
    instruments = {f"{t}/USDT": instrument(f"{t}/USDT") for t in ("BTC", *TOKENS)}
    names = {s.name for s in read_signals(Snapshot(START_MS, instruments, {}, candles=candles), POLICY, SECTORS)[0]}
    assert names.isdisjoint({"breadth", "liquidity"}), "one of four"


def test_a_listing_changes_what_is_kept_of_the_same_candles() -> None:
    candles = {f"{t}/USDT": falling(f"{t}/USDT") for t in ("BTC", "ETH")}
    few = {f"{t}/USDT": instrument(f"{t}/USDT") for t in ("BTC", "ETH")}
    many = few | {f"{t}/USDT": instrument(f"{t}/USDT") for t in TOKENS}
    cache = SignalCache()
    for instruments, is_there in ((few, True), (many, False), (few, True)):
        seen = Snapshot(START_MS, instruments, {}, candles=candles)
        assert ("breadth" in {s.name for s in read_market(seen, POLICY, SECTORS, cache).signals}) is is_there


def test_an_empty_calendar_is_not_set_up_and_one_that_is_over_is() -> None:
    candles = {f"{t}/USDT": falling(f"{t}/USDT") for t in ("BTC", *TOKENS)}
    empty = read_market(Snapshot(START_MS, {}, {}, candles=candles), POLICY, SECTORS, SignalCache())
    assert "calendar" in empty.unconfigured
    assert all(note.subject != "calendar" for note in empty.notes)
    past = CalendarEvent("old", "regulatory", START_MS - 9, START_MS - 1, D(-1))
    over = read_market(Snapshot(START_MS, {}, {}, candles=candles, events=(past,)), POLICY, SECTORS, SignalCache())
    assert "calendar" not in over.unconfigured
    assert {s.name: s.score for s in over.signals}["calendar"] == 0
    without, within = (
        read_regime(m.signals, RegimeMemory(), POLICY, START_MS, m.unconfigured).confidences[Condition.UNCERTAINTY]
        for m in (empty, over)
    )
    assert within <= without


def reading_of(condition: Condition, *, hours: int = 0, coverage: str = "1") -> Reading:
    since_ms = START_MS - hours * HOUR_MS
    covered = dict.fromkeys(POLICY.regime.evidence, D(coverage))
    return Reading(condition, D("0.6"), {}, D(coverage), RegimeMemory(condition, since_ms), (), covered)


def stance_after(reading: Reading, now: Stance, *signs: str, policy: Policy = POLICY) -> Stance:
    return choose_stance(reading, signs, Memory(stance=now), policy, Snapshot(START_MS, {}, {})).stance


def test_a_neutral_week_leads_back_to_neutral_by_default() -> None:
    assert POLICY.regime.neutral_return_hours == 168
    for now in Stance:
        assert stance_after(reading_of(Condition.NEUTRAL, hours=167), now) is now
        assert stance_after(reading_of(Condition.NEUTRAL, hours=168), now) is Stance.NEUTRAL
    never = POLICY.changed({"regime.neutral_return_hours": 0})
    assert stance_after(reading_of(Condition.NEUTRAL, hours=5000), Stance.DE_RISK, policy=never) is Stance.DE_RISK


def test_the_return_needs_the_evidence_of_a_downtrend() -> None:
    for condition, signs in ((Condition.NEUTRAL, ()), (Condition.EUPHORIA, ("crowding",))):
        blind = reading_of(condition, hours=500, coverage="0.4")
        assert stance_after(blind, Stance.DE_RISK, *signs) is Stance.DE_RISK


def test_a_veto_never_keeps_de_risk() -> None:
    cases = product(
        (Stance.DE_RISK, Stance.INTO_INFRA, Stance.NEUTRAL),
        ((Condition.EUPHORIA, ("crowding",)), (Condition.BREAKOUT, ("crowding", "TVL falls"))),
    )
    for now, (condition, signs) in cases:
        choice = choose_stance(reading_of(condition), signs, Memory(stance=now), POLICY, Snapshot(START_MS, {}, {}))
        assert choice.stance is Stance.NEUTRAL
        assert not choice.tactical_allowed
        assert choice.notes[0].reason is Reason.EXIT_SIGNS


def test_one_sign_leaves_a_rotation_that_stands_and_two_end_it() -> None:
    euphoria = reading_of(Condition.EUPHORIA)
    assert stance_after(euphoria, Stance.INTO_DEFI, "crowding") is Stance.INTO_DEFI
    assert stance_after(euphoria, Stance.INTO_DEFI, "crowding", "TVL falls") is Stance.NEUTRAL


def test_a_running_rotation_to_de_risk_counts_as_standing_there() -> None:
    running = Memory(campaign=RUNNING)
    choice = choose_stance(reading_of(Condition.EUPHORIA), ("crowding",), running, POLICY, Snapshot(START_MS, {}, {}))
    assert choice.stance is Stance.NEUTRAL
