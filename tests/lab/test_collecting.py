"""The run of a back-test changes how the interpreter collects garbage, and gives it back as it was."""

import gc

import pytest

from bot.lab.backtest.gc_tuning import reduced_gc


def test_what_was_set_before_is_set_after_the_block_and_after_a_failure() -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    with reduced_gc():
        assert gc.get_threshold()[0] > usual[0]
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, frozen)
    with pytest.raises(KeyError), reduced_gc():
        raise KeyError
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, frozen)
