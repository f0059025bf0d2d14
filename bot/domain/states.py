"""All state machines, as tables.

Orders: an order is SUBMITTING from the moment it is journaled until the venue's verdict is known. Whatever is not
recognised makes it IN_DOUBT; only evidence from the venue leads out. A fill is a fact, not a transition: it is added
once per (venue, trade id) in any state, and the state only says whether the venue may still change the order.
Late facts after an end state are accepted and raise an alert, because venues do send them.
`not_found` may be used only after the quiet period, asked at least twice (DESIGN §4.4).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S")
E = TypeVar("E")


class OrderState(StrEnum):
    """States of an order; `ORDER_TABLE` has the transitions."""

    SUBMITTING = "submitting"
    IN_DOUBT = "in_doubt"
    OPEN = "open"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_live(self) -> bool:
        """Whether the venue may still execute it, or may have."""
        return self in _LIVE


class OrderEvent(StrEnum):
    """What moves an order from one state to another."""

    ACKED = "acked"
    FILLED = "filled"
    REJECTED = "rejected"
    LOST = "lost"
    SEEN_OPEN = "seen_open"
    NOT_FOUND = "not_found"
    CANCEL_SENT = "cancel_sent"
    CANCELED = "canceled"
    EXPIRED = "expired"


class LegState(StrEnum):
    """Derived from truth every cycle, so a leg has states but no transitions of its own."""

    BLOCKED = "blocked"
    READY = "ready"
    WORKING = "working"
    DONE = "done"
    SKIPPED = "skipped"

    @property
    def is_over(self) -> bool:
        return self in (LegState.DONE, LegState.SKIPPED)


class TrancheState(StrEnum):
    """States of a tranche."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class CampaignState(StrEnum):
    """States of a campaign."""

    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"


class KillLevel(StrEnum):
    """What the kill switch leaves alive, mildest first: the order of this list is the order of severity.

    `pause`: no new risk, hedges and reductions go on. `reduce-only`: reductions only. `cancel`: whatever is not an exit
    is withdrawn, protective stops stay and exits go on. `cancel-all`: every order is withdrawn, stops as well, and
    nothing is sent. `flatten`: the same, and then everything is sold.
    """

    OFF = "off"
    PAUSE = "pause"
    REDUCE_ONLY = "reduce-only"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel-all"
    FLATTEN = "flatten"

    @property
    def severity(self) -> int:
        return _SEVERITY[self]


_SEVERITY: Mapping[KillLevel, int] = {level: place for place, level in enumerate(KillLevel)}


def highest(*levels: KillLevel) -> KillLevel:
    """The most severe of them."""
    return max(levels, key=lambda level: level.severity)


# What each level withdraws of our live orders, and what may still be sent.
KILL_TABLE: Mapping[KillLevel, tuple[str, str]] = {
    KillLevel.OFF: ("nothing", "everything"),
    KillLevel.PAUSE: ("resting entries", "hedges, reductions, exits"),
    KillLevel.REDUCE_ONLY: ("resting entries", "reductions, exits"),
    KillLevel.CANCEL: ("everything but protective stops and exits", "exits"),
    KillLevel.CANCEL_ALL: ("everything", "nothing"),
    KillLevel.FLATTEN: ("everything", "what flattens the account"),
}


class IllegalTransition(Exception):
    """A pair of state and event that no table row allows: our bug."""


_S, _E = OrderState, OrderEvent
_LIVE = (_S.SUBMITTING, _S.IN_DOUBT, _S.OPEN, _S.CANCELING)
_ENDED_LATE = {_E.FILLED: _S.FILLED, _E.SEEN_OPEN: _S.OPEN}

ORDER_TABLE: Mapping[OrderState, Mapping[OrderEvent, OrderState]] = {
    _S.SUBMITTING: {
        _E.ACKED: _S.OPEN,
        _E.FILLED: _S.FILLED,
        _E.REJECTED: _S.REJECTED,
        _E.LOST: _S.IN_DOUBT,
        _E.SEEN_OPEN: _S.OPEN,
        _E.NOT_FOUND: _S.REJECTED,
        _E.CANCELED: _S.CANCELED,
        _E.EXPIRED: _S.EXPIRED,
    },
    _S.IN_DOUBT: {
        _E.ACKED: _S.OPEN,
        _E.FILLED: _S.FILLED,
        _E.LOST: _S.IN_DOUBT,
        _E.SEEN_OPEN: _S.OPEN,
        _E.NOT_FOUND: _S.REJECTED,
        _E.CANCELED: _S.CANCELED,
        _E.EXPIRED: _S.EXPIRED,
    },
    _S.OPEN: {
        _E.ACKED: _S.OPEN,
        _E.FILLED: _S.FILLED,
        _E.SEEN_OPEN: _S.OPEN,
        _E.CANCEL_SENT: _S.CANCELING,
        _E.CANCELED: _S.CANCELED,
        _E.EXPIRED: _S.EXPIRED,
    },
    _S.CANCELING: {
        _E.FILLED: _S.FILLED,
        _E.REJECTED: _S.OPEN,
        _E.LOST: _S.CANCELING,
        _E.SEEN_OPEN: _S.CANCELING,
        _E.CANCEL_SENT: _S.CANCELING,
        _E.CANCELED: _S.CANCELED,
        _E.EXPIRED: _S.EXPIRED,
    },
    _S.FILLED: {_E.FILLED: _S.FILLED},
    _S.CANCELED: _ENDED_LATE,
    _S.EXPIRED: _ENDED_LATE,
    _S.REJECTED: _ENDED_LATE,
}


def advance(table: Mapping[S, Mapping[E, S]], state: S, event: E) -> S:
    """The next state.

    Raises:
        IllegalTransition: when the table has no row for the pair.
    """
    try:
        return table[state][event]
    except KeyError:
        raise IllegalTransition(f"{state!s} has no transition on {event!s}") from None


def is_late(state: OrderState, event: OrderEvent) -> bool:
    """Whether the event is a fact about an order that had already ended."""
    return not state.is_live and event in (OrderEvent.FILLED, OrderEvent.SEEN_OPEN) and state is not OrderState.FILLED
