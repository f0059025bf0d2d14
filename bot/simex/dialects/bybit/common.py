"""What all endpoints of Bybit share: refusals, parameters, names of orders, pages, and the one wallet.

Source: Bybit v5 documentation (2026-07), "Guideline" and "Error codes".
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO, plain
from bot.domain.symbol import is_perp, pair_of
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ExchangeEvent, PositionSide, SimOrder, SimTrade
from bot.simex.signing import ApiKey

SPOT, LINEAR = "spot", "linear"
KINDS = {SPOT: Kind.SPOT, LINEAR: Kind.PERP}
POSITION_INDEXES = {PositionSide.BOTH: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
ISOLATED, CROSS, PORTFOLIO = "ISOLATED_MARGIN", "REGULAR_MARGIN", "PORTFOLIO_MARGIN"
WINDOW_MAX_MS = 7 * DAY_MS
EVERYTHING = 1_000_000_000
VISIBLE_AFTER_MS = 100
_CURSOR = re.compile(r"page%3A(\d{1,9})|page:(\d{1,9})")
_R = RefusalReason


class BybitRefusal(Exception):
    """A refusal in the venue's words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message = code, message


PERP_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (10001, "params error: symbol invalid"),
    _R.MARKET_CLOSED: (110074, "This contract is not live"),
    _R.SYMBOL_CLOSED: (110074, "This contract is not live"),
    _R.BAD_REQUEST: (10001, "params error"),
    _R.PRECISION: (10001, "params error: precision invalid"),
    _R.PRICE_FILTER: (110003, "Order price exceeds the allowable range."),
    _R.PRICE_TICK: (10001, "params error: price invalid"),
    _R.PERCENT_PRICE_HIGH: (110003, "Order price exceeds the allowable range."),
    _R.PERCENT_PRICE_LOW: (110003, "Order price exceeds the allowable range."),
    _R.LOT_SIZE: (10001, "params error: qty invalid"),
    _R.LOT_STEP: (10001, "params error: qty invalid"),
    _R.MARKET_LOT_SIZE: (10001, "params error: qty invalid"),
    _R.MIN_NOTIONAL: (110094, "Order notional value below the lower limit"),
    _R.MAX_ORDERS: (110020, "Not allowed to have more than 500 active orders."),
    _R.MAX_TRIGGERS: (110009, "The number of stop orders exceeds the maximum allowable limit"),
    _R.INSUFFICIENT_MARGIN: (110007, "ab not enough for new order"),
    _R.INSUFFICIENT_BALANCE: (110007, "ab not enough for new order"),
    _R.LEVERAGE_BRACKET: (110090, "The order would exceed the maximum position of the leverage"),
    _R.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
    _R.BAD_CLIENT_ID: (10001, "params error: orderLinkId invalid"),
    _R.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    _R.REDUCE_ONLY_TAKEN: (110017, "orderQty will be truncated to zero."),
    _R.TRIGGER_IMMEDIATE: (110092, "expect Rising, but trigger price is passed"),
    _R.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    _R.POSITION_MISSING: (110034, "There is no net position"),
    _R.LEVERAGE_INVALID: (110013, "cannot set leverage due to the risk limit"),
    _R.LEVERAGE_REDUCTION: (110013, "cannot set leverage due to the risk limit"),
    _R.MARGIN_INSUFFICIENT: (110004, "Wallet balance is insufficient"),
    _R.ACCOUNT_UNKNOWN: (10003, "API key is invalid."),
    _R.POSITION_SIDE: (10001, "position idx not match position mode"),
    _R.TRADING_DISABLED: (10005, "Permission denied, please check your API key permissions."),
}
SPOT_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    **PERP_REFUSALS,
    _R.UNKNOWN_SYMBOL: (170121, "Invalid symbol."),
    _R.PRICE_TICK: (170134, "Order price has too many decimals."),
    _R.PRICE_FILTER: (170132, "Order price too high."),
    _R.PERCENT_PRICE_HIGH: (170132, "Order price too high."),
    _R.PERCENT_PRICE_LOW: (170133, "Order price too low."),
    _R.LOT_SIZE: (170136, "Order quantity is below the lower limit."),
    _R.LOT_STEP: (170137, "Order quantity has too many decimals."),
    _R.MARKET_LOT_SIZE: (170135, "Order quantity exceeds the upper limit."),
    _R.MIN_NOTIONAL: (170140, "Order value is below the lower limit."),
    _R.INSUFFICIENT_BALANCE: (170131, "Balance insufficient."),
    _R.DUPLICATE_CLIENT_ID: (170141, "Duplicate clientOrderId."),
    _R.WOULD_TAKE: (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
    _R.UNKNOWN_ORDER: (170213, "Order does not exist."),
}
_UNEXPECTED = (10016, "Server error.")


