"""The connection to one account: environment, session, clock, markets. It refuses to start on any doubt about them.

`sim` is the embedded exchange under the production host names: reachable only through a session whose resolver leads to
loopback, so ccxt's error mapping stays as in production and no request can leak.
"""

import asyncio
import contextlib
import contextvars
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.ports import Answered, Clock, Rejection, SetupFailed, Unavailable, VenueRejected
from bot.venues.ccxt.account.credentials import Credentials
from bot.venues.ccxt.account.sent import SentOrders
from bot.venues.ccxt.account.stops import UnnamedStops
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.former import bare_market
from bot.venues.ccxt.hosts import verify_hosts
from bot.venues.ccxt.instruments_cache import InstrumentsCache
from bot.venues.ccxt.loader import load_exchange_class
from bot.venues.ccxt.profile import MarketRules, Profile, SandboxMode
from bot.venues.ccxt.rows import UNREADABLE, message_of
from bot.venues.ccxt.wire import OnceSession, Wire, build_gates

_CLOCK_SAMPLES = 3
_TIMEOUT_MIN_MS = 15_000
FACTS_AGE_MAX_MS = 900_000  # how long instruments, filters, fees and leverage brackets hold
ENDED_MS = HOUR_MS
CONTRADICTED_READ_MS = 60_000
"""A symbol refused by reads again and again does not make the whole list be asked for more often than this."""
_STAMP: contextvars.ContextVar[int | None] = contextvars.ContextVar("stamp", default=None)


