"""Which objects of a process the garbage collector examines, and when.

A full collection examines every object of the process, those of ccxt and the settings included, while nothing else is
done: longer than an exit takes. What a start has made stays until the end, so it is examined once and then left out.
"""

import gc

STARTING = 30_000  # new objects between two collections
_USUAL = gc.get_threshold()  # versions of Python differ in it


def begin_start() -> None:
    """Collect less often: modules, settings and the venue's instruments stay, and a start would examine them again and
    again. Of a daemon it ends with `LongLived.leave_out`."""
    gc.set_threshold(STARTING, *_USUAL[1:])


class LongLived:
    """The objects that stay until the end of a run."""

    def __init__(self) -> None:
        self._are_left_out = self._is_first = False

    def leave_out(self) -> None:
        """The start is over: from here on only what is made later is examined, as often as usual. Makes one full
        collection; the second time none."""
        if self._are_left_out:
            return
        if gc.get_threshold()[0] == STARTING:
            gc.set_threshold(*_USUAL)
        gc.collect()
        self._are_left_out, self._is_first = True, gc.get_freeze_count() == 0
        gc.freeze()

    def take_back(self) -> None:
        """The run is over. What the process has left out before stays left out."""
        if self._is_first:
            gc.unfreeze()
        self._are_left_out = self._is_first = False
