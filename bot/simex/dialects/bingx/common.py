"""What all endpoints of BingX share: refusals, parameters, names of orders.

Source: BingX API documentation (2026-04). Where it says nothing, the stricter of two ways is taken.
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
from bot.domain.symbol import base_of, is_perp, quote_of
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy, SimOrder
from bot.simex.signing import ApiKey

WINDOW_MAX_MS = 7 * DAY_MS
EVERYTHING = 1_000_000_000
VIRTUAL = "VST"
_R = RefusalReason


class BingxRefusal(Exception):
    """A refusal in the venue's words. `is_transfer`: transfers refuse in a shape without a code."""

    def __init__(self, code: int, message: str, *, is_transfer: bool = False) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.is_transfer = code, message, is_transfer


PERP_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (109425, "symbol not exist"),
    _R.MARKET_CLOSED: (101415, "trading pair suspended"),
    _R.SYMBOL_CLOSED: (109418, "pair offline"),
    _R.BAD_REQUEST: (109400, "Invalid parameters"),
    _R.PRECISION: (109400, "Invalid parameters, precision"),
    _R.PRICE_FILTER: (101211, "price exceeds the allowed range"),
    _R.PRICE_TICK: (109400, "Invalid parameters, price precision"),
    _R.PERCENT_PRICE_HIGH: (101211, "price exceeds the allowed range"),
    _R.PERCENT_PRICE_LOW: (101211, "price exceeds the allowed range"),
    _R.LOT_SIZE: (110422, "order size below minimum"),
    _R.LOT_STEP: (110425, "order size does not meet the step"),
    _R.MARKET_LOT_SIZE: (110422, "order size above maximum"),
    _R.MIN_NOTIONAL: (101400, "The minimum order amount is not met"),
    _R.MAX_ORDERS: (109400, "Invalid parameters, too many orders"),
    _R.INSUFFICIENT_MARGIN: (101204, "Insufficient margin"),
    _R.INSUFFICIENT_BALANCE: (101204, "Insufficient margin"),
    _R.LEVERAGE_BRACKET: (101414, "leverage exceeds limit"),
    _R.DUPLICATE_CLIENT_ID: (101400, "duplicate clientOrderID"),
    _R.BAD_CLIENT_ID: (109400, "Invalid parameters, clientOrderId"),
    _R.WOULD_TAKE: (101215, "PostOnly order would be filled immediately"),
    _R.FOK_UNFILLED: (101400, "FOK order cannot be filled"),
    _R.REDUCE_ONLY: (101205, "No position to close"),
    _R.REDUCE_ONLY_TAKEN: (101290, "reduce only order can only decrease position"),
    _R.TRIGGER_IMMEDIATE: (101400, "the trigger price is on the wrong side of the price"),
    _R.NO_BOOK: (101400, "no counterparty"),
    _R.UNKNOWN_ORDER: (109421, "order not exist"),
    _R.POSITION_MISSING: (101205, "No position to close"),
    _R.LEVERAGE_INVALID: (101414, "leverage exceeds limit"),
    _R.LEVERAGE_REDUCTION: (101414, "leverage cannot be reduced with a position"),
    _R.MARGIN_INSUFFICIENT: (101253, "margin is not enough"),
    _R.OPEN_ORDERS_EXIST: (104103, "please close positions and orders first"),
    _R.POSITION_EXISTS: (104103, "please close positions and orders first"),
    _R.POSITION_SIDE: (109400, "Invalid parameters, positionSide does not fit the position mode"),
    _R.POSITION_MODE_ORDERS: (104103, "please close positions and orders first"),
    _R.POSITION_MODE_POSITION: (104103, "please close positions and orders first"),
    _R.TRADING_DISABLED: (100004, "Permission denied"),
    _R.ACCOUNT_UNKNOWN: (100413, "Incorrect apiKey"),
}
SPOT_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    **PERP_REFUSALS,
    _R.MARKET_CLOSED: (100490, "spot pair is offline"),
    _R.SYMBOL_CLOSED: (100490, "spot pair is offline"),
    _R.PRICE_FILTER: (100440, "Order price deviates greatly from the market price"),
    _R.PERCENT_PRICE_HIGH: (100440, "Order price deviates greatly from the market price"),
    _R.PERCENT_PRICE_LOW: (100440, "Order price deviates greatly from the market price"),
    _R.INSUFFICIENT_BALANCE: (100202, "Insufficient balance"),
    _R.UNKNOWN_ORDER: (100404, "the order is FILLED or CANCELLED already before, or doesn't exist"),
}
_UNEXPECTED = (100500, "The current system is busy, please try again later")


def error_of(refusal: Refusal, *, perp: bool) -> BingxRefusal:
    """The engine's no; a reason without a code is answered so that the caller knows that nothing is known."""
    return BingxRefusal(*(PERP_REFUSALS if perp else SPOT_REFUSALS).get(refusal.reason, _UNEXPECTED))


def invalid(name: str) -> BingxRefusal:
    """The refusal of a parameter that is missing or malformed."""
    return BingxRefusal(109400, f"Invalid parameters, err:Key: '{name}' Error:Field validation failed")


