"""Explanation of a decision: evidence → condition → rule → target, and the smallest change that would turn it.

Works from a journaled decision and the numbers it was made with; no request is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.campaign import Condition, Memory, OpenExit, Opening, RegimeMemory, Stance
from bot.domain.durations import HOUR_MS
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.turn.decision import Decision
from bot.playbook.market.explain import ConditionChange, ConditionScore, evidence_for, turns_from
from bot.playbook.market.signals import EXIT_SIGNS
from bot.playbook.policy.numbers import Policy
from bot.report.format import utc

Row = dict[str, Any]
_CASH = "cash"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`evidence` a row per condition, `rule` the sentences from condition to target, `turns` what would change it."""

    evidence: list[Row]
    rule: list[str]
    turns: list[str]


def explain_decision(decision: Decision, policy: Policy, at_ms: int) -> Explanation:
    """The explanation of a decision that read signals."""
    scores = {signal.name: signal.score for signal in decision.signals}
    missing = {note.subject for note in decision.notes if note.reason is Reason.SIGNAL_MISSING}
    unconfigured = [name for name in policy.signal_names if name not in scores and name not in missing]
    condition, regime = decision.condition, decision.memory.regime
    result = evidence_for(scores, policy, unconfigured)
    return Explanation(
        [_row(evidence, policy) for evidence in result],
        [*_condition_rule(condition, result, policy), *_target_rule(decision, condition, scores, policy)],
        _change_messages(condition, scores, policy, unconfigured, regime, at_ms, result)
        if policy.regime.override is None
        else [f"only the setting playbook.regime.override = {policy.regime.override.value}: signals are not followed"],
    )


def _row(evidence: ConditionScore, policy: Policy) -> Row:
    return {
        "condition": evidence.condition.value,
        "confidence": str(evidence.confidence),
        "enter": str(policy.regime.enter),
        "parts": [
            {"signal": part.signal, "share": f"{part.share:.4f}", "points": f"{part.points:.4f}", "score": part.score}
            for part in evidence.parts
        ],
    }


def _condition_rule(condition: Condition, found: Sequence[ConditionScore], policy: Policy) -> list[str]:
    if policy.regime.override is not None:
        return [f"the operator reads the market as {condition.value} (playbook.regime.override)"]
    of = next((evidence for evidence in found if evidence.condition is condition), None)
    if of is None:
        return [f"neutral: nothing else has reached {policy.regime.enter:.0%}, or has lasted long enough"]
    spoke = [f"{part.signal} {part.points:.0%} of {part.share:.0%}" for part in of.parts if part.points > 0]
    return [
        f"{condition.value}: confidence {of.confidence:.0%} = {' + '.join(spoke) or 'nothing speaks for it now'} "
        f"(begins at {policy.regime.enter:.0%}, ends below {policy.regime.leave:.0%})"
    ]


def _target_rule(decision: Decision, condition: Condition, scores: Mapping[str, float], policy: Policy) -> list[str]:
    stance = decision.stance
    message = [_stance_text(condition, stance, policy)]
    shown = ", ".join(_share_text(name, value, policy) for name, value in decision.target.items())
    message.append(f"target of {stance.value}, shares of the book: {shown}")
    if stance in (Stance.INTO_DEFI, Stance.INTO_INFRA):
        message.append(_tactical_text(decision, condition, stance, scores, policy))
    return message


def _stance_text(condition: Condition, stance: Stance, policy: Policy) -> str:
    on, off = policy.allocation.risk_on, policy.allocation.risk_off
    asks = {
        Condition.EUPHORIA: (Stance.INTO_DEFI, f"shift {policy.rotation.shift:.0%} of the book from {off} into {on}"),
        Condition.BREAKOUT: (Stance.INTO_DEFI, f"shift {policy.rotation.shift:.0%} of the book from {off} into {on}"),
        Condition.UNCERTAINTY: (
            Stance.INTO_INFRA,
            f"shift {policy.rotation.shift:.0%} of the book from {on} into {off}",
        ),
        Condition.DOWNTREND: (Stance.DE_RISK, "reduce both sectors to the de_risk weights"),
    }.get(condition)
    if asks is None:
        message = f"neutral asks for nothing: the stance {stance.value} stands and only drift is rebalanced"
        hours = policy.regime.neutral_return_hours
        return message + (f"; {hours} h of it lead back to neutral" if hours and stance is not Stance.NEUTRAL else "")
    if asks[0] is not stance:
        return f"{condition.value} asks for {asks[0].value}, but the stance is {stance.value}: see the exit signs"
    return f"{condition.value} asks for {stance.value}: {asks[1]}"


def _share_text(name: str, value: Decimal, policy: Policy) -> str:
    usual = policy.allocation.neutral.get(name)
    if name == _CASH:
        usual = 1 - sum(policy.allocation.neutral.values(), ZERO)
    return f"{name} {value:.1%}" + (f" (neutral {usual:.1%})" if usual is not None and usual != value else "")


def _longs(memory: Memory) -> list[str]:
    """Perps that carry a tactical long: those that are being opened, or else those with exits."""
    opened: Sequence[Opening | OpenExit]
    for opened in (memory.opening, memory.exits):
        if result := [one.symbol for one in opened if one.purpose is Purpose.TACTICAL and not _is_over(one)]:
            return result
    return []


