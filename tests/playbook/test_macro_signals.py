"""Stablecoins, rates, usage: what they measure; what is not set up does not count, what is missing does."""

from dataclasses import replace

import pytest

from bot.domain.campaign import Condition, RegimeMemory
from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS
from bot.domain.market import Macro, Missing, Snapshot
from bot.domain.reason import Reason
from bot.domain.turn.decision import Signal
from bot.playbook.market.flow_signals import MACRO_READERS
from bot.playbook.market.regime import read_regime
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import READERS, exit_signs, read_market
from bot.playbook.policy.numbers import SIGNAL_NAMES, Policy
from tests.playbook.builders import START_MS, D, make_sectors
from tests.playbook.reading import read_signals

POLICY, SECTORS = Policy(), make_sectors()
TODAY = START_MS - START_MS % DAY_MS
EMPTY = Snapshot(START_MS, {}, {})
ADDED = set(MACRO_READERS)


def series(name: str, *values: str, step_days: int = 1, until_ms: int = TODAY) -> Macro:
    times = tuple(until_ms - (len(values) - 1 - n) * step_days * DAY_MS for n in range(len(values)))
    return Macro(name, f"the {name}", "units", times, tuple(map(D, values)))


def grown(name: str, growth: float) -> Macro:
    """Flat for sixty days, then growing evenly for thirty."""
    return series(name, *["100"] * 60, *(str(round(100 * (1 + growth * day / 30), 6)) for day in range(31)))


def seen(*found: Macro, missing: tuple[Missing, ...] = ()) -> Snapshot:
    return replace(EMPTY, macro={macro.name: macro for macro in found}, missing=missing)


def signal(name: str, snapshot: Snapshot) -> Signal:
    return {s.name: s for s in read_signals(snapshot, POLICY, SECTORS)[0]}[name]


@pytest.mark.parametrize(
    ("name", "growth", "score"),
    [("stablecoins", 0.025, 0.5), ("stablecoins", -0.10, -1.0), ("usage", 0.125, 0.5), ("usage", -0.05, -0.2)],
)
def test_a_level_scores_by_its_growth(name: str, growth: float, score: float) -> None:
    found = signal(name, seen(grown(name, growth)))
    assert found.value == pytest.approx(growth, abs=1e-6)
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.age_ms == START_MS - TODAY
    assert found.rank_is == "z"
    assert f"{growth:+.1%} in 30 days" in found.words


@pytest.mark.parametrize(
    ("before", "now", "score"), [("4.00", "4.50", -0.5), ("4.00", "2.00", 1.0), ("0", "-0.25", 0.25)]
)
def test_rising_rates_speak_against_risk_and_a_rate_may_be_nothing(before: str, now: str, score: float) -> None:
    found = signal("rates", seen(series("rates", before, before, now, step_days=60)))
    assert found.value == pytest.approx(float(D(now) - D(before)))
    assert found.score == pytest.approx(score)
    assert (found.rank, found.rank_is) == (None, ""), "three values have no history"


def test_a_value_holds_until_the_next_one() -> None:
    """Decided every hundred days: ninety days ago the value before was in force."""
    found = signal("rates", seen(series("rates", "5", "4", "3", step_days=100)))
    assert found.value == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("macro", "words"),
    [
        (series("usage", "1", "2"), "does not reach back 30 days"),
        (Macro("usage", "it", "", (), ()), "no value before"),
    ],
)
def test_a_series_that_is_too_short_is_missing(macro: Macro, words: str) -> None:
    _, notes = read_signals(seen(macro), POLICY, SECTORS)
    assert words in next(note.words for note in notes if note.subject == "usage")


def test_a_level_that_was_nothing_has_no_growth() -> None:
    _, notes = read_signals(seen(series("usage", *["0"] * 31, "5")), POLICY, SECTORS)
    assert "usage" in {note.subject for note in notes}


def test_what_is_not_set_up_is_neither_read_nor_missing() -> None:
    read = read_market(EMPTY, POLICY, SECTORS, SignalCache())
    assert read.unconfigured == ADDED | {"tvl_total", "calendar", "sector_trend"}
    assert {note.subject for note in read.notes} == set(READERS) - read.unconfigured


def test_what_is_set_up_and_does_not_answer_is_missing() -> None:
    absent = tuple(Missing(what, "no answer") for what in ("macro rates", "tvl total"))
    read = read_market(seen(missing=absent), POLICY, SECTORS, SignalCache())
    assert read.unconfigured == ADDED - {"rates"} | {"calendar", "sector_trend"}
    assert {"rates", "tvl_total"} <= {note.subject for note in read.notes if note.reason is Reason.SIGNAL_MISSING}


def confidence(scores: dict[str, float], unasked: frozenset[str]) -> tuple[D, D]:
    signals = tuple(Signal(name, 0.0, score, "", 0) for name, score in scores.items())
    reading = read_regime(signals, RegimeMemory(), POLICY, START_MS, unasked)
    return reading.confidences[Condition.DOWNTREND], reading.coverage


def test_without_sources_conditions_are_what_they_were_and_a_missing_one_lowers_them() -> None:
    fall = {"trend": -1.0, "drawdown": -1.0, "breadth": -1.0, "volatility": -1.0}
    unasked = frozenset(ADDED | {"tvl_total"})
    assert confidence(fall, unasked)[0] == 1
    assert confidence(fall, unasked - {"rates"})[0] == D("0.909")
    assert confidence(fall | {"rates": -1.0}, unasked - {"rates"})[0] == 1
    assert confidence(fall | {"rates": 0.5}, unasked - {"rates"})[0] == D("0.909")
    assert confidence(fall, unasked - {"rates"})[1] < confidence(fall, unasked)[1]


def test_a_macro_turn_is_an_exit_sign_of_the_rotation() -> None:
    shrinking, rising = seen(grown("stablecoins", -0.03)), seen(series("rates", "4", "4", "4.6", step_days=60))
    for snapshot in (shrinking, rising):
        assert exit_signs(read_signals(snapshot, POLICY, SECTORS)[0], POLICY) == ("macro turns",)
    both = read_signals(seen(*shrinking.macro.values(), *rising.macro.values()), POLICY, SECTORS)[0]
    assert exit_signs(both, POLICY) == ("macro turns",), "two macro inputs are one sign"
    assert exit_signs(read_signals(seen(grown("stablecoins", 0.03)), POLICY, SECTORS)[0], POLICY) == ()


def test_macro_series_are_journaled_and_an_older_journal_has_none() -> None:
    whole = encode(seen(grown("usage", 0.1)))
    assert decode(Snapshot, whole) == seen(grown("usage", 0.1))
    del whole["macro"]
    assert decode(Snapshot, whole).macro == {}


def test_every_signal_has_a_name_that_evidence_may_weigh() -> None:
    assert set(SIGNAL_NAMES) == set(READERS)
