"""A made-up market: a market factor, a sector factor and a token's own noise, seeded, with a scenario laid over them.

Each factor and token draws from its own generator, so adding a token changes no other. Series are made when they are
first asked for and grow forward with time; history begins `history_days` before the start. Randomness is seeded with
text, which does not depend on the process's hash seed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import exp
from random import Random

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import token_of
from bot.domain.market import Macro, Tvl
from bot.domain.symbol import is_perp
from bot.simex.engine.market import FundingTerms, PriceKind, PricePoint
from bot.simex.market.base import PathMarket, Track
from bot.simex.market.books import shape_of
from bot.simex.market.catalogue import DEFI, INFRA, OTHER, TokenTraits, perp_symbol, spot_symbol, traits_of
from bot.simex.market.path import CandlePath
from bot.simex.market.scenarios import SCENARIOS, level

DEFAULT_TOKENS = (
    "BTC",
    "ETH",
    "SOL",
    "AVAX",
    "LINK",
    "NEAR",
    "ATOM",
    "DOT",
    "ARB",
    "UNI",
    "AAVE",
    "LDO",
    "CRV",
    "SNX",
    "PENDLE",
    "COMP",
    "BNB",
)
RETURN_HOURS = 120.0  # how fast the random part of a level goes back to its mean
CHUNK_HOURS = 48
INTERVAL_HOURS = 8
INTEREST = 0.0001
STABLECOINS, STABLECOINS_START = "stablecoins", 150e9
TVL_START = {DEFI: 60e9, INFRA: 90e9}


@dataclass(slots=True)
class Walk:
    """A level that is drawn to zero, hour by hour; `lively` scales the step that leads to an hour."""

    random: Random
    step: float
    lively: Callable[[int], float] = lambda _: 1.0
    values: list[float] = field(default_factory=list)

    def at(self, index: int) -> float:
        keep = 1 - 1 / RETURN_HOURS
        while (created := len(self.values)) <= index:
            before = self.values[-1] if created else 0.0
            self.values.append(before * keep + self.random.gauss(0.0, self.step) * self.lively(created))
        return self.values[index]


@dataclass(frozen=True, slots=True)
class Hour:
    """What all tokens share at one full hour: log levels of the factors, premium, crowding, liveliness."""

    market: float
    sectors: Mapping[str, float]
    premium: float
    crowd: float
    calm: float


@dataclass(slots=True)
class Token:
    """A token's series as far as they have been made: candles of both markets, premiums at the hours, interest."""

    traits: TokenTraits
    walk: Walk
    wicks: Random
    premium: Walk
    scale: float = 1.0
    tilt: float = 1.0
    spot: CandlePath = field(default_factory=lambda: CandlePath(HOUR_MS))
    perp: CandlePath = field(default_factory=lambda: CandlePath(HOUR_MS))


