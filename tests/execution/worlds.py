"""Short worlds for the execution tests: a journal on a temporary file, a scripted venue, intents and orders."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.instrument import Side
from bot.domain.order import Intent, Order, OrderType, Purpose, TimeInForce
from bot.domain.order_ids import ClientOrderId
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.execution.executor import Executor
from bot.execution.reconcile import Reconciler, Truth
from bot.execution.rules import ExecutionRules, ExecutionTiming
from bot.journal.journal import Journal
from bot.risk import Approved
from tests.execution.scripted_venue import PERP, SPOT, START_MS, ScriptedVenue

ACCOUNT = "main"
TOKEN = "the same ids in every run"
SYMBOLS = (SPOT, "UNI/USDT:USDT")
FAST = ExecutionRules(
    timing=ExecutionTiming(
        backoff_ms=0, poll_interval_ms=0, polls=2, not_found_interval_ms=0, mismatch_interval_ms=0, cancel_grace_ms=20
    )
)


@dataclass
class World:
    venue: ScriptedVenue
    journal: Journal
    executor: Executor
    reconciler: Reconciler


async def open_world(
    path: Path,
    venue: ScriptedVenue,
    *,
    rules: ExecutionRules = FAST,
    is_stopped: Callable[[Intent | None], bool] = lambda intent: False,
    threaded: bool = False,
) -> World:
    journal = await Journal.open(path, account=ACCOUNT, now_ms=venue.now_ms, threaded=threaded, token=TOKEN)
    executor = Executor(venue, journal, rules, account=ACCOUNT, is_stopped=is_stopped)
    return World(venue, journal, executor, Reconciler(venue, journal, rules))


def approve(purpose: Purpose = Purpose.INCREASE, **changes: Any) -> Approved:
    """An approved intent to buy 4 UNI at 11 or less."""
    intent = Intent(
        id=changes.pop("id", "c1.t1.l1"),
        campaign=1,
        tranche=1,
        leg=changes.pop("leg", 1),
        purpose=purpose,
        sector="defi",
        symbol=SPOT,
        side=Side.BUY,
        size=Decimal(4),
        worst_price=Decimal(11),
        reference_price=Decimal(10),
    )
    intent = replace(intent, **changes)
    return Approved(intent, intent.size, intent.worst_price)


def approve_stop() -> Approved:
    """An approved stop that ends a long of 4 UNI on the perp at 8."""
    return approve(
        Purpose.EXIT,
        id=f"x3.{PERP}",
        campaign=0,
        tranche=3,
        leg=1,
        symbol=PERP,
        side=Side.SELL,
        reduce_only=True,
        order_type=OrderType.STOP,
        trigger_price=Decimal(8),
        time_in_force=TimeInForce.GTC,
    )


def make_order(number: int = 0, **changes: Any) -> Order:
    order = Order(
        client_id=ClientOrderId(ACCOUNT, 1, 1, 1, number, 0).text,
        intent_id=f"intent-{number}",
        purpose=Purpose.INCREASE,
        sector="defi",
        symbol=SPOT,
        side=Side.BUY,
        size=Decimal(4),
        price=Decimal(11),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        reduce_only=False,
        state=OrderState.SUBMITTING,
        sent_ms=START_MS,
        receive_window_ms=5_000,
    )
    return replace(order, **changes)


def reasons(truth: Truth) -> set[Reason]:
    """Why a settlement says something."""
    return {note.reason for note in truth.notes}
