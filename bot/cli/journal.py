"""`sectorbot journal`: check it whole, copy it while the daemon runs."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import SETTINGS, Given, command

app = typer.Typer(
    help="The journal: check every event of it, copy it while the daemon runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


@app.command()
@command("journal", *SETTINGS)
def verify(given: Given) -> None:
    """Check file, hash chain, snapshots, and that the tables are the replay of the events. Ends with 1 if not."""
    from bot.report import queries as readings

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        view.reader.verify()
        events, path = view.reader.count_events(), view.reader.path
    message = f"{path}: {events} events, chain and tables agree"
    common.print_result(message, {"journal": str(path), "events": events, "verified": True}, as_json=given.as_json)


@app.command()
@command("journal", *SETTINGS)
def backup(
    given: Given,
    destination: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.")],
) -> None:
    """Copy one moment of the journal to FILE and verify the copy. The daemon may go on writing meanwhile."""
    from bot.journal.backup import back_up
    from bot.report import queries as readings

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        path = view.reader.path
    size = back_up(path, destination)
    message = f"{destination}: {size} bytes, verified; copied from {path}"
    common.print_result(
        message, {"journal": str(path), "backup": str(destination), "bytes": size}, as_json=given.as_json
    )
