"""What each stance earned, and by what: the neutral book, timing, selection, hedges, longs, funding, fees, slippage.

A day belongs to the stance in which it begins. Of a sector's spot, whose return that day is the equal-weighted one of
its tokens, the neutral book is its neutral share; timing is what was held more or less than that, at the same return;
selection is the rest of what the spot did: other weights, and trades inside the day. The parts add up to the profit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.durations import DAY_MS
from bot.domain.money import ONE, ZERO
from bot.domain.symbol import is_perp
from bot.lab.backtest.attribution import SHORT, Contribution, PartLedger
from bot.report.profit.parts import StanceProfit
from bot.simex.engine.types import SimTrade

SPOT = "spot "


@dataclass(frozen=True, slots=True)
class RunDays:
    """The days of a run: their boundaries, equity at each, the stance in which each day begins, prices at a moment
    (none of what does not trade then), the tokens' spot symbols by sector and the neutral spot shares."""

    times_ms: Sequence[int]
    equity: Sequence[Decimal]
    stances: Sequence[str]
    prices_at: Callable[[int], Mapping[str, Decimal]]
    sectors: Mapping[str, Sequence[str]]
    neutral: Mapping[str, Decimal]


def by_stance(
    days: RunDays, trades: Iterable[tuple[SimTrade, Decimal]], ledger: PartLedger
) -> tuple[dict[str, StanceProfit], list[tuple[Decimal, Decimal]]]:
    """Results by stance, and of each day with a hedge what the hedges and the spot that they cover did, as shares of
    equity.

    Args:
        trades: every execution with the middle of the market at it, in time order.
        ledger: an empty one, with the payments.
    """
    results: dict[str, StanceProfit] = {}
    hedged: list[tuple[Decimal, Decimal]] = []
    rows = iter(trades)
    row = next(rows, None)
    parts: Mapping[str, Contribution] = {}
    prices: Mapping[str, Decimal] = {}
    for place, at_ms in enumerate(days.times_ms):
        values, shorts = _values(ledger, prices), _shorts(ledger, prices)
        is_last = place == len(days.times_ms) - 1
        while row is not None and (is_last or row[0].at_ms <= at_ms):
            ledger.add(*row)
            row = next(rows, None)
        ledger.pay_until(None if is_last else at_ms)
        before, prices = prices, days.prices_at(at_ms)
        now = ledger.marked(prices)
        day = _one_day(days, max(0, place - 1), now, parts, _returns(days.sectors, before, prices), values)
        covered = _covered(now, parts, values, shorts)
        stance = days.stances[max(0, place - 1)]
        results[stance] = results.get(stance, StanceProfit()) + replace(
            day, span_ms=DAY_MS * (place > 0), covered=covered
        )
        equity = days.equity[max(0, place - 1)]
        if sum(shorts.values(), ZERO) > 0 and equity > 0:
            hedged.append((day.hedges / equity, covered / equity))
        parts = now
    return results, hedged


def _one_day(
    days: RunDays,
    place: int,
    now: Mapping[str, Contribution],
    before: Mapping[str, Contribution],
    returns: Mapping[str, Decimal],
    values: Mapping[str, Decimal],
) -> StanceProfit:
    found = StanceProfit()
    for name, part in now.items():
        earlier = before.get(name, Contribution())
        slippage = part.slippage_quote - earlier.slippage_quote
        gross = part.price_quote - earlier.price_quote + slippage
        found = replace(
            found,
            funding=found.funding + part.funding_quote - earlier.funding_quote,
            fees=found.fees - (part.fees_quote - earlier.fees_quote),
            slippage=found.slippage - slippage,
        )
        if name.startswith(SPOT):
            sector = name.removeprefix(SPOT)
            moved, held = returns.get(sector, ZERO), values.get(sector, ZERO)
            share = days.neutral.get(sector, ZERO) * days.equity[place]
            found = replace(
                found,
                neutral=found.neutral + share * moved,
                timing=found.timing + (held - share) * moved,
                selection=found.selection + gross - held * moved,
            )
        elif name.startswith(SHORT):
            found = replace(found, hedges=found.hedges + gross)
        else:
            found = replace(found, longs=found.longs + gross)
    return found


def _values(ledger: PartLedger, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Spot held, by sector."""
    found: dict[str, Decimal] = {}
    for symbol, size in ledger.held.items():
        if not is_perp(symbol):
            sector = ledger.name_of(symbol).removeprefix(SPOT)
            found[sector] = found.get(sector, ZERO) + size * prices.get(symbol, ZERO)
    return found


def _shorts(ledger: PartLedger, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Notional of the hedges, by the sector that they cover."""
    found: dict[str, Decimal] = {}
    for symbol, size in ledger.held.items():
        name = ledger.name_of(symbol)
        if size < 0 and name.startswith(f"{SHORT} of "):
            sector = name.removeprefix(f"{SHORT} of ")
            found[sector] = found.get(sector, ZERO) - size * prices.get(symbol, ZERO)
    return found


def _covered(
    now: Mapping[str, Contribution],
    before: Mapping[str, Contribution],
    values: Mapping[str, Decimal],
    shorts: Mapping[str, Decimal],
) -> Decimal:
    """What the hedged part of the spot did."""
    total = ZERO
    for sector, notional in shorts.items():
        part, earlier = (parts.get(f"{SPOT}{sector}", Contribution()) for parts in (now, before))
        gross = part.price_quote - earlier.price_quote + part.slippage_quote - earlier.slippage_quote
        held = values.get(sector, ZERO)
        total += gross * min(ONE, notional / held) if held > 0 else ZERO
    return total


def _returns(
    sectors: Mapping[str, Sequence[str]], before: Mapping[str, Decimal], now: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Return of each sector's tokens in equal parts, of those that trade at both moments."""
    found = {}
    for sector, symbols in sectors.items():
        moves = [now[s] / before[s] - ONE for s in symbols if before.get(s) and s in now]
        if moves:
            found[sector] = sum(moves, ZERO) / len(moves)
    return found


def variance_removed(hedged: Sequence[tuple[Decimal, Decimal]]) -> float | None:
    """Part of the variance of what is covered that the hedges remove; None of fewer than three days."""
    if len(hedged) < 3:
        return None
    alone = [float(covered) for _, covered in hedged]
    both = [float(hedge + covered) for hedge, covered in hedged]
    whole = _variance(alone)
    return 1 - _variance(both) / whole if whole > 0 else None


def _variance(values: Sequence[float]) -> float:
    centre = sum(values) / len(values)
    return sum((value - centre) ** 2 for value in values) / len(values)


def market_line(returns: Sequence[float], market: Sequence[float]) -> tuple[float, float] | None:
    """Beta to the market and alpha a year, from daily returns; None without a market that moves."""
    if len(returns) < 3:
        return None
    centre, other = sum(returns) / len(returns), sum(market) / len(market)
    spread = sum((m - other) ** 2 for m in market)
    if spread <= 0:
        return None
    slope = sum((r - centre) * (m - other) for r, m in zip(returns, market, strict=True)) / spread
    return slope, (centre - slope * other) * 365.0


def count_whipsaws(changes: Sequence[tuple[int, str]], within_ms: int) -> int:
    """How often a stance was left and taken up again within a time.

    Args:
        changes: when each stance began, in time order.
    """
    spans = [c for number, c in enumerate(changes) if not number or changes[number - 1][1] != c[1]]
    return sum(
        after[1] == before[1] and after[0] - between[0] <= within_ms
        for before, between, after in zip(spans, spans[1:], spans[2:], strict=False)
    )
