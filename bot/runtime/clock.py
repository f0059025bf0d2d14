"""Wall clocks. Code below `runtime` gets one passed in."""

import time


class SystemClock:
    """UTC now, in milliseconds."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class SkippingClock:
    """Wall time that can be moved forward: the demo skips the hours between two tranches with it."""

    def __init__(self, start_ms: int | None = None) -> None:
        self._offset_ms = 0 if start_ms is None else start_ms - time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms

    def skip(self, milliseconds: int) -> None:
        """Move forward.

        Raises:
            ValueError: for a negative step, because time that runs backwards breaks every fence.
        """
        if milliseconds < 0:
            raise ValueError(f"a clock skips forward, not by {milliseconds} ms")
        self._offset_ms += milliseconds
