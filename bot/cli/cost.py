"""`sectorbot cost`: what spot that is older than the bot was paid for."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import RUN, SharedOptions, command
from bot.runtime.exit_codes import CommandFailed, ExitCode

app = typer.Typer(
    help="What spot that is older than the bot was paid for.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


@app.callback()
def _cost() -> None:
    """What spot that is older than the bot was paid for."""


@app.command("import")
@command(*RUN)
def import_file(
    given: SharedOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: token,size,price and one line a purchase.")],
) -> None:
    """Write the costs of a file into the journal; they replace what was imported before. The bot must not run."""
    from bot.runtime.cost_import import import_costs
    from bot.runtime.settings.cost_basis import CostFileError
    from bot.runtime.settings.model import load_settings

    settings = load_settings(given.files, given.assignments)
    try:
        costs = import_costs(settings, file)
    except CostFileError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from error
    rows = [{"token": t, "size": str(one.size), "price": str(one.price)} for t, one in costs.items()]
    if given.as_json:
        common.print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['token']}: {row['size']} at {row['price']} {settings.universe.quote}")
