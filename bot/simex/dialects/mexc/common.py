"""What all endpoints of MEXC share: refusals, parameters, names and units of orders.

Source: MEXC spot v3 and contract v1 documentation (2025). Where it says nothing, the stricter of two ways is taken.
Parameters that it does not know are not refused, as the venue does: an order with a stop price is filled at once.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import plain
from bot.domain.symbol import base_of, quote_of
from bot.simex.dialects.mexc.limits import PERP_REQUESTS, PERP_WINDOW_MS, SPOT_WEIGHT, SPOT_WINDOW_MS
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy, SimOrder
from bot.simex.signing import ApiKey

EVERYTHING = 1_000_000_000
PERPS_KEPT_MS = 90 * DAY_MS
_PART = re.compile(r"\{(\w+)\}")
VOLUME_UNIT = 10
"""Contracts in a size step: no perp counts alike in coins and in contracts."""
_R = RefusalReason


class MexcRefusal(Exception):
    """A refusal in the venue's words; `status` of spot, perps refuse with 200."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.status = code, message, status


SPOT_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    _R.MARKET_CLOSED: (30016, "trading disabled"),
    _R.SYMBOL_CLOSED: (30016, "trading disabled"),
    _R.BAD_REQUEST: (700004, "Mandatory parameter was not sent"),
    _R.PRECISION: (30002, "The precision of the quantity is wrong"),
    _R.PRICE_FILTER: (30010, "no valid trade price"),
    _R.PRICE_TICK: (30010, "no valid trade price"),
    _R.PERCENT_PRICE_HIGH: (30010, "no valid trade price"),
    _R.PERCENT_PRICE_LOW: (30010, "no valid trade price"),
    _R.LOT_SIZE: (30002, "The minimum transaction volume cannot be less than: 1"),
    _R.LOT_STEP: (30002, "The precision of the quantity is wrong"),
    _R.MARKET_LOT_SIZE: (30003, "The maximum transaction volume cannot be greater than"),
    _R.MIN_NOTIONAL: (30002, "The minimum transaction volume cannot be less than: 1"),
    _R.MAX_ORDERS: (30029, "cannot exceed the maximum order limit"),
    _R.INSUFFICIENT_BALANCE: (30004, "Insufficient position"),
    _R.INSUFFICIENT_MARGIN: (30004, "Insufficient position"),
    _R.DUPLICATE_CLIENT_ID: (-1128, "Duplicate newClientOrderId"),
    _R.BAD_CLIENT_ID: (700008, "Illegal characters found in parameter newClientOrderId"),
    _R.WOULD_TAKE: (30010, "no valid trade price: the order would immediately match"),
    _R.FOK_UNFILLED: (30010, "no valid trade price: the order cannot be filled as a whole"),
    _R.NO_BOOK: (30010, "no valid trade price"),
    _R.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    _R.TRADING_DISABLED: (700007, "No permission to access the endpoint"),
    _R.ACCOUNT_UNKNOWN: (10072, "Api key info invalid"),
}
PERP_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (1001, "Contract does not exist"),
    _R.MARKET_CLOSED: (1002, "Contract not activated"),
    _R.SYMBOL_CLOSED: (1002, "Contract not activated"),
    _R.BAD_REQUEST: (600, "Parameter error"),
    _R.PRECISION: (2015, "Price or quantity accuracy error"),
    _R.PRICE_FILTER: (2007, "Order price error"),
    _R.PRICE_TICK: (2015, "Price or quantity accuracy error"),
    _R.PERCENT_PRICE_HIGH: (2003, "Overpriced to pay"),
    _R.PERCENT_PRICE_LOW: (2004, "Low price for selling"),
    _R.LOT_SIZE: (2011, "Order quantity error"),
    _R.LOT_STEP: (2015, "Price or quantity accuracy error"),
    _R.MARKET_LOT_SIZE: (2011, "Order quantity error"),
    _R.MIN_NOTIONAL: (2008, "The quantity is insufficient"),
    _R.MAX_ORDERS: (2036, "The orders are more than the limit"),
    _R.INSUFFICIENT_MARGIN: (2005, "Balance insufficient"),
    _R.INSUFFICIENT_BALANCE: (2005, "Balance insufficient"),
    _R.LEVERAGE_BRACKET: (2006, "Leverage ratio error"),
    _R.DUPLICATE_CLIENT_ID: (2042, "duplicate external order id"),
    _R.BAD_CLIENT_ID: (2030, "External order ID is too long (max. 32)"),
    _R.NO_BOOK: (2007, "Order price error"),
    _R.REDUCE_ONLY: (2009, "Position is nonexistent or closed"),
    _R.REDUCE_ONLY_TAKEN: (2009, "Position is nonexistent or closed"),
    _R.POSITION_MISSING: (2009, "Position is nonexistent or closed"),
    _R.TRIGGER_IMMEDIATE: (3001, "Trigger price error"),
    _R.UNKNOWN_ORDER: (2040, "order not exist"),
    _R.LEVERAGE_INVALID: (2006, "Leverage ratio error"),
    _R.LEVERAGE_REDUCTION: (2019, "There is an open position"),
    _R.MARGIN_INSUFFICIENT: (2018, "Exceeding the maximum available margin"),
    _R.OPEN_ORDERS_EXIST: (2027, "There is only one cross or isolated in the same direction"),
    _R.POSITION_EXISTS: (2027, "There is only one cross or isolated in the same direction"),
    _R.POSITION_SIDE: (2022, "Wrong position type"),
    _R.POSITION_MODE_ORDERS: (2019, "There is an open order"),
    _R.POSITION_MODE_POSITION: (2019, "There is an open position"),
    _R.TRADING_DISABLED: (703, "permission denied"),
    _R.ACCOUNT_UNKNOWN: (401, "Unauthorized"),
}
_UNEXPECTED = {Kind.SPOT: (500, "internal", 500), Kind.PERP: (500, "Internal error", 200)}


