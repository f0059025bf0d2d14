"""Queries of the reading commands on a journal: rows for people and for `--json`.

Nothing is asked of a venue: prices and account are those of the last cycle. Their age is shown, by the clock of this
machine, whether a daemon runs or not.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.money import ZERO, plain
from bot.domain.order import Fill
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.domain.symbol import base_of
from bot.journal.errors import SnapshotPruned
from bot.journal.reader import JournalReader
from bot.journal.record import CycleRecord
from bot.playbook.book.exposure import exposure_lines, exposure_row, read_exposure
from bot.playbook.book.portfolio import build_portfolio
from bot.playbook.book.transfers import wallet_names
from bot.playbook.policy.numbers import Policy, Sectors
from bot.report import funding as report_funding
from bot.report import rows
from bot.report.format import coloured, utc
from bot.report.history import history
from bot.report.holdings import holding_rows
from bot.report.notices import undelivered_notices
from bot.report.profit.export import ExportTable, export_table
from bot.report.profit.periods import Marked, Profit, load_profit, valuation_of
from bot.report.profit.views import earned_text, profit_document
from bot.report.views import intents as intents_view
from bot.report.views import orders as orders_view
from bot.report.views import positions as positions_view
from bot.report.views import sleeves as sleeves_view
from bot.report.views.parts import Row
from bot.report.views.venues import TransferRow, transfer_row, wallet_rows, with_venue
from bot.risk.cooldown import ends_ms
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.health.healthcheck import find_late, find_running
from bot.runtime.log_lines.turns import left_out
from bot.runtime.observer_setup import spot_costs
from bot.runtime.settings.chosen_journal import choose_journal
from bot.runtime.settings.model import Settings, load_settings
from bot.runtime.settings.places import WORLD, world_of
from bot.runtime.settings.snapshot import load_config, numbers_of

RECENT = 200
ALL = 100_000
_CLOCKS_MS = 10 * MINUTE_MS  # an order has the machine's time, its executions the venue's
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalView:
    """A journal that is being read. `health` is what a running daemon said last; None when none runs.

    `numbers` keeps the settings of each digest, because it takes long to read them.
    """

    settings: Settings
    reader: JournalReader
    health: Mapping[str, Any] | None
    is_named: bool
    now_ms: int
    numbers: dict[str, tuple[Policy, Sectors] | None] = field(default_factory=dict)  # by digest
    is_journal_time: bool = False  # `now_ms` is the journal's last event

    @property
    def quote(self) -> str:
        return self.settings.universe.quote


@contextmanager
def open_journal(files: Sequence[Path], assignments: Sequence[str], path: Path | None) -> Iterator[JournalView]:
    """The configured journal, or the one named. A simulated run that is named has a clock of its own: ages count from
    its last event.

    Raises:
        SettingsProblem: the configuration cannot be used.
        CommandFailed: there is no such journal.
    """
    settings = load_settings(files, assignments)
    health = None if path else find_running(settings.state_directory)
    chosen = path or choose_journal(settings, health)
    if not chosen.is_file():
        remedy = (
            "give an existing one with --journal" if path else "start the bot with `sectorbot run`, or give --journal"
        )
        raise CommandFailed(
            f"{chosen}: there is no journal; {remedy}", ExitCode.ERROR if path else ExitCode.NOT_RUNNING
        )
    reader = JournalReader(chosen)
    try:
        is_simulated = path is not None and (world_of(path) or {}).get("environment") == "sim"
        last_ms = last_at(reader) if is_simulated else 0
        now_ms = last_ms or time.time_ns() // 1_000_000
        yield JournalView(settings, reader, health, path is not None, now_ms, is_journal_time=bool(last_ms))
    finally:
        reader.close()


def status(view: JournalView) -> tuple[Document, ExitCode]:
    """The row of `status` and its exit code: 3 before 10 before 11, as nothing else is current without a daemon."""
    reader, settings = view.reader, view.settings
    health = view.health or load_config(reader) or {}
    latch, memory, locks = reader.load_latch(), reader.load_memory(), reader.load_locks()
    record = last_kept(reader)
    portfolio = portfolio_of(view, record) if record else None
    number = reader.next_cycle_number() - 1
    inputs = rows.StatusInputs(
        mode=str(health.get("mode", settings.mode)),
        environment=str(health.get("environment", settings.environment)),
        venue=(venue := venue_of(view)),
        kill=_highest(latch.level, settings.kill_switch, health.get("kill")),
        kill_reason=latch.reason,
        kill_by=latch.by,
        kill_since_ms=latch.at_ms,
        now_ms=view.now_ms,
        last_cycle=number,
        last_cycle_ms=record.at_ms if record else 0,
        portfolio=portfolio,
        equity_peak=memory.equity_peak,
        day_start_equity=memory.day_start_equity,
        condition=record.decision.condition.value if record else "unknown",
        stance=record.decision.stance.value if record else "unknown",
        locks=locks,
        orders=reader.count_orders_by_state(),
        orders_today=reader.count_orders(view.now_ms - view.now_ms % DAY_MS),
        unlisted=left_out(settings.universe, record.snapshot.instruments, venue) if record else (),
        drawdown_since_ms=memory.drawdown_since_ms,
        drawdown_until_ms=ends_ms(memory, settings.risk),
        peak_since_ms=memory.peak_since_ms,
        wallets=wallet_rows(portfolio, venue) if portfolio else (),
        transfer=_transfer(view, record, portfolio),
    )
    is_mismatched = health.get("problem") == "mismatch" or bool(locks)
    row = rows.status(inputs) | {"journal": str(reader.path), "pid": health.get("pid")}
    row["exposure"] = _exposure(view, record, portfolio)
    row["profit"] = profit_document(_profit(view, record))["periods"]
    row["held_seconds"] = dict(health.get("held_seconds") or {})
    row["streams"] = dict(health.get("streams") or {})
    row["account"] = list(health.get("account") or [])
    row["differences"] = _differences(view.health, record)
    row["kill_pending"] = list(health.get("kill_pending") or [])
    row["notices_dead"] = undelivered_notices(reader, view.now_ms)
    row["running"] = _running_text(view)
    if view.health is None and not view.is_named:
        return row, ExitCode.NOT_RUNNING
    if inputs.kill is not KillLevel.OFF:
        return row, ExitCode.KILLED
    return row, ExitCode.MISMATCH if is_mismatched else ExitCode.OK


def _differences(health: Mapping[str, Any] | None, record: CycleRecord | None) -> list[str]:
    """Where journal and account differ, as the last turn of the daemon said it; a bot that has ended left only that
    they do."""
    if health is not None:
        is_found = health.get("problem") == "mismatch"
        return list(health.get("differences") or ["the log of the last turn names where"]) if is_found else []
    risk = record.inputs.risk if record is not None else None
    return [] if risk is None or risk.is_reconciled else ["the last turn found it, and the next one names where"]


def venue_of(view: JournalView) -> str:
    """The venue that the journal belongs to, or both as `a+b`; the configured one before a run has claimed it."""
    worlds = view.reader.load_facts(WORLD, 1)
    return str(worlds[-1].payload["venue"]) if worlds else view.settings.venue.name


def _transfer(view: JournalView, record: CycleRecord | None, portfolio: Portfolio | None) -> TransferRow | None:
    """What the last cycle would have a person move between the wallets, unless its switch was on."""
    numbers = _numbers(view, record) if record else None
    if record is None or portfolio is None or numbers is None or record.inputs.kill is not KillLevel.OFF:
        return None
    names = wallet_names(record.snapshot.instruments.values())
    return transfer_row(portfolio, record.decision.target, numbers[0], names)


def _exposure(view: JournalView, record: CycleRecord | None, portfolio: Portfolio | None) -> Document | None:
    """What the book risks, from what the last cycle saw, with the limit on it."""
    if record is None or portfolio is None:
        return None
    policy, sectors = _numbers(view, record) or (view.settings.playbook, view.settings.universe)
    found = read_exposure(portfolio, record.snapshot, sectors, policy.allocation.risk_on)
    limit = plain(view.settings.risk.stress_loss_max)
    return exposure_row(found) | {
        "limit": limit,
        "words": exposure_lines(found, sectors.quote),
    }


def positions(view: JournalView) -> Document:
    """Sleeves and perps of the last cycle that kept what it saw."""
    record = _require(last_kept(view.reader), view)
    portfolio = portfolio_of(view, record)
    memory, latch = view.reader.load_memory(), view.reader.load_latch()
    reserve = portfolio.equity - portfolio.book - sleeves_view.outside_of(portfolio)
    costs, venue = spot_costs(view.settings, view.reader), venue_of(view)
    sleeves = sleeves_view.with_reserve(sleeves_view.sleeve_rows(portfolio, record.decision.target), reserve)
    perps = positions_view.position_rows(record.account, record.snapshot.instruments, memory)
    return {
        "kill_switch": _highest(latch.level, view.settings.kill_switch, (view.health or {}).get("kill")).value,
        "cycle": record.number,
        "at_ms": record.at_ms,
        "as_of": f"as cycle {record.number} saw it, {utc(record.at_ms, view.now_ms)}",
        "quote": portfolio.account.quote,
        "venue": venue,
        "sleeves": with_venue(sleeves, venue),
        "holdings": with_venue(holding_rows(portfolio, costs), venue),
        "positions": with_venue(perps, venue),
        "profit": profit_document(_profit(view, record))["periods"],
    }


def profit(view: JournalView, since_ms: int | None = None) -> Document:
    """Profit and loss of every period, and of one since a moment.

    Raises:
        CommandFailed: no valuation of the account is as young as that moment.
    """
    found = _profit(view, last_kept(view.reader), since_ms)
    if since_ms is not None and found.periods and "since" not in found.periods:
        newest = utc(max(period.end_ms for period in found.periods.values()), view.now_ms)
        raise CommandFailed(
            f"{view.reader.path}: no cycle has valued the account since {utc(since_ms)}, the last one did at {newest}; "
            "give an earlier --since"
        )
    return profit_document(found)


def past(view: JournalView, begin_ms: int) -> Document:
    """What happened since a moment, what was earned included, and one paragraph of it."""
    earned = earned_text(_profit(view, last_kept(view.reader), begin_ms), "since")
    return history(view.reader, begin_ms, view.now_ms, earned, view.quote)


def _profit(view: JournalView, record: CycleRecord | None, since_ms: int | None = None) -> Profit:
    """Up to the last cycle that kept what it saw, with the sectors that it was decided with."""
    sectors = view.settings.universe
    if record is not None:
        result = numbers_of(view.reader, record.config_digest)
        sectors = result[1] if result else sectors
    return load_profit(view.reader, sectors, view.now_ms, last=_valued(record, sectors), since_ms=since_ms)


def _valued(record: CycleRecord | None, sectors: Sectors) -> Marked | None:
    return None if record is None else (record.number, valuation_of(record, sectors))


def exported(view: JournalView, table: str, since_ms: int, until_ms: int) -> ExportTable:
    """A table of the journal for other programs, of a span."""
    sectors = view.settings.universe
    last = _valued(last_kept(view.reader), sectors)
    return export_table(table, view.reader, sectors, since_ms, until_ms, last)


def orders(view: JournalView, limit: int, since_ms: int = 0, symbol: str = "") -> list[Document]:
    """The newest orders, of those since a moment and of a token or an instrument where one is named; each with average
    price and fees."""
    known, named = view.reader.load_orders(ALL if since_ms or symbol else limit), symbol.upper()
    recent = [order for order in known if order.sent_ms >= since_ms]
    chosen = [order for order in recent if not named or named in (order.symbol, base_of(order.symbol))][:limit]
    fills: dict[str, list[Fill]] = {}
    for fill in view.reader.load_fills(ALL, min((order.sent_ms for order in chosen), default=0) - _CLOCKS_MS):
        fills.setdefault(fill.client_id or "", []).append(fill)
    rows_of = with_venue(orders_view.order_rows(chosen), venue_of(view))
    return [row | _execution_of(fills.get(row["client_id"], [])) for row in rows_of]


def _execution_of(fills: list[Fill]) -> Document:
    """Average price, and fees by asset."""
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
    size = sum((fill.size for fill in fills), ZERO)
    worth = sum((fill.price * fill.size for fill in fills), ZERO)
    average = plain(round(worth / size, 8)) if size else ""
    return {"average": average or None, "fees": {asset: plain(fee) for asset, fee in fees.items() if fee}}


def why(view: JournalView, number: int | None) -> Document:
    """A cycle's decision in words, with the gate's answers."""
    reader = view.reader
    if number is None:
        heads = reader.load_cycle_heads(RECENT)
        number = next((head.number for head in heads if head.kind == "cycle"), heads[0].number if heads else None)
    record = _require(reader.load_cycle(number) if number else None, view, number)
    missing = [f"{missing.what}: {missing.why}" for missing in record.snapshot.missing]
    policy, _ = _numbers(view, record) or (view.settings.policy, None)
    reading = rows.why(record.decision, number=record.number, at_ms=record.at_ms, missing=missing, policy=policy)
    return reading | {
        "kill": _kill_text(record, reader),
        "unasked": _unasked(record, policy),
        "quote": view.quote,
        "funding": _funding(record, reader, policy),
        "verdicts": intents_view.verdict_rows(record.decision.intents, record.verdicts),
    }


def _unasked(record: CycleRecord, policy: Policy) -> list[str]:
    """The signals without a source; none where none was read."""
    missing = {note.subject for note in record.decision.notes if note.reason is Reason.SIGNAL_MISSING}
    known = missing | {signal.name for signal in record.decision.signals}
    return [name for name in policy.signal_names if name not in known] if known else []


def _kill_text(record: CycleRecord, reader: JournalReader) -> str:
    """The level of the kill switch that a turn obeyed, who asked for it and why; empty while it was off."""
    level = record.inputs.kill
    if level is KillLevel.OFF:
        return ""
    facts = reader.load_facts("latch", RECENT)
    named = next((f.payload for f in facts if f.at_ms <= record.at_ms and f.payload["level"] == level.value), None)
    named = named or next((f.payload for f in facts if f.payload["level"] == level.value), None)
    return f"{level.value}, by {named['by']}: {named['reason']}" if named else level.value


def _funding(record: CycleRecord, reader: JournalReader, policy: Policy) -> list[Row]:
    """Expected and actual funding of the perp legs of the rotation that stood in a cycle, up to that cycle."""
    campaign = record.decision.campaign
    if campaign is None:
        return []
    hours, until_ms = policy.constants.funding_average_hours, record.at_ms
    orders, fills = reader.load_orders(ALL), reader.load_fills(ALL)
    return report_funding.held_rows([campaign], reader, orders, fills, hours, until_ms=until_ms)


def show(*parts: RenderableType) -> None:
    """Print for a person. Width is the terminal's, or 100 where there is none."""
    console = Console(width=width(), highlight=False, markup=False)
    for part in parts:
        console.print(coloured(part) if isinstance(part, str) else part)


