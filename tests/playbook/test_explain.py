"""What would have the market read otherwise: true when tried, no more than needed, honest out of reach."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.campaign import Condition
from bot.playbook.market.explain import ConditionChange, evidence_for, turns_from
from bot.playbook.market.regime import candidate_of, confidences_in, coverages_in
from bot.playbook.policy.numbers import SIGNAL_NAMES, Policy

WEIGHTS: dict[Condition, dict[str, str]] = {
    Condition.BREAKOUT: {"ratio_breakout": "0.40", "relative_strength": "0.30", "trend": "0.20", "volume": "0.10"},
    Condition.EUPHORIA: {"relative_strength": "0.40", "tvl_growth": "0.20", "volume": "0.20", "breadth": "0.20"},
    Condition.UNCERTAINTY: {
        "calendar": "-0.35",
        "relative_strength": "-0.30",
        "volatility": "-0.20",
        "resilience": "0.20",
        "ratio_breakout": "-0.15",
        "usage": "0.10",
    },
    Condition.DOWNTREND: {
        "trend": "-0.35",
        "drawdown": "-0.25",
        "breadth": "-0.25",
        "volatility": "-0.15",
        "stablecoins": "-0.10",
        "rates": "-0.10",
    },
}
"""Of these tests, whatever the defaults are: a new signal changes those."""
POLICY = Policy.model_validate({"regime": {"evidence": WEIGHTS}})
CALM = dict.fromkeys(SIGNAL_NAMES, 0.0)
SCORES = st.dictionaries(st.sampled_from(SIGNAL_NAMES), st.floats(-1, 1))


def read(scores: dict[str, float], current: Condition) -> Condition:
    evidence = POLICY.regime.evidence
    return candidate_of(confidences_in(scores, evidence), coverages_in(scores, evidence), current, POLICY)


def turn(to: Condition, current: Condition, scores: dict[str, float]) -> ConditionChange:
    return next(turn for turn in turns_from(current, scores, POLICY) if turn.condition is to)


@given(scores=SCORES, current=st.sampled_from(Condition))
def test_whatever_is_said_to_turn_the_reading_does_turn_it(scores: dict[str, float], current: Condition) -> None:
    for found in turns_from(current, scores, POLICY):
        assert all(scores[name] == start and -1 <= end <= 1 for name, start, end in found.moves)
        changed = scores | {name: end for name, _, end in found.moves}
        assert (read(changed, current) is found.condition) is found.is_reached


@given(scores=SCORES, current=st.sampled_from(Condition))
def test_no_signal_is_named_that_need_not_move(scores: dict[str, float], current: Condition) -> None:
    for found in turns_from(current, scores, POLICY):
        for left_out, _, _ in found.moves if found.is_reached else ():
            changed = scores | {name: end for name, _, end in found.moves if name != left_out}
            assert read(changed, current) is not found.condition


@given(scores=SCORES)
def test_parts_add_up_to_the_confidence(scores: dict[str, float]) -> None:
    for evidence in evidence_for(scores, POLICY):
        assert sum(part.points for part in evidence.parts) == pytest.approx(evidence.confidence, abs=Decimal("0.0006"))
        assert sum(part.share for part in evidence.parts) == pytest.approx(1)
        assert all(part.points == 0 for part in evidence.parts if part.score is None)


def test_one_signal_that_is_enough_is_named_with_the_score_it_needs() -> None:
    fall = CALM | {"trend": -1.0, "drawdown": -0.5}
    found = turn(Condition.DOWNTREND, Condition.NEUTRAL, fall)
    assert found.is_reached
    ((name, start, end),) = found.moves
    assert (name, start) == ("breadth", 0.0)
    # 0.35 + 0.125 of 1.20 are there; a half of 1.20 is 0.60, so breadth has to bring 0.125 of its 0.25.
    assert end == pytest.approx(-0.50, abs=0.011)


def test_a_condition_without_its_signals_is_out_of_reach_and_says_how_far() -> None:
    scores = {"relative_strength": 0.0, "volatility": 0.0, "ratio_breakout": 0.0}
    found = turn(Condition.UNCERTAINTY, Condition.NEUTRAL, scores)
    assert found.is_reached, "0.30, 0.20 and 0.15 of 1.30 are just enough"
    del scores["volatility"]
    found = turn(Condition.UNCERTAINTY, Condition.NEUTRAL, scores)
    assert not found.is_reached
    assert found.confidence == Decimal("0.346"), "0.45 of 1.30"


def test_what_stands_ends_when_its_own_signals_fade() -> None:
    found = turn(Condition.NEUTRAL, Condition.DOWNTREND, CALM | {"trend": -1.0, "breadth": -1.0})
    assert found.is_reached
    assert [name for name, _, _ in found.moves] == ["trend"] or [name for name, _, _ in found.moves] == ["breadth"]


def test_a_reading_that_only_waits_needs_no_move() -> None:
    fall = CALM | {"trend": -1.0, "drawdown": -1.0, "breadth": -1.0}
    assert turn(Condition.DOWNTREND, Condition.NEUTRAL, fall).moves == ()
    assert turn(Condition.DOWNTREND, Condition.NEUTRAL, fall).is_reached


def test_what_nobody_has_set_up_is_no_part() -> None:
    (down,) = (e for e in evidence_for(CALM, POLICY, ("stablecoins", "rates")) if e.condition is Condition.DOWNTREND)
    assert [part.signal for part in down.parts] == ["trend", "drawdown", "breadth", "volatility"]
    assert down.parts[0].share == Decimal("0.35")
