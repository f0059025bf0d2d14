"""What the bot needs from the world: a venue, a TVL source, macro series, a clock; and the three ways a venue can fail.

`fetch_` reads, retried below this port; `submit_`, `cancel_`, `set_` and `move_` write one request, never retried.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.market import Book, Funding, Macro, OpenInterest, Quote, Tvl
from bot.domain.money import ZERO
from bot.domain.order import Fill, Order, OrderType, TimeInForce
from bot.domain.portfolio import Account

AnswerT = TypeVar("AnswerT")


URGENT: ContextVar[bool] = ContextVar("urgent", default=False)
"""Whether the current task looks after exits or acts for the kill switch: its reads are of the lane `GUARD`, and go on
slowly instead of failing while a venue asks for a long silence, short of a ban."""


class VenueRejected(Exception):
    """A recognised verdict: it did not happen. `code` is the venue's, `kind` ours (see `Rejection`)."""

    def __init__(self, code: str, message: str, kind: "Rejection") -> None:
        super().__init__(f"{kind}: {code} {message}")
        self.code, self.message, self.kind = code, message, kind


class Answered(dict[str, AnswerT]):
    """What a list question gave, by name. `notes` says by name what could not be read: of a name that is missing why,
    of one that is here what was left out of it. `unreadable` are missing names that a row of the answer may be of.
    `former` are instruments that were asked for by name and are not listed: good for cancels, reads and closing."""

    def __init__(
        self,
        found: Mapping[str, AnswerT],
        notes: Mapping[str, str],
        unreadable: Iterable[str] = (),
        former: Mapping[str, AnswerT] | None = None,
    ) -> None:
        super().__init__(found)
        self.notes, self.unreadable, self.former = dict(notes), frozenset(unreadable), dict(former or {})


class Listed(tuple[AnswerT, ...]):  # noqa: SLOT001 - a tuple cannot have slots of its own
    """The rows of a list answer that count. `defects` are (symbol, words) of the rows that could not be read, whole or
    in part; the symbol is empty where it could not be read either. Not `is_whole`: one of several sources has given no
    rows at all. `kept_since_ms`: rows from then on are here, and older ones, which were asked for, are a defect."""

    defects: tuple[tuple[str, str], ...]
    is_whole: bool
    kept_since_ms: int

    def __new__(
        cls,
        rows: Iterable[AnswerT],
        defects: Iterable[tuple[str, str]] = (),
        *,
        is_whole: bool = True,
        kept_since_ms: int = 0,
    ) -> "Listed[AnswerT]":
        created = super().__new__(cls, tuple(rows))
        created.defects, created.is_whole, created.kept_since_ms = tuple(defects), is_whole, kept_since_ms
        return created


def defects_of(answer: Iterable[object]) -> tuple[tuple[str, str], ...]:
    """(symbol, words) of the rows of a list answer that could not be read."""
    return answer.defects if isinstance(answer, Listed) else ()


class OutcomeUnknown(Exception):
    """A write that may or may not have happened. Everything that is not recognised ends here."""


