"""The playbook without each of its legs: what is switched off, and what is said of the difference."""

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition
from bot.domain.durations import DAY_MS
from bot.lab.sweep.ablation import ablation_text, legs_of, value_of
from bot.playbook.policy.choices import HedgeWith
from bot.runtime.settings.model import load_settings
from tests.commands import sectorbot
from tests.lab.markets import DAY, START_MS, wandering, write_history
from tests.profiles import examples

DAYS = 400
TIMES = [day * DAY_MS for day in range(DAYS + 1)]


def curve(seed: int, drift: float = 0.0) -> list[float]:
    chance, levels = random.Random(seed), [100.0]
    for _ in range(DAYS):
        levels.append(levels[-1] * (1 + drift + chance.gauss(0, 0.02)))
    return levels


def test_each_leg_that_is_on_can_be_switched_off() -> None:
    whole = load_settings(())
    legs = {leg.name: load_settings((), leg.off) for leg in legs_of(whole)}
    assert len(legs) == 7
    assert legs["all rotations"].playbook.regime.override is Condition.NEUTRAL
    reduced = legs["reduction in a downtrend"].playbook.allocation
    assert reduced.de_risk == reduced.neutral == whole.playbook.allocation.neutral
    assert not legs["hedges"].playbook.hedging.is_on
    assert legs["basket, against the leader"].playbook.hedging.instrument is HedgeWith.LEADER
    assert not legs["tactical longs"].playbook.tactical.is_on
    assert not legs["waiting for entries"].playbook.entries.wait
    assert legs["stop after a drawdown"].risk.drawdown_max == 1
    for without in legs.values():
        assert without.digest != whole.digest


def test_a_leg_that_is_off_is_not_compared() -> None:
    off = ("playbook.hedging.is_on=false", "playbook.tactical.is_on=false", "playbook.entries.wait=false")
    names = [leg.name for leg in legs_of(load_settings((), (*off, "risk.drawdown_max=1")))]
    assert names == ["all rotations", "reduction in a downtrend"]


def test_where_trends_scale_the_reduction_both_are_legs_of_their_own() -> None:
    legs = {leg.name: load_settings((), leg.off) for leg in legs_of(load_settings((), ("playbook.trend.is_on=true",)))}
    assert len(legs) == 8
    assert legs["reduction in a downtrend"].playbook.trend.core == 1
    assert not legs["the sectors' own trends"].playbook.trend.is_on


def test_a_leg_that_changes_nothing_adds_nothing() -> None:
    value = value_of("hedges", TIMES, curve(1), curve(1), 1, 7)
    assert (value.growth, value.interval.low, value.interval.high, value.is_shown) == (0.0, 0.0, 0.0, False)


def test_a_leg_that_adds_every_day_is_shown_and_one_that_costs_too() -> None:
    better, worse = curve(1, 0.002), curve(1)
    gain, loss = value_of("it", TIMES, better, worse, 1, 7), value_of("it", TIMES, worse, better, 1, 7)
    assert gain.growth == pytest.approx(0.002 * 365, rel=0.05)
    assert gain.is_shown
    assert gain.corrected.low > 0
    assert loss.is_shown
    assert loss.corrected.high < 0
    rows = [asdict(value) | {"is_shown": value.is_shown} for value in (gain, replace(loss, name="that"))]
    text = ablation_text({"is_short": False, "legs": rows})
    assert "shown to matter: it, that" in text
    assert "+0.7" in text


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 12))
def test_the_interval_for_all_legs_holds_that_of_one(seed: int, count: int) -> None:
    value = value_of("it", TIMES, curve(seed), curve(seed + 1), 1, count)
    assert value.corrected.low <= value.interval.low + 0.03
    assert value.corrected.high >= value.interval.high - 0.03
    assert value.corrected.high - value.corrected.low > value.interval.high - value.interval.low


def test_the_command_runs_the_same_history_without_each_leg(tmp_path: Path) -> None:
    folder = tmp_path / "candles"
    folder.mkdir()
    symbols = ("BTC/USDT", "UNI/USDT", "ETH/USDT", "SOL/USDT", "AAVE/USDT")
    prices = {symbol: wandering(index, 40.0) for index, symbol in enumerate(symbols)}
    write_history(folder, prices, START_MS - 160 * DAY, 24 * 170)
    off = ("playbook.hedging.is_on=false", "playbook.tactical.is_on=false", "playbook.entries.wait=false")
    changes = [word for change in (*off, "risk.drawdown_max=1") for word in ("--set", change)]
    span = ("--data", str(folder), "--from", "2024-01-01", "--to", "2024-01-06")
    done = sectorbot("backtest", *span, *changes, "--ablate", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    legs = document["ablation"]["legs"]
    assert [leg["name"] for leg in legs] == ["all rotations", "reduction in a downtrend"]
    assert document["ablation"]["is_short"] is True
    assert "say nothing about a year" in ablation_text(document["ablation"])
    alone = sectorbot("backtest", *span, *changes, "--set", "playbook.regime.override=neutral", "--json", cwd=tmp_path)
    assert json.loads(alone.stdout)["figures"]["sectorbot"]["total"] == legs[0]["total"]
