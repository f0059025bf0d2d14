"""How every file beside the journal is written: a reader sees the old content or the new one, never a part.

Write to a temporary file, force it to the disk, rename it, force the folder to the disk. What others have written is
read without waiting, and up to a limit.
"""

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, *, is_durable: bool = True) -> None:
    """Replace `path`, creating its folder. Without `is_durable` the file need not survive a failure of the machine, and
    nothing waits for the disk.

    Raises:
        OSError: nothing has changed then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        publish(temporary, path, is_durable=is_durable)
    except OSError as error:
        if error.filename is None:  # a write names no file
            error.filename = str(path)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def publish(written: Path, path: Path, *, is_durable: bool = True) -> None:
    """Give a file that is written its name, in place of what had it.

    Raises:
        OSError: `path` is as it was then.
    """
    if is_durable:
        _force(written)
    written.replace(path)
    if is_durable:
        with contextlib.suppress(OSError):  # some file systems cannot do this for a folder
            _force(path.parent)


BEGINNING_BYTES = 65_536  # more than a person or a program writes into a flag


def read_beginning(path: Path, limit: int = BEGINNING_BYTES) -> bytes:
    """The first bytes of a file. A pipe or a device in its place is read up to there as well, and never waited for.

    Raises:
        OSError: it is not there, or cannot be read at once.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts = [os.read(descriptor, limit)]
        while parts[-1] and (left := limit - sum(map(len, parts))) > 0:
            parts.append(os.read(descriptor, left))
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
