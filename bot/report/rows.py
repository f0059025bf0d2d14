"""Journal records as plain mappings: what an operator reads, before anyone decides how it looks.

Pure functions. Amounts are text with all of their digits, quote values end in `_quote`, shares are fractions, times are
UTC ms. `tables` draws them; `--json` prints them as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypedDict

from bot.domain.codec import encode
from bot.domain.money import ZERO, share
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, OrderState
from bot.domain.turn.decision import Decision, Signal
from bot.playbook.policy.numbers import Policy
from bot.report.explanation import explain_decision
from bot.report.views.orders import OrderCounts, counts_by_state
from bot.report.views.parts import Row, text_of
from bot.report.views.sleeves import outside_of
from bot.report.views.venues import TransferRow, WalletRow

NO_CHANGE_WORDS = "nothing that was read speaks against it"


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """Where the bot stands, for `status`."""

    mode: str
    environment: str
    venue: str
    kill: KillLevel
    kill_reason: str
    kill_by: str
    kill_since_ms: int
    now_ms: int
    last_cycle: int
    last_cycle_ms: int
    portfolio: Portfolio | None
    equity_peak: Decimal
    day_start_equity: Decimal
    condition: str
    stance: str
    locks: Mapping[str, str]
    orders: Mapping[OrderState, int] = field(default_factory=dict)
    orders_today: int = 0
    unlisted: Sequence[str] = ()
    drawdown_since_ms: int = 0
    drawdown_until_ms: int | None = None
    peak_since_ms: int = 0
    wallets: Sequence[WalletRow] = ()
    transfer: TransferRow | None = None


class StatusColumns(TypedDict):
    """As `sectorbot status --json`, as far as the journal says it."""

    mode: str
    environment: str
    venue: str
    kill_switch: str
    kill_reason: str
    kill_by: str
    kill_since_ms: int | None
    now_ms: int
    last_cycle: int
    last_cycle_ms: int | None
    last_cycle_age_ms: int | None
    condition: str
    stance: str
    quote: str | None
    equity_quote: str | None
    book_quote: str | None
    reserve_quote: str | None
    outside_quote: str | None
    cash_quote: str | None
    wallets: list[WalletRow]
    transfer: TransferRow | None
    unpriced: list[str]
    unlisted: list[str]
    drawdown: str | None
    drawdown_since_ms: int | None
    drawdown_until_ms: int | None
    peak_since_ms: int | None
    fall_today: str | None
    locked: dict[str, Any]
    orders: OrderCounts
    orders_today: int


def status(inputs: StatusInputs) -> StatusColumns:
    """Mode, switch, age of the last cycle, equity and its falls. Shares are fractions of what they fell from."""
    portfolio = inputs.portfolio
    unpriced = list(portfolio.unpriced) if portfolio else []
    equity = portfolio.equity if portfolio and not unpriced else None
    return {
        "mode": inputs.mode,
        "environment": inputs.environment,
        "venue": inputs.venue,
        "kill_switch": inputs.kill.value,
        "kill_reason": inputs.kill_reason,
        "kill_by": inputs.kill_by,
        "kill_since_ms": inputs.kill_since_ms,
        "now_ms": inputs.now_ms,
        "last_cycle": inputs.last_cycle,
        "last_cycle_ms": inputs.last_cycle_ms,
        "last_cycle_age_ms": inputs.now_ms - inputs.last_cycle_ms if inputs.last_cycle_ms else None,
        "condition": inputs.condition,
        "stance": inputs.stance,
        "quote": portfolio.account.quote if portfolio else None,
        "equity_quote": text_of(equity),
        "book_quote": text_of(portfolio.book if portfolio else None),
        "reserve_quote": text_of(portfolio.equity - portfolio.book - outside_of(portfolio) if portfolio else None),
        "outside_quote": text_of(outside_of(portfolio) if portfolio else None),
        "cash_quote": text_of(portfolio.account.cash if portfolio else None),
        "wallets": list(inputs.wallets),
        "transfer": inputs.transfer,
        "unpriced": unpriced,
        "unlisted": list(inputs.unlisted),
        "drawdown": text_of(_fall(inputs.equity_peak, equity)),
        "drawdown_since_ms": inputs.drawdown_since_ms or None,
        "drawdown_until_ms": inputs.drawdown_until_ms,
        "peak_since_ms": inputs.peak_since_ms or None,
        "fall_today": text_of(_fall(inputs.day_start_equity, equity)),
        "locked": dict(inputs.locks),
        "orders": counts_by_state(inputs.orders),
        "orders_today": inputs.orders_today,
    }


def why(
    decision: Decision, *, number: int, at_ms: int, missing: Sequence[str] = (), policy: Policy | None = None
) -> Row:
    """A journaled decision in words: what was read, which rule spoke, what would change it. With the policy it was made
    by: of what its confidence is made, which rule led to the target, and the least that would turn it."""
    signals = sorted(decision.signals, key=lambda signal: -abs(signal.score))
    regime = decision.memory.regime
    explanation = explain_decision(decision, policy, at_ms) if policy is not None and signals else None
    return {
        "evidence": explanation.evidence if explanation else [],
        "rule": explanation.rule if explanation else [],
        "cycle": number,
        "at_ms": at_ms,
        "condition": decision.condition.value,
        "since_ms": regime.since_ms,
        "confidence": str(decision.confidence),
        "stance": decision.stance.value,
        "phases": encode(decision.phases),
        "signals": encode(signals),
        "rules": [encode(note) for note in decision.notes if note.reason in _RULES],
        "notes": encode(decision.notes),
        "would_change": explanation.turns if explanation else _would_change(decision, signals),
        "missing": list(missing),
    }


_RULES = frozenset(
    {
        Reason.CONDITION_CHANGED,
        Reason.CONDITION_HELD,
        Reason.CONFIDENCE_LOW,
        Reason.DWELL,
        Reason.EXIT_SIGNS,
        Reason.CAMPAIGN_STARTED,
        Reason.CAMPAIGN_REVERSED,
        Reason.DRIFT_WITHIN_BUFFER,
    }
)


def _would_change(decision: Decision, signals: Sequence[Signal]) -> list[str]:
    """What is already on the way to another reading: a candidate that waits, then the signals on the other side."""
    message = []
    candidate, condition = decision.memory.regime.candidate, decision.condition
    if candidate is not condition:
        message.append(f"{candidate.value} has been read instead of {condition.value} and waits until it has lasted")
    lean = sum(signal.score for signal in signals)
    message += [
        f"{signal.name} speaks the other way ({signal.score:+.2f}): {signal.words}"
        for signal in signals
        if signal.score * lean < 0
    ]
    message += [
        f"{note.subject or 'a signal'} is missing and would count again once it is read"
        for note in decision.notes
        if note.reason is Reason.SIGNAL_MISSING
    ]
    return message or [NO_CHANGE_WORDS]


def _fall(reference: Decimal, equity: Decimal | None) -> Decimal | None:
    return None if equity is None or reference <= 0 else max(ZERO, share(reference - equity, reference))