class Unavailable(Exception):
    """A read failed, retries included; nothing was changed. `retry_after` is in seconds where the venue said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HalfUnavailable(Unavailable):
    """One of the two venues of a book does not answer at the start. The other is connected: the caller goes on with it
    or closes both. What does not answer is opened once it does."""


class NotListed(Unavailable):
    """The venue does not know the symbol, or not any more."""


class SetupFailed(Exception):
    """The venue cannot be used as configured: keys, permissions, environment, clock. Says what to do."""


class ChecksUnanswered(SetupFailed):
    """A check at the start got no proper answer; it counts as failed. Asking again later may pass it. The venue stays
    connected."""


class AccountRefused(SetupFailed):
    """A setting of the account or of its key forbids to open anything. The venue stays connected: what is there can
    still be withdrawn and reduced as far as the venue takes it."""


class Rejection(StrEnum):
    """Why a venue said no, as far as the bot behaves differently."""

    FUNDS = "funds"
    FILTER = "filter"
    DUPLICATE_ID = "duplicate_id"
    WOULD_TAKE = "would_take"
    REDUCE_ONLY = "reduce_only"
    NOT_FOUND = "not_found"
    NO_CHANGE = "no_change"
    MARKET_CLOSED = "market_closed"
    LEVERAGE = "leverage"
    AUTHENTICATION = "authentication"
    CLOCK = "clock"
    RATE_LIMIT = "rate_limit"
    PERMANENT = "permanent"
    OTHER = "other"

    @property
    def is_permanent(self) -> bool:
        """Whether the same request will be refused until a person changes the account, its key or the bot's settings:
        `PERMANENT` is a mode, a region or a product that the account is not open for."""
        return self in (Rejection.PERMANENT, Rejection.AUTHENTICATION, Rejection.LEVERAGE)


class Lane(StrEnum):
    """Whose request it is, the most urgent first: cancels, reduce-only orders and the kill switch; what a guard reads,
    which exits wait for; everything else. None waits behind a less urgent one."""

    CRITICAL = "critical"
    GUARD = "guard"
    BULK = "bulk"


class ReportState(StrEnum):
    """An order as the venue reports it."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One POST. `stamp_ms` (venue clock) was journaled before and is the timestamp that gets signed (DESIGN §4.1)."""

    client_id: str
    symbol: str
    side: Side
    size: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    stamp_ms: int
    receive_window_ms: int
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's view of one order. `filled_quote` is quote value executed; fills may be carried along or not.

    `defect` says what of its row could not be read: the order then counts as open at full size, and what could not be
    read is a stand-in (a side, a size of 0, an empty id).
    """

    symbol: str
    client_id: str | None
    venue_id: str
    state: ReportState
    side: Side
    size: Decimal
    filled_size: Decimal
    filled_quote: Decimal
    price: Decimal | None
    reduce_only: bool
    is_trigger: bool
    at_ms: int
    fills: tuple[Fill, ...] = ()
    trigger_price: Decimal | None = None
    defect: str = ""


def acknowledged(request: OrderRequest, venue_id: str, at_ms: int) -> OrderReport:
    """The report of an order that the venue took, and of which nothing more is known."""
    return OrderReport(
        symbol=request.symbol,
        client_id=request.client_id,
        venue_id=venue_id,
        state=ReportState.OPEN,
        side=request.side,
        size=request.size,
        filled_size=ZERO,
        filled_quote=ZERO,
        price=request.price,
        reduce_only=request.reduce_only,
        is_trigger=request.order_type.is_trigger,
        at_ms=at_ms,
        trigger_price=request.trigger_price,
    )


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that moved without an order of ours: funding, liquidation clearance, transfer, deposit, fee rebate."""

    id: str
    kind: str
    asset: str
    amount: Decimal
    symbol: str | None
    at_ms: int


DEPOSIT, WITHDRAWAL, RETURNED = "deposit", "withdrawal", "withdrawal_returned"
FLOWS = frozenset((DEPOSIT, WITHDRAWAL, RETURNED))
"""Kinds of payments that come into the spot wallet from outside of the venue, or leave it."""
PERP_DEPOSIT, PERP_WITHDRAWAL = "perp_deposit", "perp_withdrawal"
PERP_FLOWS = frozenset((PERP_DEPOSIT, PERP_WITHDRAWAL))
"""The same of the perp wallet, where it is not of the same account as the spot wallet."""


@dataclass(frozen=True, slots=True)
class AccountProblem:
    """Something about the account or its key that was found by the check named `check`. While a blocking one is there,
    nothing is opened; `remedy` says what to change."""

    check: str
    words: str
    remedy: str
    is_blocking: bool = True
    is_key_refused: bool = False  # the venue does not let this key ask for a wallet: nothing can be done with it


@dataclass(frozen=True, slots=True)
class AccountReview:
    """What the account checks found. `unanswered` has the checks without a proper answer and why, `skipped` one line
    for each that the environment cannot be asked."""

    problems: tuple[AccountProblem, ...] = ()
    unanswered: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


class Clock(Protocol):
    """Wall clock, UTC milliseconds. Simulations bring their own."""

    def now_ms(self) -> int: ...


class TvlSource(Protocol):
    """Total value locked by protocol or sector."""

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        """Raises Unavailable."""
        ...


class MacroSource(Protocol):
    """Series from outside the market. `names` are the configured ones: `stablecoins`, `rates`, `usage`."""

    @property
    def names(self) -> tuple[str, ...]: ...

    async def fetch_macro(self, name: str) -> Macro:
        """Raises Unavailable."""
        ...


class CandleSource(Protocol):
    """Candles of markets that are listed. Reads raise Unavailable."""

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles only."""
        ...


class Prices(CandleSource, Protocol):
    """Prices and rates of markets that are listed. Reads raise Unavailable."""

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]: ...

    async def fetch_book(self, symbol: str, levels: int) -> Book: ...

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]: ...

    async def fetch_open_interest(self, symbol: str) -> OpenInterest: ...


class MarketData(Prices, Protocol):
    """Market data by venue time. Reads raise Unavailable."""

    def now_ms(self) -> int:
        """Venue time, UTC ms: our clock corrected by the measured skew."""
        ...

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]: ...


class AccountReads(Protocol):
    """What one account holds, earns and may borrow. Reads raise Unavailable."""

    async def fetch_account(self) -> Account: ...

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Funding, liquidation clearances, transfers of the perp wallet."""
        ...


