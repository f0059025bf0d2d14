"""What the API answers, as types; `bot/operate/dashboard/api/schema.py` makes schemas of them.

Amounts are text with all their digits, shares are text as fractions, times are UTC milliseconds. What may be absent
because the bot has not read it yet is None. The columns of a row that the command line shows as well stand beside their
table, in `bot/report`.
"""

from typing import Any, NotRequired, Required, TypedDict

from bot.operate.dashboard.api.profit_answers import PeriodAnswer
from bot.report.holdings import HoldingColumns
from bot.report.rows import StatusColumns
from bot.report.views.orders import OrderColumns
from bot.report.views.positions import PositionColumns
from bot.report.views.sleeves import SleeveColumns

Text = str | None
"""An amount that is not known yet."""
AtMs = int | None

_From = TypedDict("_From", {"from": str})


class UndeliveredNotices(TypedDict):
    """Notices to a destination that were given up."""

    to: str
    count: int


class StreamRow(TypedDict):
    """How a stream of the venue is doing."""

    is_fresh: bool
    silent_seconds: float
    connections: int
    messages: int
    problem: str


class StatusAnswer(StatusColumns):
    """As `sectorbot status --json`."""

    exposure: dict[str, Any] | None
    journal: str
    pid: AtMs
    profit: dict[str, PeriodAnswer]
    held_seconds: dict[str, float]
    streams: dict[str, StreamRow]
    account: list[str]
    differences: list[str]
    kill_pending: list[str]
    notices_dead: list[UndeliveredNotices]
    running: str


class SleeveRow(SleeveColumns):
    """A sleeve against its target."""

    venue: str


class HoldingRow(HoldingColumns):
    """A token that is held."""

    venue: str


class PositionRow(PositionColumns):
    """A perp position; `stop` and its distance only in `/now`."""

    venue: str
    stop: NotRequired[Text]
    stop_distance: NotRequired[Text]


class PositionsAnswer(TypedDict):
    """As `sectorbot positions --json`."""

    kill_switch: str
    cycle: int
    at_ms: int
    as_of: str
    quote: str
    venue: str
    sleeves: list[SleeveRow]
    holdings: list[HoldingRow]
    positions: list[PositionRow]
    profit: dict[str, PeriodAnswer]


class HealthPart(TypedDict):
    """A part of the daemon, the age of its last sign of life, and how old that may be."""

    name: str
    age_ms: int
    limit_ms: int


class HealthAnswer(TypedDict):
    """Whether the daemon lives."""

    is_running: bool
    is_named: bool
    late: dict[str, Any] | list[str]
    parts: list[HealthPart]
    problem: str
    pid: NotRequired[int]
    age_ms: NotRequired[int]


class Wait(TypedDict):
    """What the bot waits for; None where no time ends it."""

    text: str
    until_ms: AtMs


class TodayChange(TypedDict):
    """Change since 00:00 UTC."""

    quote: str
    share: Text


class NowAnswer(TypedDict):
    """What the page Now shows; `holds` is None before the first turn."""

    status: StatusAnswer
    health: HealthAnswer
    holds: PositionsAnswer | None
    waits: list[Wait]
    today_quote: NotRequired[TodayChange | None]
    open_quote: NotRequired[Text]


class OrderRow(OrderColumns):
    """An order as the journal knows it."""

    venue: str
    average: Text
    trigger: Text
    type: str
    reduce_only: bool
    intent_id: str
    sector: str


class FillRow(TypedDict):
    """An execution."""

    at_ms: int
    trade_id: str
    price: str
    size: str
    fee: str
    fee_asset: str
    is_maker: bool | None


class OrderAnswer(TypedDict):
    """An order with its executions."""

    order: OrderRow
    fills: list[FillRow]


class LegRow(TypedDict):
    """A movement of a tranche with its orders."""

    purpose: str
    sector: str
    symbol: Text
    side: str
    value_quote: str
    margin_quote: Text
    leverage: Text
    state: str
    filled_quote: str
    orders: list[OrderRow]
    price: Text
    words: str


