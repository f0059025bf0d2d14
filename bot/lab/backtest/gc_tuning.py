"""Run the cyclic garbage collector less often during a back-test."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_BETWEEN = 50_000


@contextmanager
def reduced_gc() -> Iterator[None]:
    """What is there already is left out of every look, and looks are rare, until the end of the block.

    What the process has left out before stays left out.
    """
    gc.collect()  # first: it ends a start, and with it the thresholds of a start
    usual, was_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        if not was_frozen:
            gc.unfreeze()
