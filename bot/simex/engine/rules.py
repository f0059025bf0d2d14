"""The exchange's own constants: fees' discounts, bands, brackets, refill of the book. One frozen value per exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.domain.brackets import Bracket
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO


class DuplicateScope(StrEnum):
    """Where a client id must be unique: among the open orders of account and symbol, or never again in the account."""

    OPEN = "open"
    NEVER = "never"


class ReduceOnlyCounting(StrEnum):
    """Which open reduce-only orders a new one shares the position with: none, those in the book, or conditional ones
    too. Binance's documents are silent; accounts have met refusals with a resting order and with a stop."""

    NONE = "none"
    RESTING = "resting"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Rules:
    """Bands are factors of the mark (perps) or the middle (spot); `take_bound` limits perp market orders around the
    mark; a taken book refills within `refill_ms`; `resting_retry_ms` is when the rest of a partly filled resting order
    is matched again; `trigger_protect` is how far last price and mark may be apart when a protected order fires (share
    of the mark); a liquidation costs `liquidation_fee` of what it closes, or what `liquidation_fees` say of the symbol;
    `records_max` is how many ended orders of an account and symbol are kept, and about as many trades and statement
    rows, 0 for all; `bands` by symbol replace the three for perps; `price_bounds` by symbol are lowest and highest
    price, else tick and `price_max`; `price_digits` how many decimals a price may have, else the tick's; `depth_scale`
    multiplies what books offer;
    `spot_…_max` hold for each symbol, `perp_triggers_max` for all perps of an account; `is_post_only_refused` and
    `is_fok_refused` choose between a refusal and an expired order."""

    duplicate_scope: DuplicateScope = DuplicateScope.OPEN
    fee_discount: Decimal = Decimal("0.25")
    price_max: Decimal = Decimal("100000000")
    spot_band_up: Decimal = Decimal(5)
    spot_band_down: Decimal = Decimal("0.2")
    perp_band_up: Decimal = Decimal("1.15")
    perp_band_down: Decimal = Decimal("0.85")
    take_bound: Decimal = Decimal("0.10")
    bands: Mapping[str, Decimal] = field(default_factory=dict)
    price_bounds: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    price_digits: Mapping[str, int] = field(default_factory=dict)
    depth_scale: float = 1.0
    orders_max: int = 200
    spot_triggers_max: int = 5
    perp_triggers_max: int = 200
    spot_lists_max: int = 20
    spot_amends_max: int = 10
    spot_notional_max: Decimal = Decimal(9_000_000)
    client_id_pattern: str = r"[.A-Za-z0-9:/_-]{1,36}"
    refill_ms: int = 60_000
    resting_retry_ms: int = 60_000
    is_post_only_refused: bool = True
    is_perp_fok_refused: bool = True
    liquidation_fee: Decimal = Decimal("0.0125")
    liquidation_fees: Mapping[str, Decimal] = field(default_factory=dict)
    trigger_protect: Decimal = Decimal("0.05")
    history_limit: int = 10_000
    records_max: int = 0
    leverage_default: int = 20
    is_isolated_default: bool = False
    reduce_only_counting: ReduceOnlyCounting = ReduceOnlyCounting.ALL
    brackets: Mapping[str, tuple[Bracket, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for brackets in self.brackets.values():
            check_brackets(brackets)

    def price_bounds_of(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """(lowest, highest) price of an order."""
        return self.price_bounds.get(instrument.symbol, (instrument.price_tick, self.price_max))

    def perp_band(self, symbol: str) -> tuple[Decimal, Decimal]:
        """(highest, lowest) limit price of a perp as factors of the mark."""
        band = self.bands.get(symbol)
        return (self.perp_band_up, self.perp_band_down) if band is None else (1 + band, 1 - band)

    def take_bound_of(self, symbol: str) -> Decimal:
        """How far from the mark a market order of a perp takes."""
        return self.bands.get(symbol, self.take_bound)

    def trigger_protect_of(self, symbol: str) -> Decimal:
        """How far apart last price and mark of a perp may be when a protected order fires."""
        return self.bands.get(symbol, self.trigger_protect)

    def liquidation_fee_of(self, symbol: str) -> Decimal:
        """What a liquidation of a perp costs, as a share of the value that it closes."""
        return self.liquidation_fees.get(symbol, self.liquidation_fee)

    def brackets_for(self, instrument: Instrument) -> tuple[Bracket, ...]:
        """The risk brackets of a perp, smallest notional first."""
        own = self.brackets.get(instrument.symbol)
        if own is not None:
            return own
        if instrument.brackets:
            return instrument.brackets
        table = MAJOR_BRACKETS if instrument.leverage_max >= 100 else MINOR_BRACKETS
        return make_brackets(table, int(instrument.leverage_max))


# (notional cap, largest leverage, maintenance rate), shaped like Binance's tables for BTC and for ordinary tokens
MAJOR_BRACKETS = (
    ("300000", 125, "0.004"),
    ("800000", 100, "0.005"),
    ("3000000", 75, "0.0065"),
    ("12000000", 50, "0.01"),
    ("70000000", 25, "0.02"),
    ("100000000", 20, "0.025"),
    ("230000000", 10, "0.05"),
    ("480000000", 5, "0.1"),
    ("600000000", 4, "0.125"),
    ("800000000", 3, "0.15"),
    ("1200000000", 2, "0.25"),
    ("1800000000", 1, "0.5"),
)
MINOR_BRACKETS = (
    ("10000", 75, "0.0065"),
    ("90000", 50, "0.01"),
    ("120000", 40, "0.015"),
    ("650000", 25, "0.02"),
    ("1300000", 20, "0.025"),
    ("3250000", 10, "0.05"),
    ("6500000", 5, "0.1"),
    ("8000000", 4, "0.125"),
    ("18000000", 2, "0.25"),
    ("30000000", 1, "0.5"),
)


def check_brackets(brackets: Sequence[Bracket]) -> None:
    """Whether a table is one: from zero on without a gap, maintenance continuous and never below zero.

    Raises:
        ValueError: naming the first bracket that does not fit the one before it.
    """
    floor, cum, rate = ZERO, ZERO, None
    for one in brackets:
        expected = cum if rate is None else cum + floor * (one.maintenance_rate - rate)
        if one.notional_floor != floor or one.cum != expected or one.notional_cap <= floor:
            raise ValueError(f"bracket {one.number} does not go on from {floor} with an amount of {expected}: {one}")
        floor, cum, rate = one.notional_cap, one.cum, one.maintenance_rate
    if not brackets:
        raise ValueError("a perp has at least one bracket")


def make_brackets(table: tuple[tuple[str, int, str], ...], leverage_max: int) -> tuple[Bracket, ...]:
    """Brackets whose `cum` makes maintenance continuous; leverage above `leverage_max` is cut to it."""
    created: list[Bracket] = []
    floor, cum, rate_before = ZERO, ZERO, ZERO
    for number, (cap, leverage, rate_text) in enumerate(table, start=1):
        rate = Decimal(rate_text)
        cum = floor * (rate - rate_before) + cum if created else ZERO
        created.append(Bracket(number, min(leverage, max(1, leverage_max)), floor, Decimal(cap), rate, cum))
        floor, rate_before = Decimal(cap), rate
    return tuple(created)
