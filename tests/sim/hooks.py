"""Where a simulation is extended: rules, disturbances and mutants live in modules of their own, collected by name.

`tests/sim/rules_<subject>.py` has `RULES`, a tuple of `Rule` classes; `worlds_<subject>.py` has `WORLDS`, a tuple of
`Disturbance` classes; `mutants_<subject>.py` has `MUTANTS`, a tuple of `Mutant`. A module of such a name is found
without being listed anywhere. Each class is made once for every seed; override only the methods that are needed:

    class PositionsHaveOwners(Rule):
        def after_turn(self, life, kind, result):
            if ...:
                self.world.violate("every position has an owner", f"{symbol} {size}")

A rule reads and judges: it draws no chance, awaits nothing and writes nothing, so it leaves every trace as it was. Its
truth is `world.exchange` and what the bot asked for, never the bot's own arithmetic.

A disturbance adds a fault. It asks `self.plan.strikes(Kind.X)` and draws by `self.plan` only, with the kinds at the end
of `Kind` and their rates in `RATES_OF_LATER_KINDS`; a seed selects each of those by a generator of its own, so the
order in which they land changes nothing.

    class UnknownPosition(Disturbance):
        async def act(self):
            if self.plan.strikes(Kind.UNKNOWN_POSITION):
                ...

A mutant says which sentence finds it: `MUTANTS = (Mutant("drop the owner", drop_the_owner, ("every position",), ()),)`.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import tests.sim
from bot.journal.facts import Fact
from bot.ports import OrderRequest
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import ExchangeEvent

if TYPE_CHECKING:
    from bot.execution.reconcile import Truth
    from bot.runtime.cycle import CycleResult, Observation
    from bot.runtime.turn import TurnPlan
    from tests.sim.chaos import Chaos
    from tests.sim.checkers import Checkers
    from tests.sim.mutants import Mutant
    from tests.sim.world import Life, World


class Rule:
    """Something that must hold. `checkers` has approvals, posted requests and numbers of the account."""

    def __init__(self, world: "World", checkers: "Checkers") -> None:
        self.world, self.checkers = world, checkers

    def at_start_of_life(self, life: "Life") -> None:
        """A new process has been assembled; it has done nothing yet."""

    def on_refused_start(self) -> None:
        """A process has ended at its start, because the account was refused."""

    def on_submit(self, request: OrderRequest) -> None:
        """The bot is about to send an order. `on_submit`, `on_cancel` and `on_write` come after the checkers' own."""

    def on_cancel(self, client_id: str) -> None:
        """The bot is about to cancel an order."""

    def on_write(self, what: str) -> None:
        """The bot is about to do any other write."""

    def on_event(self, event: ExchangeEvent) -> None:
        """Something has happened at the exchange."""

    def on_journal(self, event: Fact) -> None:
        """The journal has a new event; seen after the turn in which it was written."""

    def before_turn(self, life: "Life", kind: str) -> None:
        """A cycle or a guard (`kind`) begins."""

    def after_turn(self, life: "Life", kind: str, result: "CycleResult | None") -> None:
        """A turn is over; `result` is None when it came to nothing."""

    def at_end_of_life(self, life: "Life", *, is_clean: bool) -> None:
        """A process is about to end, closed in good order or killed."""

    def journal_replaced(self) -> None:
        """The journal's file is another one now, from an earlier time."""

    def faults_stop(self) -> None:
        """From here on nothing goes wrong any more, and all must settle."""

    def at_end(self, life: "Life", truth: "Truth") -> None:
        """The world is at rest, `truth` is what the bot knows of it."""

    def close(self) -> None:
        """The seed is over, however it ended."""


class PlanRule(Rule):
    """A rule about what a turn decides, by what it had read when it did; what it sends changes the account after it."""

    _cycle: Any = None

    def before_turn(self, life: "Life", kind: str) -> None:
        """Every turn of this process is seen from here on, the guards of its streams too."""
        cycle: Any = life.app.cycle
        if cycle is self._cycle:
            return
        self._cycle, plan = cycle, cycle._plan

        async def planned(observation: "Observation") -> "TurnPlan":
            made: TurnPlan = await plan(observation)
            self.on_plan(life, observation, made)
            return made

        cycle._plan = planned

    def on_plan(self, life: "Life", observation: "Observation", plan: "TurnPlan") -> None:
        """A turn, or a preview of one, has decided and sent nothing yet."""


