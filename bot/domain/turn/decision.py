"""What a turn decides: the signals that were read, the decision made of them, and the gate's verdict on each intent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.campaign import Campaign, Condition, Memory, Phase, Stance, Transfer
from bot.domain.order import Intent
from bot.domain.reason import Note


@dataclass(frozen=True, slots=True)
class Signal:
    """One reading. `rank` is its z-score or percentile where it has one, `rank_is` says which of them; `age_ms` is the
    age of its newest input."""

    name: str
    value: float
    score: float
    words: str
    age_ms: int
    rank: float | None = None
    rank_is: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one instant leads to. `target` is a share of the book per sleeve and as `cash`.

    `cancels` are client ids of resting stops that no longer fit and of resting purchases that are to come back;
    `top_ups` is isolated margin to add, by perp, quote.
    `intents` belong to one phase, or to a late hedge and the sales beside it, guard intents first; `memory` replaces
    the one that was handed in.
    """

    at_ms: int
    signals: tuple[Signal, ...]
    condition: Condition
    confidence: Decimal
    phases: Mapping[str, Phase]
    stance: Stance
    target: Mapping[str, Decimal]
    intents: tuple[Intent, ...]
    transfers: tuple[Transfer, ...]
    notes: tuple[Note, ...]
    memory: Memory
    cancels: tuple[str, ...] = ()
    top_ups: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def campaign(self) -> Campaign | None:
        """The rotation as this decision leaves it."""
        return self.memory.campaign


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer to the intent of an id: the size that may be sent, or the note of its refusal."""

    intent: str
    approved: bool
    size: Decimal | None = None
    note: Note | None = None
