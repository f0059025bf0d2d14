"""`sectorbot plan`: what the bot would do now, printed. Nothing is sent and nothing is written."""

import asyncio
import sys

import orjson
from rich.console import Console

from bot.report import console as report
from bot.runtime.exit_codes import ExitCode
from bot.runtime.log_lines.turns import unlisted
from bot.runtime.preview import preview
from bot.runtime.settings.model import Settings


def print_plan(settings: Settings, *, as_json: bool = False) -> ExitCode:
    """Observe, decide and review once, and print the result.

    Raises:
        SetupFailed, Unavailable, JournalError: as `preview`.
    """
    result = asyncio.run(preview(settings))
    if as_json:
        sys.stdout.write(orjson.dumps(report.plan_document(result), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        console = Console(highlight=False)
        report.print_plan(console, result)
        for text in unlisted(settings.universe, result.snapshot.instruments, settings.venue.id):
            console.print(text, markup=False)
    return ExitCode.OK
