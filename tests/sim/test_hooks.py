"""Rules and disturbances of modules of their own hear of everything, and change no trace by listening."""

import inspect
from collections import Counter
from typing import Any

import pytest

from tests.sim import hooks
from tests.sim.faults import RATES, RATES_OF_LATER_KINDS, FaultPlan, Kind
from tests.sim.hooks import Disturbance, Hooks, Rule, all_mutants
from tests.sim.scenario import simulate
from tests.sim.world import Seam

HEARD = {
    *(
        f"Rule.{name}"
        for name in (
            "at_start_of_life",
            "on_submit",
            "on_write",
            "on_event",
            "on_journal",
            "before_turn",
            "after_turn",
            "at_end_of_life",
            "faults_stop",
            "at_end",
            "close",
        )
    ),
    *(f"Disturbance.{name}" for name in ("act", "between_lives", "on_connect", "before_turn", "heal", "close")),
}


def listening(base: type[Any], heard: Counter[str]) -> type[Any]:
    """A class whose every method counts its calls and does what the base does."""

    def counting(name: str) -> Any:
        def method(self: Any, *args: Any, **named: Any) -> Any:
            heard[f"{base.__name__}.{name}"] += 1
            return getattr(base, name)(self, *args, **named)

        return method

    names = [name for name in vars(base) if not name.startswith("_")]
    return type("Listening", (base,), {name: counting(name) for name in names})


@pytest.mark.parametrize("seam", [Seam.PORT, pytest.param(Seam.WIRE, marks=pytest.mark.slow)])
def test_every_hook_is_called_and_listening_leaves_the_trace_as_it_was(
    seam: Seam, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, heard = simulate(3, lives=2, seam=seam), Counter[str]()
    rules, worlds = hooks.rule_classes(), hooks.disturbance_classes()
    monkeypatch.setattr(hooks, "rule_classes", lambda: (*rules, listening(Rule, heard)))
    monkeypatch.setattr(hooks, "disturbance_classes", lambda: (*worlds, listening(Disturbance, heard)))
    after = simulate(3, lives=2, seam=seam)
    assert set(heard) >= HEARD | ({"Disturbance.spoil"} if seam is Seam.WIRE else set())
    assert after.trace == before.trace
    assert heard["Rule.at_start_of_life"] <= heard["Rule.at_end_of_life"]
    assert heard["Rule.before_turn"] == heard["Rule.after_turn"] == heard["Disturbance.before_turn"] == after.turns


def test_every_method_of_a_rule_and_a_disturbance_is_passed_on() -> None:
    names = {name for base in (Rule, Disturbance) for name in vars(base) if not name.startswith("_")}
    listened = {"on_submit", "on_cancel", "on_write", "on_event", "on_journal", "spoil", "faults_stop"}
    assert names - listened <= set(vars(Hooks))


def test_a_later_kind_has_one_rate_and_does_not_move_the_selection_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(RATES) | set(RATES_OF_LATER_KINDS) == set(Kind)
    assert not set(RATES) & set(RATES_OF_LATER_KINDS)
    expected = [FaultPlan(seed).kinds - RATES_OF_LATER_KINDS.keys() for seed in range(5)]
    monkeypatch.setattr("tests.sim.faults.Kind", [kind for kind in Kind if kind not in RATES_OF_LATER_KINDS])
    assert [FaultPlan(seed).kinds for seed in range(5)] == expected


def test_mutants_have_names_of_their_own() -> None:
    names = [mutant.name for mutant in all_mutants()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("prefix", "name", "base"), [("rules_", "RULES", Rule), ("worlds_", "WORLDS", Disturbance)], ids=["rules", "worlds"]
)
def test_what_a_module_defines_takes_part(prefix: str, name: str, base: type[Any]) -> None:
    for module in hooks.modules_of(prefix):
        own = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
        defined = {one for one in own if issubclass(one, base) and not one.__name__.startswith("_")}
        assert defined == set(getattr(module, name)), module.__name__


def test_every_way_to_break_the_bot_is_a_mutant() -> None:
    applied = {mutant.apply for mutant in all_mutants()}
    for module in hooks.modules_of("mutants"):
        own = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__]
        breaks = {one for one in own if list(inspect.signature(one).parameters) == ["patch"]}
        assert breaks <= applied, module.__name__
