"""A rotation and its parts: campaign → tranche → leg. Persisted; legs aim at sizes, so a crash or a price move changes
neither what was decided nor what is left to do (PLAYBOOK §2, DESIGN §3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import ExitPlan, Purpose
from bot.domain.states import CampaignState, LegState, TrancheState


class Condition(StrEnum):
    """Reading of the market (PLAYBOOK §3)."""

    NEUTRAL = "neutral"
    EUPHORIA = "euphoria"
    BREAKOUT = "breakout"
    UNCERTAINTY = "uncertainty"
    DOWNTREND = "downtrend"


class Stance(StrEnum):
    """The target the book stands at."""

    NEUTRAL = "neutral"
    INTO_DEFI = "into_defi"
    INTO_INFRA = "into_infra"
    DE_RISK = "de_risk"


class Phase(StrEnum):
    """Where a sector stands in its own cycle."""

    ACCUMULATING = "accumulating"
    LEADING = "leading"
    DISTRIBUTING = "distributing"
    LAGGING = "lagging"
    UNKNOWN = "unknown"


class Bridge(StrEnum):
    """Where the part of a purchase that has not been sold yet comes from."""

    NONE = "none"
    RESERVE = "reserve"
    IDLE_MARGIN = "idle-margin"


@dataclass(frozen=True, slots=True)
class LegAttempts:
    """How often a leg has been asked for since `held` last changed, and since when."""

    since_ms: int
    count: int
    held: Decimal


@dataclass(frozen=True, slots=True)
class Leg:
    """One movement: bring the holding of `symbol` from `size_from` to `size_to` (signed; base units or contracts).

    `quote_value` and `margin` are what the plan said at `price`; the difference still to do is taken from truth.
    `pullback` is the price of its last order where that waits for a pullback.
    """

    index: int
    purpose: Purpose
    sector: str
    symbol: str
    size_from: Decimal
    size_to: Decimal
    price: Decimal
    quote_value: Decimal
    margin: Decimal = ZERO
    leverage: Decimal | None = None
    exits: ExitPlan | None = None
    state: LegState = LegState.READY
    words: str = ""
    asked: LegAttempts | None = None
    pullback: Decimal | None = None

    @property
    def side(self) -> Side:
        return Side.of(self.size_to - self.size_from)

    def left(self, held: Decimal) -> Decimal:
        """Positive size still to trade in the leg's own direction; 0 when reached or passed."""
        return max(ZERO, (self.size_to - held) * self.side.sign)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Quote money between the spot and the perp wallet, or, with `source`, from that sector's label to `sector`'s
    inside the perp wallet, which moves nothing at the venue. It waits for the legs of `after` and of earlier phases."""

    amount: Decimal
    to_perp: bool
    sector: str
    words: str = ""
    source: str = ""
    after: Purpose = Purpose.REDUCE


@dataclass(frozen=True, slots=True)
class Tranche:
    """One step of a campaign. `transfers_done` counts finished transfers; while one has been asked for and the wallets
    do not show it yet, `transfer_level` is the perp wallet's balance just before and `transfer_sent_ms` the time.
    `hedge_wait_ms` is when the sales began to wait for the hedge (0: they have not), `hedge_asks` how many cycles.
    `due_ms` is when it begins at the pace of the last cycle; 0: at `not_before_ms`, at the interval that is set."""

    index: int
    state: TrancheState
    not_before_ms: int
    legs: tuple[Leg, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    started_ms: int = 0
    transfers_done: int = 0
    transfer_level: Decimal | None = None
    transfer_sent_ms: int = 0
    hedge_wait_ms: int = 0
    hedge_asks: int = 0
    due_ms: int = 0

    @property
    def begins_ms(self) -> int:
        """When a tranche that waits begins, as far as the last cycle could say."""
        return self.due_ms or self.not_before_ms


@dataclass(frozen=True, slots=True)
class Campaign:
    """One rotation. `baseline` is the quote value per sleeve (`defi.spot`, `infra.futures`, …) when it began,
    `target` the value per sleeve it aims at, `owed` what the bridge still has to be repaid, by source. `hedge_sizes` is
    what its hedges would be, in contracts by perp, if margin were no matter, and `hedged` the spot that they cover,
    quote by sector."""

    number: int
    stance_from: Stance
    stance_to: Stance
    source: str
    destination: str
    state: CampaignState
    started_ms: int
    book: Decimal
    shift: Decimal
    baseline: Mapping[str, Decimal] = field(default_factory=dict)
    target: Mapping[str, Decimal] = field(default_factory=dict)
    tranches: tuple[Tranche, ...] = ()
    owed: Mapping[str, Decimal] = field(default_factory=dict)
    tactical_allowed: bool = False
    hedge_sizes: Mapping[str, Decimal] = field(default_factory=dict)
    hedged: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in (CampaignState.DONE, CampaignState.ABORTED)

    @property
    def current(self) -> Tranche | None:
        """The first tranche that is not done."""
        return next((t for t in self.tranches if t.state is not TrancheState.DONE), None)


@dataclass(frozen=True, slots=True)
class RegimeMemory:
    """What hysteresis and dwell need to remember."""

    condition: Condition = Condition.NEUTRAL
    since_ms: int = 0
    candidate: Condition = Condition.NEUTRAL
    candidate_since_ms: int = 0


_DIRECTIONAL_NAMES: Mapping[Purpose, str] = {
    Purpose.TACTICAL: "tactical long",
    Purpose.TACTICAL_SHORT: "speculative short",
    Purpose.SCALP: "scalp",
}


@dataclass(frozen=True, slots=True)
class OpenExit:
    """An exit plan at work on a tactical position, with what it has to remember: `size_entered` is positive,
    `best_price` the highest mark seen of a long, the lowest of a short. `closing` is the reason why all of it
    is being closed, once that has been decided: a price that bounces does not undo it."""

    symbol: str
    sector: str
    size_entered: Decimal
    entry_price: Decimal
    plan: ExitPlan
    best_price: Decimal
    targets_hit: int = 0
    funding_paid: Decimal = ZERO
    campaign: int = 0
    closing: str = ""
    side: Side = Side.BUY
    purpose: Purpose = Purpose.TACTICAL

    @property
    def words(self) -> str:
        """What the position is called."""
        return _DIRECTIONAL_NAMES[self.purpose]

    def is_held(self, size: Decimal) -> bool:
        """Whether a position of `size` signed contracts is one of this side."""
        return size * self.side.sign > 0


@dataclass(frozen=True, slots=True)
class Opening:
    """A position outside of a rotation that is being opened: `size` positive contracts to reach with `margin` quote,
    and its exits. After `until_ms` nothing more is asked for. One that is over is remembered from `over_ms` on for a
    while: an execution that comes to light late must find its exits."""

    symbol: str
    sector: str
    purpose: Purpose
    side: Side
    size: Decimal
    margin: Decimal
    leverage: Decimal
    plan: ExitPlan
    until_ms: int
    words: str = ""
    over_ms: int = 0


@dataclass(frozen=True, slots=True)
class ScalpDay:
    """Scalps of one UTC day: how many were begun, what the losing ones lost, the candle of the last one."""

    day_ms: int = 0
    count: int = 0
    loss_quote: Decimal = ZERO
    candle_ms: int = 0

    def on(self, day_ms: int) -> "ScalpDay":
        """This day's account, a new one when another day has begun."""
        return self if self.day_ms == day_ms else ScalpDay(day_ms, candle_ms=self.candle_ms)


