"""What a turn reads, and what the journal keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Order
from bot.domain.portfolio import Account
from bot.domain.states import KillLevel


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """Inputs of the risk gate that come neither from the market nor from the account. Times in UTC ms of the venue's
    clock, values in quote.

    `orders_last_minute` and `recent_fills` count the last minute, `orders_today` and `fees_today_quote` the UTC day,
    `rejections` the venue's verdicts of the last ten minutes;
    `executed_lately` counts the orders that executed within an hour by instrument and direction (`executed_key`).
    `latency_ms` is the median time of the venue's answers of this turn, `failed_turns` how many turns in a row came to
    nothing before it. `is_canary`: no entry has been carried out since the start. `account_problems` are settings of
    the account with which nothing may be opened; `fees_unknown` counts the fills of the UTC day that paid a fee in an
    asset without a price, `fees_unknown_in` names those assets.
    """

    now_ms: int
    kill: KillLevel
    is_reconciled: bool
    locked: tuple[str, ...]
    clock_skew_ms: int
    turnover_today_quote: Decimal
    orders_last_minute: int
    recent_fills: int
    orders_today: int = 0
    fees_today_quote: Decimal = ZERO
    rejections: int = 0
    latency_ms: int = 0
    failed_turns: int = 0
    executed_lately: Mapping[str, int] = field(default_factory=dict)
    is_canary: bool = False
    account_problems: tuple[str, ...] = ()
    fees_unknown: int = 0
    fees_unknown_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnBooks:
    """What is read after the proposal: the snapshot with the order books of what is to be traded, and `risk`."""

    snapshot: Snapshot
    risk: RiskInputs


@dataclass(frozen=True, slots=True)
class TurnInputs:
    """All that a turn reads, and what the journal keeps of it.

    `memory` is that of the turn before with what the journal has counted since: deposits, equity, funding. `is_canary`:
    no entry has been carried out since the start. `risk` is None before the order books are read, and in records of
    older versions. `unseen`: client ids in `working` that the venue does not show to rest. `early`: in an early exit
    the perps that were asked about again; the rest is as the turn before it has found it.
    """

    kind: str
    kill: KillLevel
    is_canary: bool
    snapshot: Snapshot
    account: Account
    memory: Memory
    working: tuple[Order, ...]
    risk: RiskInputs | None = None
    unseen: tuple[str, ...] = ()
    early: tuple[str, ...] = ()

    @property
    def books(self) -> TurnBooks:
        """Raises ValueError in inputs without those of the gate."""
        if self.risk is None:
            raise ValueError("these inputs are not complete: the gate's are missing")
        return TurnBooks(self.snapshot, self.risk)
