"""`sectorbot demo`: one whole rotation on the embedded exchange, printed live (README, first command).

The same cycle, gate, journal, executor and ccxt venue as the daemon; only the hours between two tranches are skipped,
because nothing is under way then (docs/decisions/0004).
"""

import asyncio
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from bot.domain.campaign import Campaign
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Kind
from bot.domain.money import decimal_context, plain
from bot.domain.order_ids import NEW_EXCHANGE
from bot.journal.journal import JournalError
from bot.lab.demo import scenarios
from bot.playbook.book.valuation import value_account
from bot.ports import SetupFailed, Unavailable
from bot.report import console as report
from bot.report import demo_text
from bot.report.profit.periods import START, load_first_equity, load_profit
from bot.report.profit.views import profit_document
from bot.runtime.cycle import CycleResult
from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.model import Settings, packaged_config
from bot.runtime.simulator.embedded import Embedded
from bot.runtime.simulator.reach import document_of, lines_of
from bot.runtime.simulator.serve import stop_at_signals
from bot.runtime.wiring import App, build
from bot.venues.registry import FOLDERS, abilities_of

_CODES = {True: ExitCode.OK, False: ExitCode.MISMATCH, None: ExitCode.ERROR}  # by `reconciled` of the document
USUAL_SECONDS, NAMED_SECONDS = 55.0, 300.0
PIPE_COLUMNS = 140
PAGE_SECONDS = 15.0  # a page that is not served by then is left out
ServePage = Callable[[Sequence[str], Callable[[str], None]], AbstractContextManager[object]]
"""Serves the dashboard for as long as a block lasts: its arguments, and who gets the address."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks for. `start` and `end` are dates of `market`; `speed` is virtual seconds per second of
    waiting, 0 for none; `verbose` prints all tables; `max_seconds` ends the run on the wall clock, None after
    `limit_seconds`; `venue` is the venue whose wire is spoken, None for the default one, `spot_venue` and `perp_venue`
    those of one kind of market."""

    scenario: str = "golden"
    market: Path | None = None
    start: datetime | None = None
    end: datetime | None = None
    speed: float = 0.0
    seed: int = 1
    as_json: bool = False
    keep: bool = False
    verbose: bool = False
    max_seconds: float | None = None
    directory: Path | None = None
    venue: str | None = None
    spot_venue: str | None = None
    perp_venue: str | None = None

    @property
    def limit_seconds(self) -> float:
        """After which time on the wall clock the demo begins no cycle. Some venues allow so few requests that reading
        an account's past takes a minute, here as there."""
        is_named = bool(self.venue or self.spot_venue or self.perp_venue)
        return self.max_seconds if self.max_seconds is not None else NAMED_SECONDS if is_named else USUAL_SECONDS

    @property
    def venue_settings(self) -> tuple[str, ...]:
        """The venues that were asked for, as settings. Some have perps only where they are named for them."""
        venue = self.venue or ""
        asks = venue in FOLDERS and Kind.PERP in abilities_of(venue).named_kinds
        perps = self.perp_venue or (venue if asks else None)
        named = {"venue.id": self.venue, "venue.spot.id": self.spot_venue, "venue.perp.id": perps}
        return tuple(f"{key}={value}" for key, value in named.items() if value is not None)


def _no_page(_arguments: Sequence[str], _announce: Callable[[str], None]) -> AbstractContextManager[object]:
    return nullcontext()


def run_demo(options: DemoOptions, serve_page: ServePage = _no_page) -> int:
    """Run the demo and return its exit code: 0 when orders were sent and the journal and the exchange agree."""
    console = Console(stderr=options.as_json, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPE_COLUMNS)
    try:
        return asyncio.run(_Demo(options, console, serve_page).run())
    except (SetupFailed, Unavailable, JournalError, scenarios.ScenarioError) as error:
        console.print(f"[bold red]demo stopped[/]: {error}")
        return ExitCode.TIMEOUT if isinstance(error, Unavailable) else ExitCode.ERROR


