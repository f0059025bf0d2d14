"""Breadth-first exploration of a model with hashable states: every state it can reach, the shortest way to a bad one.

Two kinds of wrong: a state that breaks an invariant (safety), and a state from which, once no more faults come, no
settled state can be reached (liveness, as reachability).
"""

import gc
import time
from array import array
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
Label = tuple[str, int, int]
"""A sentence with places for a daemon and an order, and their numbers: put together only when a trace is printed."""

NEVER_SETTLES = "never_settles"
STATES_MAX = 2_000_000


class Model(Protocol[S]):
    """What can be explored."""

    def initial(self) -> Iterable[S]: ...

    def steps(self, state: S) -> Iterable[tuple[Label, S]]:
        """Every next state, with what led to it."""
        ...

    def is_fault(self, label: Label) -> bool:
        """Whether a step is one that the world may stop taking: a crash, a loss, an operator's hand."""
        ...

    def violation(self, state: S) -> str | None:
        """The name of the invariant that a state breaks."""
        ...

    def is_settled(self, state: S) -> bool: ...


class TooLarge(Exception):
    """The model has more states than a test may visit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation, the labels of a shortest way to it, and the state it ends in."""

    name: str
    trace: tuple[Label, ...]
    state: object


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was seen. `depth` is the greatest number of steps that a state is away from the start, `seconds` are of
    this process, not of the clock on the wall."""

    states: int
    transitions: int
    depth: int
    seconds: float
    finding: Finding | None


def lines_of(finding: Finding) -> list[str]:
    """The way to a violation, a numbered line per step."""
    steps = [words.format(d=daemon, o=order) for words, daemon, order in finding.trace]
    return [*(f"{number:3}. {step}" for number, step in enumerate(steps, 1)), f"  => {finding.name}"]


class Graph:
    """States in the order they were found, each with the step that found it."""

    def __init__(self) -> None:
        self.parents, self.depths = array("l"), array("l")
        self.labels: list[Label | None] = []
        self.sources, self.targets = array("l"), array("l")

    def add(self, parent: int, label: Label | None) -> None:
        self.parents.append(parent)
        self.labels.append(label)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)

    def trace(self, number: int) -> tuple[Label, ...]:
        """The labels from the start to a state."""
        found: list[Label] = []
        while (label := self.labels[number]) is not None:
            found.append(label)
            number = self.parents[number]
        return tuple(reversed(found))

    def first_without_way(self, goals: Sequence[int]) -> int | None:
        """The first state from which the recorded edges lead to no goal."""
        count = len(self.parents)
        starts = array("l", bytes(array("l").itemsize * (count + 1)))
        for target in self.targets:
            starts[target + 1] += 1
        for number in range(count):
            starts[number + 1] += starts[number]
        places, into = array("l", starts), array("l", bytes(array("l").itemsize * len(self.sources)))
        for source, target in zip(self.sources, self.targets, strict=True):
            into[places[target]] = source
            places[target] += 1
        has_way = bytearray(count)
        for goal in goals:
            has_way[goal] = 1
        waiting = list(goals)
        while waiting:
            number = waiting.pop()
            for source in into[starts[number] : starts[number + 1]]:
                if not has_way[source]:
                    has_way[source] = 1
                    waiting.append(source)
        first = has_way.find(0)
        return None if first < 0 else first


def explore(model: Model[S], *, states_max: int = STATES_MAX) -> Exploration:
    """Visit every state, or as many as it takes to meet the nearest that breaks an invariant.

    Raises:
        TooLarge: beyond `states_max`.
    """
    gc.disable()  # nothing here is a circle, and looking for circles among a million tuples takes a third of the time
    try:
        return _explore(model, states_max)
    finally:
        gc.enable()


def _explore(model: Model[S], states_max: int) -> Exploration:
    started = time.process_time()
    graph, transitions, goals = Graph(), 0, array("l")
    numbers: dict[S, int] = {}
    states: list[S] = []

    def ended(finding: Finding | None) -> Exploration:
        return Exploration(len(states), transitions, max(graph.depths), time.process_time() - started, finding)

    def enter(state: S, parent: int, label: Label | None) -> Finding | None:
        number = numbers[state] = len(states)
        states.append(state)
        graph.add(parent, label)
        if model.is_settled(state):
            goals.append(number)
        name = model.violation(state)
        return None if name is None else Finding(name, graph.trace(number), state)

    for state in model.initial():
        if state not in numbers and (finding := enter(state, -1, None)) is not None:
            return ended(finding)
    for number, state in enumerate(states):  # grows while it is walked: breadth first
        for label, after in model.steps(state):
            transitions += 1
            if after not in numbers:
                if len(states) >= states_max:
                    raise TooLarge(f"more than {states_max} states")
                if (finding := enter(after, number, label)) is not None:
                    return ended(finding)
            if not model.is_fault(label):
                graph.sources.append(number)
                graph.targets.append(numbers[after])
    stuck = graph.first_without_way(goals)
    return ended(None if stuck is None else Finding(NEVER_SETTLES, graph.trace(stuck), states[stuck]))
