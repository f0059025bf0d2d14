"""The embedded exchange as the keyless venue: market, account, server, and the keys that only it knows (DESIGN §7)."""

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import aiohttp

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Macro, Tvl
from bot.domain.money import ZERO, floor_to
from bot.domain.symbol import base_of
from bot.playbook.policy.numbers import Policy, Sectors
from bot.ports import MacroSource, TvlSource, Unavailable
from bot.runtime.clock import SkippingClock, SystemClock
from bot.runtime.settings.model import Settings
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.market import Market
from bot.simex.market.aliased import KnownMarket, by_thousands
from bot.simex.market.catalogue import default_instruments, recorded_rules
from bot.simex.market.synthetic import SyntheticMarket
from bot.simex.server import Simex
from bot.simex.signing import ApiKey
from bot.simex.tls import loopback_session

ACCOUNT, PERP_ACCOUNT = "demo", "demo_perps"
TVL_DAYS = 200
# Prices at the start of a synthetic market: round, so that the golden account adds up to the cent.
ANCHORS: Mapping[str, Decimal] = {
    token: Decimal(price)
    for token, price in {
        "BTC": "90000",
        "ETH": "3000",
        "SOL": "150",
        "AVAX": "25",
        "LINK": "15",
        "NEAR": "3",
        "ATOM": "6",
        "DOT": "5",
        "ARB": "0.5",
        "OP": "1",
        "FIL": "4",
        "INJ": "12",
        "SUI": "2",
        "APT": "6",
        "ADA": "0.5",
        "UNI": "10",
        "AAVE": "200",
        "LDO": "1.25",
        "CRV": "0.5",
        "SNX": "2",
        "PENDLE": "4",
        "COMP": "50",
        "MKR": "1500",
        "SKY": "0.06",
        "RUNE": "2",
        "CAKE": "2.5",
        "1INCH": "0.25",
        "SUSHI": "1",
        "DYDX": "1",
        "GMX": "20",
        "JUP": "0.8",
        "ENA": "0.5",
        "PEPE": "0.00001",
        "SHIB": "0.0000125",
    }.items()
}
BALANCE_STEP = Decimal("0.00000001")


@dataclass(slots=True)
class Embedded:
    """A running simex and what is needed to reach it."""

    exchange: Exchange
    server: Simex
    clock: SkippingClock
    key: ApiKey
    directory: Path
    tvl: TvlSource
    macro: MacroSource
    identity: str = ""  # it is new with each start, and so are the journals that go with it
    perp_key: ApiKey | None = None  # where perps are traded at an account of their own

    def key_of(self, kind: Kind) -> ApiKey:
        """The key of the account that trades one kind of market."""
        return self.key if kind is Kind.SPOT or self.perp_key is None else self.perp_key

    def session(self) -> aiohttp.ClientSession:
        """A session that resolves every host to this exchange and trusts only its authority."""
        return loopback_session(self.server.https_port, self.server.ca_path)

    async def stop(self) -> None:
        await self.server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class MarketTvl:
    """The market's own total value locked, as far as it lies in the past."""

    def __init__(self, market: KnownMarket, clock: SkippingClock) -> None:
        self._market, self._clock = market, clock

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        """Names the market has no records of are left out."""
        now_ms, result = self._clock.now_ms(), {}
        for name in names:
            try:
                result[name] = self._market.tvl(name, now_ms - TVL_DAYS * DAY_MS, now_ms)
            except KeyError:
                continue
        return result


class MarketMacro:
    """The market's own macro series, as far as they lie in the past. A `MacroSource`."""

    def __init__(self, market: KnownMarket, clock: SkippingClock) -> None:
        self._market, self._clock = market, clock
        self.names = market.macro_names

    async def fetch_macro(self, name: str) -> Macro:
        """The series of the last days. Raises Unavailable."""
        now_ms = self._clock.now_ms()
        result = self._market.macro(name, now_ms - TVL_DAYS * DAY_MS, now_ms)
        if not result.values:
            raise Unavailable(f"the market has no {name} of before now")
        return result


def tokens_of(settings: Settings) -> tuple[str, ...]:
    """Every token the market must have: the universe, and what stands for the whole market."""
    market = base_of(settings.playbook.signals.market_symbol)
    return tuple(dict.fromkeys((market, *settings.universe.tokens)))


def anchored_market(seed: int, start_ms: int, tokens: Sequence[str], scenario: str) -> KnownMarket:
    """A synthetic market that begins with round prices."""
    anchors = {token: ANCHORS[token] for token in tokens if token in ANCHORS}
    return SyntheticMarket(seed=seed, start_ms=start_ms, tokens=tokens, scenario=scenario, anchor_prices=anchors)