def error_of(refusal: Refusal, kind: Kind) -> MexcRefusal:
    """The engine's no; a reason without a code is answered so that the caller knows that nothing is known."""
    known = (PERP_REFUSALS if kind is Kind.PERP else SPOT_REFUSALS).get(refusal.reason)
    if known is None:
        code, message, status = _UNEXPECTED[kind]
        return MexcRefusal(code, message, status=status)
    return MexcRefusal(*known)


class MexcParams:
    """Parameters of one request: texts of a query, or a JSON object."""

    def __init__(self, values: Mapping[str, Any], kind: Kind) -> None:
        self._values, self._kind = values, kind

    def bad(self, name: str) -> MexcRefusal:
        if self._kind is Kind.PERP:
            return MexcRefusal(600, f"Parameter error: {name}")
        return MexcRefusal(700004, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")

    def text(self, name: str) -> str:
        found = self.maybe_text(name)
        if not found:
            raise self.bad(name)
        return found

    def maybe_text(self, name: str) -> str:
        found = self._values.get(name)
        return "" if found is None else str(found)

    def maybe_number(self, name: str, *, as_text: bool = False) -> Decimal | None:
        """A number: of spot written out, because one in scientific notation has been through a float; of perps a number
        of JSON, which may be a text where clients send it as one (`as_text`)."""
        found = self._values.get(name)
        if found is None or found == "":
            return None
        if isinstance(found, str):
            is_plain = re.fullmatch(r"\d{1,20}(\.\d{1,20})?", found) is not None
            is_fit = is_plain and (self._kind is Kind.SPOT or as_text)
        else:
            is_fit = self._kind is Kind.PERP and isinstance(found, int | float) and not isinstance(found, bool)
        if not is_fit:
            raise self.bad(name)
        return Decimal(str(found))

    def number(self, name: str, *, as_text: bool = False) -> Decimal:
        found = self.maybe_number(name, as_text=as_text)
        if found is None or found <= 0:
            raise self.bad(name)
        return found

    def maybe_integer(self, name: str) -> int | None:
        found = self.maybe_text(name)
        if not found:
            return None
        if not re.fullmatch(r"\d{1,19}", found):
            raise self.bad(name)
        return int(found)

    def integer(self, name: str, *known: int) -> int:
        found = self.maybe_integer(name)
        if found is None or (known and found not in known):
            raise self.bad(name)
        return found

    def limit(self, default: int, largest: int, name: str = "limit") -> int:
        found = self.maybe_integer(name)
        if found == 0 or (found is not None and found > largest):
            raise self.bad(name)
        return default if found is None else found


@dataclass
class MexcDesk:
    """What all endpoints share. `api_allowed`: whether perps may be traded by API. `refused_later`: orders of perps
    that were accepted and then found invalid, by account and client id; their own numbers end with `later`.
    `unbound`: spot pairs that no API key may trade."""

    exchange: Exchange
    api_allowed: bool = True
    unbound: frozenset[str] = frozenset()
    refused_later: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def instrument(self, kind: Kind, name: str) -> Instrument:
        """The instrument with this venue name. Raises MexcRefusal where there is none."""
        for instrument in self.exchange.instruments.values():
            if instrument.kind is kind and venue_symbol(instrument) == name:
                return instrument
        raise error_of(Refusal(_R.UNKNOWN_SYMBOL), kind)

    def instruments(self, kind: Kind) -> tuple[Instrument, ...]:
        return tuple(one for one in self.exchange.instruments.values() if one.kind is kind)


@dataclass(frozen=True, slots=True)
class MexcCall:
    """One admitted request. `key` is None on public endpoints; `listed` is a body that is a list."""

    desk: MexcDesk
    params: MexcParams
    now_ms: int
    kind: Kind
    key: ApiKey | None = None
    listed: tuple[Any, ...] | None = None

    @property
    def exchange(self) -> Exchange:
        return self.desk.exchange

    @property
    def account(self) -> str:
        return self.key.account if self.key is not None else ""

    def instrument(self) -> Instrument:
        """The instrument of the mandatory parameter `symbol`."""
        return self.desk.instrument(self.kind, self.params.text("symbol"))

    def wanted(self) -> tuple[Instrument, ...]:
        """The instrument of the parameter `symbol`, all of the kind without it."""
        name = self.params.maybe_text("symbol")
        return (self.desk.instrument(self.kind, name),) if name else self.desk.instruments(self.kind)

    def paged(self, rows: list[Any], *, named: bool) -> Any:
        """A page of rows, in a result list where it is `named`."""
        size, page = self.params.limit(20, 100, "page_size"), self.params.maybe_integer("page_num") or 1
        found = rows[(page - 1) * size : page * size]
        if not named:
            return found
        pages = -(-len(rows) // size)
        return {
            "pageSize": size,
            "totalCount": len(rows),
            "totalPage": pages,
            "currentPage": page,
            "resultList": found,
        }


Action = Callable[[MexcCall], Any]


@dataclass(frozen=True, slots=True)
class MexcEndpoint:
    """One endpoint. `path` may have parts in braces; `weight` counts against the endpoint's own limit of spot, and
    `every_ms` is the pause between two requests where it is longer than the limit of perps."""

    method: str
    path: str
    kind: Kind
    act: Action
    weight: int = 1
    is_signed: bool = False
    every_ms: int = 0

    @property
    def limit(self) -> tuple[int, int]:
        """(units, ms)."""
        if self.every_ms:
            return 1, self.every_ms
        return (SPOT_WEIGHT, SPOT_WINDOW_MS) if self.kind is Kind.SPOT else (PERP_REQUESTS, PERP_WINDOW_MS)

    @property
    def per_second(self) -> str:
        """Requests in a second on average, for a person."""
        units, window_ms = self.limit
        return plain((Decimal(units * 1_000) / (window_ms * self.weight)).quantize(Decimal("0.1")).normalize())


def spot(method: str, path: str, act: Action, weight: int = 1, *, is_signed: bool = True) -> MexcEndpoint:
    return MexcEndpoint(method, f"/api/v3/{path}", Kind.SPOT, act, weight, is_signed)


def market(path: str, act: Action, every_ms: int = 0) -> MexcEndpoint:
    """A public endpoint of perps."""
    return MexcEndpoint("GET", f"/api/v1/contract/{path}", Kind.PERP, act, every_ms=every_ms)


def perp(method: str, path: str, act: Action) -> MexcEndpoint:
    return MexcEndpoint(method, f"/api/v1/private/{path}", Kind.PERP, act, is_signed=True)


def patterns_of(endpoints: Iterable[MexcEndpoint]) -> tuple[tuple[str, re.Pattern[str], MexcEndpoint], ...]:
    """(method, path, endpoint); those without parts in braces first."""
    made = [(one.method, re.compile(_PART.sub(r"(?P<\1>[^/]+)", one.path)), one) for one in endpoints]
    return tuple(sorted(made, key=lambda entry: "{" in entry[2].path))


def venue_symbol(one: Instrument) -> str:
    """The name of an instrument in requests and answers: `UNIUSDT`, of a perp `UNI_USDT`."""
    return f"{base_of(one.symbol)}{'_' if one.is_perp else ''}{quote_of(one.symbol)}"


def contract_size(one: Instrument) -> Decimal:
    """Coins in a contract of a perp."""
    return one.size_step / VOLUME_UNIT


def contracts(one: Instrument, size: Decimal) -> Any:
    """A size in contracts, as a JSON number."""
    return loose(size / contract_size(one))


def order_number(symbol: str, own_id: int, *, is_plan: bool = False) -> int:
    """The venue's id of an order of a perp, beyond what a float holds; conditional ones have numbers of their own."""
    return (739_000_000 + zlib.crc32(symbol.encode()) % 10**6 + 10**7 * is_plan) * 10**9 + own_id


def spot_number(symbol: str, own_id: int) -> str:
    """The name of an order of spot."""
    return f"C02__{order_number(symbol, own_id)}"


def is_venues(order: SimOrder) -> bool:
    """Whether the exchange gave the order its client id."""
    return order.client_id.startswith("sx") or order.forced_by is not ForcedBy.NOBODY


def text(value: Decimal | None) -> str:
    """A number as the venue writes it for spot; 0 for none."""
    return "0" if value is None else plain(value)


def loose(value: Decimal) -> Any:
    """A number as the venue writes it for perps: a JSON number, small ones as 1e-10."""
    return int(value) if value == value.to_integral_value() else float(value)
