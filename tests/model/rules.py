"""What can be switched off: the rules of the protocol, and what the protocol takes for granted of the world."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol. A rule that is off is replaced by what a simpler bot would do.

    The code of each rule stands in `tests.model.cases`.
    """

    journal_before_send: bool = True  # else the row is written after the POST
    commit_is_on_disk: bool = True  # else a committed row may be lost in a crash
    id_from_journal: bool = True  # else attempts are counted in memory
    one_id_per_post: bool = True  # else a new attempt carries the id of the first
    signed_with_journaled_stamp: bool = True  # else a request is signed at the moment it leaves
    unknown_reply_is_doubt: bool = True  # else a garbled reply or a proxy's error is a rejection
    acknowledged_is_not_executed: bool = True  # else an acknowledged order counts as filled
    duplicate_id_is_doubt: bool = True  # else "duplicate id" is a rejection
    late_refusal_is_doubt: bool = True  # else "outside the receive window" is a rejection, whichever copy it is about
    no_send_while_in_doubt: bool = True  # else an order in doubt does not hold its intent back
    window_before_absence: bool = True  # else "not found" is believed at once
    lag_before_absence: bool = True  # else it is believed as soon as the receive window is over
    asked_after_quiet: bool = True  # else the quiet period is measured when the answer comes
    clock_before_absence: bool = True  # else it is measured with a clock that may have been put forward
    asked_twice: bool = True
    asked_everywhere: bool = True  # else by client id only
    absence_ends_doubt: bool = True  # else an order that never came to be stays in doubt for ever
    restart_settles: bool = True  # else a new process takes a row without an outcome for one never sent
    doubt_fills_cap: bool = True  # else only orders known to be alive count
    cancel_refused_proves_nothing: bool = True  # else the order is over when a cancel finds nothing
    cancel_lost_proves_nothing: bool = True  # else the order is over when a cancel was sent
    canceled_with_its_fills: bool = True  # else a confirmed cancel ends an order with the fills known by then
    fill_counts_once: bool = True  # else every reading of a fill adds it
    one_writer: bool = True  # lock file and lease; else any daemon opens the journal
    chain_refuses_stale_writer: bool = True  # else one that was overtaken goes on writing
    kill_checked_at_send: bool = True  # else only before the order is written down
    kill_outlives_process: bool = True  # else it is held in memory


@dataclass(frozen=True, slots=True)
class World:
    """Bounds of one exploration, and what is taken for granted of venue, network and clock.

    Sizes are in units of the smallest order. `crashes` to `pauses` bound how often each fault comes; a request can be
    lost or late, and a reply lost or garbled, any number of times.
    """

    name: str
    intents: int = 1
    size: int = 1
    cap: int | None = None
    orders_per_intent: int = 2
    daemons: int = 1
    may_expire: bool = False
    may_refuse: bool = False
    may_garble: bool = False
    has_cancels: bool = False
    has_switch: bool = False
    crashes: int = 1
    duplicates: int = 0
    glitches: int = 0
    clock_steps: int = 0
    pauses: int = 0
    minds_eviction: bool = True  # whether a daemon at work that loses its journal is a violation
    remembers_ids: bool = False  # a venue that refuses every id it ever took, not only those of open orders
    acknowledges_first: bool = False  # a venue that answers before it matches: every accepted order is said to be open
    honours_window: bool = True
    is_lag_bounded: bool = True  # on one of the two endpoints, it is not known which
