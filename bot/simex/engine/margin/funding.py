"""When funding is settled: as the market says, or from some moment on at another interval."""

from collections.abc import Mapping, Sequence

from bot.domain.durations import HOUR_MS
from bot.simex.engine.market import FundingTerms, Market


class FundingSchedule:
    """Settlements of a market whose intervals may be changed while time runs. What has been settled stays."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._changes: dict[str, list[tuple[int, int]]] = {}

    @property
    def changes(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """(from when, hours) by symbol, oldest first."""
        return self._changes

    def change(self, symbol: str, from_ms: int, hours: int) -> None:
        """Raises ValueError for an interval that does not divide a day."""
        if hours <= 0 or 24 % hours:
            raise ValueError(f"{hours} hours: give an interval that divides a day")
        self._changes.setdefault(symbol, []).append((from_ms, hours))

    def terms(self, symbol: str, ms: int) -> FundingTerms | None:
        terms = self._market.funding(symbol, ms)
        changed = self._changes.get(symbol)
        if terms is None or not changed or ms < changed[0][0]:
            return terms
        hours = next(hours for from_ms, hours in reversed(changed) if from_ms <= ms)
        length_ms = hours * HOUR_MS
        return FundingTerms(self._rate(symbol, ms, hours), hours, ms - ms % length_ms + length_ms)

    def events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        """(time, rate) of the settlements in (start, end], oldest first."""
        changed = self._changes.get(symbol)
        if not changed:
            return self._market.funding_events(symbol, start_ms, end_ms)
        first_ms = changed[0][0]
        result = list(self._market.funding_events(symbol, start_ms, min(end_ms, first_ms)))
        for number, (from_ms, hours) in enumerate(changed):
            until_ms = changed[number + 1][0] if number + 1 < len(changed) else end_ms
            length_ms = hours * HOUR_MS
            at_ms = max(start_ms, from_ms) // length_ms * length_ms + length_ms
            while at_ms <= min(until_ms, end_ms):
                result.append((at_ms, self._rate(symbol, at_ms, hours)))
                at_ms += length_ms
        return result

    def _rate(self, symbol: str, ms: int, hours: int) -> float:
        """The market's own rate, for as many hours."""
        terms = self._market.funding(symbol, ms)
        return terms.rate * hours / terms.interval_hours if terms else 0.0
