"""What is explored: small worlds, each rule with what goes wrong without it, and what no rule can make up for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from tests.model.checker import NEVER_SETTLES
from tests.model.protocol import (
    CAP_PASSED,
    DAEMON_EVICTED,
    DEAD_CAME_ALIVE,
    FILL_FORGOTTEN,
    FILL_INVENTED,
    ORDER_NOT_JOURNALED,
    SENT_AFTER_SWITCH,
    TWO_ORDERS_LIVE,
)
from tests.model.rules import Rules, World

WIRE = World("wire", crashes=1, duplicates=1, may_expire=True, may_garble=True, remembers_ids=True)
LATER = replace(WIRE, name="acknowledged first", acknowledges_first=True)
CRASHES = World("crashes", crashes=2, may_expire=True, may_garble=True)
DOUBTS = World("doubts", crashes=1, glitches=1, clock_steps=1, may_expire=True)
CANCELS = World("cancels", size=2, orders_per_intent=1, crashes=1, has_cancels=True)
RETRIES = World("retries", crashes=0, has_cancels=True, may_refuse=True)
SWITCH = World("switch", has_switch=True, crashes=1, may_expire=True)
DAEMONS = World("daemons", daemons=2, pauses=1, crashes=0, may_refuse=True)
CAP = World("cap", intents=2, cap=1, orders_per_intent=1, crashes=1, may_refuse=True)
WORLDS = (WIRE, LATER, CRASHES, DOUBTS, CANCELS, RETRIES, SWITCH, DAEMONS, CAP)
DEEP_WORLDS = (
    replace(WIRE, name="wire, deep", crashes=2, glitches=1),
    replace(DOUBTS, name="doubts, deep", crashes=2, has_cancels=True),
    replace(CANCELS, name="cancels, deep", orders_per_intent=2, crashes=1),
    replace(RETRIES, name="retries, deep", crashes=1),
    replace(SWITCH, name="switch, deep", crashes=2, has_cancels=True, may_garble=True),
    replace(DAEMONS, name="daemons, deep", crashes=1, has_switch=True),
    replace(CAP, name="cap, deep", orders_per_intent=2),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, where its absence shows, the violation it prevents, and the code that keeps it."""

    rule: str
    world: World
    violation: str
    code: str

    @property
    def rules(self) -> Rules:
        """All rules but this one."""
        return without(self.rule)


def without(*names: str) -> Rules:
    """All rules but the named ones."""
    return replace(Rules(), **dict.fromkeys(names, False))


RULE_NAMES = tuple(field.name for field in fields(Rules))
CASES = (
    Case("journal_before_send", WIRE, ORDER_NOT_JOURNALED, "placement.Placement._write_send_write"),
    Case("commit_is_on_disk", WIRE, ORDER_NOT_JOURNALED, "journal_writer.Writer._transact, synchronous=FULL"),
    Case("id_from_journal", DOUBTS, DEAD_CAME_ALIVE, "executor.Executor._next_id, journal.Journal._write_submitting"),
    Case("one_id_per_post", RETRIES, DEAD_CAME_ALIVE, "executor.Executor._next_id, journal.Journal._write_submitting"),
    Case("signed_with_journaled_stamp", WIRE, DEAD_CAME_ALIVE, "placement._request"),
    Case("unknown_reply_is_doubt", WIRE, DEAD_CAME_ALIVE, "placement.Placement._write_send_write"),
    Case("acknowledged_is_not_executed", LATER, FILL_INVENTED, "ports.acknowledged, executor.Executor._follow"),
    Case("duplicate_id_is_doubt", WIRE, DEAD_CAME_ALIVE, "placement.Placement._write_send_write"),
    Case("late_refusal_is_doubt", WIRE, DEAD_CAME_ALIVE, "placement.Placement._rejected"),
    Case("no_send_while_in_doubt", WIRE, TWO_ORDERS_LIVE, "journal.Journal._write_submitting, Executor._prepare"),
    Case("window_before_absence", WIRE, DEAD_CAME_ALIVE, "unknown_outcomes.UnknownOutcomes._is_quiet"),
    Case(
        "lag_before_absence",
        WIRE,
        DEAD_CAME_ALIVE,
        "unknown_outcomes.UnknownOutcomes._is_quiet, Profile.quiet_period_ms",
    ),
    Case("asked_after_quiet", DOUBTS, DEAD_CAME_ALIVE, "unknown_outcomes.UnknownOutcomes._resolve"),
    Case("clock_before_absence", DOUBTS, DEAD_CAME_ALIVE, "unknown_outcomes.UnknownOutcomes._is_quiet"),
    Case("asked_twice", DOUBTS, DEAD_CAME_ALIVE, "unknown_outcomes.UnknownOutcomes._resolve"),
    Case("asked_everywhere", DOUBTS, DEAD_CAME_ALIVE, "unknown_outcomes.UnknownOutcomes._query_order"),
    Case("absence_ends_doubt", CAP, NEVER_SETTLES, "unknown_outcomes.UnknownOutcomes._absent"),
    Case("restart_settles", WIRE, DEAD_CAME_ALIVE, "reconcile.Reconciler._settle, Doubts._settle_one"),
    Case("doubt_fills_cap", CAP, CAP_PASSED, "Order.open_size, states._LIVE, risk.projection.pending_of"),
    Case("cancel_refused_proves_nothing", CANCELS, DEAD_CAME_ALIVE, "placement.Placement._after_cancel"),
    Case("cancel_lost_proves_nothing", CANCELS, DEAD_CAME_ALIVE, "placement.Placement._write_cancel_write"),
    Case("canceled_with_its_fills", CANCELS, FILL_FORGOTTEN, "placement.Placement._after_cancel"),
    Case("fill_counts_once", CANCELS, FILL_INVENTED, "journal.Journal._write_fills, journal_schema._refresh_filled"),
    Case("one_writer", DAEMONS, DAEMON_EVICTED, "journal_lease.LockFile, journal_lease.take_lease"),
    Case("chain_refuses_stale_writer", DAEMONS, TWO_ORDERS_LIVE, "event_log.EventLog.append"),
    Case("kill_checked_at_send", SWITCH, SENT_AFTER_SWITCH, "placement.Placement._why_not_sent"),
    Case("kill_outlives_process", SWITCH, SENT_AFTER_SWITCH, "app.kill.KillSwitch._latch_rise, app.kill.FlagFile"),
)

ASSUMPTIONS: Mapping[str, tuple[World, str]] = {
    "the venue refuses a request after its receive window": (
        replace(DOUBTS, honours_window=False),
        DEAD_CAME_ALIVE,
    ),
    "one endpoint shows an accepted order within the visibility lag": (
        replace(DOUBTS, is_lag_bounded=False),
        DEAD_CAME_ALIVE,
    ),
    "replicas without any order do not answer twice in a row": (replace(DOUBTS, glitches=2), DEAD_CAME_ALIVE),
    "a doubled request meets a venue that remembers the ids of closed orders": (
        replace(WIRE, remembers_ids=False),
        TWO_ORDERS_LIVE,
    ),
    "a request that was refused for a passing reason is not doubled": (replace(WIRE, may_refuse=True), DEAD_CAME_ALIVE),
}
"""What the protocol takes for granted, and what happens where it does not hold: no rule of ours can make up for it."""
