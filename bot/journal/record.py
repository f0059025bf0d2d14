"""The record of a turn, and its form in the journal.

The snapshot is stored beside the event. The rotation stands in the memory that was decided; the memory that was read
repeats it only where the turn has changed it. Records of older versions are read into the same types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from bot.domain.codec import decode, encode
from bot.domain.market import Snapshot
from bot.domain.portfolio import Account
from bot.domain.states import KillLevel
from bot.domain.turn.decision import Decision, Verdict
from bot.domain.turn.inputs import TurnInputs

_NOTHING_SEEN = Snapshot(0, {}, {})


@dataclass(frozen=True, slots=True)
class CycleRecord:
    """A turn: what it has read, and what it has decided from that. The number counts cycles and guards together."""

    number: int
    inputs: TurnInputs
    decision: Decision
    verdicts: tuple[Verdict, ...]
    config_digest: str

    @property
    def kind(self) -> str:
        return self.inputs.kind

    @property
    def at_ms(self) -> int:
        return self.inputs.snapshot.at_ms

    @property
    def snapshot(self) -> Snapshot:
        return self.inputs.snapshot

    @property
    def account(self) -> Account:
        return self.inputs.account


def payload_of(record: CycleRecord, snapshot_digest: str) -> dict[str, Any]:
    """The payload of the event `cycle`.

    Raises:
        ValueError: for a signal that is not a number, which JSON has no text for.
    """
    for signal in record.decision.signals:
        if not all(map(isfinite, (signal.value, signal.score, signal.rank or 0))):
            raise ValueError(f"signal {signal.name} is not a number: {signal.value} {signal.score} {signal.rank}")
    inputs = encode(replace(record.inputs, snapshot=_NOTHING_SEEN))
    decision = encode(record.decision)
    del inputs["snapshot"], inputs["kind"]
    is_kept = inputs["memory"]["campaign"] == decision["memory"]["campaign"]
    if is_kept:
        del inputs["memory"]["campaign"]
    return {
        "number": record.number,
        "kind": record.kind,
        "at_ms": record.at_ms,
        "config_digest": record.config_digest,
        "snapshot": snapshot_digest,
        "inputs": inputs,
        "is_campaign_kept": is_kept,
        "decision": decision,
        "verdicts": encode(record.verdicts),
    }


def record_in(payload: Mapping[str, Any], snapshot: Mapping[str, Any]) -> CycleRecord:
    """The record in a payload, of this version or an older one. Raises ValueError for data that does not fit."""
    decision = decode(Decision, payload["decision"])
    inputs = payload["inputs"] if "inputs" in payload else _older_inputs(payload)
    read = decode(TurnInputs, {**inputs, "kind": payload["kind"], "snapshot": snapshot})
    if payload.get("is_campaign_kept"):
        read = replace(read, memory=replace(read.memory, campaign=decision.memory.campaign))
    verdicts = decode(tuple[Verdict, ...], payload["verdicts"])
    return CycleRecord(payload["number"], read, decision, verdicts, payload["config_digest"])


def _older_inputs(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inputs in a record of a version that kept them apart. The oldest hold no inputs of the gate: the kill switch
    counts as off."""
    risk = payload.get("gate") or None
    return {
        "kill": risk["kill"] if risk else KillLevel.OFF.value,
        "is_canary": bool(risk and risk.get("is_canary")),
        "account": payload["account"],
        "memory": payload["memory_before"],
        "working": payload["working"],
        "risk": risk,
    }
