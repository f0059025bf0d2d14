"""Unified symbols: how they are read (`UNI/USDT` is spot, `UNI/USDT:USDT` a perp) and which listings one continues.

Exchanges rename (MATIC became POL), redenominate (one MKR became 24,000 SKY) and give a ticker to another asset (LUNA
since 2022-05-31). Without its lineage a series jumps, or joins two assets that have nothing in common (PLAYBOOK §10).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.candles import CandleSeries
from bot.domain.money import ONE


def is_perp(symbol: str) -> bool:
    """Whether a symbol names a perp or a dated future: one that settles in a currency."""
    return ":" in symbol


def base_of(symbol: str) -> str:
    """The base of a spot symbol or a perp, UNI of `UNI/USDT:USDT`; a text without a slash as it is."""
    return symbol.partition("/")[0]


def quote_of(symbol: str) -> str:
    """The currency that prices are in, USDT of `UNI/USDT:USDT`; empty for a text without a slash."""
    return pair_of(symbol).partition("/")[2]


def pair_of(symbol: str) -> str:
    """Base and quote, `UNI/USDT` of `UNI/USDT:USDT`: the spot symbol of the same base."""
    return symbol.partition(":")[0]


def contract_of(symbol: str) -> str:
    """What makes a contract of a pair: the currency it settles in and the expiry, where it has one; empty for spot."""
    return symbol.partition(":")[2]


def settle_of(symbol: str) -> str:
    """The currency that a contract settles in, USDT of `UNI/USDT:USDT-260925`; empty for spot."""
    return contract_of(symbol).partition("-")[0]


def holding_of(symbol: str) -> str:
    """The key of what an execution moves, cash aside: `perp:UNI/USDT:USDT` in contracts, `spot:UNI` in base units."""
    return f"perp:{symbol}" if is_perp(symbol) else f"spot:{base_of(symbol)}"


def expiry_of(symbol: str) -> str:
    """The expiry of a dated future, 260925 of `UNI/USDT:USDT-260925`; empty for perps and spot."""
    return contract_of(symbol).partition("-")[2]


@dataclass(frozen=True, slots=True)
class FormerSymbol:
    """A listing that another one continues from `until_ms`: one unit of it became `ratio` units."""

    symbol: str
    until_ms: int
    ratio: Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """Candles of `symbol` that open in [start, end); `end_ms` 0: without end. `units` of today were one unit then."""

    symbol: str
    start_ms: int
    end_ms: int
    units: Decimal


@dataclass(frozen=True, slots=True)
class Lineage:
    """Former listings, oldest first; the ticker is another asset's before `since_ms`; a hole of more than `gap_ms`
    between two candles of one listing ends what is before it (0: no hole does)."""

    formers: tuple[FormerSymbol, ...] = ()
    since_ms: int = 0
    gap_ms: int = 0

    @property
    def own_ms(self) -> int:
        """From when on the candles are those of the symbol itself."""
        return max(self.since_ms, self.formers[-1].until_ms if self.formers else 0)

    def spans(self, symbol: str) -> tuple[Span, ...]:
        """Where the candles of `symbol` come from, oldest first, its own last."""
        result, start_ms = [], self.since_ms
        for place, former in enumerate(self.formers):
            result.append(Span(former.symbol, start_ms, former.until_ms, self._units_from(place)))
            start_ms = former.until_ms
        return (*result, Span(symbol, self.own_ms, 0, ONE))

    def _units_from(self, place: int) -> Decimal:
        units = ONE
        for former in self.formers[place:]:
            units *= former.ratio
        return units


@dataclass(frozen=True, slots=True)
class SymbolSuccession:
    """An asset that an exchange turns into another: `ratio` of `becomes` for one of `was`."""

    was: str
    becomes: str
    ratio: Decimal


PLAIN = Lineage()


def gap_after(starts: Iterator[int], gap_ms: int, timeframe_ms: int) -> int:
    """How many of the candles that open at `starts` stand before the last hole of more than `gap_ms`; 0: no hole."""
    before, cut = next(starts, 0), 0
    for place, at in enumerate(starts, start=1):
        if at - before - timeframe_ms > gap_ms:
            cut = place
        before = at
    return cut


def without_older(series: CandleSeries, gap_ms: int, *, first: int = 0) -> CandleSeries:
    """The series from its last hole of more than `gap_ms` on; holes before the candle at `first` are known."""
    if gap_ms <= 0 or len(series) < 2:
        return series
    known = max(0, first - 1)
    cut = gap_after(iter(series.starts_ms[known:]), gap_ms, series.timeframe_ms)
    return series.tail(len(series) - known - cut) if cut else series
