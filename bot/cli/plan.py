"""`sectorbot plan`: what the bot would do now, printed. Nothing is sent and nothing is written."""

import asyncio
import sys

import orjson
from rich.console import Console

from bot.playbook.book.exposure import exposure_lines, exposure_row, read_exposure
from bot.playbook.book.minimum_capital import capital_lines, capital_needs
from bot.report import console as report
from bot.runtime.cycle import CycleResult
from bot.runtime.exit_codes import ExitCode
from bot.runtime.log_lines.turns import left_out
from bot.runtime.preview import preview
from bot.runtime.settings.model import Settings


def print_plan(settings: Settings, *, as_json: bool = False) -> ExitCode:
    """Observe, decide and review once, and print the result.

    Raises:
        SetupFailed, Unavailable, JournalError: as `preview`.
    """
    results: list[CycleResult] = []

    async def keep() -> None:
        """Where `asyncio.run` gets a result, Python up to 3.12 writes it out twice when it puts Ctrl-C back."""
        results.append(await preview(settings))

    asyncio.run(keep())
    result = results[0]
    capital = _capital(settings, result)
    risk_on = settings.playbook.allocation.risk_on
    exposure = read_exposure(result.portfolio, result.snapshot, settings.universe, risk_on)
    if as_json:
        document = report.plan_document(result, capital, exposure_row(exposure))
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        console = Console(highlight=False)
        report.print_plan(console, result, capital, exposure_lines(exposure, settings.universe.quote))
        for text in left_out(settings.universe, result.snapshot.instruments, settings.venue.name):
            console.print(text, markup=False)
    return ExitCode.OK


def _capital(settings: Settings, result: CycleResult) -> list[str]:
    """What the book is too small for, by the minimums that the exchange reports."""
    minimums = {symbol: instrument.notional_min for symbol, instrument in result.snapshot.instruments.items()}
    needs = capital_needs(result.policy or settings.playbook, settings.universe, minimums)
    return capital_lines(needs, result.portfolio.book, settings.universe.quote)