def _is_over(one: Opening | OpenExit) -> bool:
    return isinstance(one, Opening) and bool(one.over_ms)


def _tactical_text(
    decision: Decision, condition: Condition, stance: Stance, scores: Mapping[str, float], policy: Policy
) -> str:
    if not policy.tactical.is_on:
        return "no tactical long: playbook.tactical.is_on is false"
    signs = [] if policy.regime.override is not None else _signs_shown(scores, policy)
    if signs:
        return f"no new tactical long: exit signs ({', '.join(signs)})"
    if stance is Stance.INTO_INFRA:
        return f"a tactical long towards {policy.allocation.risk_off} only while the calendar names an upgrade"
    confidence, memory = decision.confidence, decision.memory
    if condition is Condition.BREAKOUT or confidence >= policy.tactical.confidence:
        if result := _longs(memory):
            return f"the stance takes one tactical long: {', '.join(result)}"
        if memory.longed is stance:
            return "no further tactical long: the stance has had its own"
        return "a tactical long may be opened, one while the stance stands: breakout, or confidence is high enough"
    return (
        f"no new tactical long: {condition.value} is no breakout and its confidence {confidence:.0%} is below "
        f"{policy.tactical.confidence:.0%} (playbook.tactical.confidence)"
    )


def _signs_shown(scores: Mapping[str, float], policy: Policy) -> list[str]:
    bound = -float(policy.exits.sign)
    return [message for message, names in EXIT_SIGNS.items() if any(scores.get(name, 0.0) <= bound for name in names)]


def _change_messages(
    condition: Condition,
    scores: Mapping[str, float],
    policy: Policy,
    unconfigured: Sequence[str],
    regime: RegimeMemory,
    at_ms: int,
    found: Sequence[ConditionScore],
) -> list[str]:
    now = {evidence.condition: evidence.confidence for evidence in found}
    message = _waiting(condition, regime, policy, at_ms)
    turns = sorted(
        turns_from(condition, scores, policy, unconfigured), key=lambda turn: (not turn.is_reached, len(turn.moves))
    )
    for turn in turns:
        line = _turn_line(turn, condition, now, policy)
        message += [line] if line else []
    lost = [
        f"{part.signal} is missing: {part.share:.0%} of the evidence for {evidence.condition.value}"
        for evidence in found
        for part in evidence.parts
        if part.score is None
    ]
    return [*message, *lost, *_sign_text(scores, policy)]


def _waiting(condition: Condition, regime: RegimeMemory, policy: Policy, at_ms: int) -> list[str]:
    message, least_hours = [], policy.regime.dwell_hours
    free_ms = regime.since_ms + least_hours * HOUR_MS if regime.since_ms else 0
    if free_ms > at_ms:
        message.append(
            f"time: {condition.value} lives for at least {least_hours} h, until {utc(free_ms)}, whatever is read"
        )
    if regime.candidate is not condition:
        due_ms = max(free_ms, regime.candidate_since_ms + policy.regime.confirm_hours * HOUR_MS)
        message.append(
            f"time: {regime.candidate.value} has been read since {utc(regime.candidate_since_ms)} and is believed from "
            f"{utc(due_ms)} on, if it lasts"
        )
    elif policy.regime.confirm_hours:
        message.append(f"time: another reading has to last for {policy.regime.confirm_hours} h before it is believed")
    return message


def _turn_line(
    turn: ConditionChange, current: Condition, now: Mapping[Condition, Decimal], policy: Policy
) -> str | None:
    moves = " and ".join(f"{name} at {end + 0.0:+.2f} instead of {start + 0.0:+.2f}" for name, start, end in turn.moves)
    if turn.condition is Condition.NEUTRAL:
        if not turn.is_reached:
            return None
        confidence, least = now.get(current, ZERO), policy.regime.leave
        ends = f"{current.value} ends below {least:.0%} ({confidence:.0%} now) and nothing else begins"
        return f"neutral: {ends}" + (f" with {moves}" if moves else ", which is so")
    name, has = turn.condition.value, now[turn.condition]
    needed = f"{has:.0%} now, {policy.regime.enter:.0%} needed"
    stands = now.get(current, ZERO)
    if current is not Condition.NEUTRAL and stands >= policy.regime.leave:
        needed += f" and more than the {stands:.0%} of {current.value}"
    if not turn.is_reached:
        return (
            f"{name}: {needed}; out of reach of the signals that are there, which could make it {turn.confidence:.0%}"
        )
    return f"{name}: {needed}; read with {moves}" if moves else f"{name}: {needed}, which is so"


def _sign_text(scores: Mapping[str, float], policy: Policy) -> list[str]:
    """The signals that come nearest to each exit sign; one sign vetoes tactical longs, two end the rotation."""
    lines, bound = [], -float(policy.exits.sign)
    for sign, names in EXIT_SIGNS.items():
        known = {name: scores[name] for name in names if name in scores}
        if not known:
            lines.append(f"exit sign “{sign}”: none of its signals is there ({', '.join(names)})")
            continue
        nearest = min(known, key=lambda name: known[name])
        state = "shows" if known[nearest] <= bound else "would show"
        lines.append(f"exit sign “{sign}” {state} at {bound:+.2f} or less: {nearest} is at {known[nearest] + 0.0:+.2f}")
    return lines
