"""Condition → stance → share of the book per sleeve (PLAYBOOK §§2–5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Condition, Memory, Stance
from bot.domain.durations import HOUR_MS
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.reason import Note, Reason
from bot.playbook.market.regime import Reading
from bot.playbook.policy.choices import NeutralFutures
from bot.playbook.policy.numbers import Policy, sectors_of

_STANCES: Mapping[Condition, Stance] = {
    Condition.BREAKOUT: Stance.INTO_DEFI,
    Condition.EUPHORIA: Stance.INTO_DEFI,
    Condition.UNCERTAINTY: Stance.INTO_INFRA,
    Condition.DOWNTREND: Stance.DE_RISK,
}
CASH = "cash"


@dataclass(frozen=True, slots=True)
class Choice:
    """The stance to stand at, and whether a tactical long may be opened now."""

    stance: Stance
    tactical_allowed: bool
    notes: tuple[Note, ...] = ()


def current_stance(memory: Memory) -> Stance:
    """The stance the book stands at or is moving to."""
    campaign = memory.campaign
    return campaign.stance_to if campaign is not None and not campaign.is_over else memory.stance


def choose_stance(reading: Reading, signs: Sequence[str], memory: Memory, policy: Policy, snapshot: Snapshot) -> Choice:
    """The stance that the condition asks for (PLAYBOOK §3), subject to the rotation's own exit signs (§7).

    One sign vetoes new tactical longs and, because crowding outranks euphoria, a new rotation out of euphoria; two end
    a stance into the risk-on sector. A veto leads to neutral, and so does a neutral condition after
    `neutral_return_hours`; both only where the evidence would show a downtrend (decision 0019). An operator's override
    is obeyed as it is.
    """
    now, overridden = current_stance(memory), policy.regime.override is not None
    stance = _STANCES.get(reading.condition, now)
    may_return = now is Stance.NEUTRAL or reading.is_covered(Condition.DOWNTREND, policy)
    notes: list[Note] = []
    if stance is Stance.INTO_DEFI and signs and not overridden:
        is_new = now is not Stance.INTO_DEFI
        if len(signs) >= 2 or (is_new and reading.condition is Condition.EUPHORIA):
            stance = Stance.NEUTRAL if may_return or not is_new else now
            message = f"exit signs against the rotation: {', '.join(signs)}; the stance is {stance.value}"
            notes.append(Note(Reason.EXIT_SIGNS, message, stance.value))
    if reading.condition is Condition.NEUTRAL and policy.regime.neutral_return_hours and reading.memory.since_ms:
        waited = snapshot.at_ms - reading.memory.since_ms
        if now is not Stance.NEUTRAL and waited >= policy.regime.neutral_return_hours * HOUR_MS:
            stance = Stance.NEUTRAL if may_return else now
            message = f"neutral is read for {waited // HOUR_MS} h, {policy.regime.neutral_return_hours} needed"
            message += ": back to the neutral table" if may_return else f"; too little evidence to leave {now.value}"
            notes.append(Note(Reason.NEUTRAL_RETURN, message, stance.value, {"hours": str(waited // HOUR_MS)}))
    if not overridden and (wait := _wait_ms(stance, reading, memory, policy, snapshot.at_ms)) > 0:
        message = f"{stance.value} was left under the same {reading.condition.value}; {wait / HOUR_MS:.0f} h to go"
        notes.append(Note(Reason.DWELL, message, stance.value, {"stance": now.value}))
        stance = now
    return Choice(stance, _tactical_allowed(stance, reading, signs, policy, snapshot), tuple(notes))


def _wait_ms(stance: Stance, reading: Reading, memory: Memory, policy: Policy, at_ms: int) -> int:
    """How long until a stance that exit signs ended may be stood at again while the condition has not changed, ms.

    Signs have no memory: without this a sign at its threshold would end and begin a rotation by the hour.
    """
    last = memory.campaign
    if last is None or stance is not Stance.INTO_DEFI or last.stance_from is not stance or last.stance_to is stance:
        return 0
    if last.stance_to is not current_stance(memory) or reading.memory.since_ms > last.started_ms:
        return 0
    return last.started_ms + policy.regime.dwell_hours * HOUR_MS - at_ms


def _tactical_allowed(
    stance: Stance, reading: Reading, signs: Sequence[str], policy: Policy, snapshot: Snapshot
) -> bool:
    if not policy.tactical.is_on or (signs and policy.regime.override is None):
        return False
    if stance is Stance.INTO_DEFI:
        return reading.condition is Condition.BREAKOUT or reading.confidence >= policy.tactical.confidence
    if stance is Stance.NEUTRAL:
        return policy.allocation.neutral_futures is NeutralFutures.SMALL_LONG
    upgrade = any(
        event.kind == "upgrade" and event.weight > 0 and event.start_ms <= snapshot.at_ms < event.end_ms
        for event in snapshot.events
    )
    return stance is Stance.INTO_INFRA and upgrade


def target_shares(
    stance: Stance, policy: Policy, *, tactical_allowed: bool, trends: Mapping[str, float] | None = None
) -> tuple[Mapping[str, Decimal], tuple[Note, ...]]:
    """Share of the book per sleeve and as cash; they add up to 1. `trends`: the strength of each sector's own trend,
    which scales what `de_risk` keeps of its spot.

    A shift takes `shift` from the source's spot, all of it when that is less; with a tactical long `1 − tactical_split`
    of it goes to the destination's spot and the rest to its futures sleeve (PLAYBOOK §2).
    """
    shares = {
        name: ZERO
        for sector in sectors_of(policy.allocation.neutral)
        for name in (f"{sector}.spot", f"{sector}.futures")
    }
    shares |= _de_risk(policy, trends or {}) if stance is Stance.DE_RISK else policy.allocation.neutral
    if stance in (Stance.INTO_DEFI, Stance.INTO_INFRA):
        source, destination = policy.allocation.risk_off, policy.allocation.risk_on
        if stance is Stance.INTO_INFRA:
            source, destination = destination, source
        shift = min(policy.rotation.shift, shares.get(f"{source}.spot", ZERO))
        margin = shift * policy.rotation.tactical_split if tactical_allowed else ZERO
        for sleeve, change in (
            (f"{source}.spot", -shift),
            (f"{destination}.spot", shift - margin),
            (f"{destination}.futures", margin),
        ):
            shares[sleeve] = shares.get(sleeve, ZERO) + change
    notes = _keep_spot_share(shares, policy)
    return shares | {CASH: ONE - sum(shares.values(), ZERO)}, notes


def _de_risk(policy: Policy, trends: Mapping[str, float]) -> Mapping[str, Decimal]:
    """The de-risk table, its spot between the kept core and the neutral share where the sector's trend is known."""
    allocation, core = policy.allocation, policy.trend.core
    scaled = {}
    for sector, strength in trends.items():
        kept = core + (ONE - core) * Decimal(f"{strength:.4f}")
        scaled[f"{sector}.spot"] = allocation.neutral.get(f"{sector}.spot", ZERO) * kept
    return {**allocation.de_risk, **scaled}


