"""Run the cyclic garbage collector less often during a back-test."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_BETWEEN = 50_000


@contextmanager
def reduced_gc() -> Iterator[None]:
    """What is there already is left out of every look, and looks are rare, until the end of the block."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
