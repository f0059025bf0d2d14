"""What the proxy does to a request, drawn from a seed by its number: the same seed spoils the same numbers alike."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Spoiling(StrEnum):
    """Faults of the wire. The exchange never sees those called `…-before` and `torn-request`."""

    DELAYED_BEFORE = "delayed before the exchange"
    DELAYED_AFTER = "delayed after the exchange"
    RESET_BEFORE = "reset, never forwarded"
    RESET_AFTER = "reset, forwarded"
    LATE = "reset, forwarded later"
    TORN_REQUEST = "request torn"
    HALF_CLOSED = "half-closed, forwarded"
    TRUNCATED = "reply truncated"
    EMPTIED = "reply emptied"
    PAGE_BEFORE = "502 page, never forwarded"
    PAGE_AFTER = "502 page, forwarded"
    STALLED = "forwarded, no reply ever"
    DRIPPING = "reply byte by byte"


WEIGHTS = {
    Spoiling.DELAYED_BEFORE: 3,
    Spoiling.DELAYED_AFTER: 3,
    Spoiling.RESET_BEFORE: 2,
    Spoiling.RESET_AFTER: 3,
    Spoiling.LATE: 3,
    Spoiling.TORN_REQUEST: 1,
    Spoiling.HALF_CLOSED: 2,
    Spoiling.TRUNCATED: 2,
    Spoiling.EMPTIED: 1,
    Spoiling.PAGE_BEFORE: 1,
    Spoiling.PAGE_AFTER: 2,
    Spoiling.STALLED: 1,
    Spoiling.DRIPPING: 1,
}


@dataclass(slots=True)
class Plan:
    """Which requests are spoiled. `counts` is by kind, `write_counts` those that hit writes."""

    seed: int
    read_share: float = 0.01
    write_share: float = 0.25
    is_on: bool = True
    requests: int = 0
    counts: Counter[Spoiling] = field(default_factory=Counter)
    write_counts: Counter[Spoiling] = field(default_factory=Counter)

    def draw(self, method: str) -> tuple[Spoiling | None, Random]:
        """The fault of the next request, and the dice for its details."""
        dice = Random(f"{self.seed}/request/{self.requests}")
        self.requests += 1
        share = self.read_share if method == "GET" else self.write_share
        if not self.is_on or dice.random() >= share:
            return None, dice
        chosen = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.counts[chosen] += 1
        if method != "GET":
            self.write_counts[chosen] += 1
        return chosen, dice
