"""One clock for several processes: the machine's monotonic time, run faster, plus an offset in a mapped file.

Only the driver moves the offset. Eight aligned bytes are read and written whole on the machines this runs on.
"""

import mmap
import struct
import time
from pathlib import Path

from bot.runtime.clock import SkippingClock

_OFFSET = struct.Struct("<q")


class SharedClock(SkippingClock):
    """UTC ms: `start_ms` at monotonic `base_ns`, `speed` times as fast, plus what was skipped."""

    def __init__(self, path: Path, *, start_ms: int, base_ns: int, speed: int) -> None:
        super().__init__()
        self.path, self.start_ms, self.base_ns, self.speed = path, start_ms, base_ns, speed
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _OFFSET.size)

    @classmethod
    def of(cls, words: dict[str, object]) -> "SharedClock":
        """The clock that `words` of another process describe."""
        numbers = {name: int(str(words[name])) for name in ("start_ms", "base_ns", "speed")}
        return cls(Path(str(words["path"])), **numbers)

    @property
    def words(self) -> dict[str, object]:
        return {"path": str(self.path), "start_ms": self.start_ms, "base_ns": self.base_ns, "speed": self.speed}

    def now_ms(self) -> int:
        passed_ns = time.monotonic_ns() - self.base_ns
        return self.start_ms + passed_ns * self.speed // 1_000_000 + self._skipped_ms()

    def skip(self, milliseconds: int) -> None:
        """Move every process forward.

        Raises:
            ValueError: for a negative step.
        """
        if milliseconds < 0:
            raise ValueError(f"a clock skips forward, not by {milliseconds} ms")
        _OFFSET.pack_into(self._shared, 0, self._skipped_ms() + milliseconds)

    def _skipped_ms(self) -> int:
        return int(_OFFSET.unpack_from(self._shared)[0])
