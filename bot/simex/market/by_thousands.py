"""A market whose perps of some tokens are listed by the thousand, as venues list tokens of tiny prices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bot.domain.candles import CandleSeries
from bot.domain.market import Macro, Tvl
from bot.simex.engine.market import FundingTerms, Levels, Market, PriceKind, PricePoint
from bot.simex.market.base import spot_behind


class KnownMarket(Market, Protocol):
    """A market with series beside its prices, as the embedded exchange shows them."""

    @property
    def macro_names(self) -> tuple[str, ...]: ...

    def tvl(self, name: str, start_ms: int, end_ms: int) -> Tvl: ...

    def macro(self, name: str, start_ms: int, end_ms: int) -> Macro: ...


class ByThousands:
    """`market` with some perps under another name and in another unit: `perps` are the names to be listed, such as
    `1000PEPE/USDT:USDT` in place of PEPE/USDT:USDT. A `Market`."""

    def __init__(self, market: KnownMarket, perps: Sequence[str]) -> None:
        self._market = market
        self._behind: Mapping[str, tuple[str, float]] = {
            perp: (f"{spot}:{perp.partition(':')[2]}", factor)
            for perp, (spot, factor) in ((perp, spot_behind(perp)) for perp in perps)
            if factor != 1
        }
        listed = {inner: perp for perp, (inner, _) in self._behind.items()}
        self.symbols = tuple(listed.get(symbol, symbol) for symbol in market.symbols)
        self.macro_names = market.macro_names
        self.tvl, self.macro = market.tvl, market.macro

    def _of(self, symbol: str) -> tuple[str, float]:
        return self._behind.get(symbol, (symbol, 1.0))

    def listed(self, symbol: str) -> tuple[int, int | None]:
        return self._market.listed(self._of(symbol)[0])

    def at(self, symbol: str, ms: int) -> PricePoint:
        inner, factor = self._of(symbol)
        point = self._market.at(inner, ms)
        if factor == 1:
            return point
        return replace(point, mid=point.mid * factor, mark=point.mark * factor, index=point.index * factor)

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        """None for what is listed by the thousand: the engine makes a ladder."""
        return None if symbol in self._behind else self._market.levels(symbol, ms)

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        inner, factor = self._of(symbol)
        return self._market.crossing(inner, start_ms, end_ms, price / factor, rising=rising, kind=kind)

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        inner, factor = self._of(symbol)
        low, high = self._market.extremes(inner, start_ms, end_ms, kind)
        return low * factor, high * factor

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        inner, factor = self._of(symbol)
        found = self._market.candles(inner, timeframe_ms, start_ms, end_ms, limit, kind, now_ms)
        return found if factor == 1 else replace(found.scaled(factor), symbol=symbol)

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        return self._market.funding(self._of(symbol)[0], ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        return self._market.funding_events(self._of(symbol)[0], start_ms, end_ms)

    def open_interest(self, symbol: str, ms: int) -> float | None:
        """Quote value, the same in any unit."""
        return self._market.open_interest(self._of(symbol)[0], ms)
