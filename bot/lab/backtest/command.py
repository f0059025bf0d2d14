"""One back-test as it is asked for on the command line: read, run, write the report."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.atomic_file import write_atomically
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.feeds.macro import JoinedMacro, SeriesFiles
from bot.feeds.series.source import ConfiguredSeries, SeriesSpec
from bot.lab.backtest.gc_tuning import reduced_gc
from bot.lab.backtest.history import HistoryProblem, HistoryWindow, RecordedHistory, load_history
from bot.lab.backtest.page import held_text, page_of
from bot.lab.backtest.record import Record, csv_of, day_of, document_of
from bot.lab.backtest.run import Schedule, World, run_backtest
from bot.lab.backtest.virtual_time import VirtualClock
from bot.lab.data.recorded_supply import RecordedSupply
from bot.lab.data.series_gaps import gap_lines
from bot.ports import MacroSource
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.model import Settings, load_settings

WARMUP_DAYS = 30  # beyond what the longest window of the signals needs


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """What the command line says. Times are UTC ms; `page` and `journal` are files to be written.

    `is_checked`: the tables are known to be right. `may_end`: candles that end inside the span are a delisting.
    """

    folder: Path
    start_ms: int
    end_ms: int
    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()
    page: Path | None = None
    journal: Path | None = None
    decide_hours: int = 24
    guard_hours: int = 1
    every_guard: bool = False
    rebase_days: int = 0
    seed: int = 1
    is_checked: bool = False
    may_end: bool = False


Comparison = Callable[[BacktestRequest, Settings, RecordedHistory, Record], dict[str, Any]]


def run(
    asked: BacktestRequest, *, on_progress: Callable[[float], None], compare: Comparison | None = None
) -> tuple[dict[str, Any], str]:
    """The JSON document and the text for a person; files are written on the way.

    Args:
        compare: runs the same history otherwise; what it returns is the document's `ablation`.

    Raises:
        CommandFailed: the time asked for, the directory or a file to be written cannot be used.
        SettingsProblem: the settings cannot be used.
    """
    if asked.end_ms <= asked.start_ms:
        raise CommandFailed(f"--to {day_of(asked.end_ms)} is not after --from {day_of(asked.start_ms)}", ExitCode.USAGE)
    if asked.page is not None and asked.page.suffix not in {".html", ".htm"}:
        raise CommandFailed(f"--out {asked.page}: the page is HTML; name it {asked.page.stem}.html", ExitCode.USAGE)
    for file in (asked.page, asked.journal):
        if file is not None and not file.parent.is_dir():
            raise CommandFailed(f"{file}: there is no directory {file.parent}")
    scratch = Path(tempfile.mkdtemp(prefix="sectorbot-backtest-"))
    try:
        settings = settings_of(asked, scratch)
        history = read_history(asked, settings)
        record = run_record(asked, settings, history, on_progress=on_progress)
        compared = compare(asked, settings, history, record) if compare is not None else None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    document = document_of(record) | ({"ablation": compared} if compared is not None else {})
    if asked.page is not None:
        write_atomically(asked.page.with_suffix(".csv"), csv_of(record))
        write_atomically(asked.page.with_suffix(".json"), json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        write_atomically(asked.page, page_of(record, document))
    return document, "\n".join([*series_lines(settings, asked.folder), summary_of(document)])


def settings_of(asked: BacktestRequest, scratch: Path) -> Settings:
    """The user's settings, trading at the engine; whatever they say of environment, mode and places does not count."""
    forced = [f'state_directory="{scratch}"', 'environment="sim"', 'mode="trade"', 'kill_switch="off"']
    if asked.journal is not None:
        forced.append(f'journal.path="{asked.journal}"')
    return load_settings(asked.files, (*asked.assignments, *forced))


