"""The explorer itself: shortest traces, states without a way out, and a bound on its own size."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from tests.model.cases import CAP, WORLDS
from tests.model.checker import NEVER_SETTLES, Label, TooLarge, explore, lines_of
from tests.model.protocol import Protocol
from tests.model.rules import Rules, World
from tests.model.state import DEAD, FILLED, State


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over numbers: `steps` of (from, to, is a fault); `bad` must not be met, `home` must stay in reach."""

    paths: tuple[tuple[int, int, bool], ...]
    home: int
    bad: int = -1

    def initial(self) -> Iterable[int]:
        yield 0

    def steps(self, state: int) -> Iterable[tuple[Label, int]]:
        for start, end, is_fault in self.paths:
            if start == state:
                yield ("a fault to {o}" if is_fault else "a step to {o}", -1, end), end

    def is_fault(self, label: Label) -> bool:
        return label[0].startswith("a fault")

    def violation(self, state: int) -> str | None:
        return "bad" if state == self.bad else None

    def is_settled(self, state: int) -> bool:
        return state == self.home


def test_the_shortest_way_to_a_violation_is_told() -> None:
    paths = ((0, 1, False), (1, 2, False), (2, 9, False), (1, 9, True), (9, 0, False))
    seen = explore(Walk(paths, home=0, bad=9))
    assert seen.finding is not None
    assert lines_of(seen.finding) == ["  1. a step to 1", "  2. a fault to 9", "  => bad"]


def test_everything_is_visited_where_nothing_is_wrong() -> None:
    seen = explore(Walk(((0, 1, False), (1, 2, True), (2, 0, False), (1, 0, False)), home=0))
    assert (seen.states, seen.transitions, seen.depth, seen.finding) == (3, 4, 2, None)


def test_a_state_that_only_a_fault_leads_out_of_never_settles() -> None:
    seen = explore(Walk(((0, 1, False), (1, 2, False), (2, 1, False), (2, 0, True)), home=0))
    assert seen.finding is not None
    assert (seen.finding.name, seen.finding.state) == (NEVER_SETTLES, 1)


def test_a_model_that_outgrows_its_bound_is_refused() -> None:
    with pytest.raises(TooLarge):
        explore(Protocol(Rules(), CAP), states_max=100)


class Hopeful(Protocol):
    """Takes success for a violation, so that the explorer finds a way to it."""

    def violation(self, state: State) -> str | None:
        is_done = sum(order.done for order in state.orders if order.venue == FILLED) == self.world.size
        return "done" if is_done and self.is_settled(state) else None


class Persistent(Hopeful):
    """Success means: by a second order, after the first was found dead."""

    def violation(self, state: State) -> str | None:
        return super().violation(state) if len(state.orders) > 1 and state.orders[0].row in DEAD else None


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_rules_do_not_prevent_success(world: World) -> None:
    """A protocol that sends nothing would be safe, too."""
    model = Persistent if world.orders_per_intent > 1 and world.intents == 1 else Hopeful
    seen = explore(model(Rules(), world))
    assert seen.finding is not None
    assert seen.finding.name == "done"
