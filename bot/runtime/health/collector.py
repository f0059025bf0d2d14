"""Which objects of a process the garbage collector examines, and when.

A full collection examines every object of the process, those of ccxt and the settings included, while nothing else is
done: longer than an exit takes. What a start has made stays until the end, so it is examined once and then left out.
At the end Python examines everything twice, to free memory that the process gives back anyway: nothing is left to it.
"""

import atexit
import gc

STARTING = 400_000  # new objects until the first collection; a first plan makes less
_USUAL = gc.get_threshold()  # versions of Python differ in it


def begin_start() -> None:
    """Collect nothing while modules, settings and the venue's instruments are made: they stay, and a start would
    examine them again and again. The first collection is the end of it, of a daemon that of `LongLived.leave_out`.
    At the end of the process nothing is collected either."""
    if _end_start not in gc.callbacks:
        gc.callbacks.append(_end_start)
    gc.set_threshold(STARTING, *_USUAL[1:])
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # the first to be registered runs last, after all that others close at an exit


def _end_start(phase: str, _info: dict[str, int]) -> None:
    if phase == "stop":
        gc.callbacks.remove(_end_start)
        gc.set_threshold(*_USUAL)


class LongLived:
    """The objects that stay until the end of a run."""

    def __init__(self) -> None:
        self._are_left_out = self._is_first = False

    def leave_out(self) -> None:
        """The start is over: from here on only what is made later is examined, as often as usual. Makes one full
        collection; the second time none."""
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
