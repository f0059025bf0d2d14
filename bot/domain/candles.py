"""Candle series: the only floats of the domain.

Candles feed indicators and nothing else; no price or size of an order is ever computed from one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Closed candles of one symbol, oldest first. `starts_ms` are the opens (UTC ms), volume is in quote. `unread` are
    the opens of candles that came and could not be read, 0 where even that could not."""

    symbol: str
    timeframe_ms: int
    starts_ms: tuple[int, ...]
    opens: tuple[float, ...]
    highs: tuple[float, ...]
    lows: tuple[float, ...]
    closes: tuple[float, ...]
    volumes_quote: tuple[float, ...]
    unread: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        columns = (self.starts_ms, self.opens, self.highs, self.lows, self.closes, self.volumes_quote)
        lengths = set(map(len, columns))
        if len(lengths) != 1:
            raise ValueError(f"{self.symbol}: candle columns differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.starts_ms)

    @property
    def end_ms(self) -> int:
        """When the newest candle closed, UTC ms; 0 when empty."""
        return self.starts_ms[-1] + self.timeframe_ms if self.starts_ms else 0

    def scaled(self, factor: float) -> "CandleSeries":
        """The same candles in another unit of the token; volumes are in quote and stay."""
        opens, highs, lows, closes = (
            tuple(price * factor for price in column) for column in (self.opens, self.highs, self.lows, self.closes)
        )
        return CandleSeries(
            self.symbol, self.timeframe_ms, self.starts_ms, opens, highs, lows, closes, self.volumes_quote
        )

    def tail(self, count: int) -> "CandleSeries":
        """The newest `count` candles."""
        columns = (self.starts_ms, self.opens, self.highs, self.lows, self.closes, self.volumes_quote)
        if len(self) <= count:
            return self
        starts, opens, highs, lows, closes, volumes = (c[-count:] for c in columns)
        return CandleSeries(self.symbol, self.timeframe_ms, starts, opens, highs, lows, closes, volumes)  # type: ignore[arg-type]
