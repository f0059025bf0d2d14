"""Recorded candles of renamed tokens as one series each, and of a ticker's last bearer only (PLAYBOOK §10)."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from bot.domain.durations import HOUR_MS
from bot.domain.symbol import PLAIN, Lineage, Span
from bot.playbook.policy.membership import Sectors
from bot.simex.market.path import CandlePath, rescaled

Rows = Sequence[tuple[int, float]]
COLUMNS = ("starts", "opens", "highs", "lows", "closes", "volumes")


class SymbolHistory:
    """What continues what, by the sectors' settings. `continued` are spot symbols that are counted under a newer name
    alone, although they are tokens of the list themselves."""

    def __init__(self, sectors: Sectors) -> None:
        self._lineages = sectors.lineages
        formers = {former.symbol: own for own, result in self._lineages.items() for former in result.formers}
        self.continued = frozenset(
            symbol for symbol, own in formers.items() if symbol != own and not self._of(symbol).since_ms
        )

    def _of(self, symbol: str) -> Lineage:
        return self._lineages.get(symbol, PLAIN)

    def with_formers(self, symbols: Sequence[str]) -> list[str]:
        """The symbols and everything that they continue."""
        formers = (former.symbol for symbol in symbols for former in self._of(symbol).formers)
        return list(dict.fromkeys((*symbols, *formers)))

    def joined(
        self, symbols: Sequence[str], found: Mapping[str, CandlePath], drawn: Mapping[str, int], end_ms: int
    ) -> tuple[dict[str, CandlePath], dict[str, int], dict[str, int]]:
        """Paths of the symbols, hours of them that were drawn, and from when on the candles are of the last listing
        where there are older ones. A listing that begins at `end_ms` or later is not waited for."""
        paths, hours, cut = {}, {}, {}
        for symbol in symbols:
            if symbol in self.continued:
                continue
            path, since_ms = self._joined(symbol, found, end_ms)
            if path is not None and path.starts:
                paths[symbol] = path
                hours[symbol] = sum(drawn.get(span.symbol, 0) for span in self._of(symbol).spans(symbol))
                if since_ms:
                    cut[symbol] = since_ms
        return paths, hours, cut

    def _joined(self, symbol: str, found: Mapping[str, CandlePath], end_ms: int) -> tuple[CandlePath | None, int]:
        lineage = self._of(symbol)
        created = found.get(symbol)
        if lineage.formers or lineage.since_ms:
            spans = lineage.spans(symbol)
            created = empty_path(next((found[s.symbol].timeframe_ms for s in spans if s.symbol in found), HOUR_MS))
            for span in spans:
                _add(created, span, found.get(span.symbol))
        if created is None or not created.starts or not lineage.gap_ms:
            return created, 0
        holes = _holes(created, lineage, end_ms)
        if not holes:
            return created, 0
        kept = empty_path(created.timeframe_ms)
        copy_rows(created, kept, holes[-1], len(created.starts))
        return kept, kept.starts[0]

    def rows_of(self, symbols: Sequence[str], found: Mapping[str, Rows]) -> dict[str, Rows]:
        """Readings in quote or in shares, which a rename does not change."""
        created: dict[str, Rows] = {}
        for symbol in symbols:
            lineage = self._of(symbol)
            rows = found.get(symbol, ())
            if lineage.formers or lineage.since_ms:
                rows = [
                    (at, value)
                    for span in lineage.spans(symbol)
                    for at, value in found.get(span.symbol, ())
                    if _is_in(span, at)
                ]
            if rows:
                created[symbol] = rows
        return created

    def first_days(self, symbols: Sequence[str], found: Mapping[str, int]) -> dict[str, int]:
        """The first day of each symbol or of what it continues, never before its ticker was its own."""
        created = {}
        for symbol in symbols:
            days = [max(found[s.symbol], s.start_ms) for s in self._of(symbol).spans(symbol) if s.symbol in found]
            if days:
                created[symbol] = min(days)
        return created


def _is_in(span: Span, at_ms: int) -> bool:
    return span.start_ms <= at_ms and (not span.end_ms or at_ms < span.end_ms)


def _add(made: CandlePath, span: Span, path: CandlePath | None) -> None:
    if path is None:
        return
    low = bisect_left(path.starts, span.start_ms)
    high = bisect_left(path.starts, span.end_ms) if span.end_ms else len(path.starts)
    part = empty_path(path.timeframe_ms)
    copy_rows(path, part, low, max(low, high))
    copy_rows(part if span.units == 1 else rescaled(part, float(1 / span.units)), made, 0, len(part.starts))


def _holes(path: CandlePath, lineage: Lineage, end_ms: int) -> list[int]:
    """Places of the candles after a hole that ends a listing; the pause of a rename is none."""
    starts, width_ms = path.starts, path.timeframe_ms
    if starts[-1] - starts[0] - (len(starts) - 1) * width_ms <= lineage.gap_ms:
        return []
    seams = [former.until_ms for former in lineage.formers]
    return [
        place
        for place, (before, at) in enumerate(pairwise(starts), start=1)
        if at - before - width_ms > lineage.gap_ms and at < end_ms and not any(before < seam <= at for seam in seams)
    ]


def empty_path(timeframe_ms: int = HOUR_MS) -> CandlePath:
    """Flat arrays: candles of years must not be a million objects each."""
    return CandlePath(timeframe_ms, array("q"), array("d"), array("d"), array("d"), array("d"), array("d"))


def copy_rows(source: CandlePath, made: CandlePath, low: int, high: int) -> None:
    """Append the rows [low, high) of one path to another."""
    for name in COLUMNS:
        getattr(made, name).extend(getattr(source, name)[low:high])
