"""What Binance spot and USDⓈ-M share: parameters, errors, numbers as text, routes, and who may call them.

Source: rest-api.md, errors.md of binance-spot-api-docs and the USDⓈ-M general info.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import plain
from bot.domain.symbol import pair_of
from bot.simex.dialects.binance.public.prepared import PreparedLists, PreparedObject
from bot.simex.dialects.binance.streams.keys import ListenKeys
from bot.simex.dialects.grids import WIDE, decimals
from bot.simex.dialects.wire import SocketSession
from bot.simex.engine.exchange import Exchange
from bot.simex.limits import IpGate, OrderGate
from bot.simex.signing import ApiKey

E = TypeVar("E")
SATOSHI = Decimal("0.00000001")
NUMBER_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER_RANGE = r"^[0-9]{1,20}$"
SYMBOL_RANGE = r"^[A-Z0-9-_.]{1,20}$"
EVERYTHING = 1_000_000_000
_UNKNOWN_MOST, _NAME_MOST = 2000, 80
INTERVALS_MS: Mapping[str, int] = {
    "1s": 1_000,
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": HOUR_MS,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": DAY_MS,
    "3d": 259_200_000,
    "1w": 604_800_000,
}


class ApiError(Exception):
    """A refusal in the venue's words."""

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code} {message}")
        self.data = data
        self.code, self.message, self.status, self.headers = code, message, status, dict(headers or {})


class Security(StrEnum):
    """What a route asks of its caller."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


class Params:
    """Parameters of one request; where a name is in both query and body, the query wins."""

    def __init__(self, query: str, body: str = "") -> None:
        self._values: dict[str, str] = {}
        for raw in (body, query):
            part: dict[str, str] = {}
            for name, value in parse_qsl(raw, keep_blank_values=True):
                if name in part:
                    raise ApiError(-1101, f"Duplicate values for parameter '{name}'.")
                part[name] = value
            self._values.update(part)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._values)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Params":
        """Parameters of one part of a request that has several."""
        texts = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in values.items() if v is not None}
        return cls(urlencode(texts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def as_dict(self) -> dict[str, str]:
        return dict(self._values)

    def text(self, name: str, legal: str | None = None) -> str:
        """A mandatory parameter."""
        value = self.maybe_text(name, legal)
        if value is None:
            raise missing(name)
        return value

    def maybe_text(self, name: str, legal: str | None = None) -> str | None:
        """The value of a parameter, None where it was not sent.

        Args:
            legal: the pattern that it has to match as a whole.

        Raises:
            ApiError: it was sent empty, or does not match.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        if legal is not None and not re.fullmatch(legal.removeprefix("^").removesuffix("$"), value):
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return value

    def decimal(self, name: str) -> Decimal:
        value = self.maybe_decimal(name)
        if value is None:
            raise missing(name)
        return value

    def maybe_decimal(self, name: str) -> Decimal | None:
        value = self.maybe_text(name, NUMBER_RANGE)
        return None if value is None else Decimal(value)

    def integer(self, name: str) -> int:
        value = self.maybe_integer(name)
        if value is None:
            raise missing(name)
        return value

    def maybe_integer(self, name: str) -> int | None:
        value = self.maybe_text(name, INTEGER_RANGE)
        return None if value is None else int(value)

    def limit(self, default: int, largest: int) -> int:
        """`limit`, silently cut to the largest, as the venue does.

        Raises:
            ApiError: it is zero.
        """
        value = self.maybe_integer("limit")
        if value == 0:
            raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
        return default if value is None else min(value, largest)

    def flag(self, name: str, default: bool = False) -> bool:
        """A parameter that is `true` or `false`.

        Raises:
            ApiError: it is neither.
        """
        value = self.maybe_text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def choice(self, name: str, table: Mapping[str, E], code: int, message: str) -> E:
        """A mandatory parameter that is one of the table's keys.

        Args:
            code: what the refusal of any other value is, with its message.

        Raises:
            ApiError: it is none of the keys.
        """
        value = self.text(name)
        if value not in table:
            raise ApiError(code, message)
        return table[value]


