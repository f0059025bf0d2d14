"""The record of a run: equity over time, changes of condition, rotations, parts of the profit; and its document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from bot.domain.durations import DAY_MS, YEAR_MS
from bot.domain.money import ZERO
from bot.lab.backtest import figures as stats
from bot.lab.backtest.attribution import Contribution, covered
from bot.lab.backtest.benchmarks import BTC, WORDS, Tally
from bot.lab.tear_sheet.by_stance import count_whipsaws, market_line, variance_removed
from bot.report.profit.parts import StanceProfit
from bot.runtime.watch.drawdown import STOPPED

SCHEMA = 1
WHIPSAW_DAYS = 10


@dataclass(frozen=True, slots=True)
class DailyRow:
    """The account once a day. Quote values; `sleeves` by name with `cash`, `shorts` and `longs` are notional of perps
    (positive), `funding_quote` received so far, `benchmarks` equity by name; `held_back` the breakers that stop
    entries."""

    at_ms: int
    equity: Decimal
    sleeves: Mapping[str, Decimal]
    shorts: Decimal
    longs: Decimal
    funding_quote: Decimal
    benchmarks: Mapping[str, Decimal]
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StanceChange:
    """A change of the condition, or of the stance."""

    at_ms: int
    condition: str
    stance: str
    confidence: Decimal


@dataclass(slots=True)
class Rotation:
    """A campaign as it went. `ended_ms` is None while it runs."""

    number: int
    stance_from: str
    stance_to: str
    condition: str
    started_ms: int
    equity_start: Decimal
    state: str = ""
    ended_ms: int | None = None
    equity_end: Decimal = ZERO
    tranches: int = 0
    orders: int = 0
    traded_quote: Decimal = ZERO


@dataclass(slots=True)
class Counts:
    """What happened how often. `abandoned` turns found no truth; `refused` by reason; `rebased` is how often somebody
    let the drawdown's peak begin anew."""

    cycles: int = 0
    guards: int = 0
    abandoned: int = 0
    orders: int = 0
    orders_rejected: int = 0
    mismatches: int = 0
    liquidations: int = 0
    rebased: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Month:
    """What was traded in a month, in quote."""

    traded_quote: Decimal = ZERO
    fees_quote: Decimal = ZERO
    executions: int = 0


@dataclass(slots=True)
class Record:
    """Everything a report shows."""

    start_ms: int
    end_ms: int
    quote: str
    book_quote: Decimal
    seed: int
    config_digest: str
    market_symbol: str
    cadence: Mapping[str, int]
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    drawn_hours: Mapping[str, int] = field(default_factory=dict)
    absent: Sequence[str] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    gaps: Mapping[str, Any] = field(default_factory=dict)
    moments: list[DailyRow] = field(default_factory=list)
    hours: list[tuple[int, float]] = field(default_factory=list)
    turns: list[StanceChange] = field(default_factory=list)
    rotations: dict[int, Rotation] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    parts: Mapping[str, Contribution] = field(default_factory=dict)
    by_token: Mapping[str, Contribution] = field(default_factory=dict)
    by_stance: Mapping[str, StanceProfit] = field(default_factory=dict)
    hedged: Sequence[tuple[Decimal, Decimal]] = ()
    legs: list[dict[str, Any]] = field(default_factory=list)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    traded: dict[str, Month] = field(default_factory=dict)
    reconciled: bool = True
    stops: list[dict[str, Any]] = field(default_factory=list)

    @property
    def years(self) -> float:
        return (self.moments[-1].at_ms - self.moments[0].at_ms) / YEAR_MS if len(self.moments) > 1 else 0.0

    def curve(self, name: str = "") -> list[float]:
        """Daily equity: the run's own, or a benchmark's."""
        return [float(m.benchmarks[name] if name else m.equity) for m in self.moments]

    @property
    def times_ms(self) -> list[int]:
        return [moment.at_ms for moment in self.moments]


