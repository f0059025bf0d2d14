"""What the book risks before anything happens: volatility, betas, and its equity after stated shocks (PLAYBOOK §11).

Money is Decimal; volatility and betas describe and become no amount.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO, plain, share
from bot.domain.portfolio import DARK_FALL, FALL, QUOTE_FALL, SECTOR_FALL, WICK, Portfolio, Position
from bot.domain.symbol import base_of
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.market import indicators
from bot.playbook.policy.membership import Sectors

BETA_TO = ("BTC", "ETH")
_DAYS, _DAYS_MIN = 60, 20
_YEAR = math.sqrt(365)


@dataclass(frozen=True, slots=True)
class Shock:
    """A move of prices as shares: of every token, or of those of one sector; of perps alone; of the quote currency.
    `pays_shorts`: whether the venue pays what shorts gain."""

    name: str
    tokens: Decimal = ZERO
    sector: str = ""
    perps: Decimal = ZERO
    quote: Decimal = ZERO
    pays_shorts: bool = True

    def part_of(self, sector: str) -> Decimal:
        """How much of the move the tokens of a sector make."""
        return ONE if self.sector in {"", sector} else ZERO


@dataclass(frozen=True, slots=True)
class Stress:
    """One shock: equity after it, the collateral of perps that is left (their wallet with unrealised profit), and the
    perps whose reported liquidation price it reaches. After a fall of the quote currency amounts are in units of
    before."""

    name: str
    equity_quote: Decimal
    change: Decimal
    liquidated: tuple[str, ...]
    collateral_quote: Decimal = ZERO

    @property
    def loss(self) -> Decimal:
        """Share of equity that is lost, zero where something is gained."""
        return max(ZERO, -self.change)


@dataclass(frozen=True, slots=True)
class BookRisk:
    """Volatility of the book, share a year, and its beta to each of `BETA_TO`; None and absent without enough candles.
    `covered` is the part of gross exposure whose candles were there."""

    volatility: float | None
    betas: Mapping[str, float]
    covered: Decimal
    stresses: tuple[Stress, ...]
    has_perps: bool = False

    @property
    def worst(self) -> Stress:
        """The shock that costs most."""
        return min(self.stresses, key=lambda stress: stress.change)


def read_exposure(portfolio: Portfolio, snapshot: Snapshot, sectors: Sectors, risk_on: str) -> BookRisk:
    """The risk of what is held now.

    Args:
        risk_on: the sector of the shock to one sector.
    """
    net = _net_values(portfolio, snapshot, sectors)
    moves = {symbol: _daily_moves(symbol, snapshot) for symbol in net}
    known = {symbol: result for symbol, result in moves.items() if len(result) >= _DAYS_MIN}
    gross = sum((abs(value) for value in net.values()), ZERO)
    covered = share(sum((abs(net[symbol]) for symbol in known), ZERO), gross) if gross else ONE
    line = _book_moves(net, known, portfolio.equity)
    betas = {}
    for token in BETA_TO:
        market = _daily_moves(f"{token}/{portfolio.account.quote}", snapshot)
        shared = sorted(line.keys() & market.keys())
        slope = indicators.beta([line[day] for day in shared], [market[day] for day in shared])
        if slope is not None and len(shared) >= _DAYS_MIN:
            betas[token] = slope
    volatility = indicators.deviation(list(line.values())) * _YEAR if len(line) >= _DAYS_MIN else None
    shocks = _shocks(portfolio.account.quote, risk_on)
    stresses = tuple(_stress(shock, portfolio, snapshot, sectors) for shock in shocks)
    return BookRisk(volatility, betas, covered, stresses, bool(portfolio.account.positions))


def exposure_lines(exposure: BookRisk, quote: str) -> list[str]:
    """Sentences for a person."""
    parts = []
    if exposure.volatility is not None:
        parts.append(f"volatility {exposure.volatility:.0%} a year")
    parts += [f"beta to {token} {slope:.2f}" for token, slope in exposure.betas.items()]
    if parts and exposure.covered < ONE:
        parts.append(f"over {exposure.covered:.0%} of the exposure, the rest has too few candles")
    lines = [", ".join(parts) or "volatility and beta are not known: too few candles"]
    for stress in exposure.stresses:
        ending = f"; liquidated: {', '.join(stress.liquidated)}" if stress.liquidated else ""
        margin = f", of it {stress.collateral_quote:,.2f} as margin of perps" if exposure.has_perps else ""
        lines.append(f"{stress.name}: equity {stress.equity_quote:,.2f} {quote} ({stress.change:+.1%}){margin}{ending}")
    return lines


def exposure_row(exposure: BookRisk) -> dict[str, object]:
    """The same as a document, amounts as text."""
    return {
        "volatility": exposure.volatility,
        "betas": dict(exposure.betas),
        "covered": plain(exposure.covered),
        "stresses": [
            {
                "name": stress.name,
                "equity_quote": plain(stress.equity_quote),
                "change": plain(stress.change),
                "liquidated": list(stress.liquidated),
                "collateral_quote": plain(stress.collateral_quote),
            }
            for stress in exposure.stresses
        ],
    }


def _net_values(portfolio: Portfolio, snapshot: Snapshot, sectors: Sectors) -> dict[str, Decimal]:
    """Spot and perps together, quote by spot symbol."""
    net: dict[str, Decimal] = {}
    for holding in portfolio.holdings:
        net[holding.symbol] = net.get(holding.symbol, ZERO) + holding.value
    for position in portfolio.account.positions.values():
        symbol = sectors.spot_of(position.symbol)
        net[symbol] = net.get(symbol, ZERO) + signed_notional(position, snapshot)
    return {symbol: value for symbol, value in net.items() if value}


def _daily_moves(symbol: str, snapshot: Snapshot) -> dict[int, float]:
    """Moves by UTC day, share, from the last closed candle of each day; the newest `_DAYS` of them."""
    series = snapshot.candles.get(symbol)
    if series is None:
        return {}
    closes = {
        (start + series.timeframe_ms) // DAY_MS: close
        for start, close in zip(series.starts_ms, series.closes, strict=True)
        if close > 0 and start + series.timeframe_ms <= snapshot.at_ms
    }
    days = sorted(closes)[-_DAYS - 1 :]
    return {day: closes[day] / closes[before] - 1 for before, day in pairwise(days) if day == before + 1}


def _book_moves(
    net: Mapping[str, Decimal], moves: Mapping[str, Mapping[int, float]], equity: Decimal
) -> dict[int, float]:
    """What the book of now would have moved on each day that all of its known symbols have, share of equity."""
    if not moves or equity <= 0:
        return {}
    days = set.intersection(*(set(result) for result in moves.values()))
    weights = {symbol: float(share(net[symbol], equity)) for symbol in moves}
    return {day: math.fsum(weight * moves[symbol][day] for symbol, weight in weights.items()) for day in sorted(days)}


def _shocks(quote: str, risk_on: str) -> tuple[Shock, ...]:
    rise = ONE / (ONE - QUOTE_FALL) - ONE  # of every price in a currency that falls
    return (
        Shock(f"everything −{_percent(FALL)}", -FALL),
        Shock(f"{risk_on} −{_percent(SECTOR_FALL)}", -SECTOR_FALL, sector=risk_on),
        Shock(f"perps alone +{_percent(WICK)}", perps=WICK),
        Shock(f"perps alone −{_percent(WICK)}", perps=-WICK),
        Shock(f"{quote} −{_percent(QUOTE_FALL)}", rise, quote=-QUOTE_FALL),
        Shock(f"venue dark, everything −{_percent(DARK_FALL)}", -DARK_FALL, pays_shorts=False),
    )


def _percent(value: Decimal) -> str:
    return f"{value * 100:.0f} %"


def _stress(shock: Shock, portfolio: Portfolio, snapshot: Snapshot, sectors: Sectors) -> Stress:
    """Equity after a shock: spot by its sector, a perp by its token's sectors. Nothing is sold, closed or topped up."""
    change = sum((holding.value * shock.tokens * shock.part_of(holding.sector) for holding in portfolio.holdings), ZERO)
    account, liquidated, gained = portfolio.account, [], ZERO
    for symbol, position in sorted(account.positions.items()):
        token = base_of(sectors.spot_of(position.symbol))
        part = sectors.membership(token, shock.sector) if shock.sector else ONE
        moved = shock.perps or shock.tokens * part
        profit = signed_notional(position, snapshot) * moved
        if _is_liquidated(position, moved):
            liquidated.append(symbol)
            profit = -(position.margin + position.unrealised_pnl) if position.is_isolated else profit
        elif position.size < 0 < profit and not shock.pays_shorts:
            profit = ZERO
        gained += profit
    unit = ONE + shock.quote
    equity = (portfolio.equity + change + gained) * unit
    wallet = account.cash + account.unrealised_pnl if account.is_unified else account.perp_equity
    fall = share(equity - portfolio.equity, portfolio.equity) if portfolio.equity else ZERO
    return Stress(shock.name, equity, fall, tuple(liquidated), (wallet + gained) * unit)


def _is_liquidated(position: Position, moved: Decimal) -> bool:
    price = position.liquidation_price
    if price is None or price <= 0 or not position.size:
        return False
    after = position.mark_price * (ONE + moved)
    return after <= price if position.size > 0 else after >= price
