"""Tokens the synthetic market knows, with prices and volumes like the real ones, and instruments made of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import floor, log10

from bot.domain.instrument import Instrument, Kind, multiplier_of, token_of
from bot.domain.money import ONE
from bot.domain.symbol import base_of, is_perp
from bot.simex.engine.rules import Rules
from bot.simex.market.listings import PERP_NOTIONAL_MIN, SPOT_NOTIONAL_MIN, ListedTerms, perp_terms, spot_terms
from bot.simex.market.tiers import brackets_of

_SATOSHI = Decimal("0.00000001")
NEAR = 5.0  # how many times a price may differ from the catalogue's
DEFI, INFRA, OTHER = "defi", "infra", "other"


@dataclass(frozen=True, slots=True)
class TokenTraits:
    """`price` in quote, `volume` of a day in quote, `beta` to the market, `noise` a day's own deviation."""

    sector: str
    price: float
    volume: float
    beta: float
    noise: float
    leverage_max: int = 50


T = TokenTraits
UNKNOWN = T(OTHER, 1.0, 2e7, 1.1, 0.025, 25)
TOKENS: Mapping[str, TokenTraits] = {
    "BTC": T(OTHER, 60_000.0, 2e9, 0.8, 0.006, 125),
    "BNB": T(OTHER, 600.0, 4e8, 0.8, 0.012, 75),
    "ETH": T(INFRA, 3_000.0, 1.2e9, 1.0, 0.010, 125),
    "SOL": T(INFRA, 150.0, 6e8, 1.2, 0.018, 75),
    "AVAX": T(INFRA, 30.0, 1e8, 1.2, 0.018, 75),
    "LINK": T(INFRA, 15.0, 1.2e8, 1.1, 0.018, 75),
    "NEAR": T(INFRA, 5.0, 7e7, 1.2, 0.022, 75),
    "ATOM": T(INFRA, 8.0, 4e7, 1.0, 0.018),
    "DOT": T(INFRA, 6.0, 6e7, 1.1, 0.018, 75),
    "ARB": T(INFRA, 0.8, 6e7, 1.2, 0.022),
    "OP": T(INFRA, 1.8, 5e7, 1.3, 0.024),
    "POL": T(INFRA, 0.5, 4e7, 1.1, 0.020),
    "ADA": T(INFRA, 0.5, 1e8, 1.1, 0.020, 75),
    "APT": T(INFRA, 8.0, 5e7, 1.2, 0.024),
    "SUI": T(INFRA, 1.5, 1.5e8, 1.3, 0.026),
    "INJ": T(INFRA, 20.0, 5e7, 1.2, 0.024),
    "FIL": T(INFRA, 4.0, 5e7, 1.1, 0.022),
    "ICP": T(INFRA, 9.0, 4e7, 1.1, 0.022),
    "GRT": T(INFRA, 0.2, 2e7, 1.2, 0.024),
    "TIA": T(INFRA, 6.0, 5e7, 1.3, 0.028),
    "SEI": T(INFRA, 0.4, 4e7, 1.3, 0.028),
    "ALGO": T(INFRA, 0.2, 2e7, 1.1, 0.020),
    "UNI": T(DEFI, 10.0, 7e7, 1.1, 0.018, 75),
    "AAVE": T(DEFI, 100.0, 6e7, 1.1, 0.018),
    "MKR": T(DEFI, 2_000.0, 3e7, 1.0, 0.018, 25),
    "LDO": T(DEFI, 2.0, 4e7, 1.2, 0.024),
    "CRV": T(DEFI, 0.5, 4e7, 1.2, 0.026),
    "SNX": T(DEFI, 2.5, 1.5e7, 1.2, 0.024),
    "PENDLE": T(DEFI, 4.0, 3e7, 1.3, 0.028),
    "COMP": T(DEFI, 50.0, 1.5e7, 1.1, 0.020),
    "SUSHI": T(DEFI, 1.0, 1.2e7, 1.2, 0.024),
    "YFI": T(DEFI, 7_000.0, 1e7, 1.1, 0.020, 25),
    "1INCH": T(DEFI, 0.4, 1e7, 1.1, 0.022),
    "DYDX": T(DEFI, 1.5, 2.5e7, 1.2, 0.024),
    "GMX": T(DEFI, 30.0, 8e6, 1.1, 0.022, 25),
    "CAKE": T(DEFI, 2.5, 3e7, 1.0, 0.020),
    "JUP": T(DEFI, 0.9, 4e7, 1.3, 0.028),
    "RUNE": T(DEFI, 5.0, 5e7, 1.2, 0.026),
    "ENA": T(DEFI, 0.6, 6e7, 1.3, 0.030),
    "BAL": T(DEFI, 3.0, 5e6, 1.0, 0.020, 25),
    "CVX": T(DEFI, 3.0, 6e6, 1.1, 0.022, 25),
    "RAY": T(DEFI, 2.5, 1.5e7, 1.3, 0.030, 25),
    "ETHFI": T(DEFI, 2.0, 3e7, 1.3, 0.028),
}


def traits_of(token: str) -> TokenTraits:
    """Volumes and betas by token, also of one that is traded by the thousand; `price` is that of the plain token."""
    return TOKENS.get(token_of(token), UNKNOWN)


def spot_symbol(token: str) -> str:
    return f"{token}/USDT"


def perp_symbol(token: str) -> str:
    return f"{token}/USDT:USDT"


