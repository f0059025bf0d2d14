"""Recorded candles as a market. A symbol is there from its first candle to the end of its last; nothing is made up.

A perp without candles of its own follows its spot symbol. No look into the future: depth comes from the day before,
the expected funding rate is the one settled last.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro, Tvl
from bot.domain.symbol import is_perp, pair_of
from bot.simex.engine.market import PricePoint
from bot.simex.market.base import PathMarket, Track, spot_behind
from bot.simex.market.path import CandlePath, rescaled, thinned

DEPTH_SHARE = 0.008  # of a day's volume, offered within one percent
DEPTH_LEAST = 2_000.0
SPREADS = ((3e8, 0.0002), (3e7, 0.0004), (5e6, 0.0008), (0.0, 0.002))  # by a day's volume


class ReplayMarket(PathMarket):
    """`candles` by symbol, spot and perp; `funding` (time, rate) and `interest` (time, quote value) by perp symbol;
    `tvl` (time, quote value) by name. `perps` names perps that exist without candles.

    Raises:
        ValueError: for a perp that has neither candles nor a spot symbol, or candles that are not in order.
    """

    def __init__(
        self,
        candles: Mapping[str, CandlePath],
        *,
        funding: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        interest: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        tvl: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        perps: Sequence[str] = (),
    ) -> None:
        super().__init__({})
        self._tvl = {name: tuple(rows) for name, rows in (tvl or {}).items()}
        self._day_volumes: dict[str, list[float]] = {}
        self._points: dict[str, tuple[int, PricePoint]] = {}  # the last one of each symbol: a quote asks four times
        for symbol in dict.fromkeys((*candles, *perps)):
            spot = pair_of(symbol)
            own, index = candles.get(symbol), spot_path(symbol, candles)
            path = own if own is not None and own.starts else index
            if path is None or not path.starts:
                if symbol in perps:
                    raise ValueError(f"{symbol} has no candles and no spot symbol {spot} to follow")
                continue
            if any(a >= b for a, b in pairwise(path.starts)):
                raise ValueError(f"{symbol}: candles are not in ascending order")
            self._day_volumes[symbol] = _day_volumes(path)
            self._tracks[symbol] = Track(
                last=path,
                mark=path,
                index=index if index is not None and index.starts else path,
                start_ms=path.starts[0],
                end_ms=path.end_ms,
                is_perp=is_perp(symbol),
                funding=tuple((funding or {}).get(symbol, ())),
                interest=tuple((interest or {}).get(symbol, ())),
            )

    def at(self, symbol: str, ms: int) -> PricePoint:
        known = self._points.get(symbol)
        if known is not None and known[0] == ms:
            return known[1]
        result = self._point(symbol, ms)
        self._points[symbol] = ms, result
        return result

    def _point(self, symbol: str, ms: int) -> PricePoint:
        track = self._tracks[symbol]
        path = track.last
        mid = mark = index_price = path.price(ms)
        if track.is_perp:
            mark = mid if track.mark is path else track.mark.price(ms)
            index_price = mid if track.index is path else track.index.price(ms)
        per_day = DAY_MS // path.timeframe_ms if isinstance(path, CandlePath) else 1
        index = path.locate(ms) if isinstance(path, CandlePath) else 0
        volumes = self._day_volumes[symbol]
        volume = volumes[max(0, min(len(volumes), index // per_day) - 1)]
        spread = next(spread for least, spread in SPREADS if volume >= least)
        return PricePoint(mid, spread, max(DEPTH_LEAST, volume * DEPTH_SHARE), mark, index_price)

    def tvl(self, name: str, start_ms: int, end_ms: int) -> Tvl:
        """The recorded values in [start, end]. KeyError for a name without records."""
        rows = thinned(self._tvl[name], start_ms - 1, end_ms)
        return Tvl(name, tuple(at for at, _ in rows), tuple(Decimal(round(value)) for _, value in rows))

    @property
    def macro_names(self) -> tuple[str, ...]:
        """Recorded candles come without macro series."""
        return ()

    def macro(self, name: str, start_ms: int, end_ms: int) -> Macro:
        """None is recorded, so it raises KeyError for every name."""
        raise KeyError(name)


def spot_path(symbol: str, candles: Mapping[str, CandlePath]) -> CandlePath | None:
    """The spot candles behind a symbol in its own unit, None where there are none."""
    own = candles.get(pair_of(symbol))
    spot, factor = spot_behind(symbol)
    if own is not None or factor == 1 or spot not in candles:
        return own
    return rescaled(candles[spot], factor)


def _day_volumes(path: CandlePath) -> list[float]:
    """Quote volume of every full day of rows."""
    per_day = max(1, DAY_MS // path.timeframe_ms)
    return [sum(path.volumes[at : at + per_day]) for at in range(0, len(path.volumes), per_day)]


def longest_stretch(path: CandlePath, hole_ms: int) -> CandlePath:
    """The longest run of candles without a hole of more than `hole_ms`."""
    holes = [index for index, (a, b) in enumerate(pairwise(path.starts), start=1) if b - a > hole_ms]
    low, high = max(pairwise((0, *holes, len(path.starts))), key=lambda pair: pair[1] - pair[0])
    columns = (path.starts, path.opens, path.highs, path.lows, path.closes, path.volumes)
    starts, opens, highs, lows, closes, volumes = (column[low:high] for column in columns)
    return CandlePath(path.timeframe_ms, starts, opens, highs, lows, closes, volumes)  # type: ignore[arg-type]


def filled_from(path: CandlePath, spot: CandlePath, start_ms: int, end_ms: int) -> CandlePath:
    """A perp's candles in [start, end], with the spot candle wherever the perp has none."""
    own = dict(zip(path.starts, range(len(path.starts)), strict=True))
    created = CandlePath(path.timeframe_ms)
    for index, at in enumerate(spot.starts):
        if not start_ms <= at <= end_ms:
            continue
        source, row = (path, own[at]) if at in own else (spot, index)
        created.starts.append(at)
        created.opens.append(source.opens[row])
        created.highs.append(source.highs[row])
        created.lows.append(source.lows[row])
        created.closes.append(source.closes[row])
        created.volumes.append(source.volumes[row])
    return created
