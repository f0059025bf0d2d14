"""Ways to break the bot, each a small patch of one of its parts: what the simulation must be able to see.

Each names the rule it breaks, the faults that bring it out, and within how many seeds it is found.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.domain.states import OrderEvent
from bot.execution import placement as placement_module
from bot.execution.executor import Executor
from bot.execution.order_reports import OrderReports
from bot.execution.placement import Placed, Placement
from bot.execution.reconcile import Reconciler
from bot.execution.unknown_outcomes import UnknownOutcomes
from bot.journal.disk.lease import LockFile
from bot.journal.journal import Journal
from bot.playbook.overlays import directional as speculation
from bot.ports import OrderRequest, Rejection
from bot.risk import gate
from bot.risk.account_checks import check_purpose
from bot.risk.projection import is_uncertain
from bot.runtime import turn
from bot.runtime.kill.switch import KillSwitch
from bot.runtime.risk_inputs import turn_risk
from tests.sim.faults import Kind
from tests.sim.world import BINANCE, Seam

Break = Callable[[pytest.MonkeyPatch], None]
LARGE = {
    "risk.order_notional_max_quote": "25000",
    "playbook.rotation.bridge": "reserve",
    "playbook.regime.override": "breakout",
}
SLICED = {**LARGE, "risk.order_notional_max_quote": "1500"}
LOSSES = (Kind.REQUEST_LOST, Kind.REPLY_LOST, Kind.REQUEST_LATE)


@dataclass(frozen=True)
class Mutant:
    """`rules`: any of these sentences' beginnings is the right finding. `limits` and `playbook` replace those of the
    seed; `ends`: it shows only when everything has come to rest; `first` is the first of its seeds."""

    name: str
    apply: Break
    rules: tuple[str, ...]
    kinds: tuple[Kind, ...]
    seeds: int = 4
    heaviness: float = 4.0
    limits: Mapping[str, str] = field(default_factory=dict)
    playbook: Mapping[str, str] = field(default_factory=dict)
    ends: bool = False
    first: int = 0
    lives: int = 2
    seam: Seam = Seam.PORT
    renames: bool = False
    venue: str = BINANCE


def send_before_write(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, order: Any, intent: Any, stopping: Any) -> Placed:
        report = await self._venue.submit_order(placement_module._request(order))
        await self._journal.record_submitting(order)
        return await self._answered(order, report)  # type: ignore[no-any-return]

    patch.setattr(Placement, "_write_send_write", mutant)


def resend_in_doubt(patch: pytest.MonkeyPatch) -> None:
    original = Placement._settle_unknown_outcome

    async def mutant(self: Any, order: Any, why: str) -> Placed:
        with contextlib.suppress(Exception):
            await self._venue.submit_order(placement_module._request(order))
        return await original(self, order, why)

    patch.setattr(Placement, "_settle_unknown_outcome", mutant)


def take_doubt_for_rejection(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, order: Any, why: str) -> Placed:
        rejected = await self._journal.record_order_event(order.client_id, OrderEvent.REJECTED, reason=why)
        return Placed(rejected, may_retry=True)

    patch.setattr(Placement, "_settle_unknown_outcome", mutant)


def reuse_the_id(patch: pytest.MonkeyPatch) -> None:
    original = placement_module._request

    def mutant(order: Any) -> OrderRequest:
        return replace(original(order), client_id=order.client_id[:-5] + "00000")

    patch.setattr(placement_module, "_request", mutant)


def stamp_when_sent(patch: pytest.MonkeyPatch) -> None:
    original = Placement._write_send_write

    async def mutant(self: Any, order: Any, intent: Any, stopping: Any) -> Placed:
        submit = self._venue.submit_order

        async def late(request: OrderRequest) -> Any:
            return await submit(replace(request, stamp_ms=request.stamp_ms + 1_000))

        patch.setattr(self._venue, "submit_order", late)
        return await original(self, order, intent, stopping)

    patch.setattr(Placement, "_write_send_write", mutant)


def forget_reduce_only(patch: pytest.MonkeyPatch) -> None:
    original = placement_module._request
    patch.setattr(placement_module, "_request", lambda order: replace(original(order), reduce_only=False))


def forget_doubt_in_caps(patch: pytest.MonkeyPatch) -> None:
    def mutant(risk: Any, snapshot: Any, portfolio: Any, working: Any, *rest: Any) -> Any:
        return turn_risk(risk, snapshot, portfolio, tuple(o for o in working if not is_uncertain(o)), *rest)

    patch.setattr(turn, "turn_risk", mutant)


def take_unknown_for_cancelled(patch: pytest.MonkeyPatch) -> None:
    original = Placement._after_cancel

    async def mutant(self: Any, order: Any, is_confirmed: bool, refusal: Any) -> Any:
        if refusal is not None and refusal.kind is Rejection.NOT_FOUND:
            return await self._journal.record_order_event(order.client_id, OrderEvent.CANCELED), ()
        return await original(self, order, is_confirmed, refusal)

    patch.setattr(Placement, "_after_cancel", mutant)


def take_duplicate_for_rejection(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, order: Any, why: str) -> Placed:
        if "duplicate" in why:
            rejected = await self._journal.record_order_event(order.client_id, OrderEvent.REJECTED, reason=why)
            return Placed(rejected)
        await self._record_unknown_outcome(order.client_id, why)
        return await self._query_again(order, ())  # type: ignore[no-any-return]

    patch.setattr(Placement, "_settle_unknown_outcome", mutant)


def skip_the_quiet_period(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UnknownOutcomes, "_is_quiet", lambda self, order: True)


def believe_one_endpoint(patch: pytest.MonkeyPatch) -> None:
    async def look(self: Any, order: Any) -> Any:
        return await self._evidence.fetch_order(order)

    async def absent(self: Any, order: Any) -> Any:
        return await self._journal.record_order_event(order.client_id, OrderEvent.NOT_FOUND), ()

    patch.setattr(UnknownOutcomes, "_query_order", look)
    patch.setattr(UnknownOutcomes, "_absent", absent)


def ignore_the_switch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KillSwitch, "is_stopped", lambda self, intent: False)


def count_fills_twice(patch: pytest.MonkeyPatch) -> None:
    original = Journal.record_fills

    async def mutant(self: Any, fills: Any, **sizes: Any) -> Any:
        await original(self, fills, **sizes)
        return await original(self, [replace(f, trade_id=f.trade_id + "0000") for f in fills[:1]], **sizes)

    patch.setattr(Journal, "record_fills", mutant)


def forget_fills(patch: pytest.MonkeyPatch) -> None:
    original = Journal.record_fills

    async def mutant(self: Any, fills: Any, **sizes: Any) -> Any:
        return await original(self, [f for f in fills if not f.trade_id.endswith("3")], **sizes)

    patch.setattr(Journal, "record_fills", mutant)


def leave_the_lock_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LockFile, "acquire", lambda self: None)


def forget_late_facts(patch: pytest.MonkeyPatch) -> None:
    original = OrderReports.record_report

    async def mutant(self: Any, order: Any, report: Any) -> Any:
        is_fill = report.filled_size > 0 and report.filled_size < order.size
        return (order, ()) if is_fill else await original(self, order, report)

    patch.setattr(OrderReports, "record_report", mutant)


def believe_any_account(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, account: Any) -> tuple[Any, ...]:
        return ()

    patch.setattr(Reconciler, "_compare", mutant)


def send_all_that_is_left_twice(patch: pytest.MonkeyPatch) -> None:
    original = Executor._new_order

    def mutant(self: Any, item: Any, size: Any) -> Any:
        return original(self, item, item.size * 2)

    patch.setattr(Executor, "_new_order", mutant)


def wager_on_a_hedge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(speculation, "_free_perps", lambda *_: (["UNI/USDT:USDT"], []))
    patch.setattr(gate, "CHECKS", tuple(check for check in gate.CHECKS if check.judge is not check_purpose))


MUTANTS = (
    Mutant("send before write", send_before_write, ("written before it is sent",), ()),
    Mutant("resend in doubt", resend_in_doubt, ("an id is used once",), LOSSES),
    Mutant(
        "take doubt for rejection",
        take_doubt_for_rejection,
        ("a rejected order does not exist", "children within parent", "one live order per intent"),
        LOSSES,
    ),
    Mutant("reuse the id", reuse_the_id, ("an id is used once", "written before it is sent"), (Kind.REJECTED,)),
    Mutant("stamp when sent", stamp_when_sent, ("sent as it is written",), ()),
    Mutant("forget reduce-only", forget_reduce_only, ("sent as it is written",), (), playbook=LARGE, lives=4),
    Mutant(
        "forget doubt in caps",
        forget_doubt_in_caps,
        ("cap on",),
        (Kind.REQUEST_LATE, Kind.REPLY_LOST),
        seeds=12,
        heaviness=8,
        limits={"turnover_max": "0.30"},
        playbook=SLICED,
        lives=4,
    ),
    Mutant(
        "take 'not found' for cancelled",
        take_unknown_for_cancelled,
        ("what is over is over",),
        (Kind.CANCEL_BLIND,),
        heaviness=8,
        lives=4,
        playbook={**SLICED, "playbook.tactical.leverage": "3", "playbook.exits.stop": "0.08"},
    ),
    Mutant(
        "take 'duplicate' for rejection",
        take_duplicate_for_rejection,
        ("a rejected order does not exist",),
        (Kind.REQUEST_TWICE,),
        seeds=8,
        heaviness=8,
        playbook=LARGE,
    ),
    Mutant(
        "skip the quiet period",
        skip_the_quiet_period,
        ("a rejected order does not exist",),
        (Kind.REQUEST_LATE,),
        heaviness=8,
        playbook=SLICED,
    ),
    Mutant(
        "believe one endpoint",
        believe_one_endpoint,
        ("a rejected order does not exist",),
        (Kind.BLIND, Kind.REPLY_LOST),
        seeds=12,
        heaviness=8,
        playbook=SLICED,
    ),
    Mutant(
        "ignore the switch",
        ignore_the_switch,
        ("nothing after the switch",),
        (Kind.KILL_IN_TURN, Kind.SLOW_WIRE),
        seeds=8,
        heaviness=16,
        playbook=SLICED,
    ),
    Mutant("count fills twice", count_fills_twice, ("a fill is the exchange's", "a fill counts once"), ()),
    Mutant(
        "forget fills", forget_fills, ("every fill is written", "tokens add up", "agreement at the end"), (), ends=True
    ),
    Mutant("leave the lock open", leave_the_lock_open, ("one writer",), (Kind.SECOND_DAEMON,)),
    Mutant(
        "forget reports of parts", forget_late_facts, ("no doubt is left", "orders agree at the end"), (), ends=True
    ),
    Mutant(
        "believe any account",
        believe_any_account,
        ("a leg is moved once",),
        (Kind.LAG_ACCOUNT,),
        heaviness=8,
        playbook=LARGE,
    ),
    Mutant(
        "wager on a hedge",
        wager_on_a_hedge,
        ("hedge or wager",),
        (),
        seeds=4,
        playbook={"playbook.short.is_on": "true", "playbook.regime.override": "downtrend"},
    ),
    Mutant("send twice as much", send_all_that_is_left_twice, ("children within parent",), ()),
)
