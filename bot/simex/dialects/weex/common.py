"""What all endpoints of WEEX share: refusals, parameters, names of orders.

Source: WEEX API documentation v3 (2026-04). Where it says nothing, the stricter of two ways is taken.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import plain
from bot.domain.symbol import pair_of
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy, PositionSide, SimOrder
from bot.simex.signing import ApiKey

WINDOW_MAX_MS = 7 * DAY_MS
EVERYTHING = 1_000_000_000
PAGE_MAX = 100
_R = RefusalReason


class WeexRefusal(Exception):
    """A refusal in the venue's words."""

    def __init__(self, code: int | str, message: str, status: int = 400) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.status = code, message, status


UNLISTED = -1039
"""A code that no document names: what the venue answers in some cases is not known, and nobody may rely on it."""
_PARAMETER = (-1142, "Parameter is invalid.")
_PRECISION = (-1160, "Decimal precision error.")
_SHORTAGE = (-1054, "FAILED_PRECONDITION: available amount not enough")
PERP_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    _R.MARKET_CLOSED: (-3235, "No permission for this trading pair."),
    _R.SYMBOL_CLOSED: (-3235, "No permission for this trading pair."),
    _R.BAD_REQUEST: _PARAMETER,
    _R.PRECISION: _PRECISION,
    _R.PRICE_FILTER: _PARAMETER,
    _R.PRICE_TICK: _PRECISION,
    _R.PERCENT_PRICE_HIGH: _PARAMETER,
    _R.PERCENT_PRICE_LOW: _PARAMETER,
    _R.LOT_SIZE: _PARAMETER,
    _R.LOT_STEP: _PRECISION,
    _R.MARKET_LOT_SIZE: (-3007, "Maximum contract order quantity exceeded."),
    _R.MIN_NOTIONAL: _PARAMETER,
    _R.INSUFFICIENT_MARGIN: _SHORTAGE,
    _R.INSUFFICIENT_BALANCE: _SHORTAGE,
    _R.MARGIN_INSUFFICIENT: _SHORTAGE,
    _R.LEVERAGE_BRACKET: (-3313, "Leverage exceeds maximum limit."),
    _R.LEVERAGE_INVALID: (-3313, "Leverage exceeds maximum limit."),
    _R.LEVERAGE_REDUCTION: (-3313, "Leverage exceeds maximum limit."),
    _R.DUPLICATE_CLIENT_ID: (UNLISTED, "Duplicate client order id."),
    _R.BAD_CLIENT_ID: (-1180, "client_oid length must not exceed 40 and must not contain special characters."),
    _R.UNKNOWN_ORDER: (-3200, "Order does not exist."),
    _R.TRADING_DISABLED: (-1052, "Insufficient permissions for this action."),
    _R.ACCOUNT_UNKNOWN: (-1044, "Invalid ACCESS_KEY."),
}
SPOT_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    **PERP_REFUSALS,
    _R.UNKNOWN_SYMBOL: (-2007, "Symbol does not exist."),
    _R.MARKET_CLOSED: (-1058, "No permission for this trading pair."),
    _R.SYMBOL_CLOSED: (-1058, "No permission for this trading pair."),
    _R.MARKET_LOT_SIZE: _PARAMETER,
    _R.UNKNOWN_ORDER: (-2200, "Order does not exist."),
}


def error_of(refusal: Refusal, *, perp: bool) -> WeexRefusal:
    """The engine's no; a reason whose code no document names is answered with one that nobody has listed."""
    words = (UNLISTED, str(refusal.reason.value))
    return WeexRefusal(*(PERP_REFUSALS if perp else SPOT_REFUSALS).get(refusal.reason, words))


def invalid(name: str) -> WeexRefusal:
    """The refusal of a malformed parameter."""
    return WeexRefusal(-1142, f"Parameter {name} is invalid.")


