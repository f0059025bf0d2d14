"""A journaled cycle decided and reviewed again: the record holds all it saw, so the same code must come to the same.

Playbook, sectors and limits are those the daemon journaled with the cycle's configuration, where it did; else those of
the present settings. Limits that were tightened meanwhile are a configuration of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bot.domain.codec import encode
from bot.domain.states import KillLevel
from bot.domain.turn.inputs import TurnInputs
from bot.journal.reader import JournalReader
from bot.journal.record import CycleRecord
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.settings.model import Settings
from bot.runtime.settings.snapshot import limits_of, numbers_of
from bot.runtime.turn import Numbers, propose, record_of, repeat

SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """One place where the two decisions differ."""

    key: str
    journaled: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result. `configuration` names the settings that were used: journaled, same or different."""

    number: int
    kind: str
    configuration: str
    differences: tuple[ReplayDifference, ...]

    @property
    def is_identical(self) -> bool:
        return not self.differences

    @property
    def words(self) -> str:
        """For a person."""
        lines = [f"cycle {self.number} ({self.kind}): "]
        if self.configuration == "different":
            lines.append(
                "warning: the configuration is not the one of that cycle, and the journal does not hold that one; "
                "give the same with --config\n"
            )
        if self.is_identical:
            return "".join([*reversed(lines), "the decision is identical"])
        result = "".join(
            f"\n  {d.key}: journaled {_brief(d.journaled)}, now {_brief(d.replayed)}"
            for d in self.differences[:SHOWN_MAX]
        )
        more = f"\n  and {len(self.differences) - SHOWN_MAX} more" if len(self.differences) > SHOWN_MAX else ""
        return "".join([*reversed(lines), f"the decision differs in {len(self.differences)} places:{result}{more}"])

    @property
    def document(self) -> Mapping[str, Any]:
        """For `--json`."""
        return {
            "cycle": self.number,
            "kind": self.kind,
            "is_identical": self.is_identical,
            "configuration": self.configuration,
            "differences": [asdict(difference) for difference in self.differences],
        }


def replay(settings: Settings, reader: JournalReader, number: int) -> ReplayResult:
    """Decide cycle `number` again and compare with what was journaled.

    Raises:
        CommandFailed: there is no such cycle.
        SnapshotPruned: what it saw is no longer kept.
    """
    record = reader.load_cycle(number)
    if record is None:
        raise CommandFailed(
            f"{reader.path}: there is no cycle {number}; the last one is {reader.next_cycle_number() - 1}"
        )
    numbers, configuration = _numbers_of(record, reader, settings)
    inputs = record.inputs
    if inputs.risk is None:
        differences = _compare_decisions(record, inputs, reader, numbers)
    else:
        again = record_of(repeat(inputs, numbers), record.number, record.config_digest)
        differences = compare(encode(record.decision), encode(again.decision))
        differences += compare(encode(record.verdicts), encode(again.verdicts), "verdicts")
    return ReplayResult(record.number, record.kind, configuration, tuple(differences))


def _compare_decisions(
    record: CycleRecord, inputs: TurnInputs, reader: JournalReader, numbers: Numbers
) -> list[ReplayDifference]:
    """Journals of older versions hold no inputs of the gate, nor how the kill switch stood: the decisions alone are
    compared, with those of a flatten too where there was one."""
    differences = compare(encode(record.decision), encode(propose(inputs, numbers).decision))
    if differences and any(fact.payload["level"] == KillLevel.FLATTEN for fact in reader.load_facts("latch")):
        flattened = propose(replace(inputs, kill=KillLevel.FLATTEN), numbers).decision
        again = compare(encode(record.decision), encode(flattened))
        differences = again if len(again) < len(differences) else differences
    return differences


def compare(journaled: Any, replayed: Any, key: str = "") -> list[ReplayDifference]:
    """Every place where two encoded values differ."""
    if isinstance(journaled, Mapping) and isinstance(replayed, Mapping):
        names = [*journaled, *(name for name in replayed if name not in journaled)]
        pairs = [(str(name), journaled.get(name), replayed.get(name)) for name in names]
    elif isinstance(journaled, list) and isinstance(replayed, list) and len(journaled) == len(replayed):
        pairs = [(str(index), old, new) for index, (old, new) in enumerate(zip(journaled, replayed, strict=True))]
    else:
        return [] if journaled == replayed else [ReplayDifference(key, journaled, replayed)]
    return [result for name, old, new in pairs for result in compare(old, new, f"{key}.{name}" if key else name)]


def _numbers_of(record: CycleRecord, reader: JournalReader, settings: Settings) -> tuple[Numbers, str]:
    limits = limits_of(reader, record.config_digest) or settings.risk
    journaled = numbers_of(reader, record.config_digest)
    if journaled is not None:
        return Numbers(*journaled, limits), "journaled"
    is_same = settings.digest == record.config_digest
    return Numbers(settings.policy, settings.universe, limits), "same" if is_same else "different"


def _brief(value: Any) -> str:
    text = f"{len(value)} items" if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
