"""Numbers of the order protocol: the `[execution]` section of the settings.

Each bounds a wait or a count, because a loop that waits for ever is worse than a doubt that is written down.
"""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ExecutionRules(BaseModel):
    """How orders are sent, waited for and settled. Times in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    receive_window_ms: int = Field(
        default=5_000, ge=1_000, le=60_000, description="how long after its stamp a venue may still accept an order, ms"
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="orders sent for one intent in one cycle, first one included"
    )
    backoff_ms: int = Field(
        default=500, ge=0, le=60_000, description="wait before a second attempt, doubled every time, ms"
    )
    orders_per_instrument: int = Field(default=1, ge=1, le=20, description="orders under way at once in one instrument")
    orders_at_once: int = Field(default=8, ge=1, le=100, description="orders under way at once in all instruments")
    order_deadline_ms: int = Field(
        default=240_000, ge=1_000, description="age at which a resting order that is no trigger order is cancelled, ms"
    )
    post_deadline_ms: int = Field(default=15_000, ge=1_000, description="longest wait for the reply to one write, ms")
    read_deadline_ms: int = Field(default=20_000, ge=100, description="longest wait for one read while settling, ms")
    settle_deadline_ms: int = Field(
        default=90_000, ge=1_000, description="longest time one reconciliation may take, ms"
    )
    cancel_grace_ms: int = Field(
        default=2_000,
        ge=0,
        description="how long a stopping task still waits for the reply of an order it has sent, ms",
    )
    polls: int = Field(
        default=6, ge=1, le=100, description="questions asked about an order before it is left to the next cycle"
    )
    poll_interval_ms: int = Field(default=250, ge=0, le=60_000, description="wait between two such questions, ms")
    absence_asks: int = Field(default=2, ge=2, le=10, description="unanimous 'unknown order' answers that are believed")
    absence_interval_ms: int = Field(default=500, ge=0, le=60_000, description="wait between two such questions, ms")
    doubt_deadline_ms: int = Field(
        default=120_000, ge=1_000, description="age at which an order in doubt locks its instrument and alerts, ms"
    )
    foreign_order_policy: Literal["adopt", "ignore", "halt"] = Field(
        default="adopt",
        description="orders that are not ours: adopt counts them as exposure, ignore only reports, halt stops entries",
    )
    history_hours: int = Field(
        default=24,
        ge=1,
        le=2_000,
        description="how far back a journal without a past looks for orders of this bot before the first order, hours",
    )
    mismatch_rounds: int = Field(
        default=3, ge=1, le=20, description="times books and account are compared before they disagree"
    )
    mismatch_interval_ms: int = Field(default=500, ge=0, le=60_000, description="wait between two comparisons, ms")
    size_tolerance_bps: int = Field(
        default=1,
        ge=0,
        le=1_000,
        description="difference of a holding that counts as rounding, bps of what was traded or held",
    )
    cash_tolerance_bps: int = Field(
        default=5,
        ge=0,
        le=1_000,
        description="difference of cash that counts as rounding, bps of what was traded or held",
    )
    unexplained_max: Decimal = Field(
        default=Decimal("0.01"),
        ge=0,
        le=1,
        description="cash that may be missing without a record of the venue within a day before entries stop, share",
    )
    payments_interval_ms: int = Field(
        default=300_000, ge=0, description="funding and transfers are asked for at least this often, ms"
    )
