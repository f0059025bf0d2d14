"""Signals → condition: evidence, hysteresis, confirmation, dwell (PLAYBOOK §3).

The confidence of a condition is the weighted part of its evidence that speaks for it; evidence that is missing counts
in the whole and so lowers it, evidence that nobody has set up a source for does not count at all. Each condition needs
`coverage_min` of its own evidence, whatever is missing of another's (decision 0018). A condition begins at `enter`,
ends below `leave` of the evidence that is present, must persist before it is believed and lives for a least time after
that, so that noise does not churn the book; a less careful one must lead one that still holds by the band between both
(decision 0025). All of that is in `RegimeMemory`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.domain.campaign import Condition, RegimeMemory
from bot.domain.durations import HOUR_MS
from bot.domain.money import ONE, ZERO
from bot.domain.reason import Note, Reason
from bot.domain.turn.decision import Signal
from bot.playbook.policy.numbers import Policy

_PLACES = Decimal("0.001")
# Of two equally confident conditions the more careful one is believed.
_CAREFUL_FIRST = (Condition.DOWNTREND, Condition.UNCERTAINTY, Condition.BREAKOUT, Condition.EUPHORIA)


@dataclass(frozen=True, slots=True)
class Reading:
    """A condition with its confidence, the confidence of every condition, and the part of the evidence that was there:
    `coverage` of the condition, `coverages` of each. Of `neutral` it is that of the best covered one."""

    condition: Condition
    confidence: Decimal
    confidences: Mapping[Condition, Decimal]
    coverage: Decimal
    memory: RegimeMemory
    notes: tuple[Note, ...] = ()
    coverages: Mapping[Condition, Decimal] = field(default_factory=dict)

    def is_covered(self, condition: Condition, policy: Policy) -> bool:
        """Whether enough evidence is there to read or to rule out a condition. An operator's override needs none."""
        return (
            policy.regime.override is not None or self.coverages.get(condition, ZERO) >= policy.constants.coverage_min
        )


def read_regime(
    signals: Sequence[Signal], memory: RegimeMemory, policy: Policy, at_ms: int, unconfigured: Collection[str] = ()
) -> Reading:
    """One step of the regime: deterministic in its arguments. `unconfigured` signals have no configured source."""
    if policy.regime.override is not None:
        kept = memory
        if memory.condition is not policy.regime.override:
            kept = RegimeMemory(policy.regime.override, at_ms, policy.regime.override, at_ms)
        message = f"{policy.regime.override.value} is set by the operator (playbook.regime.override)"
        note = Note(Reason.CONDITION_HELD, message, policy.regime.override.value)
        return Reading(policy.regime.override, ONE, {}, ONE, kept, (note,))
    evidence = evidence_in_force(policy, unconfigured)
    scores = {signal.name: signal.score for signal in signals}
    confidences = confidences_in(scores, evidence)
    coverages = coverages_in(scores, evidence)
    covered = covered_of(coverages, policy)
    required = candidate_of(confidences, coverages, memory.condition, policy)
    thin = _thin(memory.condition, required, coverages, covered, policy)
    stepped, notes = _step(memory, required, confidences, policy, at_ms) if covered else (memory, ())
    confidence = confidences.get(stepped.condition, ONE - max(confidences.values(), default=ZERO))
    coverage = coverages.get(stepped.condition, max(coverages.values(), default=ZERO))
    return Reading(stepped.condition, confidence, confidences, coverage, stepped, (*thin, *notes), coverages)


def _thin(
    current: Condition,
    wanted: Condition,
    coverages: Mapping[Condition, Decimal],
    covered: Collection[Condition],
    policy: Policy,
) -> tuple[Note, ...]:
    """A note where the current condition is held because too little of its evidence is there; of neutral, where that
    is so of some other condition, which then cannot begin."""
    is_neutral = current is Condition.NEUTRAL
    thin = [c for c in _CAREFUL_FIRST if c not in covered and (is_neutral or c is current)]
    if wanted is not current or not thin:
        return ()
    parts = ", ".join(f"{coverages[condition]:.0%} of the evidence for {condition.value}" for condition in thin)
    ending = "it cannot begin" if is_neutral else f"{current.value} holds"
    message = f"{parts}, {policy.constants.coverage_min:.0%} needed: {ending}"
    numbers = {condition.value: str(coverages[condition]) for condition in thin}
    return (Note(Reason.CONDITION_HELD, message, current.value, numbers),)


def evidence_in_force(policy: Policy, unconfigured: Collection[str]) -> Mapping[Condition, Mapping[str, Decimal]]:
    """The weights of each condition, without the signals that nobody has set up a source for."""
    evidence = policy.evidence
    if not unconfigured:
        return evidence
    return {
        condition: {name: weight for name, weight in weights.items() if name not in unconfigured}
        for condition, weights in evidence.items()
    }


