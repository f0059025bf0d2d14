"""Each sector's own trend: its states by hand, its strength, its place in the downtrend and in the de-risk target."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, Stance
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Snapshot
from bot.playbook.market.regime import evidence_in_force
from bot.playbook.market.sector_trend import LOOKBACKS, is_up, sector_trends, trend_strength
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import read_market
from bot.playbook.market.stance import target_shares
from bot.playbook.market.view import view_of
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, World, golden_policy, make_sectors, neutral_world
from tests.profiles import examples

D = Decimal
POLICY = Policy.model_validate({"trend": {"is_on": True}, "signals": {"candle_minutes": 1440}})
SECTORS = make_sectors()
NOW = START_MS - START_MS % DAY_MS + 6 * HOUR_MS


def seen(lines: dict[str, list[float]], at_ms: int = NOW) -> Snapshot:
    candles = {}
    for token, closes in lines.items():
        first = NOW - NOW % DAY_MS - len(closes) * DAY_MS
        starts, line = tuple(first + day * DAY_MS for day in range(len(closes))), tuple(closes)
        series = CandleSeries(f"{token}/USDT", DAY_MS, starts, line, line, line, line, (1e6,) * len(line))
        candles[series.symbol] = series
    return Snapshot(at_ms, {}, {}, candles=candles)


def grown(step: float, days: int = 200) -> list[float]:
    return [100 * math.exp(step * day) for day in range(days)]


def trends(lines: dict[str, list[float]]) -> dict[str, float]:
    return dict(sector_trends(view_of(seen(lines), POLICY, SECTORS, SignalCache())))


def test_a_look_back_is_up_from_a_break_until_its_stop_which_never_falls() -> None:
    flat = [10.0, 11.0, 10.0, 11.0]
    assert is_up(flat[:3], 3) is None
    assert is_up(flat, 3) is False
    assert is_up([*flat, 12.0], 3) is True, "12 is above 11"
    assert is_up([*flat, 12.0, 11.2], 3) is True, "the middle of 10 to 12 is 11"
    assert is_up([*flat, 12.0, 10.9], 3) is False
    # The stop is at 14.6 after 14.7; the middle of the next channel is 13.95, which does not lower it.
    assert is_up([*flat, 16.0, 13.2, 13.6, 14.7, 14.65], 3) is True
    assert is_up([*flat, 16.0, 13.2, 13.6, 14.7, 14.5], 3) is False


def test_the_strength_is_the_part_of_the_look_backs_that_are_up() -> None:
    assert trend_strength(grown(0.01)) == 1.0
    assert trend_strength(grown(-0.01)) == 0.0
    turned = [*grown(-0.01, 120), *(grown(-0.01, 120)[-1] * math.exp(0.004 * day) for day in range(1, 26))]
    assert trend_strength(turned) == pytest.approx(3 / 5), "above the highs of 10, 20 and 30 days"
    assert trend_strength(grown(0.01, 30)) is None, "two look-backs are too few"
    assert trend_strength(grown(0.01, 31)) == 1.0


def test_each_sector_has_its_own() -> None:
    lines = {"UNI": grown(-0.01), "AAVE": grown(-0.02), "ETH": grown(0.01), "SOL": grown(0.02), "BTC": grown(0.01)}
    assert trends(lines) == {"defi": 0.0, "infra": 1.0}
    signals = {s.name: s for s in read_market(seen(lines), POLICY, SECTORS, SignalCache()).signals}
    assert signals["sector_trend"].value == pytest.approx(0.55 / 0.85)
    assert signals["sector_trend"].words == "defi is up on 0% of its look-backs, infra is up on 100% of its look-backs"


def test_tokens_that_fall_alone_are_a_downtrend_beside_a_rising_market() -> None:
    """2024-12 to 2025-02 in small: Bitcoin rises, both sectors fall."""
    lines = {token: grown(-0.01) for token in ("UNI", "AAVE", "ETH", "SOL")} | {"BTC": grown(0.002)}
    reading = read_market(seen(lines), POLICY, SECTORS, SignalCache())
    score = next(s.score for s in reading.signals if s.name == "sector_trend")
    assert score == -1.0
    assert evidence_in_force(POLICY, reading.unconfigured)[Condition.DOWNTREND]["sector_trend"] == D("-0.35")


def test_while_it_is_off_it_is_no_evidence_and_needs_no_longer_history() -> None:
    off = Policy.model_validate({"signals": {"candle_minutes": 1440}})
    lines = {token: grown(-0.01) for token in ("UNI", "AAVE", "ETH", "SOL", "BTC")}
    reading = read_market(seen(lines), off, SECTORS, SignalCache())
    assert reading.trends == {}
    assert "sector_trend" in reading.unconfigured
    assert "sector_trend" not in evidence_in_force(off, reading.unconfigured)[Condition.DOWNTREND]
    assert off.candle_count < 2 * max(LOOKBACKS) < POLICY.candle_count


def test_a_sector_with_too_few_days_is_missing_and_keeps_the_table() -> None:
    lines = {"UNI": grown(0.01, 20), "AAVE": grown(0.01, 20), "ETH": grown(0.01), "SOL": grown(0.01)}
    reading = read_market(seen(lines | {"BTC": grown(0.01)}), POLICY, SECTORS, SignalCache())
    assert reading.trends == {"infra": 1.0}
    assert any("sector_trend: defi has too few days" in note.words for note in reading.notes)
    shares, _ = target_shares(Stance.DE_RISK, POLICY, tactical_allowed=False, trends=reading.trends)
    assert shares["defi.spot"] == POLICY.allocation.de_risk["defi.spot"]
    assert shares["infra.spot"] == POLICY.allocation.neutral["infra.spot"]


@pytest.mark.parametrize(
    ("strength", "defi", "infra"), [(0.0, "0.075", "0.1375"), (0.4, "0.165", "0.3025"), (1.0, "0.30", "0.55")]
)
def test_the_de_risk_target_lies_between_the_core_and_the_neutral_share(strength: float, defi: str, infra: str) -> None:
    both = {"defi": strength, "infra": strength}
    shares, _ = target_shares(Stance.DE_RISK, POLICY, tactical_allowed=False, trends=both)
    assert (shares["defi.spot"], shares["infra.spot"]) == (D(defi), D(infra))
    assert sum(shares.values()) == 1
    for stance in (Stance.NEUTRAL, Stance.INTO_DEFI, Stance.INTO_INFRA):
        plain = target_shares(stance, POLICY, tactical_allowed=False)
        assert target_shares(stance, POLICY, tactical_allowed=False, trends=both) == plain


def in_de_risk(monkeypatch: pytest.MonkeyPatch, trends: dict[str, float]) -> World:
    """A world that has gone to de-risk by the trends of its sectors."""
    chosen = golden_policy(condition_override="downtrend", entry_wait=False, tranche_interval_minutes=1)
    chosen = chosen.changed({"trend.is_on": True})
    world = neutral_world(chosen)
    monkeypatch.setattr("bot.playbook.market.sector_trend.sector_trends", lambda view: trends)
    for _ in range(40):
        world.run()
        world.skip(1)
        if world.memory.campaign is not None and world.memory.campaign.is_over:
            return world
    raise AssertionError("the book does not get to de-risk")


@pytest.mark.parametrize("left", [{}, {"infra": 1.0}, {"defi": 1.0}])
def test_an_outage_of_candles_sells_no_spot_that_a_trend_has_kept(
    left: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_de_risk(monkeypatch, {"defi": 1.0, "infra": 1.0})
    before, number = dict(world.spot), world.memory.campaigns
    monkeypatch.setattr("bot.playbook.market.sector_trend.sector_trends", lambda view: left)
    made = world.turn()
    assert (made.intents, world.spot, world.memory.campaigns) == ((), before, number)
    assert made.target["defi.spot"] == pytest.approx(D("0.30"), abs=D("0.01"))
    assert sum(made.target.values()) == pytest.approx(1)
    world.memory = replace(world.memory, campaign=None)  # nothing is remembered but the stance
    assert (world.turn().intents, world.memory.campaigns) == ((), number)


def test_a_trend_that_is_read_again_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = in_de_risk(monkeypatch, {"defi": 1.0, "infra": 1.0})
    number = world.memory.campaigns
    monkeypatch.setattr("bot.playbook.market.sector_trend.sector_trends", lambda view: {"infra": 0.0})
    made = world.turn()
    assert world.memory.campaigns == number + 1
    assert {leg.sector for t in made.memory.campaign.tranches for leg in t.legs} == {"infra"}  # type: ignore[union-attr]


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 40), st.floats(0.1, 10.0), st.integers(0, 1_000))
def test_days_that_are_not_over_change_no_trend(back: int, bend: float, seed: int) -> None:
    """No look-ahead: whatever closes at or after the day of the snapshot."""
    wave = [100 + 20 * math.sin(seed + day * 0.37) + 10 * math.sin(day * 1.1) for day in range(200)]
    at_ms = NOW - back * DAY_MS
    bent = [
        close if NOW - NOW % DAY_MS - (199 - day) * DAY_MS <= at_ms else close * bend for day, close in enumerate(wave)
    ]
    policy = POLICY.model_copy(update={"constants": replace(POLICY.constants, signal_age_max_minutes=10**6)})
    found = [
        sector_trends(
            view_of(
                seen(dict.fromkeys(("UNI", "AAVE", "ETH", "SOL", "BTC"), line), at_ms), policy, SECTORS, SignalCache()
            )
        )
        for line in (wave, bent)
    ]
    assert found[0] == found[1]
