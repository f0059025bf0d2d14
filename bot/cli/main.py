"""The command line. Every command loads what it needs when it is called, so that `--help` and `status` are quick."""

from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated

import typer

import bot
import bot.cli
from bot.cli import common
from bot.cli.common import RUN, SETTINGS, Assign, Config, Environment, Mode, SharedOptions, command
from bot.cli.grouped_help import GroupedHelp, HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode

EPILOG = "Exit codes: " + "; ".join(f"{code.value} {code.words}" for code in ExitCode) + "."
app = typer.Typer(
    name="sectorbot",
    cls=GroupedHelp,
    help="Rotates spot and hedged perpetuals between two token sectors. Dry-run on a test environment by default.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
FIRST = ("read", "config", "cost", "journal", "notify", "backtest", "sweep", "exchange", "dashboard")
"""The order in which they are added, after the commands of this module; those that are not named here come last."""
HELPERS = ("common", "download", "grouped_help", "main", "plan", "services")
"""Modules without commands of their own: what they import is loaded when a command needs it."""


class HaltLevel(StrEnum):
    """The levels a person can ask for."""

    PAUSE = "pause"
    REDUCE_ONLY = "reduce-only"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel-all"
    FLATTEN = "flatten"


def run() -> int:
    """Run one command of `sys.argv`; Typer ends the process itself."""
    app(prog_name="sectorbot")
    return int(ExitCode.OK)


def _end_with_version(is_asked: bool) -> None:
    if is_asked:
        _print_version(as_json=False)
        raise typer.Exit(0)


@app.callback()
def root(
    context: typer.Context,
    config: Config = None,
    assign: Assign = None,
    environment: Environment = None,
    mode: Mode = None,
    is_version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option("--version", "-V", help="Print the version and end.", is_eager=True, callback=_end_with_version),
    ] = False,
) -> None:
    """Options named here count for every command; those of the command are stronger."""
    context.obj = SharedOptions().and_also(
        {"config": config, "assign": assign, "environment": environment, "mode": mode}
    )


