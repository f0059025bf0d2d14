"""Books that begin afresh every twenty minutes: a seed has hours, and what a baseline closes shows in days."""

from random import Random
from typing import Any

from bot.domain.durations import MINUTE_MS
from bot.execution.books import agreed
from tests.sim.hooks import Disturbance

PART = 0.5
OFTEN_MS = 20 * MINUTE_MS


class BooksBeginOften(Disturbance):
    """In half of the seeds of `python -m tests.sim`; those that tests name are as they were."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._before_ms = agreed.BASELINE_AGE_MS
        if self.world.has_options and Random(f"{self.world.seed}/books").random() < PART:
            agreed.BASELINE_AGE_MS = OFTEN_MS

    def close(self) -> None:
        agreed.BASELINE_AGE_MS = self._before_ms


WORLDS = (BooksBeginOften,)
