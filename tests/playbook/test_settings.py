"""Policy and sectors refuse what contradicts itself, in one clear sentence."""

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.domain.campaign import Memory
from bot.domain.reason import Reason
from bot.playbook.book.portfolio import read_weights
from bot.playbook.market.signals import READERS, Sectors
from bot.playbook.policy.numbers import SIGNAL_NAMES, Policy
from tests.playbook.builders import World, golden_policy, make_sectors, neutral_world

D = Decimal
CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tactical": {"leverage": 11}}, "less than or equal to 10"),
        ({"allocation": {"neutral": {"defi.spot": "0.9", "infra.spot": "0.2"}}}, "more than the book"),
        ({"allocation": {"neutral": {"defi.margin": "0.9"}}}, "not a sleeve"),
        ({"allocation": {"risk_on": "infra"}}, "a rotation needs two sectors"),
        ({"regime": {"enter": "0.3", "leave": "0.3"}}, "flicker"),
        ({"rotation": {"shfit": "0.3"}}, "Extra inputs"),
        ({"shfit": "0.3"}, "Extra inputs"),
        ({"regime": {"evidence": {"breakout": {"momentun": 1}}}}, "no signal 'momentun'; the signals are relative"),
        ({"signals": {"market_symbol": "btcusdt"}}, "market_symbol"),
        ({"exits": {"targets": [{"move": "0.1", "part": "0.6"}, {"move": "0.2", "part": "0.6"}]}}, "more than 1"),
        ({"exits": {"targets": [{"move": "0.2", "part": "0.1"}, {"move": "0.1", "part": "0.1"}]}}, "must rise"),
        ({"gains": {"trigger": "0.5", "end": "0.5"}}, "must be below trigger"),
        ({"carry": {"enter": "0.05", "end": "0.05"}}, "must be below enter"),
        ({"orders": {"reduce_style": "post-only"}}, "never wait for a price"),
        ({"entries": {"pullback_share": "0.7"}}, "beyond which the swing counts as over"),
        ({"short": {"is_on": True}, "exits": {"targets": [{"move": 1, "part": "0.5"}]}}, "a short cannot gain"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(content: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Policy.model_validate(content)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokens": {"UNI": {"defy": 1}}}, "no sector 'defy'; the sectors are defi, infra"),
        ({"tokens": {"UNI": {"defi": "0.8", "infra": "0.3"}, "ETH": {"infra": 1}}}, "add up to 1.1"),
        ({"tokens": {"ETH": {"infra": 1}}, "sectors": {"defi": {}, "infra": {}}}, "no token has its largest weight"),
        ({"sectors": {"defi": {"hedge": ["XYZ"]}, "infra": {}}}, "XYZ is not a token of the list"),
        (
            {"sectors": {"defi": {"weighting": "given", "weights": {"UNI": "0.5", "AAVE": "0.4"}}, "infra": {}}},
            "must add up to 1",
        ),
        ({"sectors": {"defi": {"weights": {"UNI": 1}}, "infra": {}}}, "only used with weighting"),
        ({"quote": ""}, "quote"),
    ],
)
def test_sectors_that_do_not_add_up_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make_sectors(**changes)


def test_a_hedge_of_gains_and_carry_end_at_a_part_of_where_they_begin() -> None:
    assert (Policy().gains.ends_below, Policy().carry.ends_below) == (D("0.50"), D("0.05"))
    policy = Policy.model_validate({"gains": {"trigger": "0.2"}, "carry": {"enter": "0.03"}})
    assert (policy.gains.ends_below, policy.carry.ends_below) == (D("0.1"), D("0.01"))
    older = Policy.model_validate({"gain_trigger": "0.2", "gain_end": "0.15", "carry": {"end": "0.02"}})
    assert (older.gains.ends_below, older.carry.ends_below) == (D("0.15"), D("0.02")), "journals and files have one"


def test_the_names_a_policy_may_weigh_are_those_of_the_signals() -> None:
    assert tuple(READERS) == SIGNAL_NAMES


def test_the_shipped_files_load_and_agree() -> None:
    sectors = Sectors.model_validate(tomllib.loads((CONFIG / "sectors.toml").read_text()))
    assert len(sectors.members("defi")) >= 8
    assert len(sectors.members("infra")) >= 10
    golden = tomllib.loads((CONFIG / "golden.toml").read_text())["playbook"]
    assert Policy.model_validate(golden).warnings() == ()
    assert sectors.problems_with({"playbook.allocation.risk_on": Policy().allocation.risk_on}) == ()
    assert "defy" in sectors.problems_with({"playbook.allocation.risk_on": "defy"})[0]


def test_a_spot_share_below_its_minimum_is_warned_about() -> None:
    thin = Policy().changed({"allocation.neutral": {"defi.spot": D("0.1"), "defi.futures": D("0.1")}})
    assert "idle margin" in thin.warnings()[0]


def test_a_dropped_token_gives_its_part_to_the_others_with_a_notice() -> None:
    world = neutral_world(golden_policy())
    snapshot = world.snapshot()
    whole, none = read_weights("defi", snapshot, world.sectors)
    assert whole == {"UNI": D("0.5"), "AAVE": D("0.5")}
    assert none == ()
    del snapshot.quotes["UNI/USDT"]  # type: ignore[attr-defined]
    left, notes = read_weights("defi", snapshot, world.sectors)
    assert left == {"AAVE": D(1)}
    assert [note.reason for note in notes] == [Reason.TOKEN_DROPPED]


def test_weights_by_liquidity_are_capped_and_add_up() -> None:
    sectors = make_sectors(
        sectors={
            "defi": {"weighting": "liquidity", "weight_max": "0.4"},
            "infra": {"weighting": "given", "weights": {"ETH": "0.7", "SOL": "0.3"}},
        },
        tokens={"UNI": {"defi": 1}, "AAVE": {"defi": 1}, "LINK": {"defi": 1}, "ETH": {"infra": 1}, "SOL": {"infra": 1}},
    )
    world = World(sectors, golden_policy())
    weights, _ = read_weights("defi", world.snapshot(), sectors)
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights.values()) <= D("0.4")
    assert read_weights("infra", world.snapshot(), sectors)[0] == {"ETH": D("0.7"), "SOL": D("0.3")}


def test_a_token_of_two_sectors_counts_in_both_and_is_traded_for_one() -> None:
    sectors = make_sectors(
        tokens={"UNI": {"defi": 1}, "AAVE": {"defi": 1}, "ETH": {"infra": 1}, "SOL": {"infra": "0.8", "defi": "0.2"}}
    )
    world = World(sectors, golden_policy(), spot={"SOL": D(8), "USDT": D(0)}, memory=Memory())
    portfolio = world.portfolio()
    assert portfolio.sectors["infra"].spot == 800
    assert portfolio.sectors["defi"].spot == 200
    assert sectors.members("defi") == ("UNI", "AAVE")
    assert portfolio.equity == portfolio.book == 1000


def test_what_belongs_to_no_sector_is_equity_and_not_book() -> None:
    world = World(make_sectors(), golden_policy(), spot={"LINK": D(10), "UNI": D(10), "ZZZ": D(1), "USDT": D(50)})
    portfolio = world.portfolio()
    assert portfolio.equity == 350
    assert portfolio.book == 150
    assert (portfolio.unpriced, portfolio.uncounted) == ((), ("ZZZ",))