def read_history(asked: BacktestRequest, settings: Settings) -> RecordedHistory:
    """The market in the time asked for, with the history the signals need.

    Raises:
        CommandFailed: the directory cannot be used.
    """
    policy = settings.playbook
    warmup_ms = policy.candle_count * policy.candle_ms + WARMUP_DAYS * DAY_MS
    window = HistoryWindow(asked.start_ms, asked.end_ms, warmup_ms)
    try:
        history = load_history(
            asked.folder,
            settings.universe,
            window,
            market_symbol=policy.signals.market_symbol,
            tvl_parts=settings.tvl.parts,
            is_checked=asked.is_checked,
        )
    except HistoryProblem as problem:
        raise CommandFailed(str(problem)) from problem
    ended = {} if asked.may_end else ends_inside(history.listed, asked.start_ms, asked.end_ms)
    if ended:
        names = ", ".join(f"{symbol} on {day_of(at)}" for symbol, at in sorted(ended.items()))
        raise CommandFailed(
            f"{asked.folder}: candles end before --to {day_of(asked.end_ms)}: {names}; complete the download, choose "
            f"an earlier --to, or say --allow-ends when these tokens were delisted then"
        )
    return history


def ends_inside(listed: Mapping[str, tuple[int, int]], start_ms: int, end_ms: int) -> dict[str, int]:
    """The symbols whose last candle ends inside the span and a day or more before its end, with that moment."""
    return {symbol: last for symbol, (_, last) in listed.items() if start_ms < last <= end_ms - DAY_MS}


def run_record(
    asked: BacktestRequest, settings: Settings, history: RecordedHistory, *, on_progress: Callable[[float], None]
) -> Record:
    """Run it, from what has been read."""
    schedule = Schedule(
        asked.start_ms,
        asked.end_ms,
        asked.decide_hours * HOUR_MS,
        asked.guard_hours * HOUR_MS,
        is_lazy=not asked.every_guard,
        rebase_days=asked.rebase_days,
    )
    record = Record(
        start_ms=asked.start_ms,
        end_ms=asked.end_ms,
        quote=settings.universe.quote,
        book_quote=settings.paper.book_quote + settings.playbook.allocation.reserve_quote,
        seed=asked.seed,
        config_digest=settings.digest,
        market_symbol=settings.playbook.signals.market_symbol,
        cadence={name: getattr(asked, name) for name in ("decide_hours", "guard_hours", "rebase_days")},
        tokens=history.listed,
        drawn_hours=history.drawn,
        absent=history.absent,
        cut=history.cut,
        gaps=history.gaps,
    )
    world = World(
        history.market,
        settings.paper.book_quote,
        history.tvl.at if settings.tvl.is_on else None,
        macro=macro_of(settings, history.supply, asked.folder),
    )
    with reduced_gc():
        return run_backtest(settings, world, schedule, record, on_progress=on_progress)


def macro_of(
    settings: Settings, supply: Sequence[tuple[int, float]], folder: Path
) -> Callable[[VirtualClock], MacroSource] | None:
    """Series of the operator's files, and the recorded supply of stablecoins where the directory has it."""
    files, series = settings.macro.files, recorded_series(settings, folder)
    has_supply = bool(supply) and settings.macro.stablecoins
    if not files and not has_supply and not series:
        return None

    def source(clock: VirtualClock) -> MacroSource:
        own: list[MacroSource] = [SeriesFiles(files, clock.now_ms), ConfiguredSeries(series, clock.now_ms)]
        return JoinedMacro([*own, RecordedSupply(supply, clock.now_ms)] if has_supply else own)

    return source


def recorded_series(settings: Settings, folder: Path) -> Mapping[str, SeriesSpec]:
    """The configured series as files: that of the directory, `series/NAME.csv` or `.json`, before the configured one.
    Those of addresses without such a file are left out."""
    result = {}
    for name, one in settings.series.items():
        own = [file for end in ("csv", "json") if (file := folder / "series" / f"{name}.{end}").is_file()]
        spec = one.spec(name, str(own[0]) if own else None)
        if not spec.is_address:
            result[name] = spec
    return result


def series_lines(settings: Settings, folder: Path) -> list[str]:
    """What a back-test does not know: a line for each series whose values are at an address."""
    known = recorded_series(settings, folder)
    return [
        f"series.{name} is no part of the evidence here: its source is an address; save its history as "
        f"{folder / 'series' / name}.csv (or .json)"
        for name in settings.series
        if name not in known
    ]


