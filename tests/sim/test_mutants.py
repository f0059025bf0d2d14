"""The net catches fish: a bot that is broken on purpose is found within a stated number of seeds."""

import pytest

from tests.sim.hooks import all_mutants
from tests.sim.mutants import Mutant
from tests.sim.scenario import simulate


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.apply(monkeypatch)
    found: list[str] = []
    for seed in range(mutant.first, mutant.first + mutant.seeds):
        report = simulate(
            seed, only=mutant.kinds, heaviness=mutant.heaviness, lives=mutant.lives, limits=mutant.limits,
            playbook=mutant.playbook, ends=mutant.ends, seam=mutant.seam, renames=mutant.renames,
            is_enough=lambda world: any(sentence.startswith(mutant.rules) for sentence in world.violations),
        )  # fmt: skip
        found += report.violations
        if any(sentence.startswith(mutant.rules) for sentence in report.violations):
            return
    pytest.fail(f"{mutant.name} was not found within {mutant.seeds} seeds; seen: {found}")
