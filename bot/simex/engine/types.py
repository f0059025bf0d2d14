"""What goes into the engine and comes out of it: frozen values in Decimal, times in UTC milliseconds.

Sizes are in the instrument's unit (base for spot, contracts for perps), prices in quote.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce


class OrderStatus(StrEnum):
    """States of an order. UNTRIGGERED and TRIGGERED belong to trigger orders only."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNTRIGGERED = "UNTRIGGERED"
    TRIGGERED = "TRIGGERED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    PENDING_NEW = "PENDING_NEW"
    PENDING_CANCEL = "PENDING_CANCEL"

    @property
    def is_open(self) -> bool:
        return self in _OPEN


_OPEN = frozenset(
    {
        OrderStatus.NEW,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.UNTRIGGERED,
        OrderStatus.PENDING_NEW,
        OrderStatus.PENDING_CANCEL,
    }
)


class SelfTrade(StrEnum):
    """Which order ends when two orders of one account would meet."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class ForcedBy(StrEnum):
    """Why the exchange itself placed an order; empty for orders of the account."""

    NOBODY = ""
    LIQUIDATION = "liquidation"
    INSURANCE = "insurance"
    DELEVERAGING = "deleveraging"
    SETTLEMENT = "settlement"


class ListingStatus(StrEnum):
    """Where a symbol is in its life. The first three are of both kinds, then those of spot, then those of perps."""

    TRADING = "TRADING"
    PENDING_TRADING = "PENDING_TRADING"
    BREAK = "BREAK"
    HALT = "HALT"
    END_OF_DAY = "END_OF_DAY"
    CANCEL_ONLY = "CANCEL_ONLY"
    PRE_SETTLE = "PRE_SETTLE"
    SETTLING = "SETTLING"
    PRE_DELIVERING = "PRE_DELIVERING"
    DELIVERING = "DELIVERING"
    DELIVERED = "DELIVERED"
    CLOSE = "CLOSE"


class ExpiryReason(StrEnum):
    """Why an order ended without being filled or canceled by its owner."""

    NONE = ""
    IOC_REST = "ioc_rest"
    FOK_UNFILLED = "fok_unfilled"
    WOULD_TAKE = "would_take"
    BOOK_EMPTY = "book_empty"
    PRICE_BOUND = "price_bound"
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"
    DELISTED = "delisted"
    REFUSED_ON_TRIGGER = "refused_on_trigger"
    MARGIN = "margin"
    SELF_TRADE = "self_trade"
    GOOD_TILL = "good_till"
    PRICE_PROTECTED = "price_protected"
    ORDER_LIST = "order_list"


class IncomeKind(StrEnum):
    """Rows of the perp wallet's account statement; their sum is its balance."""

    TRANSFER = "TRANSFER"
    REALIZED_PNL = "REALIZED_PNL"
    FUNDING_FEE = "FUNDING_FEE"
    COMMISSION = "COMMISSION"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"


class Contingency(StrEnum):
    """How the orders of a list depend on each other: one cancels, or one triggers, the other."""

    OCO = "OCO"
    OTO = "OTO"


class PositionSide(StrEnum):
    """Which position an order belongs to: the only one (one-way mode), or the long or short one (hedge mode)."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"

    @classmethod
    def of(cls, size: Decimal, *, is_hedge_mode: bool) -> "PositionSide":
        """The side of a position of a signed size."""
        return cls.BOTH if not is_hedge_mode else cls.SHORT if size < 0 else cls.LONG

    @classmethod
    def closed_by(cls, side: Side) -> "PositionSide":
        """The side of hedge mode that an order of this side can only reduce."""
        return cls.LONG if side is Side.SELL else cls.SHORT


class EventKind(StrEnum):
    """Events for listeners."""

    ORDER_PLACED = "order_placed"
    ORDER_FILLED = "order_filled"
    ORDER_CANCELED = "order_canceled"
    ORDER_EXPIRED = "order_expired"
    ORDER_REJECTED = "order_rejected"
    ORDER_TRIGGERED = "order_triggered"
    ORDER_AMENDED = "order_amended"
    ORDER_LIST = "order_list"
    SPOT_WALLET = "spot_wallet"
    PERP_WALLET = "perp_wallet"
    CONFIG = "config"
    MARGIN_CALL = "margin_call"
    LIQUIDATION = "liquidation"
    INSTRUMENT = "instrument"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A request. Exactly one of `size`, `quote_size` (spot market orders), `close_position` says how much.

    `price` is the limit; a trigger order with a price becomes a limit order when it fires, without one a market order.
    `client_id` empty: the engine makes one up. `good_till_ms`: the order expires then, 0 for never. `callback_rate`: a
    STOP whose trigger follows the best price since it became active at this distance (0.01: one percent), active from
    `activation_price` on, at once without one. `price_protect`: it does not fire while mark and last price are far
    apart. `price_match` is kept and shown; the price it stands for has been chosen already. `strategy` is the caller's
    own label, id and type. `list_id` names the order list, -1 for none; with `is_lock_shared` the other order of the
    pair holds the money for both.
    """

    symbol: str
    side: Side
    type: OrderType
    size: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    quote_size: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    close_position: bool = False
    client_id: str = ""
    trigger_by_mark: bool = True
    position_side: PositionSide = PositionSide.BOTH
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    good_till_ms: int = 0
    price_match: str = "NONE"
    price_protect: bool = False
    callback_rate: Decimal | None = None
    activation_price: Decimal | None = None
    strategy: tuple[int | None, int | None] = (None, None)
    list_id: int = -1
    is_lock_shared: bool = False