def summary_of(document: dict[str, Any]) -> str:
    """A few lines for a person."""
    held = held_text(document)
    lines = [
        *((held,) if held else ()),
        f"{document['from']} → {document['to']}, {document['counts']['cycles']} cycles, "
        f"{document['counts']['guards']} guards, {document['counts']['orders']} orders",
    ]
    lines.append(f"{'':10} {'per year':>9} {'90 % interval':>18} {'Sharpe':>7} {'drawdown':>9} {'worst day':>10}")
    for name, found in document["figures"].items():
        if found["per_year"] is None:
            lines.append(
                f"{name:10} {found['total']:>+9.1%} in all; {document['days']} days are too short for a year's figures"
            )
            continue
        span = f"{found['per_year_interval']['low']:+.0%} … {found['per_year_interval']['high']:+.0%}"
        lines.append(
            f"{name:10} {found['per_year']:>+9.1%} {span:>18} {found['sharpe']:>7.2f} "
            f"{found['drawdown_max']:>9.1%} {found['worst_day']:>10.1%}"
        )
    costs = document["costs"]
    if document["figures"]["sectorbot"]["per_year"] is None:
        costs_text = f"fees {float(costs['fees_quote']):,.0f} and slippage {float(costs['slippage_quote']):,.0f}"
        lines.append(f"{costs_text} {document['quote']}, {document['condition_changes']} changes of condition")
    else:
        lines.append(
            f"turnover {costs['turnover_per_year']:.1f}× a year, fees {float(costs['fees_quote']):,.0f} and slippage "
            f"{float(costs['slippage_quote']):,.0f} {document['quote']}, "
            f"{document['condition_changes_per_year']:.1f} changes of condition a year"
        )
    for name, part in document["contributions"].items():
        lines.append(
            f"{name:15} {float(part['net_quote']):>+14,.0f} {document['quote']} (funding "
            f"{float(part['funding_quote']):+,.0f})"
        )
    lines += [
        f"{name} with its hedges: {float(part['net_quote']):+,.0f} {document['quote']}"
        for name, part in document["covered"].items()
    ]
    lines += stance_lines(document)
    lines += gap_lines(document["gaps"], document["to"])
    return "\n".join(word for word in (*lines, *stop_lines(document), document["caveat"]) if word)


def stance_lines(document: dict[str, Any]) -> list[str]:
    """What each stance earned, a column each, with what made it in lines that add up; beta and alpha; what hedges
    removed."""
    names = ("neutral", "timing", "selection", "hedges", "longs", "funding", "fees", "slippage", "net")
    stances = {**document["by_stance"], "all": document["whole"]}
    head = f"by stance, {document['quote']}"
    lines = [f"{head:16}" + "".join(f"{stance:>12}" for stance in stances)]
    lines.append(f"{'days':16}" + "".join(f"{found['days']:>12}" for found in stances.values()))
    for name in names:
        cells = "".join(f"{float(found[f'{name}_quote']):>+12,.0f}" for found in stances.values())
        lines.append(f"{'neutral book' if name == 'neutral' else name:16}{cells}")
    market, hedges = document["market"], document["hedges"]
    if market["beta"] is not None:
        lines.append(f"beta to the market {market['beta']:.2f}, alpha {market['alpha_year']:+.1%} a year")
    if hedges["variance_removed"] is not None:
        removed = f"hedges removed {hedges['variance_removed']:.0%} of the variance of the spot that they covered"
        lines.append(f"{removed}, on {hedges['days']} days")
    lines.append(f"{document['whipsaws']} stances were left and taken up again within ten days")
    return lines


def stop_lines(document: dict[str, Any]) -> list[str]:
    """When a drawdown stopped entries, a line each."""
    return [
        f"drawdown stopped entries {found['from']} → {found['to'] or 'the end'}"
        + (f", ended by {found['ended_by'].replace('_', ' ')}" if found["ended_by"] else "")
        for found in document["drawdown_stops"]
    ]
