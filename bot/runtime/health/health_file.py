"""The health file of the daemon: one small file, replaced atomically, with the last beat of every part.

Each part that must go on (cycle, guard, switch watch, journal writer, …) reports a beat, or is asked for the age of its
last one. `healthcheck` compares the ages with what each part is allowed, so a part that stopped is named even while the
others go on. A disk that is full does not end the daemon: a file that cannot be written is old, and old is late.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog

from bot.atomic_file import write_atomically
from bot.runtime.redaction import Redactor

WRITE_SECONDS = 2.0
_REDACTOR = Redactor(())  # a problem is the text of an error, which may quote an address with keys in it
_log = structlog.get_logger("sectorbot.health")


@dataclass(slots=True)
class _Part:
    """One thing that must go on: how long it may be silent, and when it was last seen (monotonic seconds)."""

    late_after: float
    seen: float
    age: Callable[[], float] | None = None

    def silent_seconds(self, now: float) -> float:
        return self.age() if self.age is not None else now - self.seen


@dataclass(slots=True)
class Health:
    """Read by `healthcheck` and `status`. May be used from any thread."""

    path: Path
    mode: str
    environment: str
    last: dict[str, object] = field(default_factory=dict)
    parts: dict[str, _Part] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _written: float = float("-inf")
    _problem: str = ""
    _is_removed: bool = False

    def expect(self, name: str, late_after_seconds: float, age: Callable[[], float] | None = None) -> None:
        """From now on `name` is late when its last beat is older than this; `age` is asked instead where given."""
        with self._lock:
            self.parts[name] = _Part(late_after_seconds, time.monotonic(), age)

    def beat(self, name: str) -> None:
        """A sign of life of one part."""
        part = self.parts.get(name)
        if part is not None:
            part.seen = time.monotonic()

    def silent_seconds(self) -> Mapping[str, float]:
        """How long ago each part gave its last sign of life."""
        now = time.monotonic()
        with self._lock:
            return {name: part.silent_seconds(now) for name, part in self.parts.items()}

    def late(self) -> Mapping[str, float]:
        """The parts that are silent for too long, and for how many seconds."""
        now = time.monotonic()
        with self._lock:
            ages = {name: (part.silent_seconds(now), part.late_after) for name, part in self.parts.items()}
        return {name: age for name, (age, limit) in ages.items() if age > limit}

    def write(self, **fields: object) -> None:
        """Replace the file, with these fields and all earlier ones. A disk that refuses it is said once."""
        with self._lock:
            self.last |= fields
            if self._is_removed:
                return
            try:
                write_atomically(self.path, orjson.dumps(_REDACTOR(None, "", self._content())), is_durable=False)
            except OSError as error:
                self._say(f"{self.path}: {error.strerror or error}")
                return
            self._written = time.monotonic()
            self._say("")

    def write_if_due(self) -> None:
        """The same when the file is older than `WRITE_SECONDS`."""
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def remove(self) -> None:
        """The daemon has ended; nothing is written after this."""
        with self._lock:
            self._is_removed = True
            self.path.unlink(missing_ok=True)

    def _content(self) -> dict[str, Any]:
        now, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        parts = {
            name: {
                "at_ms": now_ms - int(part.silent_seconds(now) * 1000),
                "late_after_ms": int(part.late_after * 1000),
            }
            for name, part in self.parts.items()
        }
        own = {"pid": os.getpid(), "at_ms": now_ms, "mode": self.mode, "environment": self.environment}
        return own | self.last | {"parts": parts}

    def _say(self, problem: str) -> None:
        if problem and not self._problem:
            _log.error("health_not_written", why=problem, what="healthcheck calls the daemon stale until it can be")
        self._problem = problem
