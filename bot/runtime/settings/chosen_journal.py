"""Which journal a reading command means, where nobody names one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def _names_world(settings: Settings) -> bool:
    layers = settings.sources.read()
    sources = [settings_layers.origin(layers, (name,)) for name in ("environment", "mode")]
    return any(source is not None and source.name != DEFAULTS for source in sources)
