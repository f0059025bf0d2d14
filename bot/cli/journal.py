"""`sectorbot journal`: check it whole, copy it while the daemon runs, export tables of it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import SETTINGS, SharedOptions, command
from bot.cli.grouped_help import HelpGroup

app = typer.Typer(
    help="The journal: check it, copy it, export its tables.",
    rich_help_panel=HelpGroup.LOOK,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


class ExportedTable(StrEnum):
    """What can be exported; the names are those of `export_table`."""

    FILLS = "fills"
    PAYMENTS = "payments"
    PROFIT = "profit"


@app.command()
@command("journal", *SETTINGS)
def verify(given: SharedOptions) -> None:
    """Check file, hash chain, snapshots and tables.

    The tables have to be the replay of the events. Ends with 1 if something is wrong.
    """
    from bot.report import queries as readings

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        view.reader.verify()
        events, path = view.reader.count_events(), view.reader.path
    message = f"{path}: {events} events, chain and tables agree"
    common.print_result(message, {"journal": str(path), "events": events, "verified": True}, as_json=given.as_json)


@app.command()
@command("journal", *SETTINGS)
def backup(
    given: SharedOptions,
    destination: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.")],
) -> None:
    """Copy one moment of the journal to FILE and verify the copy. The daemon may go on writing meanwhile."""
    from bot.journal.disk.backup import back_up
    from bot.report import queries as readings

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        path = view.reader.path
    size = back_up(path, destination)
    message = f"{destination}: {size} bytes, verified; copied from {path}"
    common.print_result(
        message, {"journal": str(path), "backup": str(destination), "bytes": size}, as_json=given.as_json
    )


@app.command()
@command("journal", *SETTINGS)
def export(
    given: SharedOptions,
    table: Annotated[ExportedTable, typer.Argument(help="fills, payments, or profit by day.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Ends in .csv or .parquet.")],
    since: Annotated[str, typer.Option(metavar="30d|DATE", help="From when: a span, or a date (UTC).")] = "1970-01-01",
    until: Annotated[str | None, typer.Option(metavar="1d|DATE", help="Up to when; default: now.")] = None,
) -> None:
    """Write fills, payments or daily profit to a CSV or Parquet file. Amounts are text with all of their digits, times
    UTC in ISO 8601."""
    from bot.atomic_file import write_atomically
    from bot.report import history as report_history
    from bot.report import queries as readings
    from bot.report.profit.export import as_csv
    from bot.runtime.exit_codes import CommandFailed, ExitCode

    ending = out.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise CommandFailed(f"--out {out}: the name must end in .csv or .parquet", ExitCode.USAGE)
    if ending == ".parquet":
        common.require_extra("pyarrow", "data", "--out FILE.csv needs no package")
    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        begin_ms = report_history.since_ms(since, view.now_ms)
        end_ms = view.now_ms if until is None else report_history.since_ms(until, view.now_ms, "--until")
        exported = readings.exported(view, table.value, begin_ms, end_ms)
        path = view.reader.path
    if ending == ".parquet":
        from bot.report.profit.parquet import as_parquet

        content: str | bytes = as_parquet(exported)
    else:
        content = as_csv(exported)
    try:
        write_atomically(out, content)
    except OSError as error:
        raise CommandFailed(f"{out}: cannot be written: {error.strerror}; choose another place with --out") from error
    message = f"{out}: {len(exported.rows)} rows of {table.value} from {path}"
    document = {"journal": str(path), "table": table.value, "file": str(out), "rows": len(exported.rows)}
    common.print_result(message, document, as_json=given.as_json)
