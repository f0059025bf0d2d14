"""A market that does what it is told: points in time joined by lines. For tests and small demonstrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.domain.symbol import is_perp, pair_of
from bot.simex.market.base import PathMarket, Track, spot_behind
from bot.simex.market.path import Columns, Path, PointPath

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class ScaledPath:
    """A path seen in another unit, as it grows."""

    path: Path
    factor: float

    def price(self, ms: int) -> float:
        return self.path.price(ms) * self.factor

    def extremes(self, start_ms: int, end_ms: int) -> tuple[float, float]:
        low, high = self.path.extremes(start_ms, end_ms)
        return low * self.factor, high * self.factor

    def crossing(self, start_ms: int, end_ms: int, price: float, *, rising: bool) -> int | None:
        return self.path.crossing(start_ms, end_ms, price / self.factor, rising=rising)

    def columns(self, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int) -> Columns:
        starts, *prices, volumes = self.path.columns(timeframe_ms, start_ms, end_ms, limit, now_ms)
        opens, highs, lows, closes = ([price * self.factor for price in column] for column in prices)
        return starts, opens, highs, lows, closes, volumes


class ScriptedMarket(PathMarket):
    """`points` are (time, price) by symbol; a perp `A/USDT:USDT` without points of its own follows `A/USDT`, its index
    (`1000A/USDT:USDT` a thousand of them).

    `marks` and `funding` (time, rate) are by perp symbol; without marks a perp's mark is its last price.
    """

    def __init__(
        self,
        points: Mapping[str, Points],
        *,
        marks: Mapping[str, Points] | None = None,
        funding: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        perps: Sequence[str] = (),
        spread: float = 0.0004,
        depth_quote: float = 1_000_000.0,
        ends_ms: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__({})
        self._paths = {symbol: _path(rows) for symbol, rows in points.items()}
        self._marks = {symbol: _path(rows) for symbol, rows in (marks or {}).items()}
        for symbol in dict.fromkeys((*points, *perps)):
            spot = pair_of(symbol)
            token, factor = spot_behind(symbol)
            index: Path | None = self._paths.get(spot)
            if index is None and token in self._paths:
                index = ScaledPath(self._paths[token], factor)
            first = self._paths.get(symbol) or self._paths.get(spot) or self._paths[token]
            last = self._paths.get(symbol) or index or first
            self._tracks[symbol] = Track(
                last=last,
                mark=self._marks.get(symbol, last),
                index=index or last,
                start_ms=first.times[0],
                end_ms=(ends_ms or {}).get(symbol),
                spread=spread,
                depth_quote=depth_quote,
                is_perp=is_perp(symbol),
                funding=tuple((funding or {}).get(symbol, ())),
            )

    def move(self, symbol: str, ms: int, price: float) -> None:
        """One more point for a symbol with points of its own, at or after its last one."""
        self._paths[symbol].add(ms, price)

    def move_mark(self, symbol: str, ms: int, price: float) -> None:
        """One more point for a mark of its own."""
        self._marks[symbol].add(ms, price)


def _path(rows: Points) -> PointPath:
    return PointPath([ms for ms, _ in rows], [price for _, price in rows], volume_per_hour=1_000_000.0)
