"""`sectorbot data download`: recorded candles from a venue's public endpoints."""

import asyncio
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.cli.backtest import pyarrow_or_fail
from bot.cli.common import SETTINGS, SharedOptions, command
from bot.runtime.exit_codes import CommandFailed, ExitCode


class Timeframe(StrEnum):
    """Width of a candle."""

    HOUR = "1h"
    DAY = "1d"


@command(*SETTINGS)
def download(
    given: SharedOptions,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory to fill; an interrupted download goes on.")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last one.")],
    symbols: Annotated[
        str | None, typer.Option(metavar="A/USDT,B/USDT:USDT", help="Default: all that the settings name.")
    ] = None,
    timeframe: Annotated[Timeframe, typer.Option(help="Width of a candle.")] = Timeframe.HOUR,
) -> None:
    """Fetch candles and funding of the venue's real market.

    Without a key; of two venues each symbol where it is traded.
    """
    if end <= start:
        raise CommandFailed(f"--to {end:%Y-%m-%d}: is not after --from {start:%Y-%m-%d}", ExitCode.USAGE)
    pyarrow_or_fail()
    from bot.lab.data import download as data_download
    from bot.runtime import logs
    from bot.runtime.clock import SystemClock
    from bot.runtime.settings.model import load_settings
    from bot.venues.ccxt.adapter import load_adapter
    from bot.venues.ccxt.history import PublicHistory
    from bot.venues.pair.history import PairHistory

    logs.configure(level="error")
    settings = load_settings(given.files, given.assignments)
    universe = settings.universe
    named = (
        settings.playbook.signals.market_symbol,
        *universe.spot_symbols,
        *universe.perp_symbols,
        *universe.former_symbols,
    )
    chosen = [symbol.strip() for symbol in symbols.split(",") if symbol.strip()] if symbols else named
    required = data_download.DownloadRequest(out, _ms(start), _ms(end), tuple(dict.fromkeys(chosen)), timeframe.value)
    halves = [
        PublicHistory(load_adapter(account.id), "mainnet", quote=universe.quote, clock=SystemClock())
        for account in settings.venue.accounts
    ]

    async def fetch() -> dict[str, object]:
        history = PairHistory(*halves) if len(halves) > 1 else halves[0]
        try:
            await history.open()
            return await data_download.download(required, history, on_progress=_progress)
        finally:
            await history.close()

    document = asyncio.run(fetch())
    common.print_result(data_download.summary_of(document), document, as_json=given.as_json)


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _progress(done: int, count: int, message: str) -> None:
    """How far it is, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{done} of {count}: {message}{chr(10) if done == count else ''}")
        sys.stderr.flush()