async def embed_synthetic(settings: Settings, *, scenario: str, seed: int, start_ms: int | None = None) -> Embedded:
    """An exchange on a seeded synthetic market that begins at `start_ms` (default: now) with round prices."""
    start_ms = start_ms or SystemClock().now_ms()
    market = anchored_market(seed, start_ms, tokens_of(settings), scenario)
    scaled = [perp for perp in settings.universe.perp_symbols if settings.universe.scale_of(perp) != 1]
    return await embed(settings, by_thousands(market, scaled), start_ms)


async def embed(settings: Settings, market: KnownMarket, start_ms: int) -> Embedded:
    """Start an exchange whose account stands at the neutral weights of the playbook, with the configured reserve.

    Each sector's spot share is divided equally between the tokens that belong to it alone, so that the sleeves add up
    to their shares to the cent.
    """
    policy, sectors, book_quote = settings.playbook, settings.universe, settings.paper.book_quote
    instruments = _instruments(market, tokens_of(settings), sectors.perp_symbols, start_ms)
    rules = recorded_rules(instruments)
    exchange = Exchange(instruments=instruments, market=market, start_ms=start_ms, rules=rules)
    futures = sum(
        (book_quote * policy.allocation.neutral.get(f"{name}.futures", ZERO) for name in sectors.sectors), ZERO
    )
    spot = neutral_holdings(exchange, instruments, policy, sectors, book_quote)
    exchange.create_account(ACCOUNT, spot=spot, perp=ZERO if settings.venue.is_pair else futures, quote=sectors.quote)
    clock = SkippingClock(start_ms)
    key, perp_key = _new_key(ACCOUNT), None
    if settings.venue.is_pair:
        exchange.create_account(PERP_ACCOUNT, spot={}, perp=futures, quote=sectors.quote)
        perp_key = _new_key(PERP_ACCOUNT)
    server = Simex(exchange, keys={one.key: one for one in (key, perp_key) if one is not None}, clock=clock.now_ms)
    server.serve_dialects(tuple(dict.fromkeys(account.id for account in settings.venue.accounts)))
    directory = Path(tempfile.mkdtemp(prefix="simex-"))
    await server.start(tls_dir=directory)
    tvl, macro = MarketTvl(market, clock), MarketMacro(market, clock)
    return Embedded(exchange, server, clock, key, directory, tvl, macro, perp_key=perp_key)


def _new_key(account: str) -> ApiKey:
    return ApiKey(secrets.token_hex(32), secrets.token_hex(32), account)


def _instruments(market: Market, tokens: Sequence[str], perps: Sequence[str], start_ms: int) -> dict[str, Instrument]:
    """What the market has of the tokens and of perps under other names, on grids that fit their first prices."""
    known, prices = set(market.symbols), {}
    for symbol in (*(f"{token}/USDT" for token in tokens), *perps):
        base = base_of(symbol)
        if symbol in known and base not in prices:
            prices[base] = market.at(symbol, max(start_ms, market.listed(symbol)[0])).mid
    return {s: i for s, i in default_instruments(tuple(prices), prices).items() if s in known}


def neutral_holdings(
    exchange: Exchange,
    instruments: Mapping[str, Instrument],
    policy: Policy,
    sectors: Sectors,
    book_quote: Decimal,
) -> dict[str, Decimal]:
    """Spot balances by asset, quote cash included, of an account at its neutral weights."""
    holdings: dict[str, Decimal] = {}
    spent = ZERO
    for name in sectors.sectors:
        value = book_quote * policy.allocation.neutral.get(f"{name}.spot", ZERO)
        own = [
            token
            for token in sectors.members(name)
            if sectors.tokens[token] == {name: Decimal(1)} and _is_listed(exchange, instruments, sectors.spot(token))
        ]
        for token in own:
            price = exchange.quote(sectors.spot(token)).mid
            holdings[token] = floor_to(value / len(own) / price, BALANCE_STEP)
        spent += value if own else ZERO
    futures = sum(
        (book_quote * policy.allocation.neutral.get(f"{name}.futures", ZERO) for name in sectors.sectors), ZERO
    )
    holdings[sectors.quote] = book_quote - spent - futures + policy.allocation.reserve_quote
    return holdings


def _is_listed(exchange: Exchange, instruments: Mapping[str, Instrument], symbol: str) -> bool:
    instrument = instruments.get(symbol)
    return instrument is not None and instrument.kind is Kind.SPOT and exchange.is_open(symbol)
