"""Inputs of the risk gate that come neither from the market nor from the account: read once a turn and journaled."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Order
from bot.domain.portfolio import Portfolio
from bot.domain.states import KillLevel
from bot.domain.turn.inputs import RiskInputs
from bot.execution.reconcile import Truth
from bot.journal.reader import JournalReader
from bot.ports import Venue
from bot.risk import TurnRisk, executed_key

_MANY = 100_000
REJECTIONS_MS, EXECUTIONS_MS = 10 * MINUTE_MS, 60 * MINUTE_MS


def turn_risk(
    risk: RiskInputs,
    snapshot: Snapshot,
    portfolio: Portfolio,
    working: tuple[Order, ...],
    memory: Memory,
    tokens: Mapping[str, Mapping[str, Decimal]],
) -> TurnRisk:
    """All that the gate may know. `memory` is that of the decision, `tokens` the sectors' weights of each token."""
    inputs = {field.name: getattr(risk, field.name) for field in fields(risk)}
    return TurnRisk(snapshot=snapshot, portfolio=portfolio, working=working, memory=memory, tokens=tokens, **inputs)


def load_risk_inputs(
    reader: JournalReader,
    venue: Venue,
    snapshot: Snapshot,
    truth: Truth,
    kill: KillLevel,
    *,
    day_start_ms: int,
    failed_turns: int,
    is_canary: bool,
    account_problems: tuple[str, ...] = (),
    fee_prices: Mapping[str, Decimal] | None = None,
) -> RiskInputs:
    """The inputs of this instant. `fee_prices` value fees that the snapshot does not. Raises JournalError."""
    now_ms = venue.now_ms()
    fees = _fees(reader, snapshot, truth.account.quote, day_start_ms, fee_prices or {})
    executed = reader.count_executed(now_ms - EXECUTIONS_MS)
    return RiskInputs(
        now_ms=now_ms,
        kill=kill,
        is_reconciled=truth.is_agreed,
        locked=tuple(sorted(truth.locked)),
        clock_skew_ms=venue.clock_skew_ms,
        turnover_today_quote=reader.load_turnover(day_start_ms),
        orders_last_minute=reader.count_orders(now_ms - MINUTE_MS),
        recent_fills=reader.count_fills(now_ms - MINUTE_MS),
        orders_today=reader.count_orders(day_start_ms),
        fees_today_quote=fees.known_quote,
        fees_unknown=fees.unknown_count,
        fees_unknown_in=tuple(sorted(fees.unknown)),
        rejections=reader.count_rejections(now_ms - REJECTIONS_MS),
        latency_ms=truth.latency_ms,
        failed_turns=failed_turns,
        executed_lately={executed_key(symbol, Side(side)): count for (symbol, side), count in executed.items()},
        is_canary=is_canary,
        account_problems=account_problems,
    )


@dataclass(frozen=True, slots=True)
class FeesPaid:
    """Fees of a span of time: what could be valued, in quote; what could not, by asset and as a count of fills."""

    known_quote: Decimal
    unknown: Mapping[str, Decimal] = field(default_factory=dict)
    unknown_count: int = 0


def _fees(
    reader: JournalReader,
    snapshot: Snapshot,
    quote: str,
    since_ms: int,
    fee_prices: Mapping[str, Decimal] | None = None,
) -> FeesPaid:
    """Fees since, at present prices; one in an asset without a price is unknown, which is not nothing."""
    known, unknown = ZERO, dict[str, Decimal]()
    for asset, fee in reader.load_fees(since_ms).items():
        price = ONE if asset == quote else snapshot.price(f"{asset}/{quote}") or (fee_prices or {}).get(asset)
        if price is not None:
            known += fee * price
        elif fee:
            unknown[asset] = fee
    fills = reader.load_fills(_MANY, since_ms) if unknown else ()
    return FeesPaid(known, unknown, sum(fill.fee_asset in unknown and fill.fee != ZERO for fill in fills))