def document_of(record: Record) -> dict[str, Any]:
    """The JSON document, schema in docs/backtest.md. Amounts are text, shares and figures are numbers."""
    curves = {"sectorbot": record.curve(), **{name: record.curve(name) for name in WORDS}}
    figures = {name: stats.figures_of(record.times_ms, curve, seed=record.seed) for name, curve in curves.items()}
    traded = sum((part.traded_quote for part in record.parts.values()), ZERO)
    fees = sum((part.fees_quote for part in record.parts.values()), ZERO)
    slippage = sum((part.slippage_quote for part in record.parts.values()), ZERO)
    mean_equity = sum(record.curve()) / len(record.moments)
    return {
        "schema": SCHEMA,
        "from": day_of(record.start_ms),
        "to": day_of(record.end_ms),
        "quote": record.quote,
        "book_quote": str(record.book_quote),
        "seed": record.seed,
        "config_digest": record.config_digest,
        "cadence": dict(record.cadence),
        "tokens": {
            s: {"from": day_of(a), "to": day_of(b), "drawn_hours": record.drawn_hours.get(s, 0)}
            for s, (a, b) in sorted(record.tokens.items())
        },
        "absent": list(record.absent),
        "cut": {symbol: day_of(at) for symbol, at in sorted(record.cut.items())},
        "gaps": {table: dict(series) for table, series in record.gaps.items()},
        "reconciled": record.reconciled,
        "equity_end_quote": str(record.moments[-1].equity),
        "figures": {name: found.document | _unknown(record) for name, found in figures.items()},
        "benchmarks": {name: _benchmark(record, name, curves) for name in WORDS},
        "costs": {
            "traded_quote": str(traded),
            "fees_quote": str(fees),
            "slippage_quote": str(slippage),
            "turnover_per_year": float(traded) / mean_equity / record.years if record.years and mean_equity else 0.0,
        },
        "contributions": {name: _part(part) for name, part in sorted(record.parts.items())},
        "covered": {name: _part(part) for name, part in covered(record.parts).items()},
        "by_stance": {name: _stance(found) for name, found in sorted(record.by_stance.items())},
        "whole": _stance(sum(record.by_stance.values(), StanceProfit())),
        "hedges": {"days": len(record.hedged), "variance_removed": variance_removed(record.hedged)},
        "market": _market(record),
        "whipsaws": count_whipsaws([(turn.at_ms, turn.stance) for turn in record.turns], WHIPSAW_DAYS * DAY_MS),
        "by_token": {name: _part(part) for name, part in sorted(record.by_token.items())},
        "funding_legs": record.legs,
        "within_a_day": _worst(record),
        "condition_changes": _changes(record.turns),
        "condition_changes_per_year": _changes(record.turns) / record.years if record.years else 0.0,
        "condition_share": _condition_share(record),
        "turns": [asdict(turn) | {"confidence": str(turn.confidence)} for turn in record.turns],
        "campaigns": [_rotation(rotation) for _, rotation in sorted(record.rotations.items())],
        "counts": asdict(record.counts),
        "days": len(record.moments),
        "held_back": _held_back(record),
        "held_days": sum(1 for moment in record.moments if moment.held_back),
        "drawdown_stops": _stops(record),
        "years": {
            year: found | {"condition_changes": _changes_in(record.turns, year)}
            for year, found in returns_by(record, 4).items()
        },
        "months": returns_by(record, 7),
        "traded": {month: _part(found) for month, found in sorted(record.traded.items())},
        "caveat": stats.CAVEAT,
    }


