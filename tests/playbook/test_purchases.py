"""What a purchase is divided into: established infrastructure first, higher beta in a breakout, few tokens in a small
book, and no campaign that cannot trade (decisions 0021 and 0022)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.market import Snapshot
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import most_tokens
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy
from bot.playbook.rotation.purchases import betas
from tests.playbook.builders import PRICES, START_MS, D, World, make_sectors, neutral_world
from tests.playbook.reading import read_signals
from tests.profiles import examples

VOLUMES = {"ETH": 9e6, "SOL": 5e6, "LINK": 2e6, "ARB": 8e6, "UNI": 1e6, "AAVE": 3e6, "BTC": 1e8}
BETAS = {"UNI": 2.0, "AAVE": 0.2}


def four_infra() -> Sectors:
    return make_sectors(
        sectors={
            "defi": {"hedge": ["UNI"], "tactical": ["UNI"], "weight_max": 1},
            "infra": {"hedge": ["ETH"], "tactical": ["ETH"], "weighting": "liquidity", "weight_max": "0.6"},
        },
        tokens={
            "UNI": {"defi": 1},
            "AAVE": {"defi": 1},
            "ETH": {"infra": 1},
            "SOL": {"infra": 1},
            "LINK": {"infra": 1},
            "ARB": {"infra": D("0.8"), "defi": D("0.2")},
        },
    )


@dataclass
class Traded(World):
    """A world with candles: volumes by token, returns that are the market's times a beta."""

    betas: Mapping[str, float] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        base, count = super().snapshot(), 200
        starts = tuple(self.at_ms - self.at_ms % DAY_MS - (count - day) * DAY_MS for day in range(count))
        candles = {}
        for token, volume in VOLUMES.items():
            moves = [0.02 * math.sin(day * 1.3) * self.betas.get(token, 1.0) for day in range(count)]
            closes = tuple(100 * math.exp(math.fsum(moves[: day + 1])) for day in range(count))
            symbol = f"{token}/USDT"
            volumes = (volume,) * count
            candles[symbol] = CandleSeries(symbol, DAY_MS, starts, closes, closes, closes, closes, volumes)
        return Snapshot(base.at_ms, base.instruments, base.quotes, candles=candles)


def traded(condition: str, **changes: object) -> Traded:
    fixed = {"candle_minutes": 1440, "order_share_max": 1, "order_max_quote": 1_000_000, "entry_wait": False}
    policy = Policy.model_validate(fixed | {"condition_override": condition} | changes)
    book = neutral_world(policy, sectors=four_infra(), prices={**PRICES, "ARB": D(1)})
    return Traded(book.sectors, policy, prices=book.prices, spot=book.spot, perp_wallet=book.perp_wallet, betas=BETAS)


def bought(world: World) -> dict[str, Decimal]:
    campaign = world.memory.campaign
    assert campaign is not None
    legs = [leg for tranche in campaign.tranches for leg in tranche.legs if leg.purpose is Purpose.INCREASE]
    return {leg.symbol.split("/")[0]: leg.quote_value for leg in legs}


def test_a_rotation_into_infrastructure_buys_the_established_first() -> None:
    """Of 20,000 in the demo 12,300 went into the two tokens that count as DeFi in part, and 750 into ETH."""
    world = traded("uncertainty")
    world.spot["ARB"] = D(0)  # far below its weight: catching up would buy it
    for _ in range(8):
        world.turn()
    values = bought(world)
    assert list(values) == ["ETH", "SOL", "LINK"], "the most traded first, nothing that counts as DeFi"
    assert values["ETH"] > values["SOL"] > values["LINK"]


def test_where_nothing_else_is_there_the_half_token_is_bought() -> None:
    world = traded("uncertainty")
    world.halted = {"ETH/USDT", "SOL/USDT", "LINK/USDT"}
    for _ in range(8):
        world.turn()
    assert set(bought(world)) == {"ARB"}


@pytest.mark.parametrize("is_tilted", [True, False])
def test_a_breakout_is_tilted_to_the_higher_beta(is_tilted: bool) -> None:
    world = traded("breakout", rotation={"breakout_by_beta": is_tilted})
    for _ in range(8):
        world.turn()
    values = bought(world)
    assert (values["UNI"] > D("1.5") * values["AAVE"]) is is_tilted
    found = betas(("UNI", "AAVE"), context_of(world))
    assert found == {"UNI": D("1.50"), "AAVE": D("0.50")}, "bounded by beta_max and beta_min"


