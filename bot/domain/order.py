"""Intents, orders and fills.

An intent is what the planner asks for, with an exact bound. The gate approves the bound. The executor may send several
orders within it, never beyond.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.states import KillLevel, OrderState
from bot.domain.symbol import is_perp

FOREIGN = "foreign"  # the intent of an order that is not ours


class Purpose(StrEnum):
    """Why an order exists. `phase` is the order in which the purposes of one batch are carried out."""

    HEDGE = "hedge"
    REDUCE = "reduce"
    INCREASE = "increase"
    TACTICAL = "tactical"
    RELEASE = "release"
    EXIT = "exit"
    FLATTEN = "flatten"
    TACTICAL_SHORT = "tactical-short"
    SCALP = "scalp"

    @property
    def is_directional(self) -> bool:
        """Whether it adds risk with leverage on purpose, so that it has exits before it is opened (PLAYBOOK §7)."""
        return self in (Purpose.TACTICAL, Purpose.TACTICAL_SHORT, Purpose.SCALP)

    @property
    def reduces_leverage(self) -> bool:
        """Whether it closes perp positions or everything: such an order never waits behind an entry."""
        return self in (Purpose.FLATTEN, Purpose.EXIT, Purpose.RELEASE)

    @property
    def phase(self) -> int:
        """Place among the purposes of a batch: what ends risk first, then the phases of a tranche, then the rest."""
        return PHASES.index(self)


PHASES = (
    Purpose.FLATTEN,
    Purpose.EXIT,
    Purpose.RELEASE,
    Purpose.HEDGE,
    Purpose.REDUCE,
    Purpose.INCREASE,
    Purpose.TACTICAL,
    Purpose.TACTICAL_SHORT,
    Purpose.SCALP,
)
"""The order of purposes everywhere: in a batch of orders, in a tranche, in what is reported."""
_OUTSIDE = (Purpose.FLATTEN, Purpose.TACTICAL_SHORT, Purpose.SCALP)
TRANCHE_PHASES = (
    *(purpose for purpose in PHASES if purpose not in (*_OUTSIDE, Purpose.RELEASE)),
    Purpose.RELEASE,
)
"""The phases of a tranche. Its hedges are released last: until then they cover what it sells."""


class TimeInForce(StrEnum):
    """How long an order may wait at the venue."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post-only"

    @property
    def may_rest(self) -> bool:
        """Whether an order waits at the venue for somebody to take it."""
        return self in (TimeInForce.GTC, TimeInForce.POST_ONLY)


class OrderType(StrEnum):
    """The type of an order."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    TAKE_PROFIT = "take-profit"

    @property
    def is_trigger(self) -> bool:
        """Rests at the venue until mark crosses its trigger price."""
        return self in (OrderType.STOP, OrderType.TAKE_PROFIT)


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """How a leveraged position ends (PLAYBOOK §7); prices absolute, shares of the position in (0, 1]."""

    stop_price: Decimal
    targets: tuple[tuple[Decimal, Decimal], ...]
    trailing_share: Decimal
    deadline_ms: int
    funding_budget_quote: Decimal


@dataclass(frozen=True, slots=True)
class IntentTerms:
    """How much, at which prices and how. `size` is positive, in the instrument's unit; `worst_price` is a limit never
    passed. `leverage`, `margin_quote` and `exits` are those of an order that opens."""

    size: Decimal
    worst_price: Decimal
    reference_price: Decimal
    reduce_only: bool = False
    leverage: Decimal | None = None
    margin_quote: Decimal = ZERO
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.IOC
    trigger_price: Decimal | None = None
    exits: ExitPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(IntentTerms):
    """The terms of an order, with its identity, its subject and why it is wanted."""

    id: str
    campaign: int
    tranche: int
    leg: int
    purpose: Purpose
    sector: str
    symbol: str
    side: Side
    words: str = ""

    @property
    def is_for_unowned(self) -> bool:
        """Whether it guards a position that no plan knows: such a position belongs to no sector."""
        return self.purpose is Purpose.EXIT and not self.sector


@dataclass(frozen=True, slots=True)
class Order:
    """One instruction at the venue, as the journal knows it. `sent_ms + receive_window_ms` is the venue's fence."""

    client_id: str
    intent_id: str
    purpose: Purpose
    sector: str
    symbol: str
    side: Side
    size: Decimal
    price: Decimal | None
    order_type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool
    state: OrderState
    sent_ms: int
    receive_window_ms: int
    trigger_price: Decimal | None = None
    venue_id: str | None = None
    filled_size: Decimal = ZERO
    filled_quote: Decimal = ZERO
    reason: str = ""
    not_found_count: int = 0

    @property
    def is_resting_entry(self) -> bool:
        """A live order of ours that adds risk as soon as somebody takes it: it is withdrawn once entries stop."""
        is_entry = not (self.order_type.is_trigger or self.reduce_only or self.intent_id == FOREIGN)
        return self.state.is_live and self.time_in_force.may_rest and is_entry

    @property
    def is_exit(self) -> bool:
        """Whether it only ends a position: a protective stop, or the exit itself. `cancel` leaves these alone."""
        return is_exit(self)

    def is_withdrawn_at(self, level: KillLevel) -> bool:
        """Whether the kill switch at this level takes it away while it is live."""
        if level is KillLevel.OFF or not self.state.is_live:
            return False
        if level.severity < KillLevel.CANCEL.severity:
            return self.is_resting_entry
        return level is not KillLevel.CANCEL or not self.is_exit

    @property
    def open_size(self) -> Decimal:
        """What may still execute: all of the rest while the order is live, doubt included."""
        return max(ZERO, self.size - self.filled_size) if self.state.is_live else ZERO


def is_reducing(order: Order | Intent) -> bool:
    """Whether it can only make the account smaller: reduce-only, or a sale of spot."""
    return order.reduce_only or (not is_perp(order.symbol) and order.side is Side.SELL)


def is_exit(order: Order | Intent) -> bool:
    """Whether it can only end a position, now or once its trigger is reached."""
    is_protective = order.order_type.is_trigger and order.reduce_only
    return is_protective or (order.purpose is Purpose.EXIT and is_reducing(order))


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fee` is a cost in `fee_asset` (negative: rebate)."""

    venue: str
    trade_id: str
    symbol: str
    client_id: str | None
    venue_order_id: str | None
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class SizingLimits:
    """Limits of the gate that the playbook sizes orders by; the settings `[risk]` take their defaults from here.

    `liquidation_distance_min` is a share of the mark, `maintenance_rate` of the notional, `order_share_max` of equity.
    """

    order_notional_max_quote: Decimal = Decimal(10_000)
    order_share_max: Decimal = Decimal("0.10")
    position_leverage_max: Decimal = Decimal(5)
    liquidation_distance_min: Decimal = Decimal("0.12")
    maintenance_rate: Decimal = Decimal("0.01")
