"""The input of a check: one intent, market and account, and what was approved before it.

Kept apart from the checks so that each of them is a function of one argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.domain.campaign import Memory
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Quote, Snapshot
from bot.domain.money import ZERO, plain
from bot.domain.order import Intent, Order, Purpose
from bot.domain.portfolio import Portfolio, Position
from bot.domain.reason import Note, Reason
from bot.domain.symbol import is_perp
from bot.domain.turn.inputs import RiskInputs
from bot.risk.limits import Limits
from bot.risk.projection import Exposure, Pending

_SHOWN = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRisk(RiskInputs):
    """Everything the gate may know: the inputs that are journaled for it, and the market, the account and the memory of
    the decision. `tokens`: what of each token counts in which sector, by its settings."""

    snapshot: Snapshot
    portfolio: Portfolio
    working: tuple[Order, ...]
    memory: Memory
    tokens: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)

    @property
    def hedges(self) -> Mapping[str, str]:
        """The sector that the hedge in a perp covers, by perp."""
        return self.memory.hedges


class Effect(StrEnum):
    """What an order can do to the account, at worst."""

    BUYS = "buys"
    OPENS = "opens"
    HEDGES = "hedges"
    SELLS = "sells"
    SHRINKS = "shrinks"


def effect_of(intent: Intent) -> Effect:
    """BUYS and SELLS are spot. Of perps, SHRINKS is reduce-only, HEDGES a short opened against spot, OPENS the rest."""
    if not is_perp(intent.symbol):
        return Effect.BUYS if intent.side is Side.BUY else Effect.SELLS
    if intent.reduce_only:
        return Effect.SHRINKS
    return Effect.HEDGES if intent.purpose is Purpose.HEDGE and intent.side is Side.SELL else Effect.OPENS


@dataclass(frozen=True, slots=True)
class OrderReview:
    """One intent under review. `approved` came before it in the batch; `pending` is all that may still execute:
    working orders, every reduction of the batch, and the approved entries. `before` are its extremes; `projected`
    computes, once and only when asked, the extremes with this intent: its numbers may not bear arithmetic yet."""

    intent: Intent
    effect: Effect
    context: TurnRisk
    limits: Limits
    approved: tuple[Intent, ...]
    pending: tuple[Pending, ...]
    before: Exposure
    projected: Callable[[], Exposure]

    @property
    def instrument(self) -> Instrument:
        return self.context.snapshot.instruments[self.intent.symbol]

    @property
    def quote(self) -> Quote:
        return self.context.snapshot.quotes[self.intent.symbol]

    @property
    def position(self) -> Position | None:
        return self.context.portfolio.account.positions.get(self.intent.symbol)

    @property
    def notional(self) -> Decimal:
        """Quote value at the worse of the valuation and the worst price."""
        return self.instrument.notional(self.intent.size, max(self.quote.valuation, self.intent.worst_price))

    @property
    def leverage(self) -> Decimal | None:
        """What the intent asks for, else what the position already has."""
        held = self.position
        return self.intent.leverage or (held.leverage if held else None)

    @property
    def after(self) -> Exposure:
        """The extremes once this intent may execute as well."""
        return self.projected()

    def refuse(self, reason: Reason, message: str, **numbers: Decimal | int | str) -> Note:
        """A note about this intent, its numbers as text."""
        return Note(
            reason, f"{self.intent.symbol}: {message}", self.intent.id, {k: text(v) for k, v in numbers.items()}
        )


@dataclass(frozen=True, slots=True)
class Check:
    """A judge and the effects it concerns."""

    judge: Callable[[OrderReview], Note | None]
    concerns: frozenset[Effect]


ALL = frozenset(Effect)
NOT_SHRINKING = ALL - {Effect.SHRINKS}
ENTRIES = frozenset({Effect.BUYS, Effect.OPENS, Effect.HEDGES})
PERP_ENTRIES = frozenset({Effect.OPENS, Effect.HEDGES})
RISK = frozenset({Effect.BUYS, Effect.OPENS})  # a hedge lowers risk, so a loss does not forbid it


def text(value: Decimal | int | str) -> str:
    """A number as a reader wants it: no exponent, at most four decimals unless it is smaller than that."""
    if not isinstance(value, Decimal):
        return str(value)
    if not value.is_finite() or (value != ZERO and abs(value) < _SHOWN):
        return str(value)
    return plain(value.quantize(_SHOWN)) if abs(value) < Decimal(10) ** 20 else str(value)