@dataclass(frozen=True, slots=True)
class PriceWait:
    """A holding that counts and has no price: when a turn last saw it, UTC ms, and for how long turns have watched."""

    seen_ms: int
    watched_ms: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything the pure part carries from cycle to cycle; journaled with every cycle.

    `labels` divides the perp wallet's capital between sectors (PLAYBOOK §2: a futures sleeve's share is capital);
    `payments_seq` is the last journaled payment that was counted into the funding of the open exits;
    `hedges` names the perps held short as hedges and the sector whose spot they cover. `shorted_ms` is the beginning
    of the downtrend that has had its speculative short, `longed` the stance that has had its tactical long.
    `unguarded` says of perp positions, by symbol, that no full-size stop inside their liquidation price rests at the
    venue: entries wait. `stops_asked` is the size of the position whose stop was asked for only just now. `leverages`
    is the leverage that was set of perps with a position; `leverage_wrong` says which the venue reports otherwise.
    `hedges_since` is since when the short of a hedge is watched, by perp, UTC ms; `hedges_stopped` when a resting stop
    last closed a hedge of a sector. `drawdown_since_ms` is since when a drawdown stops entries (0: it does not),
    `peak_since_ms` when a cool-down or an operator last let the peak begin anew. `price_waits` are those of
    holdings that count and have no price, by asset. Of the spot assets that were held when equity was last
    marked, `counted` has those that it counts and the price at which each first did, quote per unit; `uncounted` the
    others, in base units (both empty in journals of earlier versions).
    """

    regime: RegimeMemory = RegimeMemory()
    stance: Stance = Stance.NEUTRAL
    campaign: Campaign | None = None
    campaigns: int = 0
    labels: Mapping[str, Decimal] = field(default_factory=dict)
    hedges: Mapping[str, str] = field(default_factory=dict)
    exits: tuple[OpenExit, ...] = ()
    equity_peak: Decimal = ZERO
    day_start_ms: int = 0
    day_start_equity: Decimal = ZERO
    payments_seq: int = 0
    opening: tuple[Opening, ...] = ()
    shorted_ms: int = -1
    scalps: ScalpDay = ScalpDay()
    longed: Stance = Stance.NEUTRAL
    unguarded: Mapping[str, str] = field(default_factory=dict)
    stops_asked: Mapping[str, Decimal] = field(default_factory=dict)
    leverages: Mapping[str, Decimal] = field(default_factory=dict)
    leverage_wrong: Mapping[str, str] = field(default_factory=dict)
    hedges_since: Mapping[str, int] = field(default_factory=dict)
    hedges_stopped: Mapping[str, int] = field(default_factory=dict)
    drawdown_since_ms: int = 0
    peak_since_ms: int = 0
    price_waits: Mapping[str, PriceWait] = field(default_factory=dict)
    counted: Mapping[str, Decimal] = field(default_factory=dict)
    uncounted: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def directional(self) -> Mapping[str, Decimal]:
        """Perps that carry a position outside of a rotation, or are about to, with the margin still meant for it."""
        held = {one.symbol: ZERO for one in self.exits if one.purpose is not Purpose.TACTICAL}
        return held | {one.symbol: one.margin for one in self.opening if not one.over_ms}
