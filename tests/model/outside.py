"""What is not ours: the wire that loses, delays and doubles, the venue with its window and its endpoints, time."""

from collections.abc import Iterator

from tests.model.checker import Label
from tests.model.rules import World
from tests.model.state import (
    AFTER_WINDOW,
    CANCELED,
    CONFIRMED,
    DUPLICATE,
    FILLED,
    GARBLED,
    LATE,
    NOWHERE,
    QUIET,
    REFUSED,
    RESTING,
    SENT,
    UNWRITTEN,
    WAITING,
    Order,
    State,
)

LOSE = "the request of order {o} is lost"
DOUBLE = "the wire doubles the request of order {o}"
LOSE_REPLY = "the first reply to order {o} is lost"
GARBLE = "a proxy replaces the reply to order {o}"
LOSE_CANCEL = "the cancel of order {o} is lost"
STEP_CLOCK = "our clock is put forward"
_FAULTS = frozenset({LOSE, DOUBLE, LOSE_REPLY, GARBLE, LOSE_CANCEL, STEP_CLOCK})

Steps = Iterator[tuple[Label, State]]


class Outside:
    """The steps of wire, venue and clock."""

    def __init__(self, world: World) -> None:
        self.world = world

    def is_fault(self, label: Label) -> bool:
        return label[0] in _FAULTS

    def may_accept(self, order: Order) -> bool:
        """Whether a request under way can still become an order."""
        if not order.wire or (order.signed >= AFTER_WINDOW and self.world.honours_window):
            return False
        return order.venue == NOWHERE or (order.venue != RESTING and not self.world.remembers_ids)

    def steps(self, state: State) -> Steps:
        if state.budget.clock_steps:
            after = state.spend(clock_steps=state.budget.clock_steps - 1)
            yield (STEP_CLOCK, -1, -1), after._replace(is_clock_ahead=True)
        for o, order in enumerate(state.orders):
            if order.wire:
                yield from self._wire(state, o, order)
            yield from self._venue(state, o, order)
            if order.cancel == SENT:
                yield from self._cancel(state, o, order)
            if not order.is_durable:
                yield ("the disk has the row of order {o}", -1, o), state.with_order(o, order._replace(is_durable=True))
            is_watched = order.is_live or order.row is None or order.wire
            if is_watched and (order.age < QUIET or order.signed < QUIET):
                for aged in self._aged(order):
                    yield (
                        ("time passes for order {o}", -1, o),
                        state.with_order(o, self._without_dead_letter(state, o, aged)),
                    )

    def _wire(self, state: State, o: int, order: Order) -> Steps:
        yield (LOSE, -1, o), state.with_order(o, order._replace(wire=order.wire - 1))
        if state.budget.duplicates:
            after = state.with_order(o, order._replace(wire=order.wire + 1))
            yield (DOUBLE, -1, o), after.spend(duplicates=state.budget.duplicates - 1)
        for words, arrived in self._arrive(order):
            if arrived.reply is not order.reply and not self._has_listener(state, o):
                arrived = arrived._replace(reply=None)
            yield (words, -1, o), state.with_order(o, arrived)

    def _arrive(self, order: Order) -> Iterator[tuple[str, Order]]:
        """What the venue makes of a request, and its truthful reply. Only the first reply is heard."""
        order = order._replace(wire=order.wire - 1)

        def replied(kind: str) -> Order:
            return order if order.reply is not None else order._replace(reply=(kind, 0))

        if not self.may_accept(order._replace(wire=1)):
            if order.signed >= AFTER_WINDOW and self.world.honours_window:
                yield "order {o} comes to the venue after its receive window: refused", replied(LATE)
            else:
                yield "order {o} comes to the venue a second time: refused", replied(DUPLICATE)
            return
        if self.world.may_refuse:
            yield "order {o} comes to the venue: refused, too many requests", replied(REFUSED)
        for kind, done in ((RESTING, 0), (FILLED, order.size), (CANCELED, 0)):
            if kind == CANCELED and not self.world.may_expire:
                continue
            taken = order._replace(venue=kind, done=done, past=order.past + order.done)
            answer = (RESTING, 0) if self.world.acknowledges_first else (kind, done)
            reply = order.reply if order.reply is not None else answer
            yield f"order {{o}} comes to the venue: {kind}", taken._replace(reply=reply)

    def _has_listener(self, state: State, o: int) -> bool:
        return any(d.at in (WAITING, UNWRITTEN) and d.on == o for d in state.daemons)

    def _venue(self, state: State, o: int, order: Order) -> Steps:
        if order.venue == RESTING:
            done = order.done + 1
            filled = order._replace(done=done, venue=FILLED if done == order.size else RESTING)
            yield ("order {o} executes at the venue", -1, o), state.with_order(o, filled)
        if order.venue != NOWHERE and (order.is_live or order.row is None):
            truth = (order.venue, order.done)
            if order.by_id != truth:
                yield ("the venue shows order {o} by id", -1, o), state.with_order(o, order._replace(by_id=truth))
            if order.by_list != truth:
                yield ("the venue lists order {o}", -1, o), state.with_order(o, order._replace(by_list=truth))
        if order.reply is not None and order.wire:  # with nothing more under way, waiting no longer says the same
            yield (LOSE_REPLY, -1, o), state.with_order(o, order._replace(reply=None))
        if self.world.may_garble and order.reply is not None and order.reply[0] != GARBLED:
            yield (GARBLE, -1, o), state.with_order(o, order._replace(reply=(GARBLED, 0)))

    def _cancel(self, state: State, o: int, order: Order) -> Steps:
        has_listener = any(d.on == o and d.at not in (WAITING, UNWRITTEN) for d in state.daemons)
        yield (LOSE_CANCEL, -1, o), state.with_order(o, order._replace(cancel=NOWHERE))
        if order.venue == RESTING:
            done = order._replace(venue=CANCELED, cancel=CONFIRMED if has_listener else NOWHERE)
            yield ("the venue cancels order {o}", -1, o), state.with_order(o, done)
        if order.venue != RESTING or order.by_id is None:
            refused = order._replace(cancel=REFUSED if has_listener else NOWHERE)
            yield ("the venue refuses to cancel order {o}: not found", -1, o), state.with_order(o, refused)

    def _without_dead_letter(self, state: State, o: int, order: Order) -> Order:
        """A request that can only be refused, with nobody to hear it, is as good as none."""
        if order.wire and not self.may_accept(order) and not self._has_listener(state, o):
            return order._replace(wire=0)
        return order

    def _aged(self, order: Order) -> Iterator[Order]:
        """The receive window ends, then the quiet period: by its end one endpoint, we do not know which, shows what was
        accepted."""
        aged = order._replace(age=min(order.age + 1, QUIET), signed=min(order.signed + 1, QUIET))
        if aged.age == QUIET and order.age < QUIET and order.venue != NOWHERE and self.world.is_lag_bounded:
            truth = (order.venue, order.done)
            if order.by_list is None and order.by_id is None:
                yield aged._replace(by_list=truth)
                yield aged._replace(by_id=truth)
                return
        yield aged