class OrderReads(Protocol):
    """Orders and fills of one account. Reads raise Unavailable."""

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """None when the venue says it does not know the id, which alone proves nothing (DESIGN §4.4)."""
        ...

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders, trigger orders included, ours and foreign."""
        ...

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state: the second endpoint that has to agree before absence is believed."""
        ...

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]: ...


class Trading(Protocol):
    """Writes of one account, one request each. They raise VenueRejected or OutcomeUnknown; nobody repeats one."""

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Wait for the throttle's admission of one order or cancel, so that no wait stands between paper and wire."""
        ...

    async def submit_order(self, request: OrderRequest) -> OrderReport: ...

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """Returns when the venue confirmed the cancel. VenueRejected(NOT_FOUND) proves nothing (DESIGN §4.8)."""
        ...

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Isolated margin at this leverage; already-set answers count as success."""
        ...

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        """Quote money between the spot and the perp wallet, where the venue has transfers."""
        ...

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position."""
        ...


class AccountChecking(Protocol):
    """The checks of an account and its key."""

    def now_ms(self) -> int:
        """Venue time, UTC ms: our clock corrected by the measured skew."""
        ...

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        """The account checks, asked anew unless the latest answers are younger than `max_age_ms`. Never raises
        Unavailable: a check that gets no proper answer is named in the review."""
        ...


class RateLimited(Protocol):
    """A venue that may ask for silence."""

    def held_seconds(self) -> Mapping[str, float]:
        """How long the venue still asks for silence, by rate-limited part of it; what is free is missing."""
        ...

    def requests_used(self) -> Mapping[str, float]:
        """Share of the request budget that is used, 0 to 1, by part: of several limits the one that is used most."""
        ...


class ForcedClose(StrEnum):
    """Why the venue itself closed a position."""

    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"
    SETTLEMENT = "settlement"


@dataclass(frozen=True, slots=True)
class StreamNews:
    """What a stream has said: a price of `symbol`, or, without a symbol, that something happened in the account.

    It is a reason to ask the venue sooner and never an answer: nothing is decided, settled or journaled by it. `price`
    is what `Quote.valuation` is compared with: mark of a perp, last price of spot. `at_ms` is venue time.
    """

    at_ms: int
    symbol: str = ""
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """How a stream is doing. `is_fresh`: it is connected, what it was asked for was confirmed, and it is not silent for
    longer than it may be. `silent_seconds`: since its last sign of life. `problem`: why it is not, or was not."""

    is_fresh: bool
    silent_seconds: float
    connections: int = 0
    messages: int = 0
    problem: str = ""


class Stream(Protocol):
    """One push connection of a venue."""

    name: str

    def state(self) -> StreamState: ...

    async def run(self, hear: Callable[[StreamNews], None]) -> None:
        """Connect, and connect again, until cancelled. `hear` returns at once."""
        ...


@runtime_checkable
class RecallsStops(Protocol):
    """A venue that may have to know which orders are under way: it keeps no client ids of conditional ones, or finds
    none by its client id."""

    def recall_stops(self, working: Iterable[Order]) -> None:
        """The orders that may still execute, by the journal, and ended ones whose fills it lacks."""
        ...


@runtime_checkable
class ReadsPositionSize(Protocol):
    """A venue that can be asked about one position."""

    async def fetch_position_size(self, symbol: str) -> Decimal:
        """Signed size, 0 where nothing is held. Raises Unavailable, also where it cannot be read without doubt."""
        ...


class Venue(MarketData, AccountReads, OrderReads, Trading, AccountChecking, RateLimited, Protocol):
    """One account at one exchange, spot and perps: all roles of it. Users take the roles that they need."""

    id: str
    environment: str
    account_name: str
    has_transfers: bool
    receive_window_ms: int
    quiet_period_ms: int
    forced_ids: Mapping[str, ForcedClose]
    """How the client id of an order begins, in lower case, by which the venue itself closes a position."""

    @property
    def clock_skew_ms(self) -> int: ...

    async def open(self) -> None:
        """Connect, verify the environment (fail closed) and measure the clock. Raises SetupFailed, Unavailable.

        After AccountRefused, ChecksUnanswered and HalfUnavailable it is connected, and the caller goes on or closes it.
        """
        ...

    async def close(self) -> None: ...

    async def fetch_clock_skew(self) -> int:
        """Venue clock minus ours, ms; also used for later stamps."""
        ...


def answers_at_once(source: object) -> bool:
    """Whether a source answers without waiting, as the embedded engine in the same process does. Tasks and deadlines
    for its answers would take longer than the answers."""
    return bool(getattr(source, "answers_at_once", False))


def kinds_listed_by_symbol(source: object) -> frozenset[Kind]:
    """The kinds of markets of which a venue lists the resting orders of one instrument in each request.

    To ask for those of all takes minutes. Most venues do not have the attribute.
    """
    found: frozenset[Kind] = getattr(source, "kinds_listed_by_symbol", frozenset())
    return found
