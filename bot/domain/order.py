"""Intents, orders and fills; the client order id as a function.

An intent is an exact, bounded wish of the planner; the gate approves its bound; the executor may turn it into several
orders inside the bound, never beyond.
"""

import hashlib
import string
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.states import KillLevel, OrderState

_DIGITS = string.digits + string.ascii_lowercase
FOREIGN = "foreign"  # the intent of an order that is not ours
ID_PREFIX = "tsb"
_ID_WIDTHS = {"epoch": 2, "campaign": 3, "tranche": 2, "leg": 2, "slice": 3, "attempt": 2}
_TAG_END = len(ID_PREFIX) + 3
_EPOCH_END = _TAG_END + _ID_WIDTHS["epoch"]
_CAMPAIGN_END = _EPOCH_END + _ID_WIDTHS["campaign"]
_TRANCHE_END = _CAMPAIGN_END + _ID_WIDTHS["tranche"]
EPOCHS = 36 * 36
# The token of every run whose exchange begins with it: no id can have been used there, and the same run gives the same.
NEW_EXCHANGE = "an exchange that begins with this run"
# Orders that belong to no campaign name their instrument: this digit in place of a campaign's first one, then the
# instrument's number, two digits of it in place of the campaign's others and two in place of the leg.
_INSTRUMENT_MARK = "z"
_INSTRUMENT_WIDTH = 4
_CAMPAIGNS = 35 * 36 * 36  # ids count campaigns below this number
_INSTRUMENTS: int = 36**4


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
    def is_wager(self) -> bool:
        """Whether it adds risk with leverage on purpose, so that it has exits before it is opened (PLAYBOOK §7)."""
        return self in (Purpose.TACTICAL, Purpose.TACTICAL_SHORT, Purpose.SCALP)

    @property
    def reduces_leverage(self) -> bool:
        """Whether it closes perp positions or everything: such an order never waits behind an entry."""
        return self in (Purpose.FLATTEN, Purpose.EXIT, Purpose.RELEASE)

    @property
    def phase(self) -> int:
        """Place among the purposes of a batch: what ends risk first, then the phases of a tranche, then the rest."""
        return _PHASES.index(self)


_PHASES = (
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


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post-only"

    @property
    def may_rest(self) -> bool:
        """Whether an order waits at the venue for somebody to take it."""
        return self in (TimeInForce.GTC, TimeInForce.POST_ONLY)


class OrderType(StrEnum):
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
class Intent:
    """A bounded wish. `size` is positive, in the instrument's unit; `worst_price` is a limit never passed."""

    id: str
    campaign: int
    tranche: int
    leg: int
    purpose: Purpose
    sector: str
    symbol: str
    side: Side
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
    words: str = ""

    @property
    def is_for_unowned(self) -> bool:
        """Whether it guards a position that no plan knows: such a position belongs to no sector."""
        return self.purpose is Purpose.EXIT and not self.sector


@dataclass(frozen=True, slots=True)
class ClientOrderId:
    """The parts a client order id is made of; `text` is what the venue sees.

    `epoch` differs from one opening of a journal to the next: a restored copy, a journal begun anew and a second bot
    number their campaigns alike and still never make the same id. 0: an id of a version without epochs, whose campaign
    was written five digits wide and never needed more than three. In campaign 0, which is no rotation, `leg` is the
    number of an instrument (`instrument_number`).
    """

    account: str
    campaign: int
    tranche: int
    leg: int
    slice: int
    attempt: int
    epoch: int = 0

    @property
    def text(self) -> str:
        """Deterministic, 20 characters of [a-z0-9], starting with a letter: valid at every supported venue.

        Raises:
            ValueError: when a part does not fit its width.
        """
        if self.campaign >= _CAMPAIGNS:
            raise ValueError(f"campaign {self.campaign} does not fit a client order id")
        parts = {name: _base36(getattr(self, name), width) for name, width in _ID_WIDTHS.items() if name != "leg"}
        if self.campaign:
            parts["leg"] = _base36(self.leg, _ID_WIDTHS["leg"])
        else:
            number = _base36(self.leg, _INSTRUMENT_WIDTH)
            parts["campaign"], parts["leg"] = _INSTRUMENT_MARK + number[:2], number[2:]
        return ID_PREFIX + account_tag(self.account) + "".join(parts[name] for name in _ID_WIDTHS)


def instrument_number(symbol: str) -> int:
    """The number that stands for an instrument in client order ids: a function of its symbol alone, so that no list
    or setting can change it. Two symbols with one number would share a counter, never an id."""
    return int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "big") % _INSTRUMENTS


def account_tag(account: str) -> str:
    """Three characters that stand for the account: orders with another tag are not ours."""
    number = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big") % 36**3
    return _base36(number, 3)


def is_ours(client_id: str | None, account: str) -> bool:
    """Whether an order at the venue was sent by this account's bot."""
    return client_id is not None and client_id.startswith(ID_PREFIX + account_tag(account)) and len(client_id) == 20


def epoch_of(token: str) -> int:
    """The epoch of ids that a random text stands for; never 0."""
    return 1 + int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big") % (EPOCHS - 1)


def leg_of(client_id: str) -> str:
    """What all ids of one leg have in common: everything but the epoch, the slice and the attempt."""
    return client_id[:_TAG_END] + client_id[_EPOCH_END : 20 - _ID_WIDTHS["slice"] - _ID_WIDTHS["attempt"]]


def guard_intent_id(number: int, symbol: str) -> str:
    """Identity of an intent of the guard; `number` says what it is for and stands as the tranche in the client id."""
    return f"x{number}.{symbol}"


def read_place(client_id: str) -> tuple[int, int] | None:
    """Campaign and tranche that a client order id of ours names, of any account; None for any other text. Ids that name
    an instrument belong to campaign 0, as ids of earlier versions do that have 0 in the campaign's place."""
    numbers = client_id[_EPOCH_END:_CAMPAIGN_END], client_id[_CAMPAIGN_END:_TRANCHE_END]
    if not client_id.startswith(ID_PREFIX) or len(client_id) != 20 or not all(set(n) <= set(_DIGITS) for n in numbers):
        return None
    campaign = 0 if numbers[0].startswith(_INSTRUMENT_MARK) else int(numbers[0], 36)
    return campaign, int(numbers[1], 36)


def _base36(number: int, width: int) -> str:
    if not 0 <= number < 36**width:
        raise ValueError(f"{number} does not fit {width} base-36 digits of a client order id")
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


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
        """A live order of ours that adds risk as soon as somebody takes it: it must not outlive the will to enter."""
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
    return order.reduce_only or (":" not in order.symbol and order.side is Side.SELL)


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
