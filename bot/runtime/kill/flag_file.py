"""The flag file of the kill switch, which is written on a full disk as well.

A spare file beside the flag has its blocks already. When nothing new can be written, its content is replaced in place
and it takes the flag's name, which needs no space.
"""

import codecs
import contextlib
import errno
import os
from pathlib import Path

from bot.atomic_file import BEGINNING_BYTES, publish, read_beginning, write_atomically
from bot.domain.states import KillLevel, highest

FLAG_NAME, SPARE_NAME = "KILL", ".KILL.spare"
SPARE_BYTES = 1_024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class FlagFile:
    """A file whose existence is an order to stop. Empty, or with a word nobody knows, it means `cancel`. So does what
    is no file, as a directory, a pipe or a link that leads nowhere. Nothing is waited for: the switch looks here.

    A level counts with quotes around it and with a blank or `_` for `-`: what was meant to flatten must not do less.
    """

    def __init__(self, directory: Path) -> None:
        self.path, self._spare = directory / FLAG_NAME, directory / SPARE_NAME

    def load(self) -> KillLevel:
        """The level it asks for; a file that cannot be read asks for `cancel`."""
        if _is_absent(self.path):  # at nearly every look, four times a second
            return KillLevel.OFF
        try:
            word = self._load_lines()[0].strip().strip("\"'").strip().lower().replace("_", "-").replace(" ", "-")
        except FileNotFoundError:
            return KillLevel.CANCEL if self.path.is_symlink() else KillLevel.OFF
        except (OSError, UnicodeDecodeError):
            return KillLevel.CANCEL
        return KillLevel(word) if word in set(KillLevel) - {KillLevel.OFF} else KillLevel.CANCEL

    def load_message(self) -> tuple[str, str]:
        """Why, and who asks: the second and the third line; empty where the file does not say."""
        try:
            lines = self._load_lines()
        except (OSError, UnicodeDecodeError):
            lines = []
        reason, by = (" ".join(line.split()) for line in (*lines[1:3], "", "")[:2])
        return reason, by

    def _load_lines(self) -> list[str]:
        """At least one line, as an editor or a shell has written it: with a byte order mark, in UTF-16, after blank
        lines. Raises OSError, UnicodeDecodeError."""
        data = read_beginning(self.path)
        is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        decoder = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")()
        text = decoder.decode(data, final=len(data) < BEGINNING_BYTES)  # a character may be cut at the limit
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.lstrip().split("\n")

    def record(self, level: KillLevel, reason: str, by: str = "") -> KillLevel:
        """Ask for a level, or for the higher one that stands there already; the level it asks for now.

        Raises:
            OSError: when it cannot be written, not even in place of the spare file.
        """
        requested = highest(level, self.load())
        text = f"{requested.value}\n{' '.join(reason.split())}\n" + (f"{by}\n" if by else "")
        try:
            write_atomically(self.path, text)
        except OSError as error:
            if error.errno not in _NO_SPACE or not self._spare.is_file():
                raise
            self._use_spare(text)
        return requested

    def prepare(self) -> None:
        """Keep a spare file with blocks of its own. Without room for one, or a directory, there is none."""
        if self._spare.exists() or not self.path.parent.is_dir():
            return
        with contextlib.suppress(OSError):
            write_atomically(self._spare, "\n" * SPARE_BYTES)

    def remove(self) -> None:
        """Raises OSError when it stands there and cannot be removed."""
        self.path.unlink(missing_ok=True)

    def _use_spare(self, text: str) -> None:
        room = self._spare.stat().st_size
        content = text.encode()[: room - 1].decode(errors="ignore").encode()
        descriptor = os.open(self._spare, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, content.ljust(room, b"\n"), 0)
        finally:
            os.close(descriptor)
        publish(self._spare, self.path)


def _is_absent(path: Path) -> bool:
    """Whether nothing has that name, not even a link that leads nowhere."""
    try:
        os.lstat(path)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False