def test_euphoria_is_not_tilted() -> None:
    world = traded("euphoria")
    for _ in range(8):
        world.turn()
    values = bought(world)
    assert values["UNI"] == pytest.approx(values["AAVE"], rel=D("0.01"))


def context_of(world: World) -> PlanContext:
    return PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())


def test_growing_usage_and_a_strong_infrastructure_speak_for_it_and_never_for_selling_it() -> None:
    weights = Policy().regime.evidence
    assert weights[Condition.UNCERTAINTY]["usage"] > 0 < weights[Condition.UNCERTAINTY]["resilience"]
    assert all("usage" not in weights[c] for c in Condition if c not in (Condition.UNCERTAINTY, Condition.NEUTRAL))
    selling = Policy.model_validate({"regime": {"evidence": {"euphoria": {"usage": "0.1"}}}})
    assert any("would sell infra" in words for words in selling.warnings())


@pytest.mark.parametrize(("late", "sign"), [(0.03, 1), (-0.03, -1)])
def test_resilience_is_infrastructure_against_the_market(late: float, sign: int) -> None:
    count = 200
    starts = tuple(START_MS - (count - day) * DAY_MS for day in range(count))
    candles = {}
    for token in ("BTC", "UNI", "AAVE", "ETH", "SOL"):
        extra = late if token in ("ETH", "SOL") else 0.0
        moves = [0.01 * math.sin(day * 1.7) + (extra if day >= count - 10 else 0.0) for day in range(count)]
        closes = tuple(100 * math.exp(math.fsum(moves[: day + 1])) for day in range(count))
        candles[f"{token}/USDT"] = CandleSeries(f"{token}/USDT", DAY_MS, starts, *[closes] * 4, (1e6,) * count)
    snapshot = Snapshot(START_MS, {}, {}, candles=candles)
    found = {s.name: s for s in read_signals(snapshot, Policy(candle_minutes=1440), make_sectors())[0]}["resilience"]
    assert found.score * sign > 0.5
    assert found.words.startswith("infra against BTC/USDT")
    without = Snapshot(START_MS, {}, {}, candles={s: c for s, c in candles.items() if s != "BTC/USDT"})
    names = {s.name for s in read_signals(without, Policy(candle_minutes=1440), make_sectors())[0]}
    assert "resilience" not in names


def small(book: str, **changes: object) -> World:
    policy = Policy.model_validate({"condition_override": "neutral", "entry_wait": False} | changes)
    return World(make_sectors(), policy, spot={"USDT": D(book) * D("0.85")}, perp_wallet=D(book) * D("0.15"))


@pytest.mark.parametrize(("book", "most"), [("100", 1), ("240", 2), ("500", 4), ("100000", 833)])
def test_a_book_holds_as_many_tokens_as_its_least_rebalance_can_trade(book: str, most: int) -> None:
    world = small(book)
    assert most_tokens("infra", world.snapshot(), world.sectors, world.policy, D(book)) == most


def test_a_small_book_holds_the_most_traded_and_says_so() -> None:
    world = small("150")
    made = world.run()
    assert {asset for asset, size in world.spot.items() if size > 0 and asset != "USDT"} == {"UNI", "ETH"}
    assert any(note.reason is Reason.BOOK_SMALL for decision in made for note in decision.notes)


def test_a_campaign_that_cannot_trade_is_not_begun() -> None:
    """$500 made 92 campaigns in eight months, of whose 2,934 legs 2,786 were below the minimum."""
    world = small("20", drift_buffer="0.01")
    world.notional_min = D(18)
    for _ in range(5):
        made = world.turn()
        assert any(note.reason is Reason.BELOW_MINIMUM for note in made.notes)
    assert world.memory.campaigns == 0


@settings(max_examples=examples(60), deadline=None)
@given(book=st.integers(5, 20_000), minimum=st.integers(1, 200), condition=st.sampled_from(list(Condition)))
def test_no_campaign_begins_of_which_no_leg_can_ever_trade(book: int, minimum: int, condition: Condition) -> None:
    world = small(str(book), condition_override=condition, tactical=False, hedge=False)
    world.notional_min = D(minimum)
    world.turn()
    campaign = world.memory.campaign
    if campaign is None:
        assert world.memory.campaigns == 0
        return
    for _ in range(60):
        world.turn()
        campaign = world.memory.campaign
        assert campaign is not None
        if campaign.is_over:
            break
        world.skip(world.policy.rotation.tranche_interval_minutes)
    assert world.memory.campaigns <= 3, "no campaign after campaign"
