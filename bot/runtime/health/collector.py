"""Which objects of a daemon the garbage collector examines.

A full collection examines every object of the process, those of ccxt and the settings included, while nothing else is
done: longer than an exit takes. What a start has made stays until the end, so it is examined once and then left out.
"""

import gc


class LongLived:
    """The objects that stay until the end of a run."""

    def __init__(self) -> None:
        self._are_left_out = self._is_first = False

    def leave_out(self) -> None:
        """From here on only what is made later is examined. Makes one full collection; the second time none."""
        if self._are_left_out:
            return
        gc.collect()
        self._are_left_out, self._is_first = True, gc.get_freeze_count() == 0
        gc.freeze()

    def take_back(self) -> None:
        """The run is over. What the process has left out before stays left out."""
        if self._is_first:
            gc.unfreeze()
        self._are_left_out = self._is_first = False
