"""The order protocol as a model: sound with all its rules, and every rule is there for a reason.

`python -m tests.model --traces` prints what these tests find.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Order as JournalOrder
from bot.domain.order import OrderType, Purpose, TimeInForce
from bot.domain.states import OrderState
from bot.execution.order_reports import _event_of
from bot.ports import OrderReport, ReportState
from tests.model.cases import ASSUMPTIONS, CASES, DAEMONS, RULE_NAMES, WORLDS, Case, without
from tests.model.checker import Exploration, explore, lines_of
from tests.model.protocol import TWO_ORDERS_LIVE, Protocol, report_event
from tests.model.rules import Rules, World
from tests.model.state import CANCELED, FILLED, RESTING, Order


def tell(seen: Exploration) -> str:
    """Printed, so that `pytest -rP` shows figures and traces."""
    words = f"{seen.states} states, {seen.transitions} transitions, depth {seen.depth}, {seen.seconds:.1f} s"
    text = "\n".join([words, *(lines_of(seen.finding) if seen.finding else ["  no violation"])])
    print(text)
    return text


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_with_all_rules_nothing_goes_wrong_and_everything_settles(world: World) -> None:
    seen = explore(Protocol(Rules(), world))
    assert seen.finding is None, tell(seen)
    assert seen.states > 1_000, "the world has become too small to say anything"
    tell(seen)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_without_one_rule_the_violation_it_prevents_is_found(case: Case) -> None:
    seen = explore(Protocol(case.rules, case.world))
    words = tell(seen)
    assert seen.finding is not None, words
    assert seen.finding.name == case.violation, words


def test_every_rule_has_its_case() -> None:
    assert [case.rule for case in CASES] == list(RULE_NAMES)


@pytest.mark.parametrize("words", ASSUMPTIONS)
def test_what_is_taken_for_granted_is_needed(words: str) -> None:
    world, violation = ASSUMPTIONS[words]
    seen = explore(Protocol(Rules(), world))
    text = tell(seen)
    assert seen.finding is not None, text
    assert seen.finding.name == violation, text


def test_an_evicted_daemon_sends_nothing_even_where_lock_and_lease_fail() -> None:
    """The hash chain is a second net under them: a daemon that was overtaken cannot write, so it cannot send."""
    world = replace(DAEMONS, minds_eviction=False, pauses=0)
    assert explore(Protocol(without("one_writer"), world)).finding is None
    seen = explore(Protocol(without("one_writer", "chain_refuses_stale_writer"), world))
    assert seen.finding is not None
    assert seen.finding.name == TWO_ORDERS_LIVE, tell(seen)


REPORTED = {RESTING: ReportState.OPEN, FILLED: ReportState.FILLED, CANCELED: ReportState.CANCELED}


@pytest.mark.parametrize("row", OrderState)
@pytest.mark.parametrize("what", REPORTED)
@pytest.mark.parametrize("known", [0, 1, 2])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_report_means_in_the_model_what_it_means_in_the_bot(
    row: OrderState, what: str, known: int, done: int
) -> None:
    order = JournalOrder(
        client_id="tsb",
        intent_id="1",
        purpose=Purpose.INCREASE,
        sector="defi",
        symbol="UNI/USDT",
        side=Side.BUY,
        size=Decimal(2),
        price=Decimal(1),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        state=row,
        sent_ms=0,
        receive_window_ms=5_000,
        venue_id="7",
        filled_size=Decimal(known),
    )
    report = OrderReport(
        symbol="UNI/USDT",
        client_id="tsb",
        venue_id="7",
        state=REPORTED[what],
        side=Side.BUY,
        size=Decimal(2),
        filled_size=Decimal(done),
        filled_quote=Decimal(done),
        price=Decimal(1),
        reduce_only=False,
        is_trigger=False,
        at_ms=0,
    )
    assert report_event(Order(0, 2, row=row, known=known), (what, done)) == _event_of(order, report)
