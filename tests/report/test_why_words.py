"""`why` read by a stranger: which signals led to which condition, which rule to which target, what would turn it."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bot.cli.main import app
from bot.domain.campaign import Condition, Memory, Opening, RegimeMemory, Stance
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.money import ONE
from bot.domain.order import ExitPlan, Purpose
from bot.domain.reason import Note, Reason
from bot.domain.turn.decision import Decision, Signal
from bot.playbook.policy.numbers import Policy
from bot.report import rows, tables
from bot.report.explanation import Explanation, explain_decision
from tests.playbook.builders import START_MS

Invoke = Callable[..., Result]
POLICY = Policy()
UP = {
    "relative_strength": 0.9,
    "tvl_growth": 0.5,
    "volume": 0.4,
    "trend": 0.6,
    "breadth": 0.8,
    "ratio_breakout": 0.2,
    "drawdown": -0.1,
    "volatility": 0.0,
    "crowding": -0.3,
}


TARGET = {"defi.spot": "0.50", "defi.futures": "0.05", "infra.spot": "0.40", "cash": "0.05"}


def decision(scores: dict[str, float], **changes: Any) -> Decision:
    regime = RegimeMemory(Condition.EUPHORIA, START_MS - HOUR_MS, Condition.EUPHORIA, START_MS - HOUR_MS)
    base = Decision(
        at_ms=START_MS,
        signals=tuple(Signal(name, score, score, name, 0) for name, score in scores.items()),
        condition=Condition.EUPHORIA,
        confidence=Decimal("0.685"),
        phases={},
        stance=Stance.INTO_DEFI,
        target={name: Decimal(part) for name, part in TARGET.items()},
        intents=(),
        transfers=(),
        notes=(Note(Reason.SIGNAL_MISSING, "calendar: empty", "calendar"),),
        memory=Memory(regime=regime),
    )
    return replace(base, **changes)


def told(policy: Policy = POLICY, **changes: Any) -> Explanation:
    return explain_decision(decision(changes.pop("scores", UP), **changes), policy, START_MS)


def test_the_confidence_is_taken_apart_and_the_rule_leads_to_the_target() -> None:
    rule = told().rule
    assert rule[0].startswith("euphoria: confidence 68% = relative_strength 32% of 35% + tvl_growth 10% of 20%")
    assert rule[0].endswith("(begins at 50%, ends below 30%)")
    assert rule[1] == "euphoria asks for into_defi: shift 20% of the book from infra into defi"
    assert "defi.spot 50.0% (neutral 30.0%)" in rule[2]
    assert "cash 5.0% (neutral 0.0%)" in rule[2]
    assert rule[3] == (
        "no new tactical long: euphoria is no breakout and its confidence 68% is below 80% "
        "(playbook.tactical.confidence)"
    )


def test_every_other_condition_is_told_with_what_it_lacks() -> None:
    words = {line.partition(":")[0]: line for line in told().turns}
    assert set(words) >= {"neutral", "breakout", "downtrend", "uncertainty", "time"}
    assert "50% needed and more than the 68% of euphoria; read with ratio_breakout at" in words["breakout"]
    assert "instead of +0.20" in words["breakout"]
    assert "euphoria ends below 30% (68% now)" in words["neutral"]
    assert "calendar is missing: 35% of the evidence for uncertainty" in told().turns
    assert not any("rates" in line and "missing" in line for line in told().turns), "nobody has set it up"


def test_a_condition_that_is_not_believed_yet_stands_beside_the_one_in_force() -> None:
    held = Note(Reason.CONDITION_HELD, "breakout must persist for 4 h before it is believed", "breakout")
    for notes, words in (((), ""), ((held,), "; breakout must persist for 4 h before it is believed")):
        row = rows.why(decision(UP, notes=notes), number=1, at_ms=START_MS)
        out = io.StringIO()
        Console(file=out, width=200, color_system=None).print(tables.why_view(row, START_MS))
        line = next(line for line in out.getvalue().splitlines() if line.startswith("condition "))
        assert line.split("ago)")[1].rstrip() == words


def test_time_that_has_to_pass_is_told() -> None:
    assert any("lives for at least 72 h, until" in line for line in told().turns)
    late = RegimeMemory(Condition.EUPHORIA, START_MS - 100 * HOUR_MS, Condition.DOWNTREND, START_MS - HOUR_MS)
    words = told(memory=Memory(regime=late)).turns
    assert words[0].startswith("time: downtrend has been read since")
    assert "if it lasts" in words[0]
    assert not any("lives for at least" in line for line in words)


def test_exit_signs_say_how_near_they_are_and_what_they_forbid() -> None:
    assert "exit sign “crowding” would show at -0.50 or less: crowding is at -0.30" in told().turns
    shown = told(scores=UP | {"crowding": -0.7})
    assert "exit sign “crowding” shows at -0.50 or less: crowding is at -0.70" in shown.turns
    assert shown.rule[3] == "no new tactical long: exit signs (crowding)"
    ended = told(scores=UP | {"crowding": -0.7, "tvl_growth": -0.6}, stance=Stance.NEUTRAL)
    assert ended.rule[1] == "euphoria asks for into_defi, but the stance is neutral: see the exit signs"


def test_an_override_is_told_as_the_only_reason() -> None:
    words = told(POLICY.changed({"regime.override": Condition.EUPHORIA}))
    assert words.rule[0] == "the operator reads the market as euphoria (playbook.regime.override)"
    assert words.turns == ["only the setting playbook.regime.override = euphoria: signals are not followed"]


def test_high_confidence_allows_one_long_while_the_stance_stands() -> None:
    assert (
        told(confidence=Decimal("0.90"))
        .rule[3]
        .startswith("a tactical long may be opened, one while the stance stands")
    )
    had = decision(UP, confidence=Decimal("0.90"))
    had = replace(had, memory=replace(had.memory, longed=Stance.INTO_DEFI))
    (words,) = explain_decision(had, POLICY, START_MS).rule[3:]
    assert words == "no further tactical long: the stance has had its own"
    plan = ExitPlan(ONE, (), ONE, START_MS, ONE)
    opening = Opening("UNI/USDT:USDT", "defi", Purpose.TACTICAL, Side.BUY, ONE, ONE, ONE, plan, START_MS)
    had = replace(had, memory=replace(had.memory, opening=(opening,)))
    (words,) = explain_decision(had, POLICY, START_MS).rule[3:]
    assert words == "the stance takes one tactical long: UNI/USDT:USDT"


def test_neutral_asks_for_nothing() -> None:
    calm = told(
        scores=dict.fromkeys(UP, 0.0),
        condition=Condition.NEUTRAL,
        stance=Stance.INTO_INFRA,
        memory=Memory(),
        confidence=ONE,
    )
    asked = "neutral asks for nothing: the stance into_infra stands and only drift is rebalanced"
    assert calm.rule[1] == f"{asked}; 168 h of it lead back to neutral"
    assert not any(line.startswith("neutral:") for line in calm.turns)
    assert sum("50% needed" in line for line in calm.turns) == 4


@pytest.fixture
def invoke(workplace: Path) -> Invoke:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1"})


def test_a_run_is_explained_with_the_funding_of_its_perp_legs(invoke: Invoke, finished_run: Path) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    shown, told = invoke("why", "1", "--journal", journal), invoke("why", "1", "--journal", journal, "--json")
    assert (shown.exit_code, told.exit_code) == (0, 0)
    document = json.loads(told.stdout)
    assert {row["condition"] for row in document["evidence"]} == {c.value for c in Condition} - {"neutral"}
    assert document["rule"]
    assert "What would change its mind" in shown.stdout
    assert "Conditions" in shown.stdout
    for row in document["funding"]:
        assert row["symbol"] in shown.stdout
        assert {"expected", "actual_quote"} <= row.keys()
