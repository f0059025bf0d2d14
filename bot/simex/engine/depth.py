"""The book: the market's own levels, or a ladder made from spread and depth; minus what was taken from it.

What an order takes from one side grows back in a straight line within `Rules.refill_ms`.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from bot.domain.instrument import Side
from bot.domain.market import Book
from bot.domain.money import ZERO, floor_to
from bot.simex.engine.market import PricePoint
from bot.simex.engine.state import Listing, State, on_grid

LEVELS_PER_PERCENT = 20
LEVELS = 60
GROWTH = 0.25
_WEIGHT = sum(1 + GROWTH * i for i in range(LEVELS_PER_PERCENT))
Level = tuple[Decimal, Decimal]


class Depth:
    """Levels a taker of a side meets, best first."""

    def __init__(self, state: State) -> None:
        self._state = state

    def book(self, symbol: str, levels: int) -> Book:
        sides: dict[Side, tuple[Level, ...]] = {}
        for side in Side:
            result: list[Level] = []
            for level in self.levels(symbol, side):
                if len(result) == levels:
                    break
                result.append(level)
            sides[side] = tuple(result)
        return Book(symbol, bids=sides[Side.SELL], asks=sides[Side.BUY], at_ms=self._state.now_ms)

    def touch(self, symbol: str) -> Level:
        """(best bid, best ask); an empty side shows the price one tick from the middle."""
        state = self._state
        listing = state.listings[symbol]
        if not listing.taken and state.market.levels(symbol, state.now_ms) is None:
            point = state.market.at(symbol, state.now_ms)
            middle, half = _ticks(point, listing)
            step = listing.instrument.price_tick
            return max(1, middle - half) * step, (middle + half) * step
        bid, ask = self.best(symbol, Side.SELL), self.best(symbol, Side.BUY)
        tick, middle_price = listing.instrument.price_tick, state.mid(symbol)
        return (
            bid if bid is not None else max(tick, middle_price - tick),
            ask if ask is not None else middle_price + tick,
        )

    def best(self, symbol: str, side: Side) -> Decimal | None:
        """The best price a taker of `side` gets, None when there is nothing."""
        return next((price for price, _ in self.levels(symbol, side)), None)

    def levels(self, symbol: str, side: Side) -> Iterator[Level]:
        state = self._state
        listing = state.listings[symbol]
        taken = self._taken(listing, side)
        real = state.market.levels(symbol, state.now_ms)
        rows: Iterator[Level]
        if real is not None:
            rows = iter(real[1] if side is Side.BUY else real[0])
        else:
            rows = _ladder(state.market.at(symbol, state.now_ms), listing, side, state.rules.depth_scale)
        for price, size in rows:
            if taken >= size:
                taken -= size
                continue
            yield price, size - taken
            taken = ZERO

    def walk(
        self,
        symbol: str,
        side: Side,
        *,
        size: Decimal | None,
        quote: Decimal | None = None,
        bound: Decimal | None = None,
    ) -> list[Level]:
        """Fills of a taker: up to `size`, or for at most `quote`, at no price beyond `bound`."""
        instrument = self._state.listings[symbol].instrument
        fills: list[Level] = []
        for price, offered in self.levels(symbol, side):
            if bound is not None and (price > bound if side is Side.BUY else price < bound):
                break
            part = offered if size is None else min(offered, size)
            if quote is not None:
                part = min(part, floor_to(quote / (price * instrument.contract_size), instrument.size_step))
                quote -= part * price * instrument.contract_size
            if part <= 0:
                break
            fills.append((price, part))
            if size is not None:
                size -= part
                if size <= 0:
                    break
            if part < offered:
                break
        return fills

    def take(self, symbol: str, side: Side, size: Decimal) -> None:
        """Remember that a taker of `side` took `size`."""
        listing = self._state.listings[symbol]
        listing.taken[side] = (self._taken(listing, side) + size, self._state.now_ms)

    def _taken(self, listing: Listing, side: Side) -> Decimal:
        held = listing.taken.get(side)
        if held is None:
            return ZERO
        size, since_ms = held
        left_ms = since_ms + self._state.rules.refill_ms - self._state.now_ms
        if left_ms <= 0:
            del listing.taken[side]
            return ZERO
        if left_ms >= self._state.rules.refill_ms:
            return size
        step = listing.instrument.size_step
        share = size * left_ms / self._state.rules.refill_ms
        return min(size, (share / step).to_integral_value(rounding=ROUND_CEILING) * step) if step else share


def _ladder(point: PricePoint, listing: Listing, side: Side, scale: float) -> Iterator[Level]:
    """Levels five hundredths of a percent apart, each a little larger than the one before."""
    instrument = listing.instrument
    tick = listing.tick
    middle, half = _ticks(point, listing)
    gap = max(1, round(point.mid / 100 / LEVELS_PER_PERCENT / tick))
    base_value, sign = point.depth_quote * scale / _WEIGHT, 1 if side is Side.BUY else -1
    price_tick, step, contract_size = instrument.price_tick, instrument.size_step, float(instrument.contract_size)
    step_size = float(step)
    for index in range(LEVELS):
        ticks = middle + (half + index * gap) * sign
        if ticks <= 0:
            return
        value = base_value * (1 + GROWTH * index)
        yield ticks * price_tick, on_grid(value / (contract_size * (ticks * tick)), step_size, step)


def _ticks(point: PricePoint, listing: Listing) -> tuple[int, int]:
    """(middle, half spread) in ticks."""
    return max(1, round(point.mid / listing.tick)), max(1, round(point.mid * point.spread / 2 / listing.tick))
