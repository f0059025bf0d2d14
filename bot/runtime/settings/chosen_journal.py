"""The journal of a command: which one it reads where nobody names one, and the configured one open for writing."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bot.journal.journal import Journal
from bot.runtime.clock import SystemClock
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.model import Settings
from bot.runtime.settings.places import journals_in

DEFAULTS = "config/default.toml"


def choose_journal(settings: Settings, running: Mapping[str, Any] | None) -> Path:
    """The journal of the daemon that runs; else the one that is configured; else the newest of the state directory.

    Environment and mode count as configured where anything but the defaults names one of them: whoever asks for
    `--mode trade` never reads the journal of a dry-run.

    Args:
        running: what the daemon of the state directory said last, None when none runs.
    """
    if running is not None and running.get("journal"):
        return Path(str(running["journal"]))
    configured = settings.journal_path
    if settings.journal.path is not None or _names_world(settings):
        return configured
    newest = journals_in(settings.state_directory)
    return newest[0] if newest else configured


@contextlib.asynccontextmanager
async def open_to_write(settings: Settings) -> AsyncIterator[Journal]:
    """The configured journal, held by this command until it has written.

    Raises:
        JournalBusy: a running bot holds it.
        JournalError: it cannot be opened.
    """
    journal = await Journal.open(
        settings.journal_path,
        account=settings.venue.account,
        now_ms=SystemClock().now_ms,
        keep_snapshots=settings.journal.keep_snapshots,
    )
    try:
        yield journal
    finally:
        await journal.close()


def _names_world(settings: Settings) -> bool:
    layers = settings.sources.read()
    sources = [settings_layers.origin(layers, (name,)) for name in ("environment", "mode")]
    return any(source is not None and source.name != DEFAULTS for source in sources)