def error_of(refusal: Refusal, *, perp: bool) -> BybitRefusal:
    """The engine's no; a reason without a code is answered so that the caller knows that nothing is known."""
    return BybitRefusal(*(PERP_REFUSALS if perp else SPOT_REFUSALS).get(refusal.reason, _UNEXPECTED))


def invalid(name: str) -> BybitRefusal:
    """The refusal of a malformed parameter."""
    return BybitRefusal(10001, f"params error: {name} invalid")


class BybitParams:
    """Parameters of one request: texts of a query, or the JSON values of a body."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """The value of a mandatory parameter.

        Raises:
            BybitRefusal: it was not sent, or empty.
        """
        found = self.maybe_text(name)
        if not found:
            raise BybitRefusal(10001, f"params error: Missing some parameters that must be filled in, {name}")
        return found

    def maybe_text(self, name: str) -> str:
        """The text, empty where there is none: the venue takes texts and nothing else for what is no flag or choice."""
        found = self._values.get(name, "")
        if not isinstance(found, str):
            raise invalid(name)
        return found

    def maybe_number(self, name: str) -> Decimal | None:
        found = self.maybe_text(name)
        if not found:
            return None
        if not re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", found):
            raise invalid(name)
        return Decimal(found)

    def maybe_integer(self, name: str) -> int | None:
        """A whole number, as JSON has it or as text."""
        found = self._values.get(name)
        if found in (None, ""):
            return None
        if isinstance(found, bool) or not re.fullmatch(r"\d{1,16}", str(found)):
            raise invalid(name)
        return int(found)

    def flag(self, name: str) -> bool:
        found = self._values.get(name, False)
        if not isinstance(found, bool):
            raise invalid(name)
        return found

    def parts(self, name: str, most: int) -> list[Mapping[str, Any]]:
        """The objects of a list of at least one and at most `most`."""
        found = self._values.get(name)
        if (
            not isinstance(found, list)
            or not 1 <= len(found) <= most
            or not all(isinstance(one, dict) for one in found)
        ):
            raise invalid(name)
        return found

    def category(self) -> str:
        found = self.text("category")
        if found not in KINDS:
            raise invalid("category")
        return found

    def limit(self, default: int, largest: int) -> int:
        found = self.maybe_integer("limit")
        if found == 0:
            raise invalid("limit")
        return default if found is None else min(found, largest)


class Hearer(Protocol):
    """An open private stream."""

    def hear(self, event: ExchangeEvent) -> None:
        """An event of the exchange, of whichever account."""
        ...

    def hear_refused(self, account: str, row: Mapping[str, Any]) -> None:
        """An order that was acknowledged and has ended without ever resting."""
        ...


@dataclass
class BybitDesk:
    """What all endpoints share. `refused_later` are orders that were acknowledged and then ended without ever resting,
    by account and client id; `margin_modes` the accounts that are not in isolated margin; `own_moves` the transfers
    that make one wallet of the engine's two; orders that ended before `forgotten_ms` are in the history alone. A new
    order is known to no query and to no cancel for `visible_after_ms`: the venue acknowledges first and books then.
    `hearers` are the private streams; they hear nothing while `is_arranging`, of what the engine has in other ways."""

    exchange: Exchange
    refused_later: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    margin_modes: dict[str, str] = field(default_factory=dict)
    own_moves: set[int] = field(default_factory=set)
    forgotten_ms: int = 0
    visible_after_ms: int = VISIBLE_AFTER_MS
    hearers: dict[Hearer, None] = field(default_factory=dict)
    is_arranging: bool = False

    def notify(self, event: ExchangeEvent) -> None:
        """Let private streams hear an event."""
        if not self.is_arranging:
            for hearer in self.hearers:
                hearer.hear(event)

    def instrument(self, category: str, name: str) -> Instrument:
        """The instrument with this venue name. Raises BybitRefusal where there is none."""
        for instrument in self.exchange.instruments.values():
            if instrument.kind is KINDS[category] and venue_symbol(instrument) == name:
                return instrument
        raise error_of(Refusal(_R.UNKNOWN_SYMBOL), perp=category == LINEAR)

    def instruments(self, category: str) -> tuple[Instrument, ...]:
        return tuple(i for i in self.exchange.instruments.values() if i.kind is KINDS[category])

    def name(self, symbol: str) -> str:
        instrument = self.exchange.instruments.get(symbol)
        return venue_symbol(instrument) if instrument else pair_of(symbol).replace("/", "")

    def gather(self, account: str) -> None:
        """All free quote money lies where perps are paid from."""
        self._move(account, self._quote_free(account), to_perp=True)

    def spread(self, account: str) -> None:
        """All money that perps leave free lies where spot is paid from."""
        self._move(account, self.exchange.wallet(account).transferable, to_perp=False)

    def _quote_free(self, account: str) -> Decimal:
        balance = self.exchange.balances(account).get(self.exchange.wallet(account).asset)
        return balance.free if balance is not None else ZERO

    def _move(self, account: str, amount: Decimal, *, to_perp: bool) -> None:
        if amount > 0:
            with self.arranging():
                self.own_moves.add(self.exchange.transfer(account, amount, to_perp=to_perp))

    @contextmanager
    def arranging(self) -> Iterator[None]:
        """Money goes between the engine's wallets, or a symbol gets the margin mode of the account: no news here."""
        self.is_arranging = True
        try:
            yield
        finally:
            self.is_arranging = False


