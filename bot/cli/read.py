"""Commands that look at a journal: they read, and neither ccxt nor a network is loaded for them."""

from typing import Annotated

import typer

from bot.cli import common
from bot.cli.common import RUN, SharedOptions, command, commands_of
from bot.cli.grouped_help import HelpGroup
from bot.runtime.exit_codes import ExitCode


def add_commands(app: typer.Typer) -> None:
    """Put every command of this module under the root command, in the order of the module."""
    for verb in commands_of(__name__):
        app.command(rich_help_panel=HelpGroup.LOOK)(verb)


@command("journal", *RUN)
def status(given: SharedOptions) -> None:
    """Mode, kill switch, last cycle, equity, orders, locks.

    Ends with 3 when no daemon runs, 10 when the kill switch is engaged, 11 when journal and exchange do not agree.
    """
    from bot.report import queries as readings
    from bot.report import tables as report_tables

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        row, code = readings.status(view)
    if given.as_json:
        common.print_json(row | {"exit_code": int(code)})
    else:
        readings.show(report_tables.hanging(report_tables.status_lines(row), readings.width()), row["running"])
    raise typer.Exit(int(code))


@command("journal", *RUN)
def positions(given: SharedOptions) -> None:
    """What is held: sleeves, spot by token, open perps.

    As the last cycle saw them.
    """
    from bot.report import holdings as report_holdings
    from bot.report import queries as readings
    from bot.report import tables as report_tables
    from bot.report.profit.views import profit_line
    from bot.report.views import positions as positions_view
    from bot.report.views import sleeves as sleeves_view
    from bot.report.views.venues import are_apart, venues_of

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        document = readings.positions(view)
    if given.as_json:
        common.print_json(document)
        return
    switch, is_apart = report_tables.switch_line(document), are_apart(document["venue"])
    spot, perp = venues_of(document["venue"]) if is_apart else ("", "")
    readings.show(
        *([switch] if switch is not None else []),
        sleeves_view.sleeves_table(document["sleeves"], document["quote"], with_venue=is_apart),
        report_holdings.holdings_table(document["holdings"], document["quote"], spot),
        positions_view.positions_table(document["positions"], document["quote"], perp),
        f"profit: {profit_line(document['profit'], document['quote'])}",
        document["as_of"],
    )


@command("journal", *RUN)
def pnl(
    given: SharedOptions,
    since: Annotated[
        str | None, typer.Option(metavar="12h|3d|DATE", help="One more period: a span, or a date (UTC).")
    ] = None,
) -> None:
    """Profit and loss by period, sleeve, campaign and token.

    Prices, funding and fees: since the start, today, 7 and 30 days. What was deposited or withdrawn is no profit.
    """
    from bot.report import history as report_history
    from bot.report import queries as readings
    from bot.report.profit import views

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        since_ms = None if since is None else report_history.since_ms(since, view.now_ms)
        document, now_ms = readings.profit(view, since_ms), view.now_ms
    if given.as_json:
        common.print_json(document)
    else:
        readings.show(*views.profit_parts(document, now_ms))


@command("journal", *RUN)
def orders(
    given: SharedOptions,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many of the newest.")] = 50,
    since: Annotated[str | None, typer.Option(metavar="12h|3d|DATE", help="Only those since then (UTC).")] = None,
    symbol: Annotated[str, typer.Option(metavar="TOKEN", help="Only those of a token, or of UNI/USDT.")] = "",
) -> None:
    """The newest orders and what became of them.

    With average price and fees.
    """
    from bot.report import history as report_history
    from bot.report import queries as readings
    from bot.report.views import orders as orders_view
    from bot.report.views.venues import are_apart

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        now_ms, with_venue = view.now_ms, are_apart(readings.venue_of(view))
        rows = readings.orders(view, limit, report_history.since_ms(since, now_ms) if since else 0, symbol)
    if given.as_json:
        common.print_json(rows)
    else:
        readings.show(orders_view.orders_table(rows, view.quote, now_ms, with_venue=with_venue))


@command("journal", *RUN)
def history(
    given: SharedOptions,
    since: Annotated[str, typer.Option(metavar="12h|3d|DATE", help="From when: a span, or a date (UTC).")] = "12h",
) -> None:
    """What happened: starts, rotations, orders, switch, profit."""
    from bot.report import history as report_history
    from bot.report import queries as readings

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        since_ms = report_history.since_ms(since, view.now_ms)
        document = readings.past(view, since_ms)
    if given.as_json:
        common.print_json(document)
    else:
        readings.show(report_history.history_lines(document["events"]), document["summary"])


@command("journal", *RUN)
def signals(
    given: SharedOptions,
    cycle: Annotated[int | None, typer.Argument(min=1, metavar="[CYCLE]", help="Default: the last full cycle.")] = None,
) -> None:
    """Every signal of a cycle, drawn, and which are missing.

    Value, score, rank in its history, age, words.
    """
    from bot.report import queries as readings
    from bot.report import signals as signals_view

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        document, now_ms = signals_view.signals(view, cycle), view.now_ms
    if given.as_json:
        common.print_json(document)
    else:
        readings.show(signals_view.drawn(document, now_ms, readings.width()))


@command("journal", *RUN)
def why(
    given: SharedOptions,
    cycle: Annotated[int | None, typer.Argument(min=1, metavar="[CYCLE]", help="Default: the last full cycle.")] = None,
) -> None:
    """A decision in words, and what would change it.

    What was read, which rule spoke, what the gate refused.
    """
    from bot.report import funding as report_funding
    from bot.report import queries as readings
    from bot.report import tables as report_tables
    from bot.report.views import intents as intents_view

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        document, now_ms = readings.why(view, cycle), view.now_ms
    if given.as_json:
        common.print_json(document)
        return
    readings.show(
        report_tables.why_view(document, now_ms),
        *([report_funding.funding_table(document["funding"], document["quote"])] if document["funding"] else []),
        intents_view.verdicts_table(document["verdicts"], readings.width()),
    )


@command("journal", *RUN)
def replay(
    given: SharedOptions,
    cycle: Annotated[int, typer.Argument(min=1, metavar="CYCLE", help="Number of the cycle.")],
) -> None:
    """Decide a journaled cycle again, and compare.

    From what it saw. Ends with 1 when the decisions differ.
    """
    from bot.report import queries as readings
    from bot.runtime import replay as again

    with readings.open_journal(given.files, given.assignments, given.journal) as view:
        result = again.replay(view.settings, view.reader, cycle)
    common.print_result(result.words, result.document, as_json=given.as_json)
    raise typer.Exit(int(ExitCode.OK if result.is_identical else ExitCode.ERROR))
