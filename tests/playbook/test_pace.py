"""The pace of a rotation: by the phase of its destination, and by what its perps pay in funding."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.campaign import Leg, Phase
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.market import Funding, Snapshot
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.turn.decision import Decision
from bot.lab.backtest.run import _is_busy
from bot.operate.dashboard.documents.now import _campaign_wait
from bot.playbook.book.context import PlanContext
from bot.playbook.market import signals
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.funding import expected_funding
from bot.playbook.rotation.pace import pace_of
from tests.playbook.builders import World, golden_policy, neutral_world

D = Decimal
DAY_MIN = 1440


class Market(World):
    """A world whose perps have paid the same funding for days: `yearly`, a share of notional per year."""

    yearly: Decimal | None = None

    def snapshot(self) -> Snapshot:
        seen = super().snapshot()
        if self.yearly is None:
            return seen
        rate = self.yearly / (365 * 3)
        times = [self.at_ms - hours * HOUR_MS for hours in range(80, 0, -8)]
        perps = [symbol for symbol in seen.instruments if ":" in symbol]
        found = {
            s: Funding(s, rate, 8, self.at_ms + HOUR_MS, self.at_ms, tuple((at, rate) for at in times)) for s in perps
        }
        return replace(seen, funding=found)


def policy(**rotation: object) -> Policy:
    """A shift into DeFi that takes several tranches, a day apart, without a long."""
    base = golden_policy(tranche_interval_minutes=DAY_MIN, max_sell_fraction="0.20", tactical=False)
    return Policy.model_validate(
        base.model_dump() | {"rotation": base.rotation.model_dump() | {"first_tranche": "0.3", **rotation}}
    )


def started(
    chosen: Policy, phase: Phase, monkeypatch: pytest.MonkeyPatch, yearly: str | None = None
) -> tuple[Market, Decision]:
    """A world whose rotation into DeFi has done its first tranche; its last decision."""
    monkeypatch.setattr(signals, "_phases", lambda view: {"defi": phase, "infra": Phase.UNKNOWN})
    book = neutral_world(chosen)
    world = Market(book.sectors, chosen, spot=book.spot, perp_wallet=book.perp_wallet, memory=book.memory)
    world.yearly = None if yearly is None else D(yearly)
    made = world.turn()
    assert made.campaign is not None
    world.run()
    return world, made


def sold(world: Market) -> Decimal:
    """The part of the shift that the first tranche sold."""
    campaign = world.memory.campaign
    assert campaign is not None
    legs = [leg for leg in campaign.tranches[0].legs if leg.size_to < leg.size_from and ":" not in leg.symbol]
    return sum((leg.quote_value for leg in legs), D(0)) / 20_000


def words(made: Decision, reason: Reason) -> list[str]:
    return [note.words for note in made.notes if note.reason is reason]


@pytest.mark.parametrize(
    ("phase", "part"),
    [(Phase.ACCUMULATING, "0.4"), (Phase.LEADING, "0.3"), (Phase.UNKNOWN, "0.3"), (Phase.DISTRIBUTING, "0.2")],
)
def test_the_first_tranche_follows_the_phase_of_the_destination(
    phase: Phase, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, made = started(policy(by_phase=True), phase, monkeypatch)
    assert sold(world) == pytest.approx(D(part), abs=D("0.001"))
    assert [line for line in words(made, Reason.PACE) if phase.value in line] == (
        [f"defi is {phase.value}: the first tranche is {D(part):.0%} of the shift instead of 30%"]
        if part != "0.3"
        else []
    )


def test_the_cap_on_sales_holds_for_a_sector_that_accumulates(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = started(policy(by_phase=True, first_tranche="0.75"), Phase.ACCUMULATING, monkeypatch)
    assert sold(world) <= D("0.20") * 55_000 / 20_000


@pytest.mark.parametrize("phase", [Phase.ACCUMULATING, Phase.DISTRIBUTING])
def test_phases_decide_nothing_unless_they_are_asked_to(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = started(policy(), phase, monkeypatch)
    assert sold(world) == pytest.approx(D("0.3"), abs=D("0.001"))
    assert words(made, Reason.PACE) == []
    assert minutes_to_next(world) == pytest.approx(DAY_MIN, abs=1)


def minutes_to_next(world: Market) -> int:
    """How long until the second tranche begins, by trying."""
    campaign = world.memory.campaign
    assert campaign is not None
    first = campaign.tranches[0].started_ms
    while True:
        made = world.turn()
        current = made.memory.campaign
        assert current is not None
        if current.tranches[1].started_ms:
            return int((current.tranches[1].started_ms - first) // MINUTE_MS)
        world.skip(15)


@pytest.mark.parametrize(
    ("rotation", "phase", "yearly", "minutes", "said"),
    [
        ({"by_phase": True}, Phase.DISTRIBUTING, None, 2160, "defi is distributing: ×1.5"),
        ({"by_phase": True}, Phase.ACCUMULATING, None, 1440, ""),
        ({"by_funding": True}, Phase.UNKNOWN, "-0.15", 1080, "hedges and longs pay 15.0% of funding a year: ×0.75"),
        ({"by_funding": True}, Phase.UNKNOWN, "-3", 720, "×0.50"),
        ({"by_funding": True}, Phase.UNKNOWN, "0.15", 1800, "hedges and longs earn 15.0% of funding a year: ×1.25"),
        ({"by_funding": True}, Phase.UNKNOWN, "3", 2160, "×1.50"),
        ({"by_funding": True}, Phase.UNKNOWN, None, 1440, ""),
        ({"by_funding": True, "by_phase": True}, Phase.DISTRIBUTING, "3", 2880, "×1.5; its hedges"),
        ({}, Phase.DISTRIBUTING, "-3", 1440, ""),
    ],
)
def test_tranches_follow_by_phase_and_funding_within_bounds_and_it_is_said(
    rotation: dict[str, object],
    phase: Phase,
    yearly: str | None,
    minutes: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, _ = started(policy(**rotation), phase, monkeypatch, yearly)
    assert any(position.size < 0 for position in world.positions.values()), "infra that waits is hedged"
    (line,) = words(world.decide(), Reason.TRANCHE_WAITS)
    assert said in line
    assert (";" in line) == bool(said)
    assert minutes_to_next(world) == pytest.approx(minutes, abs=16)


@pytest.mark.parametrize(("yearly", "minutes"), [("-3", 720), ("3", 2160), ("0", 1440)])
def test_whoever_asks_when_a_tranche_begins_reads_the_pace_of_the_last_cycle(
    yearly: str, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The back-test, the page and the expected funding asked for the interval that is set."""
    world, _ = started(policy(by_funding=True), Phase.UNKNOWN, monkeypatch, yearly)
    last = world.decide()
    campaign = world.memory.campaign
    assert campaign is not None
    first, *waiting = campaign.tranches
    due = [first.started_ms + place * minutes * MINUTE_MS for place in range(1, len(waiting) + 1)]
    assert [tranche.begins_ms for tranche in waiting] == pytest.approx(due, abs=60_000)
    result: Any = SimpleNamespace(decision=last)
    assert not _is_busy(result, waiting[0].begins_ms - 1, is_moving=False)
    assert _is_busy(result, waiting[0].begins_ms, is_moving=False)
    assert _campaign_wait(campaign)["until_ms"] == waiting[0].begins_ms
    (short, *_) = [p for p in world.positions.values() if p.size < 0]
    leg = Leg(1, Purpose.HEDGE, "infra", short.symbol, D(0), short.size, D(1), D(1))
    found = expected_funding(leg, first, campaign, world.snapshot(), 72)
    assert found is not None
    assert found.hours == (waiting[-1].begins_ms - world.at_ms) / D(HOUR_MS)
    world.skip(minutes)
    assert words(world.decide(), Reason.TRANCHE_STARTED), "and the decision goes by the same"