@dataclass(frozen=True, slots=True)
class SimTrade:
    """One fill. `id` rises per symbol; `fee` is a cost in `fee_asset`; `realised_pnl` in quote, 0 for spot.

    `is_takeover`: the insurance fund took the rest of a liquidated position.
    """

    id: int
    order_id: int
    client_id: str
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    quote: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int
    realised_pnl: Decimal = ZERO
    is_takeover: bool = False


@dataclass(frozen=True, slots=True)
class SimOrder:
    """An order at one moment; a later state is another value. `id` rises per symbol.

    A perp trigger order that fires ends as TRIGGERED and `child_id` names the ordinary order it made, which carries the
    same client id and names it in `parent_id`; a spot trigger order goes on under its own id. `trades` are those of the
    call that returned this value (placing), empty elsewhere. `size` is 0 while unknown (close-position, by quote).
    `trail_price` is the best price since a trailing order became active.
    """

    id: int
    account: str
    client_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    size: Decimal
    price: Decimal | None
    status: OrderStatus
    created_ms: int
    updated_ms: int
    quote_size: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by_mark: bool = True
    reduce_only: bool = False
    close_position: bool = False
    filled_size: Decimal = ZERO
    filled_quote: Decimal = ZERO
    expiry_reason: ExpiryReason = ExpiryReason.NONE
    cancel_client_id: str = ""
    triggered_ms: int = 0
    child_id: int | None = None
    parent_id: int | None = None
    is_liquidation: bool = False
    position_side: PositionSide = PositionSide.BOTH
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    forced_by: ForcedBy = ForcedBy.NOBODY
    good_till_ms: int = 0
    price_match: str = "NONE"
    price_protect: bool = False
    callback_rate: Decimal | None = None
    activation_price: Decimal | None = None
    trail_price: Decimal | None = None
    trades: tuple[SimTrade, ...] = ()
    strategy: tuple[int | None, int | None] = (None, None)
    list_id: int = -1
    is_lock_shared: bool = False

    @property
    def is_open(self) -> bool:
        return self.status.is_open

    @property
    def open_size(self) -> Decimal:
        """What may still execute, 0 once the order has ended."""
        return self.size - self.filled_size if self.status.is_open else ZERO

    @property
    def average_price(self) -> Decimal:
        """Average fill price per unit of size, 0 without fills."""
        return self.filled_quote / self.filled_size if self.filled_size else ZERO


@dataclass(frozen=True, slots=True)
class OrderList:
    """Orders that end or begin one another. `order_ids`: the order that begins the others first (OTO), of a pair the
    stop before the other one."""

    id: int
    account: str
    symbol: str
    client_id: str
    contingency: Contingency
    order_ids: tuple[int, ...]
    created_ms: int
    updated_ms: int
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class SymbolConfig:
    """Leverage and margin type of an account in a perp."""

    leverage: int
    is_isolated: bool


@dataclass(frozen=True, slots=True)
class AccountModes:
    """What holds for an account as a whole: two sides for each position, other assets as margin, what it may do."""

    is_hedge_mode: bool = False
    is_multi_assets: bool = False
    can_trade: bool = True
    can_withdraw: bool = True
    can_deposit: bool = True


@dataclass(frozen=True, slots=True)
class SimPosition:
    """A perp position, `size` signed. `isolated_wallet` is 0 for cross. Money in quote."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    mark: Decimal
    notional: Decimal
    unrealised_pnl: Decimal
    isolated_wallet: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    leverage: int
    liquidation_price: Decimal | None
    is_isolated: bool
    updated_ms: int
    side: PositionSide = PositionSide.BOTH


@dataclass(frozen=True, slots=True)
class PerpWallet:
    """The perp wallet in quote. `balance` has isolated margin in it and unrealised PnL not.

    `available` is what may be used for new orders or transferred out; `order_margin` is held for resting orders.
    """

    asset: str
    balance: Decimal
    cross_balance: Decimal
    available: Decimal
    transferable: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealised_pnl: Decimal
    cross_unrealised_pnl: Decimal
    order_margin: Decimal


@dataclass(frozen=True, slots=True)
class Income:
    """A row of the statement; `id` is unique per account."""

    id: int
    kind: IncomeKind
    asset: str
    amount: Decimal
    symbol: str
    at_ms: int
    trade_id: int | None = None


@dataclass(frozen=True, slots=True)
class FundingEvent:
    """One settlement. Rate positive: longs paid."""

    symbol: str
    rate: Decimal
    at_ms: int
    mark: Decimal


@dataclass(frozen=True, slots=True)
class DayStats:
    """The last 24 hours. `count` is a made-up number of trades in proportion to volume."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    volume_base: Decimal
    volume_quote: Decimal
    count: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class ExchangeEvent:
    """One change, numbered without gaps. `reason` says what moved a wallet: order, funding, transfer, margin, …

    `side` says which position of `symbol` it is about.
    """

    number: int
    kind: EventKind
    at_ms: int
    account: str = ""
    symbol: str = ""
    order: SimOrder | None = None
    trade: SimTrade | None = None
    reason: str = ""
    amount: Decimal = ZERO
    order_list: OrderList | None = None
    side: PositionSide = PositionSide.BOTH