@dataclass(frozen=True, slots=True)
class Seams:
    """What simulations and tests replace: the throttle's clock and sleep (seconds), the ccxt class."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    exchange_class: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """Numbers of the connection.

    `timeout_ms` is not below 15 s: the venue's own back end gives up after 10 s and says so, and that answer is worth
    more than a time-out of ours. `latency_spread_ms` lengthens every rate-limit window. `trades`: orders are meant to
    be sent, so a key that may not trade is refused.
    """

    receive_window_ms: int | None = None
    timeout_ms: int = 20_000
    latency_spread_ms: int = 1_000
    read_attempts: int = 3
    cache_folder: Path | None = None
    cache_max_age_ms: int = 6 * HOUR_MS
    trades: bool = True
    maintenance_rate: Decimal | None = None  # of perps, as the operator says, where the venue does not
    trust_env: bool = True  # proxies as HTTPS_PROXY and NO_PROXY name them; a session that is given has its own way
    seams: Seams = Seams()

    def __post_init__(self) -> None:
        if self.timeout_ms < _TIMEOUT_MIN_MS:
            raise ValueError(f"timeout_ms is {self.timeout_ms}; it must be at least {_TIMEOUT_MIN_MS}")


class Connection:
    """An opened ccxt instance with its wire, clock and markets; before `open` its wire raises Unavailable.

    Args:
        session_factory: makes the aiohttp session; mandatory where the environment needs one (`sim`).
    """

    def __init__(
        self,
        profile: Profile,
        environment: str,
        *,
        credentials: Credentials | None,
        quote: str,
        session_factory: Callable[[], aiohttp.ClientSession] | None,
        clock: Clock,
        rules: ConnectionRules,
    ) -> None:
        if environment not in profile.environments:
            known = ", ".join(sorted(profile.environments))
            raise SetupFailed(f"{profile.id} has no environment {environment!r}; it has {known}")
        self.profile, self.environment = profile, profile.environments[environment]
        self.quote, self.rules = quote, rules
        self.receive_window_ms = rules.receive_window_ms or profile.receive_window_ms
        if not 0 < self.receive_window_ms <= profile.receive_window_max_ms:
            raise SetupFailed(
                f"receive window {self.receive_window_ms} ms is not within 1 and {profile.receive_window_max_ms} ms"
            )
        self.clock_skew_ms = 0
        self.instruments: dict[str, Instrument] = {}
        self.position_sides: Mapping[str, str] = {}  # where an order has to name the side of its position
        self.is_hedged = False  # position mode of all perps, where the venue has one, as it was last read
        self.stops, self.sent = UnnamedStops(), SentOrders()
        self.former: dict[str, Instrument] = {}
        self._markets: dict[str, Any] = {}
        self._ended: dict[str, int] = {}
        self._bare: dict[str, Mapping[str, Any]] = {}
        self._left_out: dict[str, str] = {}
        self.asked, self._listed = dict[str, None](), dict[str, None]()
        self._has_all = self._is_contradicted = False
        self._loaded_ms: int | None = None
        self.loads = 0  # how often the instruments were taken over, from the venue or the file
        self.symbols_by_id: dict[Kind, dict[str, str]] = {kind: {} for kind in Kind}
        self._credentials, self._session_factory, self._clock = credentials, session_factory, clock
        self.session: aiohttp.ClientSession | None = None
        self._wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        if self._wire is None:
            raise Unavailable(f"{self.profile.id} is not open")
        return self._wire

    @property
    def exchange(self) -> Any:
        return self.wire.exchange

    @property
    def has_keys(self) -> bool:
        return self._credentials is not None

    def now_ms(self) -> int:
        """Venue time, UTC ms."""
        return self._clock.now_ms() + self.clock_skew_ms

    @contextlib.contextmanager
    def stamped(self, stamp_ms: int) -> Iterator[None]:
        """Requests of this task are signed with that time while the block runs: a stamp that was journaled, where the
        venue takes it from ccxt's clock and from no parameter."""
        token = _STAMP.set(stamp_ms)
        try:
            yield
        finally:
            _STAMP.reset(token)

    def _signing_ms(self) -> int:
        stamp_ms = _STAMP.get()
        return self.now_ms() if stamp_ms is None else stamp_ms

    async def open(self) -> None:
        """Build the instance, check every URL, connect and measure the clock.

        Raises:
            SetupFailed: with what to do; Unavailable: when the venue does not answer.
        """
        exchange = self._build()
        verify_hosts(exchange, self.environment, self.profile.id)
        self.session = self._make_session(exchange)
        exchange.session = OnceSession(self.session)
        exchange.milliseconds = self._signing_ms
        seams, spread_ms = self.rules.seams, self.rules.latency_spread_ms
        gates = build_gates(self.profile, spread_ms=spread_ms, clock=seams.monotonic, sleep=seams.sleep)
        self._wire = Wire(
            exchange,
            self.profile,
            gates,
            now_ms=self.now_ms,
            read_attempts=self.rules.read_attempts,
            sleep=seams.sleep,
        )
        try:
            await self.measure_clock()
        except ReadRefused as error:
            raise SetupFailed(f"{self.profile.id} refuses even the time of day: {error}") from error
        if abs(self.clock_skew_ms) > self.receive_window_ms / 2:
            raise SetupFailed(
                f"the clock differs from {self.profile.id}'s by {self.clock_skew_ms} ms, more than half of the receive "
                f"window ({self.receive_window_ms} ms); synchronise this machine's clock (NTP) and start again"
            )

    async def close(self) -> None:
        """Release the session. Safe to call twice, and after a failed open."""
        wire, self._wire = self._wire, None
        session, self.session = self.session, None
        if wire is not None:
            wire.exchange.session = None
            wire.exchange.closed_by_user = True
        if session is not None:
            await session.close()

    async def measure_clock(self) -> int:
        """Venue clock minus ours, ms: the sample with the shortest round trip of three; used for later stamps."""
        samples = [await self.wire.read(self._time_sample) for _ in range(_CLOCK_SAMPLES)]
        self.clock_skew_ms = min(samples)[1]
        return self.clock_skew_ms

    async def read(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """A read; when the venue dislikes our clock, the clock is measured and the read is tried once more."""
        try:
            return await self.wire.read(call)
        except ReadRefused as error:
            if (
                self.profile.errors.contradicts_facts(error.code, error.kind)
                and self._facts_age_ms() >= CONTRADICTED_READ_MS
            ):
                self._is_contradicted = True
            if error.kind is not Rejection.CLOCK:
                raise
        await self.measure_clock()
        return await self.wire.read(call)

    async def write(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """One write; a refusal that contradicts what is known of instruments makes the next question ask the venue."""
        try:
            return await self.wire.write(call)
        except VenueRejected as rejected:
            if self.profile.errors.contradicts_facts(rejected.code, rejected.kind):
                self._is_contradicted = True
            raise

    async def load_instruments(
        self, symbols: Sequence[str] | None, *, is_known_enough: bool = False
    ) -> Answered[Instrument]:
        """Instruments by symbol; `None` asks for all. Symbols the venue does not list are missing, with the reason.

        A question about all that were ever asked for and are or were listed goes to the venue; one about some of them,
        and one with `is_known_enough`, is answered from what is known for `FACTS_AGE_MAX_MS`, until a refusal
        contradicts it. The cache file answers the first question of a process only: the next one asks the venue.
        Raises Unavailable.
        """
        self.asked |= dict.fromkeys(symbols or ())
        required = None if symbols is None else tuple(dict.fromkeys([*self.instruments, *self.asked]))
        listed = self.asked.keys() & (self.instruments.keys() | self.former.keys())
        is_about_all = not is_known_enough and (symbols is None or listed <= set(symbols))
        if is_about_all or self._is_due(required):
            cached = self._cache_load(required) if self._loaded_ms is None else None
            markets = await self.read(self._fetch_markets) if cached is None else cached
            if cached is None and self.profile.mark_closed is not None:
                await self.profile.mark_closed(self, markets)
            markets = {name: market for name, market in markets.items() if required is None or name in required}
            if self.instruments and not markets:
                raise Unavailable(
                    f"{self.profile.id} lists none of the {len(self.instruments)} instruments known of it"
                )
            if cached is None:
                self._cache_save(markets, required)
                self._is_contradicted = False
            self._adopt_markets(markets)
            self._loaded_ms = self.now_ms() if cached is None else 0
            self._has_all = required is None
            self.loads += 1
        result = {name: value for name, value in self.instruments.items() if symbols is None or name in symbols}
        absent = {name: self._why_absent(name) for name in symbols or () if name not in result}
        former = {name: self.known(name) for name in absent if not self._has_ended(name)}
        return Answered(result, absent, {name for name in absent if self._may_be_unreadable(name)}, former)

    def are_facts_due(self) -> bool:
        """Whether the next question asks the venue: what is known is old, from the file, or was contradicted."""
        return self._is_contradicted or self._facts_age_ms() >= FACTS_AGE_MAX_MS

    def _is_due(self, wanted: Sequence[str] | None) -> bool:
        is_known = self._has_all or (wanted is not None and {*self.instruments, *self._listed}.issuperset(wanted))
        return self.are_facts_due() or not is_known

    def _facts_age_ms(self) -> int:
        return FACTS_AGE_MAX_MS if self._loaded_ms is None else self.now_ms() - self._loaded_ms

    def _may_be_unreadable(self, symbol: str) -> bool:
        """Whether a row that could not be read is of the symbol, or does not say of which it is."""
        return not self._left_out.keys().isdisjoint({symbol, self.venue_symbol(symbol), ""})

    def _why_absent(self, symbol: str) -> str:
        if symbol in self._left_out:
            return self._left_out[symbol]
        return "the venue no longer lists it" if symbol in self.former else "the venue does not list it"

    def instrument(self, symbol: str) -> Instrument:
        """A listed instrument, or one that was listed: its orders and position are still there to be handled.

        Raises:
            Unavailable: it is neither.
        """
        known = self.instruments.get(symbol) or self.former.get(symbol)
        if known is None:
            raise Unavailable(f"{symbol} is not among the instruments loaded from {self.profile.id}")
        return known

    def known(self, symbol: str) -> Instrument:
        """A listed instrument, else the one that was listed, else one made of the symbol's names: the venue may still
        take cancels, questions and closing orders in it."""
        result = self.instruments.get(symbol) or self.former.get(symbol)
        if result is not None:
            return result
        parsed = self.profile.markets.instrument(self.former_market(symbol), venue=self.profile.id)
        return replace(parsed, active=False, is_former=True)

    def note_end(self, symbol: str) -> None:
        """A market that is listed no more has refused an order for good: nothing is closed there for an hour."""
        self._ended[symbol] = self.now_ms()

    def _has_ended(self, symbol: str) -> bool:
        return 0 <= self.now_ms() - self._ended.get(symbol, -ENDED_MS) < ENDED_MS

    def prepare(self, symbol: str) -> Instrument:
        """The same, known to ccxt as well: it refuses a cancel in a market it does not know, and asks for all first."""
        if symbol not in self._markets:
            self._markets[symbol] = self.former_market(symbol)
            self.exchange.set_markets(list(self._markets.values()))
        return self.known(symbol)

    def former_market(self, symbol: str) -> Mapping[str, Any]:
        """A market that is not listed, as it was last known, else one made of the symbol's names."""
        if symbol not in self._bare:
            cache = self._cache()
            stored = None if cache is None else cache.load_former(symbol)
            with contextlib.suppress(*UNREADABLE):
                if stored and self.profile.markets.instrument(stored, venue=self.profile.id).symbol == symbol:
                    self._bare[symbol] = stored
                    return stored
            name = self.venue_symbol(symbol)
            self._bare[symbol] = bare_market(symbol, name, self.profile.markets.bare_info(name))
        return self._bare[symbol]

    def venue_symbol(self, symbol: str) -> str:
        """The venue's name of a symbol, built from its parts when the symbol is not known."""
        known = self.instruments.get(symbol) or self.former.get(symbol)
        if known is not None:
            return known.venue_symbol
        return self.profile.markets.venue_symbol(symbol)

    def contract_size(self, symbol: str) -> Decimal:
        """Base units per contract; 1, as of every linear perp of the venue, when the symbol is not known."""
        known = self.instruments.get(symbol) or self.former.get(symbol)
        return known.contract_size if known is not None else Decimal(1)

    def market_of(self, symbol: str) -> str:
        """The rate-limit market a symbol belongs to."""
        return self.profile.markets.limited_market(symbol)

    def symbol_of(self, venue_symbol: str, kind: Kind, asset: str = "") -> str:
        """The unified symbol. One that has not been loaded is named by the currency it ends with: of `asset`, ours and
        the venue's others the longest; `?` where it is none of them. It is never given a currency it does not name."""
        known = self.symbols_by_id[kind].get(venue_symbol)
        if known is not None:
            return known
        return self.profile.markets.symbol_of(venue_symbol, kind, (asset, self.quote, *self.profile.quotes))

    def _build(self) -> Any:
        environment, profile = self.environment, self.profile
        if environment.needs_session and self._session_factory is None:
            raise SetupFailed(
                f"environment {environment.name!r} uses the production host names and therefore needs a session that "
                "leads to the embedded exchange; none was given"
            )
        types = [word for kind, word in profile.market_types.items() if kind in environment.kinds]
        options = {**profile.options, "recvWindow": self.receive_window_ms, "fetchMarkets": {"types": types}}
        config: dict[str, Any] = {
            "number": str,
            "enableRateLimit": True,
            "timeout": self.rules.timeout_ms,
            "options": options,
        }
        if self._credentials is not None:
            config |= self._credentials.for_ccxt(
                profile.id, has_passphrase=profile.has_passphrase, is_embedded=environment.needs_session
            )
        exchange = (self.rules.seams.exchange_class or load_exchange_class(profile.ccxt_id))(config)
        if environment.switch is not SandboxMode.NONE:
            try:
                getattr(exchange, environment.switch.value)(True)
            except Exception as error:
                raise SetupFailed(
                    f"{profile.id} cannot be switched to {environment.name!r} ({type(error).__name__}: {error}); "
                    "nothing was sent. Choose another environment"
                ) from error
        return exchange

    def _make_session(self, exchange: Any) -> aiohttp.ClientSession:
        exchange.own_session = False
        if self._session_factory is not None:
            exchange.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # else ccxt reads authorities for nothing
            return self._session_factory()
        exchange.ssl_context = ssl.create_default_context(cafile=exchange.cafile)  # ccxt's list: a slim image has none
        connector = aiohttp.TCPConnector(ssl=exchange.ssl_context, limit=32)
        return aiohttp.ClientSession(connector=connector, trust_env=self.rules.trust_env)

    async def _time_sample(self) -> tuple[int, int]:
        before = self._clock.now_ms()
        venue_ms = await self.profile.markets.fetch_time(self.exchange)
        after = self._clock.now_ms()
        return after - before, venue_ms - (before + after) // 2

    async def _fetch_markets(self) -> Mapping[str, Any]:
        left_out: dict[str, str] = {}
        exchange = self.exchange
        exchange.parse_market = _each_by_itself(
            type(exchange).parse_market.__get__(exchange), self.profile.markets, left_out
        )
        result = await exchange.fetch_markets()
        self._left_out = left_out
        return {market["symbol"]: dict(market) for market in result if market and self._is_ours(market)}

    def _is_ours(self, market: Mapping[str, Any]) -> bool:
        if market.get("quote") != self.quote:
            return False
        if market.get("spot"):
            return Kind.SPOT in self.environment.kinds
        return bool(market.get("swap")) and bool(market.get("linear")) and Kind.PERP in self.environment.kinds

    def _cache(self) -> InstrumentsCache | None:
        folder = self.rules.cache_folder
        if folder is None:
            return None
        return InstrumentsCache(folder, self.profile.id, self.environment.name, self.rules.cache_max_age_ms)

    def _cache_load(self, symbols: Sequence[str] | None) -> Mapping[str, Any] | None:
        cache = self._cache()
        return None if cache is None or symbols is None else cache.load(symbols, now_ms=self._clock.now_ms())

    def _cache_save(self, markets: Mapping[str, Any], symbols: Sequence[str] | None) -> None:
        cache = self._cache()
        if cache is not None and symbols is not None:
            former = {symbol: self._markets[symbol] for symbol in self.former if symbol in self._markets}
            cache.save(markets, symbols, now_ms=self._clock.now_ms(), former=former)

    def _adopt_markets(self, markets: Mapping[str, Any]) -> None:
        """Know these instruments and no other. What is no longer listed is remembered, so that its orders and position
        can be handled; one that is listed but cannot be read keeps what was known of it for no longer."""
        known, self.instruments = self.instruments, {}
        for symbol, market in markets.items():
            try:
                parsed = self.profile.markets.instrument(
                    market, venue=self.profile.id, leverage_max=self.profile.leverage_fallback
                )
            except UNREADABLE as error:
                self._left_out[symbol] = message_of("instruments", market.get("info", market), error)
                continue
            self.instruments[symbol] = parsed
            self.symbols_by_id[parsed.kind][parsed.venue_symbol] = symbol
        self._listed = dict.fromkeys(self.asked)
        gone = {
            symbol: replace(was, active=False, is_former=True)
            for symbol, was in known.items()
            if symbol not in self.instruments
        }
        self.former = {s: was for s, was in (self.former | gone).items() if s not in self.instruments}
        self._markets = {s: m for s, m in self._markets.items() if s in self.former} | dict(markets)
        self.exchange.set_markets(list(self._markets.values()))


def _each_by_itself(
    parse_market: Callable[[Any], Any], rules: MarketRules, left_out: dict[str, str]
) -> Callable[[Any], Any]:
    """ccxt reads all rows of a list of markets in one go; one it cannot read gives None and is named in `left_out`, by
    our name and by the venue's own (empty where it has none)."""

    def parsed(row: Any) -> Any:
        try:
            rules.check_row(row)
            return parse_market(row)
        except Exception as error:  # noqa: BLE001 - whatever ccxt trips over, it is this row's
            symbol, venue_symbol = rules.names_in(row if isinstance(row, Mapping) else {})
            left_out[symbol] = left_out[venue_symbol] = message_of("instruments", row, error)
            return None

    return parsed
