"""What earlier looks have seen of open interest, premiums and funding, because venues only tell the present.

Open interest and premiums are thinned to one reading a step, funding is kept once per settlement: the rate last seen
before it. The past goes into every snapshot, so that a decision sees it and the journal keeps it; after a restart it is
recalled from there. A past that was not watched is missing, never filled in.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from operator import itemgetter

from bot.domain.market import Premium, Quote, Snapshot

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
Points = dict[int, tuple[int, Decimal]]
_time = itemgetter(0)
PREMIUM_STEP = Decimal("0.0000001")
PREMIUM_MAX = Decimal(1)  # beyond it one of the two prices is wrong


@dataclass(frozen=True, slots=True)
class PastRules:
    """How often open interest and premiums are kept, and how far back everything reaches, ms."""

    step_ms: int = 8 * HOUR_MS
    span_ms: int = 60 * DAY_MS


@dataclass(slots=True)
class Past:
    """Mutable: grows with every look. Points are kept by step or settlement, so that seeing one twice adds nothing."""

    rules: PastRules = PastRules()
    _interest: dict[str, Points] = field(default_factory=dict)
    _funding: dict[str, Points] = field(default_factory=dict)
    _premiums: dict[str, Points] = field(default_factory=dict)

    def joined(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the past of its readings; they become part of the past of later ones.

        Premiums are read off the quotes, in a look at everything only: a guard, which has no use for them, has no
        candles.
        """
        if snapshot.candles:
            snapshot = replace(snapshot, premiums=_premiums(snapshot))
        if not snapshot.premiums and not snapshot.open_interest and not snapshot.funding:
            return snapshot
        self._learn(snapshot)
        oldest = snapshot.at_ms - self.rules.span_ms
        interest = {
            symbol: replace(found, earlier=_before(self._interest, symbol, oldest, found.at_ms))
            for symbol, found in snapshot.open_interest.items()
        }
        funding = {
            symbol: replace(found, earlier=_before(self._funding, symbol, oldest, found.next_ms))
            for symbol, found in snapshot.funding.items()
        }
        premiums = {
            symbol: replace(found, earlier=_before(self._premiums, symbol, oldest, found.at_ms))
            for symbol, found in snapshot.premiums.items()
        }
        return replace(snapshot, open_interest=interest, funding=funding, premiums=premiums)

    def recall(self, snapshot: Snapshot) -> None:
        """Take over the past that a journaled snapshot holds. What is known already stays."""
        self._learn(snapshot)

    def _learn(self, snapshot: Snapshot) -> None:
        step = self.rules.step_ms
        for symbol, interest in snapshot.open_interest.items():
            points = self._interest.setdefault(symbol, {})
            for at_ms, value in (*interest.earlier, (interest.at_ms, interest.value_quote)):
                points.setdefault(at_ms // step, (at_ms, value))
        for symbol, premium in snapshot.premiums.items():
            points = self._premiums.setdefault(symbol, {})
            for at_ms, share in (*premium.earlier, (premium.at_ms, premium.share)):
                points.setdefault(at_ms // step, (at_ms, share))
        for symbol, funding in snapshot.funding.items():
            points = self._funding.setdefault(symbol, {})
            for at_ms, rate in funding.earlier:
                points.setdefault(at_ms, (at_ms, rate))
            points[funding.next_ms] = (funding.next_ms, funding.rate)


def _premiums(snapshot: Snapshot) -> dict[str, Premium]:
    found = {symbol: _premium(quote) for symbol, quote in snapshot.quotes.items() if quote.mark is not None}
    return {symbol: Premium(symbol, share, snapshot.at_ms) for symbol, share in found.items() if share is not None}


def _premium(quote: Quote) -> Decimal | None:
    if quote.mark is None or quote.index is None or quote.defect():
        return None
    share = quote.mark / quote.index - 1
    return share.quantize(PREMIUM_STEP) if abs(share) < PREMIUM_MAX else None


def _before(kept: Mapping[str, Points], symbol: str, oldest_ms: int, end_ms: int) -> tuple[tuple[int, Decimal], ...]:
    """Points in [oldest, end), oldest first. What has become too old is forgotten."""
    points = kept[symbol]
    ordered = sorted(points.values())
    first = bisect_left(ordered, oldest_ms, key=_time)
    if first:
        for key in [key for key, (at_ms, _) in points.items() if at_ms < oldest_ms]:
            del points[key]
    return tuple(ordered[first : bisect_left(ordered, end_ms, first, key=_time)])
