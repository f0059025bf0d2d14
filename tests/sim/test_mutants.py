"""The net catches fish: a bot that is broken on purpose is found within a stated number of seeds.

A few that are found at once are tried in every run, all of them where there is time for it.
"""

import pytest
from _pytest.mark.structures import ParameterSet

from tests.sim.hooks import all_mutants
from tests.sim.mutants import Mutant
from tests.sim.scenario import simulate

QUICK = ("send before write", "reuse the id", "resend in doubt", "forget reduce-only")


def tried() -> list[ParameterSet]:
    return [pytest.param(one, marks=() if one.name in QUICK else pytest.mark.slow) for one in all_mutants()]


def test_the_quick_ones_are_mutants() -> None:
    assert set(QUICK) <= {mutant.name for mutant in all_mutants()}


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_finds_what_it_replaces(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.apply(monkeypatch)


@pytest.mark.parametrize("mutant", tried(), ids=lambda mutant: mutant.name)
def test_a_mutant_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.apply(monkeypatch)
    found: list[str] = []
    for seed in range(mutant.first, mutant.first + mutant.seeds):
        report = simulate(
            seed,
            only=mutant.kinds,
            heaviness=mutant.heaviness,
            lives=mutant.lives,
            limits=mutant.limits,
            playbook=mutant.playbook,
            ends=mutant.ends,
            seam=mutant.seam,
            renames=mutant.renames,
            venue=mutant.venue,
            is_enough=lambda world: any(sentence.startswith(mutant.rules) for sentence in world.violations),
        )
        found += report.violations
        if any(sentence.startswith(mutant.rules) for sentence in report.violations):
            return
    pytest.fail(f"{mutant.name} was not found within {mutant.seeds} seeds; seen: {found}")
