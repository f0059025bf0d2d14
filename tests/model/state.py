"""The state of the whole system: journal, wire, venue and daemons, as nested tuples.

Named tuples and not dataclasses, because a state is hashed and compared a million times.
"""

from typing import NamedTuple

from bot.domain.states import OrderState

IN_WINDOW, AFTER_WINDOW, QUIET = 0, 1, 2
"""Ages of a stamp: the venue may still accept; it may no longer; what it accepted can be seen."""

NOWHERE, RESTING, FILLED, CANCELED = "", "open", "filled", "canceled"
REFUSED, LATE, DUPLICATE, GARBLED = "refused", "too late", "a duplicate", "garbled"
SENT, CONFIRMED = "sent", "confirmed"
Report = tuple[str, int]
"""What the venue says of an order: its state there, and the units executed."""

ENDED = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})
DEAD = ENDED - {OrderState.FILLED}
UNKNOWN_OUTCOME_STATES = frozenset({OrderState.SUBMITTING, OrderState.IN_DOUBT})

# Where a daemon stands. While it stands in the middle of something it does nothing else: cycle and guard share a lock.
DOWN, OPENED, IDLE, ADMITTED, WRITTEN, WAITING, UNWRITTEN, CANCEL_WAITING, LOOKING, ASKING_AGAIN = range(10)


class Order(NamedTuple):
    """One client order id: its journal row, its request and reply on the wire, its truth at the venue, its images.

    `row` None: not journaled. `age` counts from the journaled stamp, `signed` from the one in the request. `wire`:
    copies of the request under way. `past`: executed under the same id before. `by_id` and `by_list` are what the two
    endpoints show, None nothing.
    """

    intent: int
    size: int
    row: OrderState | None = None
    is_durable: bool = True
    known: int = 0
    age: int = IN_WINDOW
    signed: int = IN_WINDOW
    wire: int = 0
    venue: str = NOWHERE
    done: int = 0
    past: int = 0
    by_id: Report | None = None
    by_list: Report | None = None
    reply: Report | None = None
    cancel: str = NOWHERE

    @property
    def is_live(self) -> bool:
        """Whether the journal counts it as alive."""
        return self.row is not None and self.row not in ENDED


class Daemon(NamedTuple):
    """One process. `on` is the order it is busy with (an intent while ADMITTED), `left` the units approved for it.

    `asks`: unanimous absences so far; `is_quiet`: whether the quiet period was over when it asked; `is_blind`: the
    answers come from a replica that has nothing. `made`: attempts as counted in memory. `is_robbed`: another opened
    the journal while it was at work.
    """

    at: int = DOWN
    on: int = -1
    left: int = 0
    asks: int = 0
    is_quiet: bool = False
    is_blind: bool = False
    is_paused: bool = False
    made: int = 0
    is_robbed: bool = False


class Budget(NamedTuple):
    """How many faults of each kind are left."""

    crashes: int
    duplicates: int
    glitches: int
    clock_steps: int
    pauses: int


class State(NamedTuple):
    """`owner` opened the journal last. `is_held`: a running daemon knows of the switch; `is_thrown`: it was thrown.

    `broken` names a promise that a step has just broken.
    """

    orders: tuple[Order, ...]
    daemons: tuple[Daemon, ...]
    budget: Budget
    owner: int = -1
    is_thrown: bool = False
    is_held: bool = False
    is_clock_ahead: bool = False
    broken: str = ""

    def with_order(self, number: int, order: Order) -> "State":
        return self._replace(orders=(*self.orders[:number], order, *self.orders[number + 1 :]))

    def with_daemon(self, number: int, daemon: Daemon) -> "State":
        return self._replace(daemons=(*self.daemons[:number], daemon, *self.daemons[number + 1 :]))

    def spend(self, **left: int) -> "State":
        return self._replace(budget=self.budget._replace(**left))
