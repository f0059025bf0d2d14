"""Signals and regime: explainable, deterministic, without foresight (PLAYBOOK §3)."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bot.domain.campaign import Condition, Phase, RegimeMemory
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import CalendarEvent, Funding, Snapshot, Tvl
from bot.domain.reason import Reason
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.flow_signals import MACRO_READERS
from bot.playbook.market.regime import read_regime
from bot.playbook.market.signals import READERS, exit_signs
from bot.playbook.orders.timing import overbought
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, D, make_sectors
from tests.playbook.reading import read_phases, read_signals

POLICY = Policy(candle_minutes=1440)
SECTORS = make_sectors()
COUNT = 200
OPTIONAL = {"sector_trend", "tvl_total", *MACRO_READERS, "calendar"}


def series(symbol: str, drift: float, *, count: int = COUNT, late: float = 0.0) -> CandleSeries:
    """Daily closes growing by `drift`, with `late` added over the last 10 days and a wave that keeps variance alive."""
    closes, price = [], 100.0
    for day in range(count):
        price *= math.exp(drift + (late if day >= count - 10 else 0.0) + 0.01 * math.sin(day * 1.7))
        closes.append(price)
    starts = tuple(START_MS - (count - day) * DAY_MS for day in range(count))
    columns = tuple(closes)
    return CandleSeries(symbol, DAY_MS, starts, columns, columns, columns, columns, tuple(1e6 for _ in closes))


def market(drifts: Mapping[str, tuple[float, float]], **changes: object) -> Snapshot:
    candles = {f"{t}/USDT": series(f"{t}/USDT", drift, late=late) for t, (drift, late) in drifts.items()}
    return Snapshot(START_MS, {}, {}, candles=candles, **changes)  # type: ignore[arg-type]


RISK_ON = {"UNI": (0.0, 0.04), "AAVE": (0.0, 0.04), "ETH": (0.001, 0.0), "SOL": (0.001, 0.0), "BTC": (0.003, 0.01)}
RISK_OFF = dict.fromkeys(("UNI", "AAVE", "ETH", "SOL", "BTC"), (-0.004, -0.01))
FLAT = dict.fromkeys(("UNI", "AAVE", "ETH", "SOL", "BTC"), (0.0, 0.0))


def read(snapshot: Snapshot, memory: RegimeMemory | None = None) -> Condition:
    signals, _ = read_signals(snapshot, POLICY, SECTORS)
    memory = memory or RegimeMemory()
    for hour in range(0, 12, 2):
        memory = read_regime(signals, memory, POLICY, START_MS + hour * HOUR_MS).memory
    return memory.condition


def test_each_market_reads_as_its_condition() -> None:
    assert read(market(RISK_ON)) in (Condition.BREAKOUT, Condition.EUPHORIA)
    assert read(market(RISK_OFF)) is Condition.DOWNTREND
    assert read(market(FLAT)) is Condition.NEUTRAL


def test_a_missing_input_gives_a_note_and_lowers_confidence() -> None:
    whole, thin = market(RISK_ON), market({t: d for t, d in RISK_ON.items() if t != "BTC"})
    full, _ = read_signals(whole, POLICY, SECTORS)
    fewer, notes = read_signals(thin, POLICY, SECTORS)
    assert {s.name for s in fewer} < {s.name for s in full}
    assert {n.subject for n in notes} == set(READERS) - OPTIONAL - {s.name for s in fewer}
    assert {n.reason for n in notes} == {Reason.SIGNAL_MISSING}
    before = read_regime(full, RegimeMemory(), POLICY, START_MS).confidences[Condition.BREAKOUT]
    after = read_regime(fewer, RegimeMemory(), POLICY, START_MS).confidences[Condition.BREAKOUT]
    assert after < before


def test_nothing_at_all_holds_the_condition() -> None:
    memory = RegimeMemory(Condition.BREAKOUT, 1, Condition.BREAKOUT, 1)
    signals, notes = read_signals(Snapshot(START_MS, {}, {}), POLICY, SECTORS)
    assert signals == ()
    assert {note.subject for note in notes} == set(READERS) - OPTIONAL
    reading = read_regime(signals, memory, POLICY, START_MS)
    assert reading.condition is Condition.BREAKOUT
    assert reading.memory == memory
    assert reading.notes[0].reason is Reason.CONDITION_HELD


def test_scores_stay_in_range_and_words_say_why() -> None:
    for drifts in (RISK_ON, RISK_OFF, FLAT):
        signals, _ = read_signals(market(drifts), POLICY, SECTORS)
        assert all(-1 <= signal.score <= 1 and signal.words for signal in signals)


def strong(name: str, score: float) -> tuple[Signal, ...]:
    weights = POLICY.regime.evidence
    sign = {signal: weight > 0 for table in weights.values() for signal, weight in table.items()}
    return tuple(Signal(signal, 0.0, score if signal in name else 0.0, "", 0) for signal in sign)


def test_hysteresis_confirmation_and_dwell() -> None:
    down = ("trend", "drawdown", "breadth", "volatility")
    fall = tuple(Signal(n, 0.0, -0.8 if n in down else 0.0, "", 0) for n in READERS)
    weak = tuple(Signal(n, 0.0, -0.4 if n in down else 0.0, "", 0) for n in READERS)
    calm = tuple(Signal(n, 0.0, 0.0, "", 0) for n in READERS)
    start = read_regime(fall, RegimeMemory(), POLICY, START_MS)
    assert start.condition is Condition.NEUTRAL, "a new condition must persist"
    entered = read_regime(fall, start.memory, POLICY, START_MS + 4 * HOUR_MS)
    assert entered.condition is Condition.DOWNTREND
    held = read_regime(weak, entered.memory, POLICY, START_MS + 200 * HOUR_MS)
    assert held.condition is Condition.DOWNTREND, "between leave and enter a condition lives on"
    early = read_regime(calm, entered.memory, POLICY, START_MS + 10 * HOUR_MS)
    early = read_regime(calm, early.memory, POLICY, START_MS + 20 * HOUR_MS)
    assert early.condition is Condition.DOWNTREND
    assert early.notes[0].reason is Reason.DWELL
    late = read_regime(calm, early.memory, POLICY, START_MS + 100 * HOUR_MS)
    assert late.condition is Condition.NEUTRAL


def test_phases_name_who_accumulates_and_who_distributes() -> None:
    turning = {"UNI": (-0.01, 0.05), "AAVE": (-0.01, 0.05), "ETH": (0.0, 0.0), "SOL": (0.0, 0.0)}
    phases = read_phases(market(turning), replace_policy(momentum_days=14), SECTORS)
    assert phases == {"defi": Phase.ACCUMULATING, "infra": Phase.DISTRIBUTING}
    assert set(read_phases(Snapshot(START_MS, {}, {}), POLICY, SECTORS).values()) == {Phase.UNKNOWN}


@pytest.mark.parametrize("turn", ["tvl", "crowding"])
def test_a_leader_that_loses_tvl_or_is_crowded_distributes(turn: str) -> None:
    rising = {"UNI": (0.01, 0.01), "AAVE": (0.01, 0.01), "ETH": (0.0, 0.0), "SOL": (0.0, 0.0)}
    whole = market(rising)
    assert read_phases(whole, POLICY, SECTORS)["defi"] is Phase.LEADING
    days = tuple(START_MS - (40 - day) * DAY_MS for day in range(41))
    falling = Tvl("defi", days, tuple(D(1000 - 5 * day) for day in range(41)))
    dear = Funding("UNI/USDT:USDT", D("0.0004"), 8, START_MS + 1, START_MS)
    spent = replace(whole, tvl={"defi": falling}) if turn == "tvl" else replace(whole, funding={dear.symbol: dear})
    assert read_phases(spent, POLICY, SECTORS) == {"defi": Phase.DISTRIBUTING, "infra": Phase.LAGGING}


def test_tvl_growth_tells_the_other_sectors_beside_its_own() -> None:
    days = tuple(START_MS - (40 - day) * DAY_MS for day in range(41))
    tvl = {
        name: Tvl(name, days, tuple(D(1000 + step * day) for day in range(41)))
        for name, step in (("defi", 10), ("infra", 2), ("total", 5))
    }
    tvl["young"] = Tvl("young", days[-3:], (D(1),) * 3)
    found = {s.name: s for s in read_signals(market(FLAT, tvl=tvl), POLICY, SECTORS)[0]}["tvl_growth"]
    assert found.value == pytest.approx(1400 / 1100 - 1)
    assert found.words == "TVL of defi +27.3% in 30 days (infra +5.9%)"


def test_all_value_locked_is_a_signal_of_its_own() -> None:
    days = tuple(START_MS - (40 - day) * DAY_MS for day in range(41))
    total = Tvl("total", days, tuple(D(1000 - 5 * day) for day in range(41)))
    found = {s.name: s for s in read_signals(market(FLAT, tvl={"total": total}), POLICY, SECTORS)[0]}
    assert "tvl_growth" not in found, "the whole does not stand for a sector"
    assert found["tvl_total"].value == pytest.approx(800 / 950 - 1)
    assert found["tvl_total"].score == pytest.approx((800 / 950 - 1) / 0.20)
    assert found["tvl_total"].rank_is == "z"


def replace_policy(**changes: object) -> Policy:
    return Policy(candle_minutes=1440, **changes)


def test_exit_signs_are_counted_by_group() -> None:
    signs = [Signal("crowding", 1, -0.9, "", 0), Signal("basis", 1, -0.9, "", 0), Signal("tvl_growth", 1, -0.2, "", 0)]
    assert exit_signs(signs, POLICY) == ("crowding",)
    assert len(exit_signs([*signs, Signal("trend", 1, -0.6, "", 0)], POLICY)) == 2


def test_the_calendar_counts_only_what_is_on_now() -> None:
    event = CalendarEvent("hearing", "regulatory", START_MS - 1, START_MS + 1, D("-0.7"))
    past = CalendarEvent("old", "regulatory", START_MS - 9, START_MS - 1, D("-0.7"))
    found = {s.name: s for s in read_signals(market(FLAT, events=(event, past)), POLICY, SECTORS)[0]}
    assert found["calendar"].score == pytest.approx(-0.7)
    assert "hearing" in found["calendar"].words


def test_old_candles_make_signals_missing_not_wrong() -> None:
    stale = replace(market(RISK_ON), at_ms=START_MS + 5 * DAY_MS)
    names = {s.name for s in read_signals(stale, POLICY, SECTORS)[0]}
    assert names.isdisjoint({"relative_strength", "trend", "breadth", "volatility"})


def test_indicators_against_numbers_done_by_hand() -> None:
    assert indicators.sma([1, 2, 3, 4], 2) == 3.5
    assert indicators.emas([1, 1, 1, 4], 3) == pytest.approx([1.0, 2.5])
    assert indicators.rsi([1, 2, 3, 4], 3) == 100
    assert indicators.rsi([1, 2, 1, 2, 1], 4) == 50
    assert indicators.zscore(3, [1, 3, 1, 3]) == pytest.approx(1.0)
    assert indicators.percentile(2, [1, 2, 3, 4]) == pytest.approx(0.375)
    assert indicators.drawdown([1, 4, 3]) == pytest.approx(0.25)
    assert indicators.range_position([1, 3, 2, 4], 3) == pytest.approx(1.5)
    assert indicators.beta([2, 4, 6, 8], [1, 2, 3, 4]) == pytest.approx(2.0)
    assert indicators.realised_volatility([1, 2, 4, 8], 1.0) == pytest.approx(0.0)
    assert indicators.sma([1], 2) is indicators.rsi([1], 2) is None


def test_an_overbought_token_is_told_by_its_rsi() -> None:
    assert overbought(series("UNI/USDT", 0.05), POLICY) is not None
    assert overbought(series("UNI/USDT", -0.05), POLICY) is None
    assert overbought(None, POLICY) is None