def venue_symbol(instrument: Instrument) -> str:
    """The name of an instrument in requests and answers, such as `UNIUSDT`."""
    return instrument.venue_symbol or pair_of(instrument.symbol).replace("/", "")


@dataclass(frozen=True, slots=True)
class BybitCall:
    """One admitted request. `key` is None on public endpoints."""

    desk: BybitDesk
    params: BybitParams
    now_ms: int
    key: ApiKey | None = None

    @property
    def exchange(self) -> Exchange:
        return self.desk.exchange

    @property
    def account(self) -> str:
        return self.key.account if self.key is not None else ""

    def instrument(self) -> Instrument:
        """The instrument of the mandatory parameters `category` and `symbol`."""
        return self.desk.instrument(self.params.category(), self.params.text("symbol"))

    def window(self) -> tuple[int, int]:
        """(start, end) of a question about the past: seven days at most. Raises BybitRefusal for a longer one."""
        start_ms, end_ms = self.params.maybe_integer("startTime"), self.params.maybe_integer("endTime")
        if start_ms is None and end_ms is None:
            return self.now_ms - WINDOW_MAX_MS, self.now_ms
        if start_ms is None:
            start_ms = (end_ms or 0) - WINDOW_MAX_MS
        if end_ms is None:
            end_ms = start_ms + WINDOW_MAX_MS
        if end_ms < start_ms or end_ms - start_ms > WINDOW_MAX_MS:
            raise BybitRefusal(10001, "The time range between startTime and endTime cannot exceed 7 days")
        return start_ms, end_ms


@dataclass(frozen=True, slots=True)
class BatchAnswers:
    """What each part of a request came to: its row, and code and words of its own."""

    rows: tuple[Mapping[str, Any], ...]
    verdicts: tuple[tuple[int, str], ...]


Action = Callable[[BybitCall], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `per_second` bounds an account; 0: only the address counts. `permission`: what the key must have
    for the category that is asked for, `any` for what every key may."""

    method: str
    path: str
    act: Action
    is_signed: bool = False
    per_second: int = 0


def public(path: str, act: Action) -> Endpoint:
    return Endpoint("GET", path, act)


def private(method: str, path: str, act: Action, per_second: int) -> Endpoint:
    return Endpoint(method, path, act, is_signed=True, per_second=per_second)


def table_of(*groups: Iterable[Endpoint]) -> dict[tuple[str, str], Endpoint]:
    return {(one.method, one.path): one for group in groups for one in group}


def page_of(call: BybitCall, rows: Sequence[Any], *, default: int, largest: int, **more: Any) -> dict[str, Any]:
    """A page and the cursor of the next one, which is empty on the last."""
    limit, cursor, start = call.params.limit(default, largest), call.params.maybe_text("cursor"), 0
    if cursor:
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise invalid("cursor")
        start = int(found.group(1) or found.group(2))
    end = start + limit
    following = f"page%3A{end}" if end < len(rows) else ""
    return {**more, "list": list(rows[start:end]), "nextPageCursor": following}


def order_id(symbol: str, number: int) -> str:
    """The venue's name of an order: like a UUID for perps, digits for spot."""
    mark = zlib.crc32(symbol.encode())
    return f"{mark:08x}-0000-4000-8000-{number:012x}" if is_perp(symbol) else f"{mark:010d}{number:09d}"


def trade_id(trade: SimTrade) -> str:
    """The name of a trade: like a UUID for perps, digits for spot."""
    mark = zlib.crc32(trade.symbol.encode())
    if not is_perp(trade.symbol):
        return f"21{mark:010d}{trade.id:07d}"
    return f"{mark:08x}-0000-4000-9000-{trade.id:012x}"


def text(value: Decimal | None) -> str:
    """A number as the venue writes it; empty for none."""
    return "" if value is None else plain(value)


def own_number(order: SimOrder) -> int:
    """The number an order is known by: a perp's conditional order keeps its own when it has fired."""
    return order.parent_id if order.parent_id is not None else order.id
