"""What the next `run` would do first, without doing it: nothing is sent, the journal is not written to or locked.

The bot is put together as for a run, over a copy of the journal, which the books may settle into, and a venue that can
only be read. So a plan meets the limits of the day, the breakers, the kill switch and the account as the run does.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot.domain.states import KillLevel, highest
from bot.journal.disk.backup import copy_unlocked
from bot.journal.errors import JournalError
from bot.journal.substitute import Substitute
from bot.ports import Unavailable
from bot.runtime.cycle import CycleResult
from bot.runtime.kill.fixed_level import FixedLevel
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.settings.model import Settings
from bot.runtime.settings.proxy_hint import unreachable
from bot.runtime.settings.watch import ConfigWatcher
from bot.runtime.simulator.sim_port import SimulatorControl
from bot.runtime.wiring import SwitchParts, build

_ROOM = 2  # times the journal's size: the copy, and what is written to it


async def preview(settings: Settings, *, embedded: SimulatorControl | None = None) -> CycleResult:
    """The next cycle of a bot that starts now, undone.

    Args:
        embedded: an exchange that runs already, for environment `sim`; without it one is started, as `run` does.

    Raises:
        SetupFailed, Unavailable, JournalError: as for a run.
    """
    started = time.monotonic()
    try:
        with _on_a_copy(settings) as copied:
            switch = SwitchParts(FixedLevel(_configured_level(settings)), ConfigWatcher(copied))
            app = await build(copied, embedded=embedded, switch=switch, reads_only=True)
            try:
                result = await app.cycle.plan()
            finally:
                await app.close()
    except Unavailable as error:
        venue = settings.venue
        error.args = (unreachable(venue.name, settings.environment, str(error), trust_env=venue.trust_env),)
        raise
    return replace(result, seconds=time.monotonic() - started)


def _configured_level(settings: Settings) -> KillLevel:
    """What the flag file and the configuration ask for; what the journal has latched is read from it."""
    return highest(FlagFile(settings.state_directory).load(), settings.kill_switch)


@contextmanager
def _on_a_copy(settings: Settings) -> Iterator[Settings]:
    """The settings with the journal's place taken by a copy, or by nothing where there is no journal; it is removed
    afterwards. Errors name the journal itself."""
    journal = settings.journal_path
    try:
        directory = Path(tempfile.mkdtemp(prefix="sectorbot-plan-", dir=_place_of(journal)))
    except OSError as error:
        what = f"cannot be copied for a plan ({error})"
        raise JournalError(journal, what, "make room, or the directory for temporary files writable") from error
    copy = directory / "journal.db"
    try:
        for original, copied in ((journal, copy), (Substitute(journal).path, Substitute(copy).path)):
            if original.is_file():
                copy_unlocked(original, copied)
        moved = settings.journal.model_copy(update={"path": copy})
        yield settings.model_copy(update={"journal": moved})
    except JournalError as error:
        if error.path != copy:
            raise
        raise type(error)(journal, error.what, error.remedy) from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _place_of(journal: Path) -> Path:
    """Where the copy is made: the directory for temporary files, or beside the journal where that has too little room
    (in a container it is often a small one in memory)."""
    temporary = Path(tempfile.gettempdir())
    size = sum(file.stat().st_size for file in journal.parent.glob(f"{journal.name}*") if file.is_file())
    return temporary if shutil.disk_usage(temporary).free > _ROOM * size else journal.parent