def confidences_in(
    scores: Mapping[str, float], evidence: Mapping[Condition, Mapping[str, Decimal]]
) -> Mapping[Condition, Decimal]:
    """Confidence of every condition, 0 to 1, from the scores of the signals that are there."""
    return {condition: _confidence(scores, evidence.get(condition, {})) for condition in _CAREFUL_FIRST}


def _confidence(scores: Mapping[str, float], weights: Mapping[str, Decimal]) -> Decimal:
    total = sum((abs(weight) for weight in weights.values()), ZERO)
    if not total:
        return ZERO
    speaks = sum(float(abs(w)) * max(0.0, scores.get(name, 0.0) * (1 if w > 0 else -1)) for name, w in weights.items())
    return min(ONE, Decimal(repr(speaks / float(total)))).quantize(_PLACES)


def coverages_in(
    present: Collection[str], evidence: Mapping[Condition, Mapping[str, Decimal]]
) -> Mapping[Condition, Decimal]:
    """The part of each condition's own evidence that is present, by weight; nothing where it has none."""
    result = {}
    for condition in _CAREFUL_FIRST:
        weights = {name: abs(weight) for name, weight in evidence.get(condition, {}).items()}
        total = sum(weights.values(), ZERO)
        there = sum((weight for name, weight in weights.items() if name in present), ZERO)
        result[condition] = there / total if total else ZERO
    return result


def candidate_of(
    confidences: Mapping[Condition, Decimal],
    coverages: Mapping[Condition, Decimal],
    current: Condition,
    policy: Policy,
) -> Condition:
    """The condition that is read now, before it has to persist.

    Only a covered one may begin, and only a covered one is ended by its own weakness. The strongest that may begin
    replaces one that still holds when it is stronger; a less careful one when it leads by the band between `enter` and
    `leave`, which keeps two of equal strength from taking turns.
    """
    covered = covered_of(coverages, policy)
    strong = [c for c in _CAREFUL_FIRST if c in covered and confidences[c] >= policy.regime.enter]
    best = max(strong, key=lambda c: confidences[c], default=None)
    now = _held(current, confidences, coverages, policy)
    if current is Condition.NEUTRAL or (now < policy.regime.leave and current in covered):
        return best or Condition.NEUTRAL
    if best is None or best is current:
        return current
    is_careful = _CAREFUL_FIRST.index(best) < _CAREFUL_FIRST.index(current)
    band = ZERO if is_careful else policy.regime.enter - policy.regime.leave
    lead = confidences[best] - now
    return best if lead > 0 and lead >= band else current


def covered_of(coverages: Mapping[Condition, Decimal], policy: Policy) -> frozenset[Condition]:
    """The conditions of which enough evidence is present to begin or to end."""
    return frozenset(c for c, part in coverages.items() if part >= policy.constants.coverage_min)


def _held(
    current: Condition,
    confidences: Mapping[Condition, Decimal],
    coverages: Mapping[Condition, Decimal],
    policy: Policy,
) -> Decimal:
    """The confidence of the condition in force by the evidence that is present, if that is enough: what is missing ends
    nothing."""
    confidence, coverage = confidences.get(current, ZERO), coverages.get(current, ZERO)
    return min(ONE, confidence / coverage) if coverage >= policy.constants.coverage_min else confidence


def _step(
    memory: RegimeMemory, wanted: Condition, confidences: Mapping[Condition, Decimal], policy: Policy, at_ms: int
) -> tuple[RegimeMemory, tuple[Note, ...]]:
    numbers = {condition.value: str(confidence) for condition, confidence in confidences.items()}
    if wanted is memory.condition:
        return replace(memory, candidate=wanted, candidate_since_ms=at_ms), ()
    if wanted is not memory.candidate:
        memory = replace(memory, candidate=wanted, candidate_since_ms=at_ms)
    if at_ms - memory.candidate_since_ms < policy.regime.confirm_hours * HOUR_MS:
        message = f"{wanted.value} must persist for {policy.regime.confirm_hours} h before it is believed"
        return memory, (Note(Reason.CONDITION_HELD, message, wanted.value, numbers),)
    if memory.since_ms and at_ms - memory.since_ms < policy.regime.dwell_hours * HOUR_MS:
        message = f"{memory.condition.value} lives for at least {policy.regime.dwell_hours} h, {wanted.value} waits"
        return memory, (Note(Reason.DWELL, message, wanted.value, numbers),)
    message = f"{memory.condition.value} → {wanted.value}"
    changed = RegimeMemory(wanted, at_ms, wanted, at_ms)
    return changed, (Note(Reason.CONDITION_CHANGED, message, wanted.value, numbers),)
