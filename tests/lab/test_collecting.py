"""The run of a back-test changes how the interpreter collects garbage, and gives it back as it was."""

import gc
from collections.abc import Iterator

import pytest

from bot.lab.backtest.gc_tuning import reduced_gc

USUAL = (700, 10, 10)


@pytest.fixture
def ordinary() -> Iterator[None]:
    """The collector as a new process has it, which the tests themselves do not."""
    own = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(*USUAL)
    yield
    gc.set_threshold(*own)
    gc.freeze()


@pytest.mark.usefixtures("ordinary")
def test_what_was_set_before_is_set_after_the_block_and_after_a_failure() -> None:
    with reduced_gc():
        assert gc.get_threshold()[0] > USUAL[0]
        assert gc.get_freeze_count() > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == (USUAL, 0)
    with pytest.raises(KeyError), reduced_gc():
        raise KeyError
    assert (gc.get_threshold(), gc.get_freeze_count()) == (USUAL, 0)


@pytest.mark.usefixtures("ordinary")
def test_what_the_process_has_left_out_before_stays_left_out() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with reduced_gc():
        pass
    assert gc.get_freeze_count() >= frozen
