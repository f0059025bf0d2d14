"""How the figures of a bot are taken: some from each turn, the rest from the journal and the health file."""

import time
from collections.abc import Mapping
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.perp import liquidation_distance
from bot.domain.states import OrderState
from bot.journal.reader import JournalReader
from bot.operate.metrics.figures import MetricSet, only
from bot.operate.metrics.limits_used import JournalCounts, limits_used
from bot.playbook.policy.numbers import Sectors
from bot.report.notices import undelivered_notices
from bot.report.profit.periods import load_profit
from bot.report.profit.views import parts_row
from bot.risk import Limits, Refused
from bot.runtime.build_info import started
from bot.runtime.cycle import CycleResult
from bot.runtime.health.health_file import Health
from bot.runtime.risk_inputs import REJECTIONS_MS
from bot.runtime.settings.model import Settings

_UNKNOWN = (OrderState.SUBMITTING, OrderState.IN_DOUBT)


def name_build(figures: MetricSet, settings: Settings) -> None:
    """What runs."""
    figures.build.info(dict(started(settings)))


def take_turn(figures: MetricSet, result: CycleResult) -> None:
    """Count a finished turn. No I/O."""
    exemplar = {"cycle": str(result.number)}
    figures.turn_seconds.labels(result.kind).observe(result.seconds, exemplar)
    figures.turn_at.labels(result.kind).set(time.time())
    figures.turn_number.set(result.number)
    figures.latency.observe(result.truth.latency_ms / 1000, exemplar)
    for outcome in result.outcomes:
        figures.outcomes.labels(outcome.state.value if outcome.state else "not_sent").inc()
    for verdict in result.verdicts:
        if isinstance(verdict, Refused):
            figures.refusals.labels(verdict.note.reason.value).inc()


def take_rest(
    figures: MetricSet,
    reader: JournalReader,
    health: Health,
    *,
    limits: Limits,
    result: CycleResult | None,
    now_ms: int,
) -> None:
    """Everything that is not counted turn by turn. Blocks: call it in a thread.

    Raises:
        JournalError: the journal cannot be read.
    """
    counts = _take_journal(figures, reader, result, now_ms)
    _take_health(figures, health)
    for row in undelivered_notices(reader, now_ms):
        figures.undelivered_notices.labels(row["to"]).set(row["count"])
    if result is not None:
        _take_account(figures, result)
        working = tuple(order for order in result.truth.working if order.state.is_live)
        only(figures.limit_used, limits_used(result.snapshot, result.portfolio, working, limits, counts))
    figures.refreshed_at.set(time.time())


def _take_journal(figures: MetricSet, reader: JournalReader, result: CycleResult | None, now_ms: int) -> JournalCounts:
    day_ms, memory = now_ms - now_ms % DAY_MS, reader.load_memory()
    states, working = reader.count_orders_by_state(), reader.load_working()
    only(figures.orders, {state.value: states.get(state, 0) for state in OrderState})
    figures.working.set(len(working))
    doubtful = [order for order in working if order.state in _UNKNOWN]
    oldest_ms = max((now_ms - order.sent_ms for order in doubtful), default=0)
    figures.in_doubt.set(len(doubtful))
    figures.doubt_age.set(oldest_ms / 1000)
    turnover, fees = reader.load_turnover(day_ms), reader.load_fees(day_ms)
    figures.turnover_today.set(float(turnover))
    only(figures.fees_today, {asset: float(fee) for asset, fee in fees.items()})
    funding = [payment.amount for payment in reader.load_payments(day_ms) if payment.kind == "funding"]
    figures.funding_today.set(float(sum(funding, ZERO)))
    figures.locked.set(len(reader.load_locks()))
    figures.events.set(reader.count_events())
    figures.journal_bytes.set(_size(reader.path))
    figures.unguarded.set(sum(bool(message) for message in memory.unguarded.values()))
    equity = result.portfolio.equity if result is not None and not result.portfolio.unpriced else None
    drawdown = _fall(memory.equity_peak, equity)
    figures.peak.set(float(memory.equity_peak))
    figures.drawdown.set(float(drawdown) if equity is not None else nan)
    day_start = memory.day_start_equity
    figures.profit_today.set(float(equity - day_start) if equity is not None and day_start else nan)
    return JournalCounts(
        turnover_quote=turnover,
        orders_today=reader.count_orders(day_ms),
        orders_last_minute=reader.count_orders(now_ms - MINUTE_MS),
        fees_quote=_in_quote(fees, result),
        rejections=reader.count_rejections(now_ms - REJECTIONS_MS),
        doubt_age_ms=oldest_ms,
        daily_loss=_fall(memory.day_start_equity, equity),
        drawdown=drawdown,
        latency_ms=result.truth.latency_ms if result is not None else 0,
    )