class BingxParams:
    """Parameters of one request: texts of a query."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        found = self.maybe_text(name)
        if not found:
            raise invalid(name)
        return found

    def maybe_text(self, name: str) -> str:
        return self._values.get(name, "")

    def maybe_number(self, name: str) -> Decimal | None:
        """A number written out. One in scientific notation is refused: it has been through a float."""
        found = self.maybe_text(name)
        if not found:
            return None
        if not re.fullmatch(r"\d{1,20}(\.\d{1,20})?", found):
            raise invalid(name)
        return Decimal(found)

    def maybe_integer(self, name: str) -> int | None:
        found = self.maybe_text(name)
        if not found:
            return None
        if not re.fullmatch(r"\d{1,19}", found):
            raise invalid(name)
        return int(found)

    def flag(self, name: str) -> bool:
        found = self.maybe_text(name).lower()
        if found not in ("", "true", "false"):
            raise invalid(name)
        return found == "true"

    def limit(self, default: int, largest: int, name: str = "limit") -> int:
        found = self.maybe_integer(name)
        if found == 0 or (found is not None and found > largest):
            raise invalid(name)
        return default if found is None else found


@dataclass
class BingxDesk:
    """What all endpoints share, and the ways that the documents leave open. `names_sides`: fills of perps say their
    side. `keeps_stop_ids`: conditional orders of perps keep the client id that they are sent with. `numbers_anew`: the
    order that a fired one becomes has a number and a type of its own, and the other's number beside it. `shows_fired`:
    such a fired one can still be asked for by its own number."""

    exchange: Exchange
    names_sides: bool = True
    keeps_stop_ids: bool = False
    numbers_anew: bool = False
    shows_fired: bool = False

    def instrument(self, kind: Kind, name: str) -> Instrument:
        """The instrument with this venue name. Raises BingxRefusal where there is none."""
        for instrument in self.exchange.instruments.values():
            if instrument.kind is kind and venue_symbol(instrument.symbol) == name:
                return instrument
        raise error_of(Refusal(_R.UNKNOWN_SYMBOL), perp=kind is Kind.PERP)

    def instruments(self, kind: Kind) -> tuple[Instrument, ...]:
        return tuple(one for one in self.exchange.instruments.values() if one.kind is kind)


def venue_symbol(symbol: str) -> str:
    """The name of an instrument in requests and answers, such as `UNI-USDT`."""
    return f"{base_of(symbol)}-{quote_of(symbol)}"


@dataclass(frozen=True, slots=True)
class BingxCall:
    """One admitted request. `key` is None on public endpoints; `is_virtual`: it came to the test environment."""

    desk: BingxDesk
    params: BingxParams
    now_ms: int
    kind: Kind
    key: ApiKey | None = None
    is_virtual: bool = False

    @property
    def exchange(self) -> Exchange:
        return self.desk.exchange

    @property
    def account(self) -> str:
        return self.key.account if self.key is not None else ""

    @property
    def money(self) -> str:
        """What perps are paid in, as this environment calls it."""
        return VIRTUAL if self.is_virtual else self.exchange.wallet(self.account).asset

    def instrument(self) -> Instrument:
        """The instrument of the mandatory parameter `symbol`."""
        return self.desk.instrument(self.kind, self.params.text("symbol"))

    def wanted(self) -> tuple[Instrument, ...]:
        """The instrument of the parameter `symbol`, all of the kind without it."""
        name = self.params.maybe_text("symbol")
        return (self.desk.instrument(self.kind, name),) if name else self.desk.instruments(self.kind)

    def window(
        self,
        start: str = "startTime",
        end: str = "endTime",
        *,
        is_needed: bool = False,
        longest_ms: int = WINDOW_MAX_MS,
    ) -> tuple[int, int]:
        """(start, end) of a question about the past."""
        start_ms, end_ms = self.params.maybe_integer(start), self.params.maybe_integer(end)
        if is_needed and (start_ms is None or end_ms is None):
            raise invalid(start if start_ms is None else end)
        end_ms = self.now_ms if end_ms is None else end_ms
        start_ms = end_ms - WINDOW_MAX_MS if start_ms is None else start_ms
        if end_ms < start_ms or end_ms - start_ms > longest_ms:
            raise invalid(end)
        return start_ms, end_ms


Action = Callable[[BingxCall], Any]


@dataclass(frozen=True, slots=True)
class BingxEndpoint:
    """One endpoint. `per_second` bounds an account; 0: only the address counts. Without `has_data` its answer stands
    beside the code."""

    method: str
    path: str
    kind: Kind
    act: Action
    per_second: int = 0
    is_signed: bool = False
    has_data: bool = True


def public(path: str, kind: Kind, act: Action) -> BingxEndpoint:
    return BingxEndpoint("GET", path, kind, act)


def private(
    method: str, path: str, kind: Kind, act: Action, per_second: int, *, has_data: bool = True
) -> BingxEndpoint:
    return BingxEndpoint(method, path, kind, act, per_second, is_signed=True, has_data=has_data)


def table_of(*groups: Iterable[BingxEndpoint]) -> dict[tuple[str, str], BingxEndpoint]:
    return {(one.method, one.path): one for group in groups for one in group}


def order_number(order: SimOrder | None, symbol: str, own_id: int, *, is_anew: bool = False) -> int:
    """The venue's id of an order, beyond what a float holds: a conditional order keeps its own when it has fired, where
    what it becomes is not numbered anew."""
    own = own_id if order is None or order.parent_id is None or is_anew else order.parent_id
    return (1_700_000_000 + zlib.crc32(symbol.encode()) % 10**8) * 10**9 + own


def client_id_of(desk: BingxDesk, order: SimOrder) -> str:
    """The client id that the venue has of an order: of a perp's conditional order it keeps none, and it gives none to
    orders that it makes."""
    is_conditional = is_perp(order.symbol) and (order.trigger_price is not None or order.parent_id is not None)
    is_venues = order.client_id.startswith("sx") or order.forced_by is not ForcedBy.NOBODY
    return "" if is_venues or (is_conditional and not desk.keeps_stop_ids) else order.client_id


def text(value: Decimal | None) -> str:
    """A number as the venue writes it; empty for none."""
    return "" if value is None else plain(value)


def loose(value: Decimal) -> float:
    """A number as the venue writes it where it writes JSON numbers: small ones come out as 1e-06."""
    return float(value)