def with_kept(
    shares: Mapping[str, Decimal], last: Mapping[str, Decimal], sectors: Sequence[str]
) -> Mapping[str, Decimal]:
    """The shares with the `last` ones of some sectors, of which nothing is known now; cash is what is left."""
    sleeves = [f"{sector}.{kind}" for sector in sectors for kind in ("spot", "futures")]
    kept = {**shares, **{name: last[name] for name in sleeves if name in last and name in shares}}
    return kept | {CASH: kept[CASH] + sum(shares.values(), ZERO) - sum(kept.values(), ZERO)}


def _keep_spot_share(shares: dict[str, Decimal], policy: Policy) -> tuple[Note, ...]:
    """Move idle margin to spot where the spot share of a sector's capital would pass its minimum."""
    notes = []
    for sector in sectors_of(shares):
        spot, futures = shares[f"{sector}.spot"], shares[f"{sector}.futures"]
        share = policy.allocation.spot_share_min
        least = share * (spot + futures)
        if spot < least:
            shares[f"{sector}.spot"], shares[f"{sector}.futures"] = least, spot + futures - least
            message = (
                f"{sector}: spot would be less than {share:.0%} of its capital; {least - spot:.2%} of "
                "the book moves from idle margin to spot"
            )
            notes.append(Note(Reason.TRANSFER_NEEDED, message, sector, {"share": str(least - spot)}))
    return tuple(notes)
