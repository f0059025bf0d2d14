"""Explanation of a condition: its evidence, and the smallest change of scores that would change it (PLAYBOOK §3).

Nothing here decides: it calls the functions of `regime` with other scores.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Condition
from bot.domain.money import ONE, ZERO
from bot.playbook.market.regime import candidate_of, confidences_in, coverages_in, evidence_in_force
from bot.playbook.policy.numbers import Policy

_STEP = 0.01
Scores = Mapping[str, float]
Check = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class SignalShare:
    """One signal's part in a condition: at most `share` of its confidence, now `points`; `score` is None when the
    signal is missing. All are fractions of 1."""

    signal: str
    share: Decimal
    score: float | None
    points: Decimal


@dataclass(frozen=True, slots=True)
class ConditionScore:
    """What the confidence of a condition is made of, the weightiest signal first."""

    condition: Condition
    confidence: Decimal
    parts: tuple[SignalShare, ...]


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """What would have another condition read: the fewest signals, each with its score now and the one it would need.

    Without moves it is read already. Out of reach of the signals that are there, it has all of them moved, and
    `confidence` is the most it could be.
    """

    condition: Condition
    confidence: Decimal
    moves: tuple[tuple[str, float, float], ...]
    is_reached: bool


def evidence_for(scores: Scores, policy: Policy, unconfigured: Collection[str] = ()) -> tuple[ConditionScore, ...]:
    """Every condition with its parts, the most confident first."""
    weights = evidence_in_force(policy, unconfigured)
    confidences = confidences_in(scores, weights)
    result = [
        ConditionScore(c, confidence, _parts(scores, weights.get(c, {}))) for c, confidence in confidences.items()
    ]
    return tuple(sorted(result, key=lambda evidence: -evidence.confidence))


def turns_from(
    current: Condition, scores: Scores, policy: Policy, unconfigured: Collection[str] = ()
) -> tuple[ConditionChange, ...]:
    """For every other condition what it would take that it is read; neutral only where another stands."""
    weights = evidence_in_force(policy, unconfigured)
    others = [condition for condition in Condition if condition is not current]
    return tuple(_turn(other, current, scores, weights, policy) for other in others)


def _parts(scores: Scores, weights: Mapping[str, Decimal]) -> tuple[SignalShare, ...]:
    total = sum((abs(weight) for weight in weights.values()), ZERO) or ONE
    parts = []
    for name, weight in sorted(weights.items(), key=lambda item: -abs(item[1])):
        score, share = scores.get(name), abs(weight) / total
        speaks = max(0.0, (score or 0.0) * (1 if weight > 0 else -1))
        parts.append(SignalShare(name, share, score, share * Decimal(repr(speaks))))
    return tuple(parts)


def _turn(
    goal: Condition,
    current: Condition,
    scores: Scores,
    weights: Mapping[Condition, Mapping[str, Decimal]],
    policy: Policy,
) -> ConditionChange:
    """Signals are moved one after the other, the one that can do most first, until the goal is read; then those that
    were moved for nothing are put back."""

    coverages = coverages_in(scores, weights)

    def is_read(changed: Scores) -> bool:
        return candidate_of(confidences_in(changed, weights), coverages, current, policy) is goal

    ends = _ends(goal, current, scores, weights)

    def turn(changed: Scores, *, is_reached: bool) -> ConditionChange:
        moves = tuple((name, scores[name], changed[name]) for name in ends if changed[name] != scores[name])
        return ConditionChange(goal, confidences_in(changed, weights).get(goal, ZERO), moves, is_reached=is_reached)

    changed = dict(scores)
    for name, end in ends.items():
        if is_read(changed):
            break
        changed[name] = end
    if not is_read(changed):
        return turn(changed, is_reached=False)
    changed = _put_back(changed, scores, is_read)
    moved = [name for name in ends if changed[name] != scores[name]]
    if moved:
        last = moved[-1]
        changed[last] = _nearest(scores[last], changed[last], lambda score: is_read({**changed, last: score}))
    return turn(_put_back(changed, scores, is_read), is_reached=True)


def _put_back(changed: Scores, scores: Scores, is_read: Callable[[Scores], bool]) -> dict[str, float]:
    """`changed` without the moves that are not needed for the reading, until each of those that are left is."""
    kept, is_stable = dict(changed), False
    while not is_stable:
        is_stable = True
        for name, score in scores.items():
            if kept[name] != score and is_read({**kept, name: score}):
                kept[name], is_stable = score, False
    return kept


def _ends(
    goal: Condition, current: Condition, scores: Scores, weights: Mapping[Condition, Mapping[str, Decimal]]
) -> Mapping[str, float]:
    """Where each signal would have to go at most: fully for the goal, or to nothing where it speaks for what stands.
    The one that can do most comes first."""
    rooms: dict[str, tuple[float, float]] = {}
    for name, weight in weights.get(current, {}).items():
        speaks = scores.get(name, 0.0) * (1 if weight > 0 else -1)
        if speaks > 0 and name not in weights.get(goal, {}):
            rooms[name] = float(abs(weight)) * speaks, 0.0
    for name, weight in weights.get(goal, {}).items():
        end = 1.0 if weight > 0 else -1.0
        if name in scores and scores[name] != end:
            rooms[name] = float(abs(weight)) * abs(end - max(0.0, scores[name] * end) * end), end
    return {name: end for name, (_, end) in sorted(rooms.items(), key=lambda item: -item[1][0])}


def _nearest(start: float, end: float, is_enough: Check) -> float:
    """The score nearest to `start` that is enough, in steps of a hundredth; `end` is known to be."""
    steps = math.ceil(abs(end - start) / _STEP)
    low, high = 0, steps
    while high - low > 1:
        middle = (low + high) // 2
        if is_enough(start + (end - start) * middle / steps):
            high = middle
        else:
            low = middle
    return end if high == steps else start + (end - start) * high / steps