def default_instruments(
    tokens: Iterable[str] | None = None, prices: Mapping[str, float | Decimal] | None = None
) -> Mapping[str, Instrument]:
    """Spot `X/USDT` and perp `X/USDT:USDT` for each token (all known ones by default).

    Terms are the recorded ones. Where a price is more than a few times as high or low as the catalogue's, recorded
    grids and sizes would not fit it, and they are made from the price.
    """
    created: dict[str, Instrument] = {}
    for token in dict.fromkeys(tokens if tokens is not None else TOKENS):
        traits = traits_of(token)
        price = float((prices or {}).get(token, traits.price))
        for instrument in (_spot(token, price), _perp(token, price, traits)):
            created[instrument.symbol] = instrument
    return created


def recorded_bands(symbols: Iterable[str]) -> Mapping[str, Decimal]:
    """How far from the mark prices of perps may be, for those where it is recorded."""
    terms = {symbol: perp_terms(token_of(base_of(symbol))) for symbol in symbols if is_perp(symbol)}
    return {symbol: result.band for symbol, result in terms.items() if result is not None}


def recorded_price_bounds(instruments: Iterable[Instrument]) -> Mapping[str, tuple[Decimal, Decimal]]:
    """(lowest, highest) price of an order, for the instruments that have the recorded grid: another one was made for
    prices that the recorded bounds may exclude."""
    return {
        symbol: (terms.price_min, terms.price_max)
        for symbol, terms in _recorded(instruments)
        if terms.price_min is not None and terms.price_max is not None
    }


def recorded_price_digits(instruments: Iterable[Instrument]) -> Mapping[str, int]:
    """How many decimals a price may have before the grid is looked at, for the same instruments."""
    return {s: int(terms.price_digits) for s, terms in _recorded(instruments) if terms.price_digits is not None}


def _recorded(instruments: Iterable[Instrument]) -> Iterator[tuple[str, ListedTerms]]:
    for instrument in instruments:
        terms = (perp_terms if instrument.is_perp else spot_terms)(instrument.base)
        if terms is not None and (instrument.price_tick, instrument.size_max) == (terms.tick, terms.size_max):
            yield instrument.symbol, terms


def recorded_liquidation_fees(symbols: Iterable[str]) -> Mapping[str, Decimal]:
    """What a liquidation costs of the value that it closes, for the perps of which it is recorded."""
    terms = {symbol: perp_terms(token_of(base_of(symbol))) for symbol in symbols if is_perp(symbol)}
    return {symbol: found.liquidation_fee for symbol, found in terms.items() if found is not None}


def recorded_rules(symbols: Iterable[str]) -> Rules:
    """The exchange's rules with the liquidation fee of each of these perps: the same in paper trading, a back-test and
    the embedded exchange."""
    return Rules(liquidation_fees=recorded_liquidation_fees(symbols))


def _spot(token: str, price: float) -> Instrument:
    recorded = spot_terms(token)
    step = min(ONE, _power(-floor(log10(price)) - 1))
    created = _terms_of(Decimal("0.01"), step, price, SPOT_NOTIONAL_MIN if recorded is None else recorded.notional_min)
    terms = recorded if recorded is not None and _is_near(token, price) else created
    return replace(
        _listed(token, spot_symbol(token), Kind.SPOT, terms),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    )


def _perp(token: str, price: float, traits: TokenTraits) -> Instrument:
    recorded, brackets = perp_terms(token), brackets_of(token)
    step = min(ONE, _power(-floor(log10(price))))
    created = _terms_of(Decimal("0.1"), step, price, PERP_NOTIONAL_MIN if recorded is None else recorded.notional_min)
    terms = recorded if recorded is not None and _is_near(token, price) else created
    return replace(
        _listed(token, perp_symbol(token), Kind.PERP, terms),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        leverage_max=Decimal(brackets[0].leverage_max if brackets else traits.leverage_max),
        brackets=brackets,
    )


def _listed(token: str, symbol: str, kind: Kind, terms: ListedTerms) -> Instrument:
    """An instrument by its terms, without its fees."""
    return Instrument(
        venue="binance",
        symbol=symbol,
        kind=kind,
        base=token,
        quote="USDT",
        price_tick=terms.tick,
        size_step=terms.step,
        size_min=terms.step,
        notional_min=terms.notional_min,
        size_max=terms.size_max,
        market_size_max=terms.market_size_max,
        multiplier=multiplier_of(token),
        venue_symbol=f"{token}USDT",
    )


def _is_near(token: str, price: float) -> bool:
    known = TOKENS.get(token)
    return known is not None and known.price / NEAR <= price <= known.price * NEAR


def _terms_of(coarsest: Decimal, step: Decimal, price: float, notional_min: Decimal) -> ListedTerms:
    return ListedTerms(
        tick=_tick(coarsest, price),
        step=step,
        size_max=max(Decimal(9_000_000), Decimal(round(4e6 / price))),
        market_size_max=Decimal(round(2e6 / price) + 1),
        notional_min=notional_min,
    )


def _tick(coarsest: Decimal, price: float) -> Decimal:
    """Five digits of the price; never finer than the eight decimals that venues write."""
    return min(coarsest, max(_SATOSHI, _power(floor(log10(price)) - 4)))


def _power(exponent: int) -> Decimal:
    return Decimal(1).scaleb(exponent)
