"""The table of exit rules: each fires alone at its bound, for a long and for a short; the first one counts."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import OpenExit
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan
from bot.domain.reason import Reason
from bot.playbook.positions.exit_rules import EXIT_RULES, ExitReview, why_it_ends
from tests.playbook.builders import golden_policy

D = Decimal
PERP = "UNI/USDT:USDT"


def quiet(side: Side) -> ExitReview:
    """A position that no rule ends: entered at 100, stop 10 away, best 10 ahead, all of its targets hit."""
    best, stop, target = (D(110), D(90), D(105)) if side is Side.BUY else (D(90), D(110), D(95))
    plan = ExitPlan(stop, ((target, D(1)),), D("0.05"), 1_000, D(7))
    held = OpenExit(PERP, "defi", D(1), D(100), plan, best, side=side, targets_hit=1, funding_paid=D(7))
    return ExitReview(held, best, stop, "", 999, golden_policy())


def fire(name: str, case: ExitReview) -> ExitReview:
    """The case just beyond the bound of one rule, and of no other one."""
    sign, held = case.held.side.sign, case.held
    if name == "stop":
        return replace(case, held=replace(held, targets_hit=0), mark=case.stop)
    if name == "trailing":
        return replace(case, mark=held.best_price * (1 - sign * D("0.05")))
    if name == "time":
        return replace(case, at_ms=1_000)
    if name == "funding":
        return replace(case, held=replace(held, funding_paid=D("7.01")))
    return replace(case, signed="the stance is neutral")


REASONS = {
    "stop": Reason.EXIT_STOP,
    "trailing": Reason.EXIT_TARGET,
    "time": Reason.EXIT_TIME,
    "funding": Reason.EXIT_FUNDING,
    "signs": Reason.EXIT_SIGNS,
}


def test_every_rule_is_in_the_table_in_its_order() -> None:
    assert {rule.name: rule.reason for rule in EXIT_RULES} == REASONS
    assert [rule.name for rule in EXIT_RULES] == list(REASONS)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", list(REASONS))
def test_a_rule_fires_alone_at_its_bound(name: str, side: Side) -> None:
    case = quiet(side)
    assert why_it_ends(case) is None
    beyond = fire(name, case)
    assert [rule.name for rule in EXIT_RULES if rule.judge(beyond)] == [name]
    note = why_it_ends(beyond)
    assert note is not None
    assert (note.reason, note.subject) == (REASONS[name], PERP)


@pytest.mark.parametrize("side", list(Side))
def test_a_price_just_inside_stop_and_trailing_stop_ends_nothing(side: Side) -> None:
    case, tick = quiet(side), D("0.01") * side.sign
    before_stop = fire("stop", case)
    assert why_it_ends(replace(before_stop, mark=before_stop.mark + tick)) is None
    before_trail = fire("trailing", case)
    assert why_it_ends(replace(before_trail, mark=before_trail.mark + tick)) is None


@pytest.mark.parametrize("side", list(Side))
def test_the_first_rule_of_the_table_names_the_reason(side: Side) -> None:
    case = quiet(side)
    for name in ("signs", "funding", "time", "trailing"):
        case = fire(name, case)
        note = why_it_ends(case)
        assert note is not None
        assert note.reason is REASONS[name]
    note = why_it_ends(replace(case, mark=case.stop))
    assert note is not None
    assert note.reason is Reason.EXIT_STOP
