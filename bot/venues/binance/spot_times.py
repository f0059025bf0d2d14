"""How old a spot price is. Binance's best prices and depth of spot carry no time, so it is shown by two things.

The ticker of 24 hours has best prices beside a time of the venue: where they are the same, that is the price's time.
A price that is another one than at the look before has come after that look. A price that neither shows anew keeps
the time it had, and grows old.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.venues.binance.paging import whole_of
from bot.venues.ccxt.rows import UNREADABLE

CLOCKS_APART_MS = 5_000  # a time further ahead of our clock is none
Best = tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen when it was last asked for, and how fresh it was shown to be."""

    mark: object
    asked_ms: int
    shown_ms: int


class SpotTimes:
    """Remembers the last best prices and depth of each symbol."""

    def __init__(self) -> None:
        self._best: dict[str, _Seen] = {}
        self._depth: dict[str, _Seen] = {}

    def of_best(self, symbol: str, row: Mapping[str, Any], day: Mapping[str, Any] | None, asked_ms: int) -> int:
        """The time of a bookTicker row. `day` is the symbol's row of the ticker of 24 hours, None where there is none:
        at first sight its prices then count as of the question, for want of anything better."""
        best, seen = best_of(row), self._best.get(symbol)
        has_moved = seen is None or seen.mark != best
        shown = [] if seen is None else [seen.shown_ms]
        if seen is not None and has_moved:
            shown.append(seen.asked_ms)
        closed_ms = (None if day is None else whole_of(day, "closeTime")) or 0
        if day is not None and 0 < closed_ms <= asked_ms + CLOCKS_APART_MS and (has_moved or _is_same_price(row, day)):
            shown.append(closed_ms)
        at_ms = min(max(shown, default=asked_ms), asked_ms)
        self._best[symbol] = _Seen(best, asked_ms, at_ms)
        return at_ms

    def of_depth(self, symbol: str, row: Mapping[str, Any], asked_ms: int) -> int:
        """The time of a depth: that of the best prices where it begins with them, else it has come after them."""
        update, top = whole_of(row, "lastUpdateId"), _top_of(row)
        seen, best = self._depth.get(symbol), self._best.get(symbol)
        if best is not None and top == best.mark:
            at_ms = best.shown_ms
        elif seen is not None:
            at_ms = seen.shown_ms if seen.mark == (update, top) else max(seen.shown_ms, seen.asked_ms)
            if best is not None and seen.mark != (update, top):
                at_ms = max(at_ms, best.shown_ms)
        else:
            at_ms = asked_ms if best is None else max(best.asked_ms, best.shown_ms)
        at_ms = min(at_ms, asked_ms)
        self._depth[symbol] = _Seen((update, top), asked_ms, at_ms)
        return at_ms


def best_of(row: Mapping[str, Any]) -> Best:
    """Best prices and sizes of a row; what cannot be read is -1, so that it never counts as unchanged silently."""
    return tuple(_number(row.get(name)) for name in ("bidPrice", "bidQty", "askPrice", "askQty"))


def _is_same_price(row: Mapping[str, Any], day: Mapping[str, Any]) -> bool:
    """Whether the ticker of 24 hours shows the same best prices, or shows none."""
    pairs = ((row.get(name), day.get(name)) for name in ("bidPrice", "askPrice"))
    return all(theirs is None or _number(ours) == _number(theirs) for ours, theirs in pairs)


def _top_of(row: Mapping[str, Any]) -> Best:
    try:
        return tuple(_number(cell) for side in ("bids", "asks") for cell in row[side][0][:2])
    except UNREADABLE:
        return ()


def _number(cell: Any) -> Decimal:
    try:
        return Decimal(str(cell))
    except ArithmeticError:
        return Decimal(-1)