def missing(name: str) -> ApiError:
    """The refusal of a request without a mandatory parameter."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def fixed(value: Decimal, step: Decimal = SATOSHI) -> str:
    """Text with as many decimals as `step`, cut towards zero: `0.50000000`."""
    places = Decimal(1).scaleb(-decimals(step))
    return format(value.quantize(places, rounding=ROUND_DOWN, context=WIDE) + 0, "f")


def from_float(value: float) -> str:
    """A candle's float as the venue's text."""
    return f"{value:.8f}"


class Desk:
    """What all routes of one venue share: the engine, its symbols by venue name, the rate gates, made-up client ids."""

    def __init__(self, exchange: Exchange, *, ip: Mapping[str, IpGate], orders: Mapping[str, OrderGate]) -> None:
        self.exchange = exchange
        self.ip, self.orders = ip, orders
        self._made_ids = 0
        self.fee_burners: set[str] = set()
        self.listen_keys = ListenKeys()
        self._prepared = PreparedLists()
        self.hearers: dict[SocketSession, None] = {}  # open WebSockets that private events are for
        self.unknown: Counter[str] = Counter()  # methods and streams that are not there
        self.id_salt = ""  # another one in each run of an exchange that keeps its orders
        self._listed: Mapping[str, Instrument] | None = None
        self._symbols: dict[tuple[Kind, str], str] = {}
        self._frozen: dict[tuple[str, str], Any] = {}
        self._made: dict[tuple[Any, ...], Any] = {}
        self._polled = (0, 0)

    def shown(self, what: str, symbol: str, make: Callable[[], E]) -> E:
        """What is shown of a symbol's prices: made anew, or the first since they are frozen."""
        if not self.exchange.are_prices_frozen(symbol):
            self._frozen.pop((what, symbol), None)
            return make()
        result: E = self._frozen.setdefault((what, symbol), make())
        return result

    def begin(self) -> None:
        """A new request: what is listed may have changed since the last one."""
        self._listed = None

    def begin_poll(self, now_ms: int) -> None:
        """Sockets are asked for news: what was made for one is kept for the others until time or exchange move on."""
        state = (now_ms, self.exchange.event_count)
        if state != self._polled:
            self._polled, self._listed = state, None
            self._made.clear()

    def once(self, key: tuple[Any, ...], make: Callable[[], E]) -> E:
        """What is the same for all sockets in one poll: made for the first that needs it. Nobody may change it."""
        if key not in self._made:
            self._made[key] = make()
        result: E = self._made[key]
        return result

    def prepared(self, call: "Call", params: "Params", make: Callable[[], Mapping[str, Any]]) -> PreparedObject:
        """A list of instruments, made once for each state of the listings and each set of parameters."""
        return self._prepared.answer(self.exchange.listing_state(), (call.kind, params), call.now_ms, make)

    @property
    def listed(self) -> Mapping[str, Instrument]:
        """All instruments by unified symbol, as they are in this request."""
        if self._listed is None:
            self._listed = self.exchange.instruments
            self._symbols = {(i.kind, venue_symbol(i)): symbol for symbol, i in self._listed.items()}
        return self._listed

    def instruments(self, kind: Kind) -> tuple[Instrument, ...]:
        return tuple(i for i in self.listed.values() if i.kind is kind)

    def instrument(self, kind: Kind, name: str) -> Instrument:
        """The instrument with this venue name.

        Raises:
            ApiError: -1121 when there is none.
        """
        listed = self.listed
        symbol = self._symbols.get((kind, name))
        if symbol is None:
            raise ApiError(-1121, "Invalid symbol.")
        return listed[symbol]

    def count_unknown(self, what: str) -> None:
        """A method or a stream that is not there was asked for; of very many only the first are counted."""
        if len(self.unknown) < _UNKNOWN_MOST:
            self.unknown[what[:_NAME_MOST]] += 1

    def make_client_id(self, account: str) -> str:
        """22 letters and digits, never the same twice: what the venue makes up when the client names nothing."""
        self._made_ids += 1
        return hashlib.sha256(f"{self.id_salt}{account}/{self._made_ids}".encode()).hexdigest()[:22]


