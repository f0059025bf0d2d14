"""Series of the operator as evidence: what they measure, for which condition they speak, and when they do not count."""

from dataclasses import replace

import pytest

from bot.domain.campaign import Condition
from bot.domain.codec import decode, encode
from bot.domain.durations import DAY_MS
from bot.domain.market import Macro, Missing, Snapshot
from bot.domain.reason import Reason
from bot.domain.turn.decision import Signal
from bot.playbook.market.explain import evidence_for
from bot.playbook.market.point_in_time import as_of
from bot.playbook.market.regime import confidences_in, evidence_in_force
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import MarketReading, read_market
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, make_sectors

SECTORS = make_sectors()
TODAY = START_MS - START_MS % DAY_MS


def policy(**rule: object) -> Policy:
    return Policy.model_validate({"series": {"launches": {"sector": "infra", **rule}}})


def snapshot(*values: str, missing: tuple[Missing, ...] = (), until_ms: int = TODAY) -> Snapshot:
    times = tuple(until_ms - (len(values) - 1 - n) * DAY_MS for n in range(len(values)))
    macro = {"launches": Macro("launches", "mainnet launches", "chains", times, tuple(map(D, values)))}
    return Snapshot(START_MS, {}, {}, macro=macro if values else {}, missing=missing)


def read(seen: Snapshot, of: Policy) -> MarketReading:
    return read_market(seen, of, SECTORS, SignalCache())


def signal(seen: Snapshot, of: Policy) -> Signal:
    (found,) = [one for one in read(seen, of).signals if one.name == "launches"]
    return found


@pytest.mark.parametrize(
    ("rule", "values", "value", "score"),
    [
        ({"full": "0.5", "window_days": 2}, ("100", "110", "125"), 0.25, 0.5),
        ({"full": "0.5", "window_days": 2, "sign": -1}, ("100", "110", "125"), 0.25, -0.5),
        ({"full": "0.5", "window_days": 2}, ("100", "50", "20"), -0.8, -1.0),
        ({"measure": "difference", "full": 2, "window_days": 2}, ("-1", "4", "0"), 1.0, 0.5),
        ({"measure": "sum", "full": 10, "window_days": 2}, ("90", "3", "-1"), 2.0, 0.2),
        ({"measure": "flow-growth", "full": 1, "window_days": 2}, ("90", "3", "1", "4", "2"), 0.5, 0.5),
    ],
)
def test_a_measure_over_its_full_scale_is_the_score(
    rule: dict[str, object], values: tuple[str, ...], value: float, score: float
) -> None:
    found = signal(snapshot(*values), policy(**rule))
    assert (found.value, found.score) == (pytest.approx(value), pytest.approx(score))
    assert found.words.startswith("mainnet launches ")
    assert found.words.endswith(f"a {'fall' if rule.get('sign') == -1 else 'rise'} speaks for infra")


def test_what_has_a_history_is_ranked_in_it() -> None:
    found = signal(snapshot(*(str(100 + day % 7) for day in range(60))), policy(window_days=5))
    assert found.rank_is == "z"


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ({"window_days": 30}, ("1", "2")),
        ({"window_days": 30, "measure": "sum"}, ("1", "2")),
        ({"window_days": 2, "measure": "flow-growth"}, ("1", "2", "3", "4")),
        ({"window_days": 1, "measure": "flow-growth"}, ("1", "0", "0", "4")),
        ({"window_days": 1}, ("0", "5")),
    ],
)
def test_a_series_that_does_not_reach_back_is_missing(rule: dict[str, object], values: tuple[str, ...]) -> None:
    reading = read(snapshot(*values), policy(**rule))
    (note,) = [note for note in reading.notes if note.subject == "launches"]
    assert note.reason is Reason.SIGNAL_MISSING
    assert "does not reach back" in note.words
    assert "launches" not in reading.unconfigured


def test_one_that_could_not_be_read_is_missing_with_its_reason_and_one_that_nobody_asks_for_is_not_set_up() -> None:
    why = "series.launches: x.csv: line 3: value = 'x' is no number; write it like 1234.5"
    reading = read(snapshot(missing=(Missing("macro launches", why),)), policy())
    assert [note.words for note in reading.notes if note.subject == "launches"] == [f"launches: {why}"]
    assert "launches" not in reading.unconfigured
    assert "launches" in read(snapshot(), policy()).unconfigured


@pytest.mark.parametrize(
    ("sector", "condition", "score"),
    [
        ("defi", Condition.EUPHORIA, 1.0),
        ("infra", Condition.UNCERTAINTY, 1.0),
        ("market", Condition.EUPHORIA, 1.0),
        ("market", Condition.DOWNTREND, -1.0),
    ],
)
def test_it_speaks_for_the_conditions_of_its_sector(sector: str, condition: Condition, score: float) -> None:
    changed = policy(sector=sector, weight="0.5")
    others = dict.fromkeys(Policy().evidence[condition], 0.0)
    evidence = evidence_in_force(changed, ())
    assert confidences_in({**others, "launches": score}, evidence)[condition] > D("0.2")
    assert confidences_in({**others, "launches": -score}, evidence)[condition] == 0
    (shown,) = [one for one in evidence_for({"launches": score}, changed) if one.condition is condition]
    assert "launches" in {part.signal for part in shown.parts}


@pytest.mark.parametrize("without", ["no weight", "no source"])
def test_without_weight_or_source_every_confidence_is_what_it_was(without: str) -> None:
    changed = policy(sector="market", weight=0 if without == "no weight" else 1)
    unconfigured = () if without == "no weight" else ("launches",)
    scores = dict.fromkeys(Policy().signal_names, -0.7)
    before = confidences_in(scores, evidence_in_force(Policy(), ()))
    assert confidences_in({**scores, "launches": 1.0}, evidence_in_force(changed, unconfigured)) == before


def test_a_missing_series_lowers_confidence() -> None:
    scores = dict.fromkeys(Policy().signal_names, -1.0)
    whole = confidences_in(scores, evidence_in_force(Policy(), ()))[Condition.DOWNTREND]
    less = confidences_in(scores, evidence_in_force(policy(sector="market"), ()))[Condition.DOWNTREND]
    assert less < whole


def test_policies_of_older_journals_have_no_series_and_new_ones_are_read_back() -> None:
    whole = policy(measure="sum")
    assert Policy.model_validate_json(whole.model_dump_json()) == whole
    old = whole.model_dump(mode="json")
    del old["series"]
    assert Policy.model_validate(old).series == {}


def test_values_of_after_now_are_cut_as_those_of_other_series() -> None:
    seen = snapshot("100", "110", "125")
    assert decode(Snapshot, encode(seen)) == seen
    later = replace(seen, at_ms=TODAY - 1)

    assert as_of(later).macro["launches"].values == (D(100), D(110))
