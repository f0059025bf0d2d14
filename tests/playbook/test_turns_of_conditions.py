"""Conditions and stances do not take turns on noise, a missing source or a sign at its threshold (decision 0025)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Campaign, Condition, Memory, RegimeMemory, Stance
from bot.domain.durations import HOUR_MS
from bot.domain.market import Snapshot
from bot.domain.reason import Reason
from bot.domain.states import CampaignState
from bot.playbook.market.regime import Reading, candidate_of, read_regime
from bot.playbook.market.stance import Choice, choose_stance, current_stance
from bot.playbook.market.view import Signal
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D
from tests.profiles import examples

POLICY = Policy(confirm_hours=0, dwell_hours=0)
PATIENT = Policy()
ENTER, LEAVE = POLICY.regime.enter, POLICY.regime.leave
FULL = dict.fromkeys(POLICY.regime.evidence, D(1))
UNSET = ("calendar", "rates", "usage")


def wanted(current: Condition, **confidences: str) -> Condition:
    found = dict.fromkeys(POLICY.regime.evidence, D(0)) | {Condition(name): D(v) for name, v in confidences.items()}
    return candidate_of(found, FULL, current, POLICY)


def test_a_rise_within_a_downtrend_needs_a_lead() -> None:
    """2022-07-11: downtrend 0.626, breakout 0.636; three days later it was a downtrend again."""
    assert wanted(Condition.DOWNTREND, downtrend="0.626", breakout="0.636") is Condition.DOWNTREND
    assert wanted(Condition.DOWNTREND, downtrend="0.40", breakout="0.61") is Condition.BREAKOUT
    assert wanted(Condition.DOWNTREND, downtrend="0.29", breakout="0.50") is Condition.BREAKOUT, "it has ended"
    assert wanted(Condition.BREAKOUT, downtrend="0.637", breakout="0.636") is Condition.DOWNTREND, (
        "caution does not wait"
    )


@settings(max_examples=examples(300), deadline=None)
@given(st.decimals("0", "0.099", places=3))
def test_two_conditions_never_alternate_on_noise_smaller_than_the_band(noise: D) -> None:
    """Whatever level two of them stand at, noise of less than half of the band changes the reading once at most."""
    for level in (D("0.55"), D("0.7"), D("0.85")):
        current, changes = Condition.DOWNTREND, 0
        for step in range(20):
            sign = 1 if step % 2 else -1
            confidences = dict.fromkeys(POLICY.regime.evidence, D(0))
            confidences |= {Condition.DOWNTREND: level - sign * noise, Condition.EUPHORIA: level + sign * noise}
            found = candidate_of(confidences, FULL, current, POLICY)
            changes += found is not current
            current = found
        assert changes <= 1


def signals_of(scores: dict[str, float]) -> tuple[Signal, ...]:
    return tuple(Signal(name, 0.0, score, "", 0) for name, score in scores.items())


def scores_of(condition: Condition, strength: float) -> dict[str, float]:
    weights = POLICY.regime.evidence[condition]
    return {name: strength if weight > 0 else -strength for name, weight in weights.items() if name not in UNSET}


@pytest.mark.parametrize("condition", list(POLICY.regime.evidence))
@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_a_source_that_does_not_answer_ends_no_condition(condition: Condition, data: st.DataObject) -> None:
    """All of its evidence speaks for it alike; whichever source fails, it goes on."""
    strength = data.draw(st.floats(float(LEAVE) + 0.02, 1.0))
    scores = scores_of(condition, strength)
    failing = data.draw(st.sampled_from(sorted(scores)))
    in_force = RegimeMemory(condition, 1, condition, 1)
    with_all = read_regime(signals_of(scores), in_force, POLICY, START_MS, UNSET)
    left = {name: score for name, score in scores.items() if name != failing}
    assert with_all.condition is condition
    assert read_regime(signals_of(left), in_force, POLICY, START_MS, UNSET).condition is condition


def test_what_is_missing_begins_nothing_either() -> None:
    scores = scores_of(Condition.EUPHORIA, float(ENTER) + 0.02)
    assert read_regime(signals_of(scores), RegimeMemory(), POLICY, START_MS, UNSET).condition is Condition.EUPHORIA
    del scores["tvl_growth"]
    assert read_regime(signals_of(scores), RegimeMemory(), POLICY, START_MS, UNSET).condition is Condition.NEUTRAL


def euphoria_since(since_ms: int) -> Reading:
    return Reading(Condition.EUPHORIA, D("0.6"), {}, D(1), RegimeMemory(Condition.EUPHORIA, since_ms), (), FULL)


def chosen(memory: Memory, at_ms: int, signs: tuple[str, ...], reading: Reading) -> Choice:
    return choose_stance(reading, signs, memory, PATIENT, Snapshot(at_ms, {}, {}))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=60))
def test_signs_at_their_threshold_do_not_begin_and_end_rotations(counts: list[int]) -> None:
    """Hour by hour, whatever the signs do under one condition: a stance that was left is not entered for three days."""
    reading, memory, starts = euphoria_since(START_MS - HOUR_MS), Memory(), []
    for hour, count in enumerate(counts):
        at_ms = START_MS + hour * 4 * HOUR_MS
        stance = chosen(memory, at_ms, ("crowding", "TVL falls")[:count], reading).stance
        now = current_stance(memory)
        if stance is not now:
            starts.append((at_ms, stance))
            begun = Campaign(
                len(starts), now, stance, "infra", "defi", CampaignState.RUNNING, at_ms, D(100_000), D("0.2")
            )
            memory = replace(memory, campaign=begun)
    entries = [at_ms for at_ms, stance in starts if stance is Stance.INTO_DEFI]
    exits = [at_ms for at_ms, stance in starts if stance is Stance.NEUTRAL]
    for left in exits:
        later = [at_ms for at_ms in entries if at_ms > left]
        assert not later or later[0] - left >= PATIENT.regime.dwell_hours * HOUR_MS


def test_a_condition_that_began_anew_is_followed_at_once_and_leaving_never_waits() -> None:
    left = Campaign(
        3, Stance.INTO_DEFI, Stance.NEUTRAL, "defi", "infra", CampaignState.DONE, START_MS, D(100_000), D("0.2")
    )
    memory, soon = Memory(stance=Stance.NEUTRAL, campaign=left), START_MS + HOUR_MS
    held = chosen(memory, soon, (), euphoria_since(START_MS - HOUR_MS))
    assert held.stance is Stance.NEUTRAL
    assert held.notes[-1].reason is Reason.DWELL
    assert chosen(memory, soon, (), euphoria_since(START_MS + 1)).stance is Stance.INTO_DEFI
    assert chosen(memory, START_MS + 72 * HOUR_MS, (), euphoria_since(START_MS - 1)).stance is Stance.INTO_DEFI
    entered = replace(left, stance_from=Stance.NEUTRAL, stance_to=Stance.INTO_DEFI)
    standing = Memory(stance=Stance.INTO_DEFI, campaign=entered)
    signs = ("crowding", "TVL falls")
    assert chosen(standing, soon, signs, euphoria_since(START_MS - HOUR_MS)).stance is Stance.NEUTRAL
    override = PATIENT.changed({"regime.override": Condition.EUPHORIA})
    free = choose_stance(euphoria_since(START_MS - HOUR_MS), (), memory, override, Snapshot(soon, {}, {}))
    assert free.stance is Stance.INTO_DEFI
