"""A market that shows some symbols under another name, in another unit: renamed tokens, perps of a thousand tokens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bot.domain.candles import CandleSeries
from bot.domain.market import Macro, Tvl
from bot.domain.symbol import contract_of
from bot.simex.engine.market import FundingTerms, Levels, Market, PriceKind, PricePoint
from bot.simex.market.base import spot_behind


class KnownMarket(Market, Protocol):
    """A market with series beside its prices, as the embedded exchange shows them."""

    @property
    def macro_names(self) -> tuple[str, ...]: ...

    def tvl(self, name: str, start_ms: int, end_ms: int) -> Tvl: ...

    def macro(self, name: str, start_ms: int, end_ms: int) -> Macro: ...


class Aliased:
    """`market` with more symbols: `aliases` are (the symbol behind, units of it in one) by symbol. A `Market`.

    `hidden` are symbols of `market` that are not shown under their own name.
    """

    def __init__(
        self, market: KnownMarket, aliases: Mapping[str, tuple[str, float]], hidden: Collection[str] = ()
    ) -> None:
        self._market, self._behind = market, dict(aliases)
        self.symbols = (*(symbol for symbol in market.symbols if symbol not in hidden), *self._behind)
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
        """None for an alias: the engine makes a ladder."""
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
        result = self._market.candles(inner, timeframe_ms, start_ms, end_ms, limit, kind, now_ms)
        return result if factor == 1 else replace(result.scaled(factor), symbol=symbol)

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        return self._market.funding(self._of(symbol)[0], ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        return self._market.funding_events(self._of(symbol)[0], start_ms, end_ms)

    def open_interest(self, symbol: str, ms: int) -> float | None:
        """Quote value, the same in any unit."""
        return self._market.open_interest(self._of(symbol)[0], ms)


def by_thousands(market: KnownMarket, perps: Sequence[str]) -> KnownMarket:
    """The market with perps such as `1000PEPE/USDT:USDT` in place of PEPE/USDT:USDT, as venues list tiny prices."""
    aliases = {}
    for perp in perps:
        spot, factor = spot_behind(perp)
        if factor != 1:
            aliases[perp] = f"{spot}:{contract_of(perp)}", factor
    return Aliased(market, aliases, {behind for behind, _ in aliases.values()}) if aliases else market
