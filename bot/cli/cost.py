"""`sectorbot cost`: what spot that is older than the bot was paid for."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import RUN, SharedOptions, command
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import CommandFailed, ExitCode

app = typer.Typer(
    help="What spot that is older than the bot was paid for.",
    rich_help_panel=HelpGroup.RUN,
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
    """Write the costs of a file into the journal.

    They replace what was imported before. The bot must not run.
    """
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


@app.command("fetch")
@command(*RUN)
def fetch_trades(
    given: SharedOptions,
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the trades to read.")],
) -> None:
    """Write the costs of the venue's own trades into the journal.

    As far as the trades reach; they replace what was fetched before. No order is sent. The bot must not run.
    """
    from bot.runtime import logs
    from bot.runtime.clock import SystemClock
    from bot.runtime.cost_import import fetch_costs
    from bot.runtime.settings.model import load_settings
    from bot.runtime.wiring import make_account_reader

    logs.configure(level="error")
    settings = load_settings(given.files, given.assignments)
    lacking = [account for account in settings.venue.accounts if not account.has_keys]
    if settings.environment == "sim" or lacking:
        why = "environment = sim has no account" if settings.environment == "sim" else f"{lacking[0].where} has no key"
        raise CommandFailed(f"{why} whose trades could be read; use sectorbot cost import FILE", ExitCode.USAGE)
    venue = make_account_reader(settings, SystemClock())
    found = asyncio.run(fetch_costs(settings, venue, int(start.replace(tzinfo=UTC).timestamp() * 1000)))
    rows = [
        {
            "token": one.token,
            "held": str(one.older),
            "size": str(one.size),
            "price": str(one.basis.price) if one.basis is not None else None,
            "refusal": one.refusal,
        }
        for one in found
    ]
    if given.as_json:
        common.print_json(rows)
        return
    for one in found:
        known = (
            f"{one.size} of {one.older} at {one.basis.price:.8g}" if one.basis is not None else f"none of {one.older}"
        )
        typer.echo(f"{one.token}: {known} {settings.universe.quote}{f', {one.refusal}' if one.refusal else ''}")
    if not found:
        typer.echo("no listed token is held that is older than the journal")
