"""`sectorbot sweep`: a walk-forward search over settings."""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import common
from bot.cli import download as cli_download
from bot.cli.backtest import Folder, data, pyarrow_or_fail
from bot.cli.common import SETTINGS, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode


class SearchKind(StrEnum):
    """How to go through the space."""

    GRID = "grid"
    OPTUNA = "optuna"


class EngineKind(StrEnum):
    """Where trials run."""

    PROCESSES = "processes"
    DASK = "dask"


class Objective(StrEnum):
    """What is maximised."""

    SHARPE = "sharpe"
    GROWTH = "growth"
    CALMAR = "calmar"


def add_commands(app: typer.Typer) -> None:
    """Put it under the root command, and `download` under `data`."""
    app.command(rich_help_panel=HelpGroup.RESEARCH)(sweep)
    data.command("download")(cli_download.download)


@command(*SETTINGS)
def sweep(  # noqa: PLR0913, PLR0917 - one argument per option
    given: SharedOptions,
    folder: Folder,
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; its night is not traded.")],
    results: Annotated[Path, typer.Option(metavar="FILE.db", help="Finished trials; found there, none is run again.")],
    grid: Annotated[
        list[str] | None, typer.Option("--set-grid", metavar="KEY=[VALUE,…]", help="A setting to vary; repeatable.")
    ] = None,
    space: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Tables [grid] and [range] instead.")] = None,
    search: Annotated[SearchKind, typer.Option(help="All combinations, or those that Optuna asks for.")] = (
        SearchKind.GRID
    ),
    trials: Annotated[int, typer.Option(min=1, help="Combinations a window, for optuna.")] = 50,
    objective: Annotated[Objective, typer.Option(help="What is maximised in training.")] = Objective.SHARPE,
    train_days: Annotated[int, typer.Option(min=1, help="Days that choose.")] = 365,
    test_days: Annotated[int, typer.Option(min=1, help="Days after them that judge.")] = 90,
    whole: Annotated[bool, typer.Option("--whole", help="No split: all of the time chooses, nothing judges.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; default one per processor.")] = os.cpu_count() or 1,
    engine: Annotated[EngineKind, typer.Option(help="This machine, or a Dask cluster.")] = EngineKind.PROCESSES,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of Dask: tcp://HOST:PORT.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for scheduler and first worker.")] = 10.0,
    decide_hours: Annotated[int, typer.Option(min=1, max=168, help="Hours between decisions.")] = 24,
    guard_hours: Annotated[int, typer.Option(min=1, max=24, help="Hours between looks at exits and hedges.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of optuna and of the resampled histories.")] = 1,
) -> None:
    """Search settings on past windows, judge them on later ones.

    The defaults stand beside what was found.
    """
    _check_options(search, engine, scheduler)
    pyarrow_or_fail()
    from bot.lab.sweep import run as sweeping
    from bot.lab.sweep import space as sweep_space
    from bot.lab.sweep import store as sweep_store
    from bot.runtime import logs

    plan = sweeping.SweepPlan(
        folder=folder,
        start_ms=_ms(start),
        end_ms=_ms(end),
        space=sweep_space.read_space(grid or [], space),
        search=search.value,
        trials=trials,
        objective=objective.value,
        train_days=0 if whole else train_days,
        test_days=0 if whole else test_days,
        files=given.files,
        assignments=given.assignments,
        decide_hours=decide_hours,
        guard_hours=guard_hours,
        seed=seed,
    )
    plan.load()
    sweep_space.check_space(plan.space, plan.load)
    if plan.space.ranges and search is SearchKind.GRID:
        raise CommandFailed("--space: has a range, which no grid exhausts; add --search optuna", ExitCode.USAGE)
    folds = sweeping.folds_for(plan)
    with closing(sweep_store.Results(results, plan.identity())) as kept:
        logs.configure(level="error")
        with closing(_engine(engine, jobs, str(scheduler), timeout)) as runner:
            sweeping_it = sweeping.Sweep(plan, folds, kept, runner, on_progress=_progress)
            document = sweeping_it.run(lambda fold: _search(plan, search, fold.number))
    common.print_result(sweeping.summary_of(document), document, as_json=given.as_json)


def _engine(engine: EngineKind, jobs: int, scheduler: str, timeout: float) -> Any:
    """What runs the trials: processes of this machine, or a Dask cluster."""
    from bot.lab.sweep.engines import Processes

    if engine is not EngineKind.DASK:
        return Processes(jobs)
    from bot.lab.sweep.dask_engine import Cluster

    return Cluster(scheduler, timeout_seconds=timeout)


def _check_options(search: SearchKind, engine: EngineKind, scheduler: str | None) -> None:
    if engine is EngineKind.DASK and not scheduler:
        raise CommandFailed("--engine dask: needs --scheduler tcp://HOST:PORT of a running scheduler", ExitCode.USAGE)
    if engine is not EngineKind.DASK and scheduler:
        raise CommandFailed(f"--scheduler {scheduler}: is of no use without --engine dask; add it", ExitCode.USAGE)
    try:
        if engine is EngineKind.DASK:
            import distributed  # noqa: F401
        if search is SearchKind.OPTUNA:
            import optuna  # noqa: F401
    except ImportError as error:
        option = "--search optuna" if error.name == "optuna" else "--engine dask"
        remedy = "run `make data` in the checkout, or `pip install '.[sweep]'`"
        raise CommandFailed(f"{option}: needs the package {error.name}: {remedy}") from error


def _search(plan: Any, kind: SearchKind, number: int) -> Any:
    """A search for one fold; each has a seed of its own."""
    if kind is SearchKind.GRID:
        from bot.lab.sweep.search import GridSearch

        return GridSearch(plan.space)
    from bot.lab.sweep.optuna_search import Learning

    return Learning(plan.space, trials=plan.trials, seed=plan.seed + number)


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _progress(done: int, count: int) -> None:
    """How far it is, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{done} of {count} trials{chr(10) if done == count else chr(13)}")
        sys.stderr.flush()