class SyntheticMarket(PathMarket):
    """`tokens` as spot and perp each. `anchor_prices` by token are met exactly at `start_ms`, by spot and perp.

    Scenarios: `golden` (quiet, then DeFi breaks out against infra in a rising market and goes on slowly), `risk-off`
    (DeFi weakens, infra is steady), `downtrend` (broad and lively), `quiet`.

    Raises:
        ValueError: for an unknown scenario.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        tokens: Iterable[str] = DEFAULT_TOKENS,
        scenario: str = "golden",
        *,
        anchor_prices: Mapping[str, Decimal | float] | None = None,
        history_days: int = 150,
    ) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"scenario {scenario!r} is none of {', '.join(SCENARIOS)}")
        super().__init__({})
        self._seed, self.start_ms, self._scenario = seed, start_ms, SCENARIOS[scenario]
        self._first_ms = start_ms - start_ms % HOUR_MS - history_days * DAY_MS
        self._anchors = {token: float(price) for token, price in (anchor_prices or {}).items()}
        names = tuple(dict.fromkeys(tokens))
        self._names = {symbol: t for t in names for symbol in (spot_symbol(t), perp_symbol(t))}
        self._tokens: dict[str, Token] = {}
        self._factors = {
            "market": Walk(self._random("market"), self._scenario.market_step, self._calm),
            DEFI: Walk(self._random(DEFI), self._scenario.sector_step, self._calm),
            INFRA: Walk(self._random(INFRA), self._scenario.sector_step, self._calm),
        }
        self._hours: list[Hour] = []

    @property
    def symbols(self) -> Sequence[str]:
        return tuple(self._names)

    def track(self, symbol: str) -> Track:
        result = self._tracks.get(symbol)
        if result is None:
            token = self._token(self._names[symbol])
            path = token.perp if is_perp(symbol) else token.spot
            shape = shape_of(token_of(self._names[symbol]), token.traits.volume, is_perp=is_perp(symbol))
            result = self._tracks[symbol] = Track(
                last=path,
                mark=path,
                index=token.spot,
                start_ms=self._first_ms,
                spread=shape.spread,
                depth_quote=shape.depth_quote,
                interval_hours=INTERVAL_HOURS,
                is_perp=is_perp(symbol),
            )
        return result

    def at(self, symbol: str, ms: int) -> PricePoint:
        self._grow(symbol, ms)
        return super().at(symbol, ms)

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        self._grow(symbol, end_ms)
        return super().crossing(symbol, start_ms, end_ms, price, rising=rising, kind=kind)

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        self._grow(symbol, end_ms)
        return super().extremes(symbol, start_ms, end_ms, kind)

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        self._grow(symbol, now_ms)
        return super().candles(symbol, timeframe_ms, start_ms, end_ms, limit, kind, now_ms)

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        """The expected rate comes from the premiums of the interval so far."""
        if not self.track(symbol).is_perp:
            return None
        interval_ms = INTERVAL_HOURS * HOUR_MS
        since = ms - ms % interval_ms
        return FundingTerms(self._rate(symbol, since, ms), INTERVAL_HOURS, since + interval_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        if not self.track(symbol).is_perp:
            return ()
        interval_ms = INTERVAL_HOURS * HOUR_MS
        first = max(start_ms, self._first_ms + interval_ms) // interval_ms * interval_ms + interval_ms
        return tuple((at, self._rate(symbol, at - interval_ms, at)) for at in range(first, end_ms + 1, interval_ms))

    def open_interest(self, symbol: str, ms: int) -> float | None:
        track = self.track(symbol)
        if not track.is_perp:
            return None
        token = self._token(self._names[symbol])
        hours = (ms - self.start_ms) / HOUR_MS
        crowd = level(self._scenario.volume, hours) * 0.5
        own = token.walk.at(max(0, (ms - self._first_ms) // HOUR_MS))
        return token.traits.volume * 0.6 * exp(crowd + own)

    def tvl(self, name: str, start_ms: int, end_ms: int) -> Tvl:
        """TVL of `defi`, `infra` or `total`, a value a day at 00:00 UTC in [start, end].

        Raises:
            KeyError: for another name.
        """
        days = range(max(start_ms, self._first_ms) + -max(start_ms, self._first_ms) % DAY_MS, end_ms + 1, DAY_MS)
        sectors = tuple(TVL_START) if name == "total" else (name,)
        values = [sum(self._tvl_at(sector, day) for sector in sectors) for day in days]
        return Tvl(name, tuple(days), tuple(Decimal(round(value)) for value in values))

    @property
    def macro_names(self) -> tuple[str, ...]:
        return (STABLECOINS,)

    def macro(self, name: str, start_ms: int, end_ms: int) -> Macro:
        """The supply of stablecoins, a value a day at 00:00 UTC in [start, end].

        Raises:
            KeyError: for another name.
        """
        if name != STABLECOINS:
            raise KeyError(name)
        first_ms = max(start_ms, self._first_ms)
        days = tuple(range(first_ms + -first_ms % DAY_MS, end_ms + 1, DAY_MS))
        ramp = self._scenario.stablecoins
        values = (STABLECOINS_START * exp(level(ramp, (day - self.start_ms) / HOUR_MS)) for day in days)
        return Macro(name, "stablecoin supply", "USD", days, tuple(Decimal(round(value)) for value in values))

    def _tvl_at(self, sector: str, ms: int) -> float:
        hours = (ms - self.start_ms) / HOUR_MS
        ramp = self._scenario.tvl_defi if sector == DEFI else self._scenario.tvl_infra
        index = max(0, (ms - self._first_ms) // HOUR_MS)
        price = self._factors["market"].at(index) * 0.3 + self._factors[sector].at(index) * 0.3
        return TVL_START[sector] * exp(level(ramp, hours) + price)

    def _random(self, name: str) -> Random:
        return Random(f"{self._seed}/{name}")

    def _token(self, name: str) -> Token:
        token = self._tokens.get(name)
        if token is None:
            traits = traits_of(name)
            token = self._tokens[name] = Token(
                traits=traits,
                walk=Walk(self._random(f"{name}/own"), traits.noise / 24**0.5, self._calm),
                wicks=self._random(f"{name}/wicks"),
                premium=Walk(self._random(f"{name}/premium"), 0.00004),
            )
            self._anchor(name, token)
        return token

    def _anchor(self, name: str, token: Token) -> None:
        """Scale the token's series so that the price at the start is the anchor, or the catalogue's."""
        self._extend(token, self.start_ms)
        spot = token.spot.price(self.start_ms)
        token.scale = self._anchors.get(name, token.traits.price) / spot
        if name in self._anchors:
            token.tilt = spot / token.perp.price(self.start_ms)
        for path, factor in ((token.spot, token.scale), (token.perp, token.scale * token.tilt)):
            for column in (path.opens, path.highs, path.lows, path.closes):
                column[:] = [price * factor for price in column]

    def _grow(self, symbol: str, ms: int) -> None:
        token = self._token(self._names[symbol])
        if ms >= token.spot.end_ms - HOUR_MS:
            self._extend(token, ms)

    def _extend(self, token: Token, to_ms: int) -> None:
        first = len(token.spot.starts)
        last = max((to_ms - self._first_ms) // HOUR_MS + 2, first + CHUNK_HOURS)
        before = self._price(token, first)
        for index in range(first, last):
            after = self._price(token, index + 1)
            self._append(token, index, before, after)
            before = after

    def _hour(self, index: int) -> Hour:
        while (created := len(self._hours)) <= index:
            hours = (self._first_ms + created * HOUR_MS - self.start_ms) / HOUR_MS
            scenario, factors = self._scenario, self._factors
            self._hours.append(
                Hour(
                    market=level(scenario.market, hours) + factors["market"].at(created),
                    sectors={
                        DEFI: level(scenario.defi, hours) + factors[DEFI].at(created),
                        INFRA: level(scenario.infra, hours) + factors[INFRA].at(created),
                        OTHER: 0.0,
                    },
                    premium=level(scenario.premium, hours),
                    crowd=level(scenario.volume, hours),
                    calm=self._calm(created),
                )
            )
        return self._hours[index]

    def _price(self, token: Token, index: int) -> float:
        hour, traits = self._hour(index), token.traits
        return token.scale * exp(hour.market * traits.beta + hour.sectors[traits.sector] + token.walk.at(index))

    def _calm(self, index: int) -> float:
        return level(self._scenario.liveliness, (self._first_ms + index * HOUR_MS - self.start_ms) / HOUR_MS)

    def _premium(self, token: Token, index: int) -> float:
        return (1 + token.premium.at(index) + self._hour(index).premium) * token.tilt - 1

    def _append(self, token: Token, index: int, opened: float, closed: float) -> None:
        hour, gauss = self._hour(index), token.wicks.gauss
        wick = token.traits.noise / 24**0.5 * 0.5 * hour.calm
        top = max(opened, closed) * (1 + abs(gauss(0.0, wick)))
        bottom = min(opened, closed) * (1 - min(0.5, abs(gauss(0.0, wick))))
        crowd = hour.crowd if token.traits.sector == DEFI else 0.0
        volume = token.traits.volume / 24 * exp(gauss(0.0, 0.35) + crowd)
        start_ms = self._first_ms + index * HOUR_MS
        a, b = self._premium(token, index), self._premium(token, index + 1)
        # The perp turns where spot turns, a third and two thirds of the hour on.
        early, late = 1 + a + (b - a) / 3, 1 + a + (b - a) * 2 / 3
        low, high = (early, late) if closed >= opened else (late, early)
        perp_open, perp_close = opened * (1 + a), closed * (1 + b)
        perp_top, perp_bottom = max(top * high, perp_open, perp_close), min(bottom * low, perp_open, perp_close)
        _add(token.spot, start_ms, opened, top, bottom, closed, volume)
        _add(token.perp, start_ms, perp_open, perp_top, perp_bottom, perp_close, volume * 2.5)

    def _rate(self, symbol: str, start_ms: int, end_ms: int) -> float:
        """Mean premium of the hours in [start, end], drawn to the interest rate as Binance's formula does."""
        token = self._token(self._names[symbol])
        low = max(0, (start_ms - self._first_ms) // HOUR_MS)
        high = max(low, (end_ms - self._first_ms) // HOUR_MS)
        mean = sum(self._premium(token, index) for index in range(low, high + 1)) / (high - low + 1)
        return max(-0.0075, min(0.0075, mean + max(-0.0005, min(0.0005, INTEREST - mean))))


def _add(
    path: CandlePath, start_ms: int, opened: float, top: float, bottom: float, closed: float, volume: float
) -> None:
    path.starts.append(start_ms)
    path.opens.append(opened)
    path.highs.append(top)
    path.lows.append(bottom)
    path.closes.append(closed)
    path.volumes.append(volume)