def _stance(found: StanceProfit) -> dict[str, Any]:
    amounts = asdict(found)
    del amounts["other"]  # nothing is held outside the sectors
    return (
        {"days": amounts.pop("span_ms") // DAY_MS}
        | {f"{n}_quote": str(v) for n, v in amounts.items()}
        | {"net_quote": str(found.net)}
    )


def _market(record: Record) -> dict[str, float | None]:
    """Beta to the market's benchmark and alpha a year over it; a short run has none."""
    line = market_line(stats.returns_of(record.curve()), stats.returns_of(record.curve(BTC)))
    is_short = len(record.moments) <= stats.SHORT_DAYS
    return {"beta": None, "alpha_year": None} if line is None or is_short else {"beta": line[0], "alpha_year": line[1]}


def _unknown(record: Record) -> dict[str, None]:
    """What days that are too few for blocks say nothing about: nothing a year, and no interval."""
    return {} if len(record.moments) > stats.SHORT_DAYS else dict.fromkeys(stats.YEARLY)


def csv_of(record: Record) -> str:
    """Daily equity, benchmarks, sleeves and hedges as comma-separated values with a header."""
    sleeves = list(record.moments[0].sleeves) if record.moments else []
    lines = [",".join(("date", "equity", *WORDS, *sleeves, "shorts", "longs", "funding"))]
    for moment in record.moments:
        amounts = (
            moment.equity,
            *(moment.benchmarks[name] for name in WORDS),
            *(moment.sleeves.get(name, ZERO) for name in sleeves),
            moment.shorts,
            moment.longs,
            moment.funding_quote,
        )
        lines.append(",".join((day_of(moment.at_ms), *(f"{amount:.2f}" for amount in amounts))))
    return "\n".join(lines) + "\n"


def returns_by(record: Record, width: int) -> dict[str, dict[str, float]]:
    """Return of every year (`width` 4: as much of a date as names it) or month (7), of the run and its benchmarks."""
    curves = {"sectorbot": record.curve(), **{name: record.curve(name) for name in WORDS}}
    last: dict[str, int] = {}
    for index, at_ms in enumerate(record.times_ms):
        last[day_of(max(record.start_ms, at_ms - 1))[:width]] = index
    return {
        span: {name: curve[after] / curve[before] - 1 if curve[before] else 0.0 for name, curve in curves.items()}
        for span, (before, after) in zip(last, pairwise((0, *last.values())), strict=True)
    }


def day_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _benchmark(record: Record, name: str, curves: Mapping[str, list[float]]) -> dict[str, Any]:
    gap, interval, above = stats.excess(curves["sectorbot"], curves[name], seed=record.seed)
    tally = record.tallies[name]
    return {
        "words": WORDS[name],
        "equity_end_quote": str(record.moments[-1].benchmarks[name]),
        "traded_quote": str(tally.traded_quote),
        "fees_quote": str(tally.fees_quote),
        "orders": tally.orders,
        "excess_log_growth_year": gap,
        "excess_interval": asdict(interval),
        "share_of_resamples_above": above,
    } | ({} if len(record.moments) > stats.SHORT_DAYS else dict.fromkeys(stats.YEARLY_EXCESS))


def _part(part: Contribution | Month) -> dict[str, Any]:
    found = {name: value if isinstance(value, int) else str(value) for name, value in asdict(part).items()}
    return found | {"net_quote": str(part.net_quote)} if isinstance(part, Contribution) else found


def _rotation(rotation: Rotation) -> dict[str, Any]:
    found = asdict(rotation)
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def _changes(turns: Sequence[StanceChange]) -> int:
    return sum(before.condition != after.condition for before, after in pairwise(turns))


def _changes_in(turns: Sequence[StanceChange], year: str) -> int:
    pairs = pairwise(turns)
    return sum(a.condition != b.condition and day_of(b.at_ms).startswith(year) for a, b in pairs)


def _held_back(record: Record) -> dict[str, dict[str, Any]]:
    """On how many days, and since when, a breaker of the gate stopped entries."""
    found: dict[str, list[int]] = {}
    for moment in record.moments:
        for reason in moment.held_back:
            found.setdefault(reason, []).append(moment.at_ms)
    return {
        reason: {"days": len(days), "first": day_of(days[0]), "last": day_of(days[-1])}
        for reason, days in sorted(found.items())
    }


def _stops(record: Record) -> list[dict[str, Any]]:
    """When a drawdown stopped entries: from when, until when (None: still), and what ended it."""
    found: list[dict[str, Any]] = []
    for fact in record.stops:
        if fact["state"] == STOPPED:
            found.append({"from": day_of(fact["since_ms"]), "to": None, "ended_by": None, "peak_quote": fact["peak"]})
        elif found:
            found[-1] |= {"to": day_of(fact["at_ms"]), "ended_by": fact["state"]}
    return found


def _condition_share(record: Record) -> dict[str, float]:
    """Part of the time that each condition stood."""
    ends = [*(turn.at_ms for turn in record.turns[1:]), record.end_ms]
    spans: dict[str, float] = {}
    for turn, end_ms in zip(record.turns, ends, strict=True):
        spans[turn.condition] = spans.get(turn.condition, 0.0) + (end_ms - turn.at_ms)
    whole = sum(spans.values())
    return {name: span / whole for name, span in sorted(spans.items())} if whole else {}


def _worst(record: Record) -> dict[str, Any]:
    """The deepest fall within 24 hours, seen every hour, and the deepest drawdown at that grain."""
    values = [equity for _, equity in record.hours]
    if len(values) < 2:
        return {}
    step = max(1, round(DAY_MS / max(1, (record.hours[-1][0] - record.hours[0][0]) / (len(values) - 1))))
    falls = [after / before - 1 for before, after in zip(values, values[step:], strict=False) if before > 0]
    worst = min(range(len(falls)), key=falls.__getitem__) if falls else 0
    return {
        "from_ms": record.hours[worst][0],
        "fall": falls[worst] if falls else 0.0,
        "drawdown_max": min(stats.drawdowns(values)),
    }