class _Demo:
    def __init__(self, options: DemoOptions, console: Console, serve_page: ServePage) -> None:
        self._options, self._console, self._serve_page = options, console, serve_page
        self._address, self._served = "", asyncio.Event()
        self._started = time.monotonic()
        self._campaigns: dict[int, Campaign] = {}
        self._last: CycleResult | None = None
        self._cycles = 0

    async def run(self) -> int:
        self._loop = asyncio.get_running_loop()
        stage = await scenarios.prepare(self._options)
        self._announce(stage.settings, stage.embedded, stage.words)
        app = await build(stage.settings, embedded=stage.embedded, token=NEW_EXCHANGE)
        page = ExitStack()
        try:
            if not self._options.as_json or self._options.keep:
                page_process = page.enter_context(self._serve_page(_page_arguments(stage.settings), self._keep_address))
                if page_process is not None:
                    await self._say_address()
            await self._rotate(app, stage)
            summary = await self._summary(app)
            if self._options.as_json:
                sys.stdout.write(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode() + "\n")
            else:
                self._print_summary(summary)
            if self._options.keep:
                await self._stay(app, stage.embedded)
        finally:
            page.close()
            await app.close()
            await stage.embedded.stop()
        return _CODES[summary["reconciled"]]

    def _print_summary(self, summary: Mapping[str, Any]) -> None:
        if self._options.verbose:
            report.print_summary(self._console, summary)
        lines = demo_text.summary_lines(summary)
        journal = str(summary["journal"])
        kept = None if self._options.directory else str(Path(journal).parent)
        address = self._address if self._options.keep else ""
        after = demo_text.next_lines(journal, kept, address, self._options.venue_settings, program_of(sys.argv[0]))
        for line in ("", *lines, "", *after):
            self._console.print(Text(line), soft_wrap=line in after)  # a command is copied whole

    def _keep_address(self, address: str) -> None:
        """Called in the thread that watches the page, also after the loop has ended."""
        self._address = address
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._served.set)

    async def _say_address(self) -> None:
        """Before the first cycle: the cycles are then printed without a line between them."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._served.wait(), PAGE_SECONDS)
        if self._address:
            until = "until Ctrl-C" if self._options.keep else "ends with the demo; stays with --keep"
            self._console.print(Text(f"dashboard {self._address} ({until})"))

    def _announce(self, settings: Settings, embedded: Embedded, message: str) -> None:
        say = self._console.print
        say("[bold]sectorbot demo[/]: simulated money at an embedded exchange on this machine")
        for line in textwrap.wrap(message, demo_text.COLUMNS):
            say(Text(line))
        if not self._options.verbose:
            return
        say(
            f"exchange  simex on 127.0.0.1:{embedded.server.https_port} (https) and :{embedded.server.http_port} (http)"
        )
        say(f"venue     {settings.venue.name} through ccxt, environment sim, no keys of yours")
        say(f"journal   {settings.journal_path}")
        say("")

    async def _rotate(self, app: App, stage: "scenarios.Stage") -> None:
        """Cycles until the scenario is over: again at once while something moves, else on to the next instant at which
        something may."""
        tries = 0
        while not tries or time.monotonic() - self._started < self._options.limit_seconds:
            tries += 1
            try:
                result = await app.cycle.run()
            except Unavailable as error:
                self._console.print(f"[yellow]cycle abandoned, nothing was done: {error}[/]")
                stage.embedded.clock.skip(MINUTE_MS)
                continue
            self._cycles += 1
            self._print_cycle(result)
            if result.has_acted:
                continue
            now_ms = app.clock.now_ms()
            if stage.is_over(result, now_ms):
                return
            await self._skip(stage, stage.next_ms(result, now_ms), now_ms)
        self._console.print(
            f"[yellow]stopped after {self._options.limit_seconds:.0f} s of wall time; --max-seconds says how many[/]"
        )

    async def _skip(self, stage: "scenarios.Stage", until_ms: int, now_ms: int) -> None:
        waiting_ms = max(0, until_ms - now_ms)
        if self._options.speed > 0:
            await asyncio.sleep(waiting_ms / 1000 / self._options.speed)
        if stage.reports_skips and self._options.verbose:
            self._console.print(
                f"[dim]… nothing to do until {_utc(until_ms)}: {waiting_ms / HOUR_MS:.1f} h skipped[/]\n"
            )
        stage.embedded.clock.skip(waiting_ms)

    def _print_cycle(self, result: CycleResult) -> None:
        campaign = result.decision.campaign
        is_new = campaign is not None and campaign.number not in self._campaigns
        changed = self._last is None or self._last.decision.condition is not result.decision.condition
        if campaign is not None:
            self._campaigns[campaign.number] = campaign
        if self._options.verbose:
            report.print_cycle(self._console, result, with_diagnosis=changed or is_new, before=self._last)
        else:
            head = [demo_text.cycle_head(result.portfolio.account.quote)] if self._last is None else []
            for line in (*head, *demo_text.cycle_lines(result), *demo_text.cut_lines(result, self._last)):
                self._console.print(Text(line))
        self._last = result

    async def _summary(self, app: App) -> Mapping[str, Any]:
        """The JSON document of `demo --json`, schema in docs/demo-json.md."""
        if self._last is None:
            raise Unavailable("no cycle could be completed")
        truth = await app.cycle.settle()
        summary = report.demo_summary(
            app.journal.reader, list(self._campaigns.values()), self._last, truth, app.settings.playbook
        )
        began = load_first_equity(app.journal.reader)
        return summary | {
            "equity_start_quote": None if began is None else plain(began),
            "profit": _profit(app, self._last),
            "scenario": self._options.scenario if self._options.market is None else str(self._options.market),
            "cycles": self._cycles,
            "wall_seconds": round(time.monotonic() - self._started, 1),
            "journal": str(app.settings.journal_path),
        }

    async def _stay(self, app: App, embedded: Embedded) -> None:
        say, stopped = self._console.print, asyncio.Event()
        stop_at_signals(stopped)
        say("\nThe exchange stays up.")
        for line in lines_of(document_of(embedded.server, [embedded.key], has_control=True)):
            say(line, markup=False, highlight=False, soft_wrap=True)
        say("\nTry it:")
        say(f"  curl -s http://127.0.0.1:{embedded.server.http_port}/simex/state")
        say(f"  curl -s 'http://127.0.0.1:{embedded.server.http_port}/api/v3/ticker/bookTicker?symbol=ETHUSDT'")
        say(f"  sectorbot orders --journal {app.settings.journal_path}")
        await stopped.wait()
        say("exchange stopped")


def program_of(called: str) -> str:
    """The file by which this program was called, where a shell does not find the same one by its name; else empty."""
    path = Path(called)
    found = shutil.which(path.name)
    is_ours = path.name == "sectorbot" and path.is_file()
    return str(path.absolute()) if is_ours and not (found and Path(found).samefile(path)) else ""


def _profit(app: App, last: CycleResult) -> Mapping[str, Any] | None:
    """Profit and loss since the start of the books, as `pnl --json` has it; None before the first valuation."""
    sectors = app.settings.universe
    with decimal_context():
        value = value_account(last.portfolio.account, last.snapshot, sectors, last.decision.condition.value)
    profit = load_profit(app.journal.reader, sectors, app.clock.now_ms(), last=(last.number, value))
    periods: Mapping[str, Mapping[str, Any]] = profit_document(profit)["periods"]
    return periods.get(START)


def _page_arguments(settings: Settings) -> list[str]:
    """The dashboard of this demo alone, whatever the settings of this directory say, on a port that is free."""
    golden, journal = str(packaged_config() / "golden.toml"), str(settings.journal_path)
    return ["--config", golden, "--environment", "sim", "--journal", journal, "--port", "0"]


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