def test_the_pace_is_judged_anew_while_a_tranche_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = started(policy(by_funding=True), Phase.UNKNOWN, monkeypatch, "3")
    world.skip(DAY_MIN)
    assert "instead of 1440" in words(world.decide(), Reason.TRANCHE_WAITS)[0]
    world.yearly = D(-3)
    assert words(world.decide(), Reason.TRANCHE_STARTED)


def test_a_long_of_a_sector_that_distributes_has_a_nearer_stop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    base = golden_policy(tactical_leverage=3)
    chosen = Policy.model_validate(base.model_dump() | {"rotation": base.rotation.model_dump() | {"by_phase": True}})
    world, _ = started(chosen, Phase.LEADING, monkeypatch)
    (before,) = world.memory.exits
    assert before.plan.stop_price == D("9.20")
    monkeypatch.setattr(signals, "_phases", lambda view: {"defi": Phase.DISTRIBUTING})
    made = world.turn()
    (after,) = world.memory.exits
    assert (after.plan.stop_price, after.plan.trailing_share) == (D("9.40"), D("0.045"))
    assert words(made, Reason.PACE) == [
        "UNI/USDT:USDT: defi is distributing: the stop of the tactical long moves from 9.20 to 9.40"
    ]
    assert any(order.trigger_price == D("9.40") for order in world.working), "the stop that rests is replaced"
    again = world.turn()
    assert world.memory.exits == (after,)
    assert words(again, Reason.PACE) == []
    monkeypatch.setattr(signals, "_phases", lambda view: {"defi": Phase.LEADING})
    world.turn()
    assert world.memory.exits == (after,), "what was tightened stays"


def test_a_rotation_without_perps_keeps_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = policy(by_funding=True)
    chosen = chosen.changed({"hedging.is_on": False})
    world, _ = started(chosen, Phase.UNKNOWN, monkeypatch, "-3")
    campaign = world.memory.campaign
    assert campaign is not None
    seen = PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())
    assert pace_of(campaign, world.memory, seen).words == ""
