"""Every secret the suite uses, and a search for them in all that the suite leaves behind: output, logs, journals.

Keys are noted when they are made. When the session ends, everything that a test printed or logged and every file is
searched for all of them, journals cell by cell with compressed cells unpacked. Where the tests run in several worker
processes, each hands over the keys it has noted, and the controlling process searches what all of them left behind.
"""

import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from bot.journal.parts import PartDamaged, read_part
from bot.simex.signing import ApiKey
from bot.venues.ccxt.account.credentials import Credentials

LEAST_LENGTH = 12  # what is shorter stands in innocent texts too
FILE_MAX_BYTES = 64_000_000
TOKEN_CHARACTERS = 64
TOKEN = re.compile(rb"[0-9a-f]{64}")  # a key of the embedded exchange; there are hundreds, all of one shape
OUTLINE = bytes(b"x"[0] if chr(byte) in "0123456789abcdef" else b" "[0] for byte in range(256))
RUN = b"x" * TOKEN_CHARACTERS  # how the outline of a content shows that a token may be there
SIGNED = re.compile(rb"signature['\"]?\s*[=:]\s*['\"]?[0-9a-f]{64}")


class SecretWatch:
    """Secrets in use, and the places they were found in."""

    def __init__(self) -> None:
        self.secrets: set[bytes] = set()
        self._tokens: set[bytes] = set()
        self._others: set[bytes] = set()
        self._clean: set[bytes] = set()  # digests of what was searched in vain: journals repeat each other a lot
        self.outputs: list[tuple[str, str]] = []
        self.leaks: list[str] = []
        self.searched: dict[str, int] = {"journals": 0, "files": 0, "outputs": 0}

    def note(self, *values: str) -> None:
        """Remember values that must not be seen anywhere."""
        self.add(value.encode() for value in values if len(value) >= LEAST_LENGTH)

    def add(self, secrets: Iterable[bytes]) -> None:
        """Remember secrets that this or another process has noted."""
        self._clean.clear()
        for secret in secrets:
            self.secrets.add(secret)
            is_token = len(secret) == TOKEN_CHARACTERS and TOKEN.fullmatch(secret)
            (self._tokens if is_token else self._others).add(secret)

    def found_in(self, content: bytes) -> bool:
        """Whether the content holds a secret, or a signature made with one."""
        digest = blake2b(content, digest_size=16).digest()
        if digest in self._clean:
            return False
        if any(secret in content for secret in self._others) or SIGNED.search(content) or self._holds_token(content):
            return True
        self._clean.add(digest)
        return False

    def _holds_token(self, content: bytes) -> bool:
        """Looked for by the outline of the content: a pattern tried at each byte takes six times as long."""
        outline = content.translate(OUTLINE)
        begin = outline.find(RUN)
        while begin >= 0:
            end = outline.find(b" ", begin + TOKEN_CHARACTERS)
            last = (end if end >= 0 else len(content)) - TOKEN_CHARACTERS
            if any(content[at : at + TOKEN_CHARACTERS] in self._tokens for at in range(begin, last + 1)):
                return True
            begin = outline.find(RUN, last + TOKEN_CHARACTERS)
        return False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what the test printed and logged until the session ends. A hook: the watch is a plugin of pytest."""
        self.outputs += [(f"{title} of {report.nodeid}", text) for title, text in report.sections]

    def search_outputs(self) -> None:
        """Everything that was printed and logged."""
        for name, text in self.outputs:
            self.searched["outputs"] += 1
            if self.found_in(text.encode(errors="replace")):
                self.leaks.append(name)

    def search_folder(self, folder: Path) -> None:
        """Every file below the folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.stat().st_size <= FILE_MAX_BYTES:
                self._search_file(file)

    def _search_file(self, file: Path) -> None:
        content = file.read_bytes()
        is_leak = self.found_in(content)
        self.searched["files"] += 1
        if content.startswith(b"SQLite format 3\x00"):
            self.searched["journals"] += 1
            is_leak = is_leak or any(self.found_in(cell) for cell in _cells(file))
        if is_leak:
            self.leaks.append(f"file {file}")


def _cells(file: Path) -> Iterator[bytes]:
    """The compressed cells of a database, unpacked; text lies open in the file's own bytes."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                if table == "parts":
                    yield from _parts(db)
                    continue
                for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - the name is the schema's own
                    for cell in row:
                        if isinstance(cell, bytes):
                            try:
                                yield zlib.decompress(cell)
                            except zlib.error:
                                continue
    except sqlite3.Error:
        return  # damaged on purpose by the test that left it; its bytes have been searched


def _parts(db: sqlite3.Connection) -> Iterator[bytes]:
    """The texts that a journal keeps in parts: most are differences to another one."""
    for (digest,) in db.execute("SELECT digest FROM parts").fetchall():
        try:
            yield read_part(lambda sql, values: db.execute(sql, values).fetchall(), digest.hex())
        except PartDamaged:
            continue


WATCH = SecretWatch()


def watch_keys(patches: pytest.MonkeyPatch) -> None:
    """Note every key that is made from now on."""
    for kind in (ApiKey, Credentials):
        original = kind.__init__

        def noting(self: Any, *args: Any, _original: Any = original, **kwargs: Any) -> None:
            _original(self, *args, **kwargs)
            WATCH.note(self.key, self.secret)

        patches.setattr(kind, "__init__", noting)