def width() -> int:
    console = Console()
    return console.width if console.is_terminal else max(100, console.width)


def portfolio_of(view: JournalView, record: CycleRecord) -> Portfolio:
    """The account of a turn by sectors, with the numbers it was decided with."""
    settings = view.settings
    policy, sectors = _numbers(view, record) or (settings.policy, settings.universe)
    return build_portfolio(record.account, record.snapshot, view.reader.load_memory(), policy, sectors)


def _numbers(view: JournalView, record: CycleRecord) -> tuple[Policy, Sectors] | None:
    digest = record.config_digest
    if digest not in view.numbers:
        view.numbers[digest] = numbers_of(view.reader, digest)
    return view.numbers[digest]


def last_at(reader: JournalReader) -> int:
    """When the last event was written; 0 where there is none."""
    newest = reader.count_events()
    events = reader.load_events(1, newest - 1) if newest else ()
    return events[-1].at_ms if events else 0


def last_kept(reader: JournalReader) -> CycleRecord | None:
    """The last turn with what it saw; None before the first, or where that is not kept."""
    try:
        return reader.load_last_cycle()
    except SnapshotPruned:
        return None


def _require(record: CycleRecord | None, view: JournalView, number: int | None = None) -> CycleRecord:
    if record is not None:
        return record
    last = view.reader.next_cycle_number() - 1
    if number is None or not last:
        raise CommandFailed(f"{view.reader.path}: no cycle has been recorded yet")
    raise CommandFailed(f"{view.reader.path}: there is no cycle {number}; the last one is {last}")


def _highest(*levels: object) -> KillLevel:
    known = [KillLevel(level) for level in levels if isinstance(level, str) and level in set(KillLevel)]
    return max(known, key=lambda level: level.severity, default=KillLevel.OFF)


def _running_text(view: JournalView) -> str:
    if view.health is not None:
        late = find_late(view.health, time.time_ns() // 1_000_000)
        named = ", ".join(f"{name} (silent for {seconds} s)" for name, seconds in late.items())
        return f"running: process {view.health['pid']}" + f"; LATE: {named}" * bool(late)
    if view.is_named:
        return "not asked whether a daemon runs" + "; ages count from the journal's last event" * view.is_journal_time
    return "NOT RUNNING: this is what the last daemon left"