class TrancheRow(TypedDict):
    """A step of a rotation."""

    index: int
    state: str
    not_before_ms: int
    started_ms: AtMs
    legs: list[LegRow]


class CampaignRow(_From):
    """A rotation between two stances."""

    number: int
    to: str
    source: Text
    destination: Text
    state: str
    started_ms: int
    book_quote: str
    shift_quote: str
    baseline_quote: dict[str, str]
    target_quote: dict[str, str]
    owed_quote: dict[str, str]
    tranches: list[TrancheRow]
    executed_quote: str
    planned_quote: str


class CampaignsAnswer(TypedDict):
    """The newest rotations."""

    count: int
    campaigns: list[CampaignRow]


class PastEvent(TypedDict, total=False):
    """Something that happened."""

    at_ms: Required[int]
    kind: str
    text: str
    words: str


class HistoryAnswer(TypedDict):
    """Since a moment: events, equity and its parts."""

    since_ms: int
    now_ms: int
    turns: int
    events: list[PastEvent]
    summary: str
    since: str
    quote: str
    points: list[Any]
    fees: dict[str, Any]
    funding_quote: dict[str, Any]
    funding_sum_quote: str
    conditions: dict[str, str]


class EvidencePart(TypedDict):
    """What a signal adds to a condition."""

    signal: str
    share: str
    points: str
    score: float | None


class EvidenceRow(TypedDict):
    """How much speaks for a condition, and from where on it begins."""

    condition: str
    confidence: str
    enter: str
    parts: list[EvidencePart]


class SignalRow(TypedDict):
    """A reading of the market, its score and its rank in its own history."""

    name: str
    value: float
    score: float
    words: str
    age_ms: AtMs
    rank: float | None
    rank_is: str


class NoteRow(TypedDict):
    """A reason with its numbers."""

    reason: str
    words: str
    subject: str
    numbers: dict[str, Any]


class MissingSignal(TypedDict):
    """A signal that could not be computed."""

    name: str
    why: str


class WhyAnswer(TypedDict):
    """A decision in words, as `sectorbot why --json`."""

    cycle: int
    at_ms: int
    condition: str
    since_ms: AtMs
    confidence: str
    stance: str
    phases: dict[str, str]
    evidence: list[EvidenceRow]
    rule: list[str]
    signals: list[SignalRow]
    rules: list[Any]
    notes: list[NoteRow]
    would_change: list[str]
    missing: list[Any]
    kill: str
    unasked: list[str]
    quote: str
    funding: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]


class SignalsAnswer(TypedDict):
    """The signals of a cycle, as `sectorbot signals --json`."""

    cycle: int
    at_ms: int
    condition: str
    since_ms: AtMs
    confidence: str
    phases: dict[str, str]
    signals: list[SignalRow]
    missing: list[MissingSignal]
    unasked: list[str]


class ReplayAnswer(TypedDict):
    """A cycle that was decided again; the differences are empty when it is identical."""

    cycle: int
    kind: str
    is_identical: bool
    configuration: str
    differences: list[dict[str, Any]]


class SettingRow(TypedDict):
    """A setting with its origin; a secret is stars."""

    key: str
    name: str
    value: str
    origin: str
    is_changed: bool


class ConfigurationAnswer(TypedDict):
    """Every setting by section, and those that differ from their default."""

    sections: dict[str, list[SettingRow]]
    changed: list[SettingRow]
    is_named: bool
    digest: str


class LogEvent(TypedDict):
    """An event of the journal."""

    seq: int
    at_ms: int
    kind: str
    text: str


class LogAnswer(TypedDict):
    """Events, newest first; `next` continues with the older ones."""

    events: list[LogEvent]
    kind: str
    newest: int
    before: int
    next: AtMs
    kinds: list[str]


class BotRow(TypedDict, total=False):
    """A bot of this dashboard."""

    name: Required[str]
    path: Required[str]
    problem: Required[str]
    mode: str
    environment: str
    kill_switch: str
    condition: str
    quote: Text
    equity_quote: Text
    unpriced: list[str]
    drawdown: Text
    last_cycle_ms: AtMs
    now_ms: int
    is_running: bool