def take_profit(figures: MetricSet, reader: JournalReader, sectors: Sectors, now_ms: int) -> None:
    """Profit of every period, up to the last valuation of the journal. It reads much: once for each valuation.

    Raises:
        JournalError: the journal cannot be read.
    """
    for name, period in load_profit(reader, sectors, now_ms).periods.items():
        row = parts_row(period.total)
        for part in ("net", "realised", "unrealised", "funding", "fees", "other"):
            figures.profit.labels(name.replace(" ", ""), part).set(float(row[f"{part}_quote"]))


def _take_account(figures: MetricSet, result: CycleResult) -> None:
    portfolio, snapshot = result.portfolio, result.snapshot
    account, target = portfolio.account, result.decision.target
    figures.unpriced.set(len(portfolio.unpriced))
    is_known = not portfolio.unpriced  # an equity that lacks a price is no equity
    figures.equity.set(float(portfolio.equity) if is_known else nan)
    figures.book.set(float(portfolio.book) if is_known else nan)
    figures.cash.set(float(account.cash))
    sleeves = {f"{name}.spot": s.spot for name, s in portfolio.sectors.items()}
    sleeves |= {f"{name}.futures": s.futures for name, s in portfolio.sectors.items()}
    only(figures.sleeve, {name: float(value) for name, value in sleeves.items()})
    only(figures.sleeve_target, {name: float(share * portfolio.book) for name, share in target.items()})
    values, profits, distances = {}, {}, {}
    for symbol, held in account.positions.items():
        instrument = snapshot.instruments.get(symbol)
        profits[symbol] = float(held.unrealised_pnl)
        if instrument is not None:
            value = instrument.notional(abs(held.size), held.mark_price)
            values[symbol] = float(value if held.size > ZERO else -value)
        distance = liquidation_distance(held.mark_price, held.liquidation_price)
        if distance is not None:
            distances[symbol] = float(distance)
    only(figures.position, values)
    only(figures.position_profit, profits)
    only(figures.liquidation, distances)
    only(figures.condition, {result.decision.condition.value: 1})
    only(figures.breaker, {note.reason.value: 1 for note in result.breakers})
    figures.agreed.set(result.truth.is_agreed)
    figures.missing.set(len(snapshot.missing))
    now_ms = time.time() * 1000
    figures.snapshot_age.set(max(0.0, (now_ms - snapshot.at_ms) / 1000))
    figures.account_age.set(max(0.0, (now_ms - account.at_ms) / 1000))


def _take_health(figures: MetricSet, health: Health) -> None:
    last, late = health.last, health.late()
    only(figures.silent, health.silent_seconds())
    only(figures.late, {name: float(name in late) for name in health.parts})
    held: Any = last.get("held_seconds") or {}
    only(figures.held, {str(part): float(seconds) for part, seconds in held.items()})
    used: Any = last.get("requests_used") or {}
    only(figures.requests_used, {str(part): float(share) for part, share in used.items()})
    streams: Any = last.get("streams") or {}
    only(figures.stream_silent, {str(name): float(row["silent_seconds"]) for name, row in streams.items()})
    only(figures.stream_late, {str(name): float(not row["is_fresh"]) for name, row in streams.items()})
    figures.problem.set(bool(last.get("problem")))
    telegram: Any = last.get("telegram") or {}
    figures.strangers.set(int(telegram.get("strangers", 0)))


def _in_quote(fees: Mapping[str, Decimal], result: CycleResult | None) -> Decimal:
    """Fees whose asset has a price; the gate counts the others as unknown."""
    if result is None:
        return ZERO
    quote, total = result.portfolio.account.quote, ZERO
    for asset, fee in fees.items():
        price = Decimal(1) if asset == quote else result.snapshot.price(f"{asset}/{quote}")
        total += fee * price if price is not None else ZERO
    return total


def _fall(reference: Decimal, equity: Decimal | None) -> Decimal:
    if equity is None or reference <= ZERO:
        return ZERO
    return max(ZERO, 1 - equity / reference)


def _size(path: Path) -> int:
    files = [path, path.with_name(f"{path.name}-wal")]
    return sum(file.stat().st_size for file in files if file.exists())
