"""An instrument at one venue: its grid, its minimums, its contract.

Sizes of spot instruments are in base units, sizes of perps in contracts; `contract_size` (base per contract) and
`multiplier` (tokens per base unit: 1000 for 1000PEPE) convert. Symbols are unified: `UNI/USDT`, `UNI/USDT:USDT`.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.domain.brackets import Bracket, notional_cap
from bot.domain.money import ONE, ZERO, ceil_to, floor_to, nearest_to

_MULTIPLIER = re.compile(r"(1000(?:0{1,3})?|1M(?=[A-Z]{4}))[A-Z]")
_MILLION = "1M"


def multiplier_of(base: str) -> Decimal:
    """Tokens per base unit, read off a base as Binance writes it: 1000 of `1000PEPE`, a million of `1MBABYDOGE`; 1 of
    every other one (`1INCH`)."""
    result = _MULTIPLIER.match(base)
    if result is None:
        return ONE
    return Decimal(1_000_000) if result.group(1) == _MILLION else Decimal(result.group(1))


def token_of(base: str) -> str:
    """The token behind a base: PEPE for 1000PEPE."""
    result = _MULTIPLIER.match(base)
    return base if result is None else base[result.end(1) :]


class Kind(StrEnum):
    """The kind of market."""

    SPOT = "spot"
    PERP = "perp"


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @staticmethod
    def of(signed: Decimal) -> "Side":
        """The side that moves a holding by `signed`."""
        return Side.BUY if signed >= 0 else Side.SELL


@dataclass(frozen=True, slots=True)
class Instrument:
    """A market at a venue, with the grid and the limits of its orders and its fee rates as shares."""

    venue: str
    symbol: str
    kind: Kind
    base: str
    quote: str
    price_tick: Decimal
    size_step: Decimal
    size_min: Decimal
    notional_min: Decimal
    size_max: Decimal | None = None
    market_size_max: Decimal | None = None
    contract_size: Decimal = ONE
    multiplier: Decimal = ONE
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    leverage_max: Decimal = ONE
    active: bool = True
    venue_symbol: str = ""
    is_former: bool = False  # the venue lists it no more: what is held in it may be closed, nothing may be opened
    brackets: tuple[Bracket, ...] = ()  # of a perp, smallest notional first; empty: not known

    @property
    def is_perp(self) -> bool:
        return self.kind is Kind.PERP

    @property
    def token(self) -> str:
        """The token behind the base: PEPE for 1000PEPE."""
        return token_of(self.base) if self.multiplier != 1 else self.base

    def floor_size(self, size: Decimal) -> Decimal:
        return floor_to(size, self.size_step)

    def floor_price(self, price: Decimal) -> Decimal:
        return floor_to(price, self.price_tick)

    def ceil_price(self, price: Decimal) -> Decimal:
        return ceil_to(price, self.price_tick)

    def round_limit_price(self, price: Decimal, side: Side) -> Decimal:
        """Round a limit price to the tick: a buy down, a sell up."""
        return self.floor_price(price) if side is Side.BUY else self.ceil_price(price)

    def nearest_price(self, price: Decimal) -> Decimal:
        return nearest_to(price, self.price_tick)

    def notional(self, size: Decimal, price: Decimal) -> Decimal:
        """Absolute quote value of `size` at `price`."""
        return abs(size) * self.contract_size * price

    def notional_max(self, leverage: Decimal) -> Decimal | None:
        """The largest position that the venue allows at a leverage, quote; None when its brackets are not known."""
        return notional_cap(self.brackets, leverage) if self.brackets else None

    def size_for(self, notional_quote: Decimal, price: Decimal) -> Decimal:
        """The largest size on the grid whose value is not above `notional_quote`.

        Raises:
            ValueError: when the price is not positive.
        """
        if price <= 0:
            raise ValueError(f"{self.symbol}: price {price} is not positive")
        return self.floor_size(notional_quote / (price * self.contract_size))

    def is_tradable(self, size: Decimal, price: Decimal, *, reduce_only: bool = False) -> bool:
        """Whether an order of `size` passes the venue's minimums. Perp reduce-only orders have no minimum notional."""
        is_open = self.active or (self.is_former and reduce_only)
        if not is_open or size < self.size_min or size <= 0:
            return False
        if reduce_only and self.is_perp:
            return True
        return self.notional(size, price) >= self.notional_min
