"""`sectorbot backtest`, `report compare`, `data check`: back-tests over recorded candles, and gaps in those candles."""

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import SETTINGS, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode

Folder = Annotated[Path, typer.Option("--data", metavar="DIR", help="Directory of candles; see docs/backtest.md.")]
data = typer.Typer(help="Recorded candles.", no_args_is_help=True, rich_markup_mode=None)
report = typer.Typer(help="Reports of back-tests.", no_args_is_help=True, rich_markup_mode=None)


def add_commands(app: typer.Typer) -> None:
    """Put them under the root command."""
    app.command(rich_help_panel=HelpGroup.RESEARCH)(backtest)
    data.command("check")(check)
    app.add_typer(data, name="data", rich_help_panel=HelpGroup.RESEARCH)
    report.command("compare")(compare)
    report.callback()(_report)
    app.add_typer(report, name="report", rich_help_panel=HelpGroup.RESEARCH)


@command(*SETTINGS)
def backtest(  # noqa: PLR0913, PLR0917 - one argument per option
    given: SharedOptions,
    folder: Folder,
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; its night is not traded.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write the report page here; beside it daily equity as .csv, the document as .json.",
        ),
    ] = None,
    journal: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the journal; `why` reads it.")] = None,
    decide_hours: Annotated[int, typer.Option(min=1, max=168, help="Hours between decisions.")] = 24,
    guard_hours: Annotated[int, typer.Option(min=1, max=24, help="Hours between looks at exits and hedges.")] = 1,
    every_guard: Annotated[
        bool, typer.Option("--every-guard", help="Guard as well while there is nothing to guard: slow.")
    ] = False,
    rebase_days: Annotated[
        int, typer.Option(min=0, help="Days after which an operator begins the drawdown's peak anew; 0: never.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the resampled histories.")] = 1,
    allow_ends: Annotated[
        bool, typer.Option("--allow-ends", help="Candles that end before --to are delistings, no partial download.")
    ] = False,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Run again without each leg of the playbook and say what it adds: slow.")
    ] = False,
) -> None:
    """The whole bot over recorded candles, beside benchmarks.

    The three benchmarks pay the same costs.
    """
    from bot.runtime import logs

    logs.configure(level="error")
    pyarrow_or_fail()
    from bot.lab.backtest import command as backtest_command

    asked = backtest_command.BacktestRequest(
        folder=folder,
        start_ms=_ms(start),
        end_ms=_ms(end),
        files=given.files,
        assignments=given.assignments,
        page=out,
        journal=journal,
        decide_hours=decide_hours,
        guard_hours=guard_hours,
        every_guard=every_guard,
        rebase_days=rebase_days,
        seed=seed,
        may_end=allow_ends,
    )
    from bot.lab.sweep import ablation

    compare = partial(ablation.ablate, on_progress=_progress) if ablate else None
    document, message = backtest_command.run(asked, on_progress=_progress, compare=compare)
    if ablate:
        message += "\n" + ablation.ablation_text(document["ablation"])
    if given.as_json:
        common.print_json(document)
    else:
        typer.echo(message)
    raise typer.Exit(int(ExitCode.OK if document["reconciled"] else ExitCode.MISMATCH))


@command()
def check(
    given: SharedOptions,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of candles.")],
    max_gap_hours: Annotated[int, typer.Option(min=1, help="Holes up to this long are no finding.")] = 12,
) -> None:
    """What a directory of candles holds and lacks.

    Gaps, bad rows, doubles. Ends with 1 when a row is wrong.
    """
    pyarrow_or_fail()
    from bot.lab.data import check as data_check

    try:
        found = data_check.check_folder(folder, max_gap_hours=max_gap_hours)
    except data_check.HistoryProblem as problem:
        raise CommandFailed(str(problem)) from problem
    common.print_result(data_check.summary_of(found), found, as_json=given.as_json)
    raise typer.Exit(int(ExitCode.OK if not found["errors"] else ExitCode.ERROR))


def _report() -> None:
    """Reports of back-tests: two of them side by side."""


@command()
def compare(
    given: SharedOptions,
    first: Annotated[Path, typer.Argument(metavar="A", help="A report page, or its document (.json).")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
) -> None:
    """Two back-tests side by side.

    Figures, result by source and token, and what differs in their set-up.
    """
    from bot.lab.tear_sheet.compare import compare_curves, compare_documents, lines_of, read_document

    document = read_document(first)
    found = compare_documents(document, read_document(second))
    found["paired"] = compare_curves(first, second, seed=document["seed"])
    common.print_result("\n".join(lines_of(found)), found, as_json=given.as_json)


def pyarrow_or_fail() -> None:
    """Tables need a package that nothing else needs.

    Raises:
        CommandFailed: it is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise CommandFailed(
            f"candles need the package {error.name}: run `make data` in the checkout, or `pip install '.[data]'`"
        ) from error


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _progress(share: float) -> None:
    """How far it is, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if share >= 1 else "\r"
        sys.stderr.write(f"{share:4.0%}{end}")
        sys.stderr.flush()
