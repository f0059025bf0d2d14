"""Numbers of the order protocol: the `[execution]` section of the settings, and what is no operator's business.

Each bounds a wait or a count: a loop ends, and what it did not settle stays an unknown outcome in the journal.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema


@dataclass(frozen=True, slots=True)
class ExecutionTiming:
    """Waits, counts and tolerances of the order protocol. Tests may replace them; times in milliseconds."""

    # wait before a second attempt, doubled every time, ms
    backoff_ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    # orders under way at once in one instrument
    orders_per_instrument: Annotated[int, Field(ge=1, le=20)] = 1
    # longest wait for the reply to one write, ms
    post_deadline_ms: Annotated[int, Field(ge=1_000)] = 15_000
    # longest wait for one read while settling, ms
    read_deadline_ms: Annotated[int, Field(ge=100)] = 20_000
    # longest time one reconciliation may take, ms
    settle_deadline_ms: Annotated[int, Field(ge=1_000)] = 90_000
    # how long a stopping task still waits for the reply of an order it has sent, ms
    cancel_grace_ms: Annotated[int, Field(ge=0)] = 2_000
    # questions asked about an order before it is left to the next cycle
    polls: Annotated[int, Field(ge=1, le=100)] = 6
    # wait between two such questions, ms
    poll_interval_ms: Annotated[int, Field(ge=0, le=60_000)] = 250
    # unanimous 'unknown order' answers that are believed
    not_found_confirmations: Annotated[int, Field(ge=2, le=10)] = 2
    # wait between two such questions, ms
    not_found_interval_ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    # age at which an order in doubt locks its instrument and alerts, ms
    doubt_deadline_ms: Annotated[int, Field(ge=1_000)] = 120_000
    # a resting stop that the list of open orders shows is asked about by itself at least this often, ms
    stop_proof_ms: Annotated[int, Field(ge=0)] = 30_000
    # longest time for which a settlement waits for the answers about such stops, ms: that of `risk.latency_max_ms`
    stop_proof_deadline_ms: Annotated[int, Field(ge=1)] = 5_000
    # times books and account are compared before they disagree
    mismatch_rounds: Annotated[int, Field(ge=1, le=20)] = 3
    # wait between two comparisons, ms
    mismatch_interval_ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    # difference of a holding that counts as rounding, bps of what was traded or held
    size_tolerance_bps: Annotated[int, Field(ge=0, le=1_000)] = 1
    # difference of cash that counts as rounding, bps of what was traded or held
    cash_tolerance_bps: Annotated[int, Field(ge=0, le=1_000)] = 5
    # funding and transfers are asked for at least this often, ms
    payments_interval_ms: Annotated[int, Field(ge=0)] = 300_000


class ExecutionRules(BaseModel):
    """How orders are sent, waited for and settled. Times in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    receive_window_ms: SkipJsonSchema[int] = Field(
        default=5_000, ge=1_000, le=60_000, description="how long after its stamp a venue may still accept an order, ms"
    )
    max_attempts: SkipJsonSchema[int] = Field(
        default=3, ge=1, le=20, description="orders sent for one intent in one cycle, first one included"
    )
    orders_at_once: SkipJsonSchema[int] = Field(
        default=8, ge=1, le=100, description="orders under way at once in all instruments"
    )
    order_deadline_ms: SkipJsonSchema[int] = Field(
        default=240_000, ge=1_000, description="age at which a resting order that is no trigger order is cancelled, ms"
    )
    foreign_order_policy: Literal["adopt", "ignore", "halt"] = Field(
        default="adopt",
        description="orders that are not ours: adopt counts them as exposure, ignore only reports, halt stops entries",
    )
    history_hours: SkipJsonSchema[int] = Field(
        default=720,
        ge=1,
        le=2_000,
        description="how far back a journal without a past looks for orders of this bot before the first order, hours",
    )
    unexplained_max: Decimal = Field(
        default=Decimal("0.01"),
        ge=0,
        le=1,
        description="cash that may be missing without a record of the venue within a day before entries stop, share",
    )
    timing: SkipJsonSchema[ExecutionTiming] = Field(default=ExecutionTiming(), repr=False)