class Disturbance:
    """Something that goes wrong. `plan` decides when; `world.note` says in the trace what was done."""

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        self.world, self.chaos = world, chaos
        self.plan, self.exchange = world.plan, world.exchange

    async def act(self) -> None:
        """Called every few seconds to minutes while the bot runs; the exchange has been advanced to now."""

    async def between_lives(self) -> None:
        """Called when no process runs, before the next one starts: files may be changed here."""

    def on_connect(self, venue: Any) -> None:
        """A new process has its venue (`FaultyVenue` or `WireVenue`), not yet opened; methods may be wrapped."""

    def before_turn(self, life: "Life", kind: str) -> None:
        """A turn begins: faults inside it are scheduled here, with `world.loop.call_later`."""

    def spoil(self, request: WireRequest, reply: WireReply) -> WireReply:
        """At the wire: the reply to a read, or a spoiled one. Truthful answers only, or ones that cannot be read."""
        return reply

    def heal(self) -> None:
        """Undo what would keep the world from coming to rest."""

    def close(self) -> None:
        """The seed is over, however it ended."""


class Hooks:
    """The rules and disturbances of one seed, in the order of their modules' names."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.disturbances: list[Disturbance] = []

    def join(self, world: "World", checkers: "Checkers", chaos: "Chaos") -> None:
        """Make one of each class and let it hear of everything."""
        self.rules = [make(world, checkers) for make in rule_classes()]
        self.disturbances = [make(world, chaos) for make in disturbance_classes()]
        for rule in self.rules:
            world.exchange.listeners.append(rule.on_event)
            world.wire.on_submit.append(rule.on_submit)
            world.wire.on_cancel.append(rule.on_cancel)
            world.wire.on_write.append(rule.on_write)
            checkers.on_journal.append(rule.on_journal)
        world.wire.spoilers.extend(one.spoil for one in self.disturbances)

    async def act(self) -> None:
        for one in self.disturbances:
            await one.act()

    async def between_lives(self) -> None:
        for one in self.disturbances:
            await one.between_lives()

    def on_connect(self, venue: Any) -> None:
        for one in self.disturbances:
            one.on_connect(venue)

    def at_start_of_life(self, life: "Life") -> None:
        for rule in self.rules:
            rule.at_start_of_life(life)

    def on_refused_start(self) -> None:
        for rule in self.rules:
            rule.on_refused_start()

    def before_turn(self, life: "Life", kind: str) -> None:
        for one in (*self.disturbances, *self.rules):
            one.before_turn(life, kind)

    def after_turn(self, life: "Life", kind: str, result: "CycleResult | None") -> None:
        for rule in self.rules:
            rule.after_turn(life, kind, result)

    def at_end_of_life(self, life: "Life", *, is_clean: bool) -> None:
        for rule in self.rules:
            rule.at_end_of_life(life, is_clean=is_clean)

    def journal_replaced(self) -> None:
        for rule in self.rules:
            rule.journal_replaced()

    def heal(self) -> None:
        for one in self.disturbances:
            one.heal()
        for rule in self.rules:
            rule.faults_stop()

    def at_end(self, life: "Life", truth: "Truth") -> None:
        for rule in self.rules:
            rule.at_end(life, truth)

    def close(self) -> None:
        for one in (*self.disturbances, *self.rules):
            one.close()


@cache
def rule_classes() -> "tuple[type[Rule], ...]":
    """`RULES` of every `rules_*` module."""
    return tuple(_collected("rules_", "RULES"))


@cache
def disturbance_classes() -> "tuple[type[Disturbance], ...]":
    """`WORLDS` of every `worlds_*` module."""
    return tuple(_collected("worlds_", "WORLDS"))


@cache
def all_mutants() -> "tuple[Mutant, ...]":
    """`MUTANTS` of `mutants` and of every `mutants_*` module."""
    return tuple(_collected("mutants", "MUTANTS"))


def _collected(prefix: str, name: str) -> list[Any]:
    return [item for module in modules_of(prefix) for item in getattr(module, name)]


def modules_of(prefix: str) -> list[ModuleType]:
    """The modules whose names begin so, in the order of their names."""
    names = sorted(one.name for one in pkgutil.iter_modules(tests.sim.__path__) if one.name.startswith(prefix))
    return [importlib.import_module(f"tests.sim.{name}") for name in names]
