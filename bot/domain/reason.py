"""The closed set of reasons: why something was shrunk, waited for, skipped or refused.

`docs/reasons.md` explains each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    # decisions of the playbook
    CONDITION_CHANGED = "condition_changed"
    CONDITION_HELD = "condition_held"
    SIGNAL_MISSING = "signal_missing"
    CONFIDENCE_LOW = "confidence_low"
    DWELL = "dwell"
    CAMPAIGN_STARTED = "campaign_started"
    CAMPAIGN_DONE = "campaign_done"
    CAMPAIGN_REVERSED = "campaign_reversed"
    TRANCHE_STARTED = "tranche_started"
    TRANCHE_WAITS = "tranche_waits"
    NOTHING_TO_DO = "nothing_to_do"
    DRIFT_WITHIN_BUFFER = "drift_within_buffer"
    TOKEN_DROPPED = "token_dropped"
    LEVERAGE_CUT = "leverage_cut"
    HEDGE_CUT = "hedge_cut"
    HEDGE_OFF = "hedge_off"
    BRIDGE_SHORT = "bridge_short"
    CASH_SHORT = "cash_short"
    TRANSFER_NEEDED = "transfer_needed"
    BELOW_MINIMUM = "below_minimum"
    FUNDING_DEAR = "funding_dear"
    ENTRY_WAITS = "entry_waits"
    PHASE_WAITS = "phase_waits"
    EXIT_STOP = "exit_stop"
    EXIT_TARGET = "exit_target"
    EXIT_TIME = "exit_time"
    EXIT_FUNDING = "exit_funding"
    EXIT_SIGNS = "exit_signs"
    HEDGE_OVER_SPOT = "hedge_over_spot"
    LIQUIDATION_NEAR = "liquidation_near"
    # refusals of the gate
    KILL_SWITCH = "kill_switch"
    NOT_RECONCILED = "not_reconciled"
    INSTRUMENT_LOCKED = "instrument_locked"
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    INSTRUMENT_INACTIVE = "instrument_inactive"
    INTENT_IN_FLIGHT = "intent_in_flight"
    SIZE_INVALID = "size_invalid"
    SIZE_ABOVE_MAX = "size_above_max"
    PRICE_BAD = "price_bad"
    PRICE_STALE = "price_stale"
    BALANCE_STALE = "balance_stale"
    CLOCK_SKEW = "clock_skew"
    PRICE_COLLAR = "price_collar"
    MARK_INDEX_APART = "mark_index_apart"
    BOOK_EMPTY = "book_empty"
    SLIPPAGE = "slippage"
    PARTICIPATION = "participation"
    ORDER_NOTIONAL = "order_notional"
    GROSS_EXPOSURE = "gross_exposure"
    NET_EXPOSURE = "net_exposure"
    ASSET_EXPOSURE = "asset_exposure"
    SECTOR_EXPOSURE = "sector_exposure"
    ACCOUNT_LEVERAGE = "account_leverage"
    POSITION_LEVERAGE = "position_leverage"
    MARGIN_USE = "margin_use"
    FUTURES_BUDGET = "futures_budget"
    LIQUIDATION_DISTANCE = "liquidation_distance"
    HEDGE_EXCEEDS_SPOT = "hedge_exceeds_spot"
    FUNDING_BUDGET = "funding_budget"
    BALANCE_SHORT = "balance_short"
    MARGIN_SHORT = "margin_short"
    EXITS_MISSING = "exits_missing"
    TURNOVER = "turnover"
    ORDER_RATE = "order_rate"
    REPEATED_EXECUTION = "repeated_execution"
    PARENT_EXCEEDED = "parent_exceeded"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    # execution and reconciliation
    ORDER_REJECTED = "order_rejected"
    ORDER_IN_DOUBT = "order_in_doubt"
    DOUBT_SETTLED = "doubt_settled"
    DOUBT_OLD = "doubt_old"
    ATTEMPTS_SPENT = "attempts_spent"
    LATE_FACT = "late_fact"
    FOREIGN_ORDER = "foreign_order"
    POSITION_MISMATCH = "position_mismatch"
    BALANCE_MISMATCH = "balance_mismatch"
    LIQUIDATED = "liquidated"
    VENUE_UNAVAILABLE = "venue_unavailable"
    RATE_LIMITED = "rate_limited"
    JOURNAL_FAILED = "journal_failed"
    CONFIG_REFUSED = "config_refused"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark of a pure function: a reason, a sentence, and the numbers behind it as text."""

    reason: Reason
    words: str
    subject: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
