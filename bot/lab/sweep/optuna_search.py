"""A search that learns from its trials. Importing this module needs `optuna` (the extra `sweep`).

Nothing is kept in Optuna's own storage: its sampler draws from a seed, so the results file is all the memory there is.
"""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, TrialState

from bot.lab.sweep.space import Combination, Range, Space, number_text

BATCH = 8  # asked at once; a fixed number, so that --jobs changes the time and not the result


class Learning:
    """Optuna's TPE over the space, `trials` combinations in all."""

    def __init__(self, space: Space, *, trials: int, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._left = space, trials
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: list[tuple[Trial, Combination]] = []
        drawn: dict[str, BaseDistribution] = {key: CategoricalDistribution(own) for key, own in space.choices.items()}
        self._drawn = drawn | {key: _distribution(span) for key, span in space.ranges.items()}

    def ask(self) -> Sequence[Combination]:
        """See `Search`."""
        count = min(BATCH, self._left)
        self._left -= count
        self._asked = [(trial, self._combination(trial)) for trial in (self._ask_one() for _ in range(count))]
        return tuple(dict.fromkeys(combination for _, combination in self._asked))

    def tell(self, scores: Mapping[Combination, float | None]) -> None:
        """See `Search`."""
        for trial, combination in self._asked:
            score = scores[combination]
            if score is None:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, score)

    def _ask_one(self) -> Trial:
        return self._study.ask(self._drawn)

    def _combination(self, trial: Trial) -> Combination:
        ranges = self._space.ranges
        return tuple(
            (key, number_text(value, ranges[key]) if key in ranges else str(value))
            for key, value in ((key, trial.params[key]) for key in self._drawn)
        )


def _distribution(span: Range) -> BaseDistribution:
    if span.is_whole:
        return IntDistribution(int(span.low), int(span.high), step=int(span.step) or 1, log=span.is_log)
    return FloatDistribution(span.low, span.high, step=span.step or None, log=span.is_log)