def venue_symbol(instrument: Instrument) -> str:
    """The name of an instrument in requests and answers, such as `UNIUSDT`."""
    return instrument.venue_symbol or pair_of(instrument.symbol).replace("/", "")


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request. `account` is empty on public routes."""

    desk: Desk
    params: Params
    now_ms: int
    kind: Kind
    key: ApiKey | None = None
    wall_ms: int = 0

    @property
    def exchange(self) -> Exchange:
        return self.desk.exchange

    @property
    def account(self) -> str:
        return self.key.account if self.key else ""

    def instrument(self) -> Instrument:
        """The instrument of the mandatory parameter `symbol`."""
        legal = SYMBOL_RANGE if self.kind is Kind.SPOT else None
        return self.desk.instrument(self.kind, self.params.text("symbol", legal))

    def fee_rates(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """(maker, taker) rates of the calling account."""
        return self.exchange.fee_rates(self.account, instrument.symbol)

    def maybe_instrument(self) -> Instrument | None:
        return self.instrument() if "symbol" in self.params else None

    def name(self, symbol: str) -> str:
        """The venue's name of a unified symbol; empty for none."""
        instrument = self.desk.listed.get(symbol)
        return venue_symbol(instrument) if instrument else pair_of(symbol).replace("/", "")


def times(call: "Call", longest_ms: int | None = None) -> tuple[int | None, int]:
    """(startTime or None, endTime or now).

    Raises:
        ApiError: they are out of order (-1023 for futures, -1128 for spot), or span more than `longest_ms` (-1127).
    """
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    if start_ms is not None and end_ms is not None:
        if start_ms > end_ms and call.kind is Kind.PERP:
            raise ApiError(-1023, "Start time is greater than end time.")
        if start_ms > end_ms:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if longest_ms is not None and end_ms - start_ms > longest_ms:
            raise ApiError(-1127, f"More than {longest_ms // HOUR_MS} hours between startTime and endTime.")
    if longest_ms is not None and start_ms is not None and end_ms is None:
        return start_ms, min(call.now_ms, start_ms + longest_ms)
    return start_ms, call.now_ms if end_ms is None else end_ms


Action = Callable[[Call], Any]
Weight = int | Callable[[Params], int]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `orders`: how many orders it counts; `is_free`: weight is given back on success; `gate`: names the
    address gate that is charged (the family's own when empty); `permission`: what the key must have."""

    method: str
    path: str
    act: Action
    security: Security = Security.NONE
    weight: Weight = 1
    orders: int = 0
    is_free: bool = False
    gate: str = ""
    permission: str = ""
    known: frozenset[str] = frozenset()

    def cost(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def public(path: str, act: Action, weight: Weight = 1, *, gate: str = "") -> Route:
    return Route("GET", path, act, weight=weight, gate=gate)


def private(method: str, path: str, act: Action, weight: Weight = 1, permission: str = "") -> Route:
    return Route(method, path, act, Security.SIGNED, weight, permission=permission)


def table_of(*groups: Iterable[Route]) -> dict[tuple[str, str], Route]:
    """Routes by (method, path).

    Raises:
        ValueError: when two routes share one.
    """
    table: dict[tuple[str, str], Route] = {}
    for route in (route for group in groups for route in group):
        if (route.method, route.path) in table:
            raise ValueError(f"two routes for {route.method} {route.path}")
        table[route.method, route.path] = route
    return table


def number(value: Decimal) -> int | float:
    """A JSON number, for the few fields that are no text (brackets, leverage)."""
    return int(value) if value == value.to_integral_value() else float(plain(value))
