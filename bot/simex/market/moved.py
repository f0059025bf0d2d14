"""A market whose prices an operator moves while it runs: from a moment on a symbol is worth a factor more or less."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf

from bot.domain.candles import CandleSeries
from bot.simex.engine.market import FundingTerms, Levels, Market, PriceKind, PricePoint

Steps = Sequence[tuple[int, float]]


class MovedMarket:
    """`market` with steps in its prices. The past of a symbol never changes; what comes after a step follows the
    market's own path times the factor. Volumes, depth and open interest stay in quote. A `Market`."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._steps: dict[str, list[tuple[int, float]]] = {}

    @property
    def symbols(self) -> Sequence[str]:
        return self._market.symbols

    @property
    def steps(self) -> Mapping[str, Steps]:
        """(from when, factor over the market's own price) by symbol, oldest first."""
        return {symbol: tuple(steps) for symbol, steps in self._steps.items()}

    def move(self, symbol: str, from_ms: int, factor: float) -> None:
        """From `from_ms` on prices are `factor` times what they would have been.

        Raises:
            ValueError: for a factor that is no positive number, or a time before the last step.
        """
        if not 0 < factor < inf:
            raise ValueError(f"factor {factor}: give a positive number")
        steps = self._steps.setdefault(symbol, [])
        if steps and from_ms < steps[-1][0]:
            raise ValueError(f"{symbol} was moved later than {from_ms} already")
        steps.append((from_ms, (steps[-1][1] if steps else 1.0) * factor))

    def restore(self, steps: Mapping[str, Sequence[Sequence[float]]]) -> None:
        """Take over the steps of an earlier run, as `steps` shows them."""
        self._steps = {symbol: [(int(at), float(factor)) for at, factor in rows] for symbol, rows in steps.items()}

    def listed(self, symbol: str) -> tuple[int, int | None]:
        return self._market.listed(symbol)

    def at(self, symbol: str, ms: int) -> PricePoint:
        point, factor = self._market.at(symbol, ms), self._factor(symbol, ms)
        if factor == 1.0:
            return point
        return replace(point, mid=point.mid * factor, mark=point.mark * factor, index=point.index * factor)

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        """None once moved: the engine makes a ladder around the moved price."""
        return None if self._factor(symbol, ms) != 1.0 else self._market.levels(symbol, ms)

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        for low, high, factor in self._stretches(symbol, start_ms, end_ms):
            at_ms = self._market.crossing(symbol, low, high, price / factor, rising=rising, kind=kind)
            if at_ms is not None:
                return at_ms
        return None

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        ranges = [
            tuple(price * factor for price in self._market.extremes(symbol, low, high, kind))
            for low, high, factor in self._stretches(symbol, start_ms, end_ms)
        ]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        result = self._market.candles(symbol, timeframe_ms, start_ms, end_ms, limit, kind, now_ms)
        if symbol not in self._steps:
            return result
        rows = [
            self._moved(symbol, start, min(start + timeframe_ms - 1, now_ms), prices, kind)
            for start, *prices in zip(
                result.starts_ms, result.opens, result.highs, result.lows, result.closes, strict=True
            )
        ]
        opens, highs, lows, closes = zip(*rows, strict=True) if rows else ((), (), (), ())
        return replace(result, opens=opens, highs=highs, lows=lows, closes=closes)

    def _moved(
        self, symbol: str, start_ms: int, last_ms: int, prices: Sequence[float], kind: PriceKind
    ) -> tuple[float, float, float, float]:
        opened, high, low, closed = prices
        first, last = self._factor(symbol, start_ms), self._factor(symbol, last_ms)
        if first == last and len(list(self._stretches(symbol, start_ms, last_ms))) == 1:
            return opened * first, high * first, low * first, closed * first
        low, high = self.extremes(symbol, start_ms, last_ms, kind)
        opened, closed = opened * first, closed * last
        return opened, max(high, opened, closed), min(low, opened, closed), closed

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        return self._market.funding(symbol, ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        return self._market.funding_events(symbol, start_ms, end_ms)

    def open_interest(self, symbol: str, ms: int) -> float | None:
        return self._market.open_interest(symbol, ms)

    def _factor(self, symbol: str, ms: int) -> float:
        return next((factor for from_ms, factor in reversed(self._steps.get(symbol, ())) if from_ms <= ms), 1.0)

    def _stretches(self, symbol: str, start_ms: int, end_ms: int) -> Iterator[tuple[int, int, float]]:
        """[start, end] cut at the steps: (first ms, last ms, factor)."""
        cuts = [at for at, _ in self._steps.get(symbol, ()) if start_ms < at <= end_ms]
        for low, after in pairwise((start_ms, *cuts, end_ms + 1)):
            if low < after:
                yield low, after - 1, self._factor(symbol, low)