class WeexParams:
    """Parameters of one request: texts of a query, or the JSON values of a body."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """The value of a mandatory parameter.

        Raises:
            WeexRefusal: it was not sent, or empty.
        """
        found = self.maybe_text(name)
        if not found:
            raise WeexRefusal(-1141, f"Parameter {name} cannot be empty.")
        return found

    def maybe_text(self, name: str) -> str:
        found = self._values.get(name, "")
        if not isinstance(found, str):
            raise invalid(name)
        return found

    def maybe_number(self, name: str) -> Decimal | None:
        """A number written out as text. One in scientific notation is refused: it has been through a float.

        Raises:
            WeexRefusal: it is not written so, or too long.
        """
        found = self.maybe_text(name)
        if not found:
            return None
        if not re.fullmatch(r"\d{1,20}(\.\d{1,20})?", found):
            raise WeexRefusal(*_PRECISION)
        return Decimal(found)

    def maybe_integer(self, name: str) -> int | None:
        """A whole number, as JSON has it or as text."""
        found = self._values.get(name)
        if found in (None, ""):
            return None
        if isinstance(found, bool) or not re.fullmatch(r"\d{1,19}", str(found)):
            raise invalid(name)
        return int(found)

    def limit(self, default: int, largest: int) -> int:
        """How many rows are asked for.

        Raises:
            WeexRefusal: it is zero, or more than the largest.
        """
        found = self.maybe_integer("limit")
        if found == 0 or (found is not None and found > largest):
            raise WeexRefusal(-1140, f"Parameter validation failed. limit must be between 1 and {largest}.")
        return default if found is None else found


@dataclass
class WeexDesk:
    """What all endpoints share, and the ways that the documents leave open. `refuses_in_answers`: refusals of orders of
    perps come in an answer with HTTP 200; otherwise as those of spot do. `closed`: symbols that the API may not
    trade."""

    exchange: Exchange
    refuses_in_answers: bool = True
    closed: frozenset[str] = frozenset()

    def instrument(self, kind: Kind, name: str) -> Instrument:
        """The instrument with this venue name. Raises WeexRefusal where there is none."""
        for instrument in self.exchange.instruments.values():
            if instrument.kind is kind and venue_symbol(instrument.symbol) == name:
                return instrument
        raise error_of(Refusal(_R.UNKNOWN_SYMBOL), perp=kind is Kind.PERP)

    def instruments(self, kind: Kind) -> tuple[Instrument, ...]:
        return tuple(one for one in self.exchange.instruments.values() if one.kind is kind)


def venue_symbol(symbol: str) -> str:
    """The name of an instrument in requests and answers, such as `UNIUSDT`."""
    return pair_of(symbol).replace("/", "")


@dataclass(frozen=True, slots=True)
class WeexCall:
    """One admitted request. `key` is None on public endpoints."""

    desk: WeexDesk
    params: WeexParams
    now_ms: int
    kind: Kind
    key: ApiKey | None = None

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

    def window(self) -> tuple[int, int]:
        """(start, end) of a question about the past.

        Raises:
            WeexRefusal: the end is before the start, or more than 7 days after it.
        """
        start_ms, end_ms = self.params.maybe_integer("startTime"), self.params.maybe_integer("endTime")
        end_ms = self.now_ms if end_ms is None else end_ms
        start_ms = end_ms - WINDOW_MAX_MS if start_ms is None else start_ms
        if end_ms < start_ms:
            raise WeexRefusal(-1171, "startTime cannot be greater than endTime.")
        if end_ms - start_ms > WINDOW_MAX_MS:
            raise WeexRefusal(-1170, "Time range cannot exceed 7 days.")
        return start_ms, end_ms


Action = Callable[[WeexCall], Any]


@dataclass(frozen=True, slots=True)
class WeexEndpoint:
    """One endpoint. `counts_as` is what it counts as beside its weight, an order or a cancel of a kind of market.
    `is_write`: the key needs the right to trade; some reads are POSTs."""

    method: str
    path: str
    kind: Kind
    act: Action
    weight: int
    is_signed: bool = False
    is_write: bool = False
    counts_as: str = ""

    @property
    def per_second(self) -> int:
        """No endpoint has a limit of its own a second: weight and orders are counted over all of them."""
        return 0


def public(path: str, kind: Kind, act: Action, weight: int) -> WeexEndpoint:
    return WeexEndpoint("GET", path, kind, act, weight)


def private(method: str, path: str, kind: Kind, act: Action, weight: int) -> WeexEndpoint:
    return WeexEndpoint(method, path, kind, act, weight, is_signed=True)


def writing(method: str, path: str, kind: Kind, act: Action, weight: int, counts_as: str = "") -> WeexEndpoint:
    return WeexEndpoint(method, path, kind, act, weight, is_signed=True, is_write=True, counts_as=counts_as)


def table_of(*groups: Iterable[WeexEndpoint]) -> dict[tuple[str, str], WeexEndpoint]:
    return {(one.method, one.path): one for group in groups for one in group}


def order_number(symbol: str, own_id: int) -> int:
    """The venue's id of an order, beyond what a float holds."""
    return (700_000_000 + zlib.crc32(symbol.encode()) % 10**8) * 10**9 + own_id


def own_number(number: int) -> int:
    """The engine's id of an order of the venue's."""
    return number % 10**9


def client_id_of(order: SimOrder) -> str:
    """The client id that the venue has of an order; those that it makes have one of its own."""
    is_venues = order.client_id.startswith("sx") or order.forced_by is not ForcedBy.NOBODY
    return f"venue-{order.id}" if is_venues else order.client_id


def side_of(order: SimOrder) -> str:
    """The side of the position that an order belongs to, which the venue says in every mode."""
    if order.position_side is not PositionSide.BOTH:
        return order.position_side.value
    closes = PositionSide.closed_by(order.side).value
    opens = "SHORT" if closes == "LONG" else "LONG"
    return closes if order.reduce_only or order.forced_by is not ForcedBy.NOBODY else opens


def text(value: Decimal | None) -> str:
    """A number as the venue writes it; "0" for none."""
    return "0" if value is None else plain(value)