@app.command(rich_help_panel=HelpGroup.TRY)
@command()
def demo(  # noqa: PLR0913, PLR0917 - one argument per option
    given: SharedOptions,
    scenario: Annotated[
        str, typer.Option(help="golden, golden-idle-margin, risk-off, downtrend or doubled.")
    ] = "golden",
    market: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real candles instead: a directory of them.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of --market.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of --market.")] = None,
    speed: Annotated[float, typer.Option(min=0, help="Virtual seconds per second of waiting; 0 skips waiting.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="All tables of every cycle.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave exchange and dashboard running until Ctrl-C.")] = False,
    max_seconds: Annotated[
        float | None, typer.Option(min=1, help="Begin no cycle after that many seconds: 55, with a named venue 300.")
    ] = None,
    directory: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the journal goes.")] = None,
    venue: Annotated[str | None, typer.Option(metavar="ID", help="Whose wire is spoken, by venue.id.")] = None,
    spot_venue: Annotated[str | None, typer.Option(metavar="ID", help="Where spot is traded, if elsewhere.")] = None,
    perp_venue: Annotated[str | None, typer.Option(metavar="ID", help="Where perps are traded, if elsewhere.")] = None,
) -> None:
    """One whole rotation on the embedded exchange, live.

    Needs no keys and no network.
    """
    is_named = venue or spot_venue or perp_venue
    duration = "up to some minutes, by that venue's request limits" if is_named else "a quarter of a minute"
    typer.echo(f"starting the embedded exchange and the bot; the demo takes {duration} …", err=True)
    from bot.lab.demo.run import DemoOptions, run_demo
    from bot.operate.dashboard.beside import dashboard_beside
    from bot.runtime import logs

    logs.configure(level="warning")
    options = DemoOptions(
        scenario=scenario,
        market=market,
        start=start and start.replace(tzinfo=UTC),
        end=end and end.replace(tzinfo=UTC),
        speed=speed,
        seed=seed,
        as_json=given.as_json,
        keep=keep,
        verbose=verbose,
        max_seconds=max_seconds,
        directory=directory,
        venue=venue,
        spot_venue=spot_venue,
        perp_venue=perp_venue,
    )
    raise typer.Exit(run_demo(options, dashboard_beside))


@app.command("run", rich_help_panel=HelpGroup.RUN)
@command(*RUN, json_help="Log JSON, one event a line.")
def run_bot(
    given: SharedOptions,
    once: Annotated[bool, typer.Option("--once", help="One cycle, then end.")] = False,
    cycles: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after N cycles.")] = None,
) -> None:
    """Run the bot until it receives a stop signal."""
    from bot.runtime.settings.model import load_settings

    assignments = (*given.assignments, *(("logs.format=json",) if given.as_json else ()))
    settings = common.tradeable(load_settings(given.files, assignments))
    if settings.environment == "mainnet" and settings.mode == "trade":
        typer.secho("  MAINNET: real orders with real money  ", fg="white", bg="red", bold=True, err=True)

    from bot.runtime.start.lean_tls import import_aiohttp

    import_aiohttp()
    from bot.cli.services import service_problems, services_of, start_report_of
    from bot.runtime import logs
    from bot.runtime.daemon import run_daemon
    from bot.runtime.settings.layers import SettingsProblem

    logs.configure(style=settings.logs.format, level=settings.logs.level, secrets=settings.secret_values())
    if problems := service_problems(settings):
        raise SettingsProblem(problems)
    from bot.cli.dashboard import beside_run

    with beside_run(settings, given, has_end=once or cycles is not None):
        code = run_daemon(
            settings, once=once, cycles=cycles, services=services_of(settings), report_start=start_report_of(settings)
        )
    raise typer.Exit(code)


@app.command(rich_help_panel=HelpGroup.TRY)
@command(*RUN)
def plan(given: SharedOptions) -> None:
    """What the bot would do now; changes nothing.

    Reads the venue, prints the intended orders and the gate's answers.
    """
    from bot.runtime.settings.model import load_settings

    settings = common.tradeable(load_settings(given.files, given.assignments))
    for note in settings.notes:
        typer.echo(f"warning: {note}", err=True)

    from bot.runtime.start.lean_tls import import_aiohttp

    import_aiohttp()
    from bot.cli.plan import print_plan
    from bot.runtime import logs

    logs.configure(style=settings.logs.format, level="warning", secrets=settings.secret_values())
    raise typer.Exit(print_plan(settings, as_json=given.as_json))


@app.command(rich_help_panel=HelpGroup.STOP)
@command("state", *SETTINGS)
def halt(
    given: SharedOptions,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")],
    level: Annotated[
        HaltLevel,
        typer.Option(
            help="pause: no new risk, hedges and reductions go on. reduce-only: reductions only. cancel: withdraw all "
            "but exits, which go on; protective stops stay. cancel-all: withdraw everything, stops as well, and send "
            "nothing. flatten: the same, then sell everything, hedges last."
        ),
    ] = HaltLevel.CANCEL,
    by: Annotated[str, typer.Option(help="Who asks; default: the user of this machine.")] = "",
) -> None:
    """Throw the kill switch. Works while the bot hangs and while the configuration is broken."""
    from bot.runtime.settings.layers import find_state_directory

    directory = given.state or find_state_directory(given.files, given.assignments)
    flag = directory / "KILL"
    if not reason.strip():
        raise CommandFailed("--reason: say why, it is written down", ExitCode.USAGE)

    from bot.domain.states import KillLevel
    from bot.runtime.kill.halt import CONFIRM_SECONDS
    from bot.runtime.kill.halt import halt as ask_to_halt

    operator = by.strip() or common.operator()
    at = datetime.now(UTC).isoformat()
    try:
        answered = ask_to_halt(directory, KillLevel(level.value), reason.strip(), operator)
    except OSError as error:
        remedy = "send the bot's process a signal instead: SIGUSR1 asks for cancel, SIGUSR2 for flatten"
        raise CommandFailed(f"{common.file_problem(error)}. The switch is not thrown; {remedy}") from error
    required = answered.asked
    document = {
        "level": required.value,
        "reason": reason.strip(),
        "by": operator,
        "at": at,
        "flag": str(flag),
        "running": bool(answered.pid),
    }
    if answered.taken is not None:
        message = (
            f"the daemon (process {answered.pid}) has taken level {answered.taken.value}, asked for by {operator}: "
        )
        there = f" --state {given.state}" if given.state else ""
        message += f"{reason.strip()}; `sectorbot resume{there} --reason …` ends it"
        common.print_result(message, document | {"confirmed": True}, as_json=given.as_json)
        return
    if not answered.pid:
        message = f"no daemon runs on {directory.absolute()}: {flag} asks for {required.value}, and only a daemon that "
        message += "starts there will obey; name the one that runs with --state or --config"
        common.fail(message, ExitCode.NOT_RUNNING, as_json=given.as_json, document=document | {"confirmed": False})
    message = f"{flag} asks for {required.value}, but the daemon has not confirmed it within {CONFIRM_SECONDS:.0f} s; "
    common.fail(message + "it sends no forbidden order, yet look at its log", ExitCode.TIMEOUT, as_json=given.as_json)


@app.command(rich_help_panel=HelpGroup.STOP)
@command("state", *SETTINGS)
def resume(
    given: SharedOptions,
    reason: Annotated[str, typer.Option(help="Why it is safe to go on; it is written down.")],
    accept_mismatch: Annotated[
        bool,
        typer.Option("--accept-mismatch", help="The account is right where the journal differs: adjust the books."),
    ] = False,
    rebase_peak: Annotated[
        bool,
        typer.Option("--rebase-peak", help="Measure the drawdown from the equity of now, not from its highest."),
    ] = False,
) -> None:
    """Release the kill switch. The only way down, whoever or whatever had thrown it."""
    from bot.runtime.kill.resume_file import ResumeRequest, request_from_daemon
    from bot.runtime.settings.layers import find_state_directory

    if not reason.strip():
        raise CommandFailed("--reason: say why it is safe, it is written down", ExitCode.USAGE)
    request = ResumeRequest(
        reason.strip(), by=common.operator(), accept_mismatch=accept_mismatch, rebase_peak=rebase_peak
    )
    assignments = (*given.assignments, *([f"state_directory={given.state}"] if given.state else []))
    directory = find_state_directory(given.files, assignments)
    answered = request_from_daemon(
        directory, request
    )  # a flatten goes on meanwhile: what takes time to load comes later

    from bot.runtime.health.healthcheck import find_running
    from bot.runtime.kill.resume import release
    from bot.runtime.settings.chosen_journal import choose_journal
    from bot.runtime.settings.model import load_settings

    settings = load_settings(given.files, assignments)
    chosen = choose_journal(settings, find_running(settings.state_directory))
    settings = settings.model_copy(update={"journal": settings.journal.model_copy(update={"path": chosen})})

    message, code = release(settings, request, answered=answered)
    if code is not ExitCode.OK:
        common.fail(message, code, as_json=given.as_json)
    common.print_result(message, {"words": message, "exit_code": 0}, as_json=given.as_json)


@app.command(rich_help_panel=HelpGroup.RUN)
@command("state", *SETTINGS)
def healthcheck(given: SharedOptions) -> None:
    """Whether the daemon lives: 0 healthy, 1 stale, 3 not running."""
    from bot.runtime.health.healthcheck import print_health
    from bot.runtime.settings.layers import find_state_directory

    state = given.state or find_state_directory(given.files, given.assignments)
    raise typer.Exit(print_health(state, as_json=given.as_json))


@app.command("version")
@command()
def show_version(given: SharedOptions) -> None:
    """The version of this program and of its packages."""
    _print_version(as_json=given.as_json)


def _print_version(*, as_json: bool) -> None:
    packages = {}
    for name in ("ccxt", "pydantic", "sqlite-utils"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    message = ", ".join(f"{name} {number}" for name, number in packages.items())
    common.print_result(
        f"sectorbot {bot.__version__} ({message})", {"sectorbot": bot.__version__, **packages}, as_json=as_json
    )


def _add_commands() -> None:
    """Add the commands of every module of this folder: what its `add_commands` adds, or its `app` as a group."""
    names = {found.name for found in iter_modules(bot.cli.__path__)} - set(HELPERS)
    for name in sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)):
        module = import_module(f"bot.cli.{name}")
        if hasattr(module, "add_commands"):
            module.add_commands(app)
        elif hasattr(module, "app"):
            app.add_typer(module.app, name=name, rich_help_panel=module.app.rich_help_panel)


_add_commands()
