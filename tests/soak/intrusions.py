"""What happens to a soak beside its kills: a second bot on the account, an older journal, a disk that is full.

Each is drawn from the seed and the number of the life by dice of its own, so that the lives themselves stay as they
were. What must hold is checked at once, or by the books at the end.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from bot.execution.another_writer import CONFLICT, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.journal.disk.backup import back_up
from bot.journal.journal import JournalError, JournalReader

if TYPE_CHECKING:
    from tests.soak.driver import Soak

STATE_BYTES = 256 << 20
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
SECOND_SECONDS = 12.0


class Intrusion(StrEnum):
    """What happens to one life."""

    SECOND_BOT = "a second bot with a state directory of its own"
    RESTORE = "the journal replaced by an earlier backup"
    FULL_DISK = "the disk of the state directory full"


SHARES = {Intrusion.SECOND_BOT: 0.12, Intrusion.RESTORE: 0.10, Intrusion.FULL_DISK: 0.12}


def draw_intrusion(seed: int, number: int, allowed: frozenset[Intrusion]) -> Intrusion | None:
    """What happens to this life, if anything; nothing before there is a journal to speak of."""
    dice, chance = Random(f"{seed}/intrusion/{number}"), 0.0
    drawn = dice.random()
    for kind, share in SHARES.items():
        chance += share
        if drawn < chance:
            return kind if kind in allowed and number >= 2 else None
    return None


@contextlib.contextmanager
def small_disk(directory: Path, size: int = STATE_BYTES) -> Iterator[bool]:
    """A file system of its own for a directory, where the machine allows one: whether it does.

    Mounts of this process are made its own first, so that they end with it, however it ends.
    """
    directory.mkdir(parents=True, exist_ok=True)
    can_mount = os.geteuid() == 0 and shutil.which("mount") is not None and sys.platform == "linux"
    if can_mount and ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)
    made = can_mount and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], capture_output=True, check=False
    )
    is_mounted = bool(made) and made.returncode == 0  # type: ignore[union-attr]
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(directory)], check=False)


def fill(directory: Path) -> Path:
    """A file that takes all that is left of its file system."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        block = b"\0" * (1 << 20)
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
    return path


@dataclass
class Backups:
    """Backups of the journal as they are taken, and the journals that a restore has replaced."""

    folder: Path
    taken: list[Path] = field(default_factory=list)
    lost: list[Path] = field(default_factory=list)

    def is_wanted(self, allowed: frozenset[Intrusion]) -> bool:
        return Intrusion.RESTORE in allowed

    def take(self, journal: Path) -> None:
        """As `sectorbot journal backup` does it. A journal that is not there yet, or is cut off, is not copied."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"backup-{len(self.taken)}.db"
        with contextlib.suppress(JournalError, OSError):
            back_up(journal, path)
            self.taken.append(path)

    def restore(self, journal: Path, dice: Random) -> None:
        """The README's procedure, with the bot stopped: the copy in place of the journal, `-wal` and `-shm` gone."""
        lost = self.folder / f"lost-{len(self.lost)}.db"
        back_up(journal, lost)
        self.lost.append(lost)
        shutil.copyfile(dice.choice(self.taken[-4:]), journal)
        for end in ("-wal", "-shm"):
            journal.with_name(journal.name + end).unlink(missing_ok=True)


async def run_second_bot(run: "Soak") -> None:
    """A bot from another machine on the same account, while the first one runs: it must notice, and send nothing (the
    books compare every order of the exchange with the first one's journal as well)."""
    name = f"second-{run.tally.lives}"
    state = run.directory / name
    shutil.rmtree(state, ignore_errors=True)
    is_marked = run.has_orders()
    process = await run.start(state=name)
    try:
        async with asyncio.timeout(SECOND_SECONDS):
            await process.wait()
    except TimeoutError:  # it runs on and says what it has found
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECOND_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    run.tally.seconds[process.returncode] += 1
    run.tally.problems += judge_second(state / "journal.db", is_marked=is_marked)


def judge_second(journal: Path, *, is_marked: bool) -> list[str]:
    """What a second bot has done wrong, by its own journal."""
    if not journal.exists():
        return []
    reader = JournalReader(journal)
    try:
        sent, turns = reader.count_orders(0), reader.next_cycle_number() - 1
        found = [kind for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT) if reader.load_facts(kind, 1)]
    finally:
        reader.close()
    problems = [f"a second bot on the account sent {sent} orders"] if sent else []
    if is_marked and turns and not found:
        problems.append("a second bot on the account did not notice the orders of the first one")
    return problems
