"""Entry timing: purchases wait for a pullback of the last swing, sales and hedges never (PLAYBOOK §9)."""

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.domain.market import Snapshot
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.playbook.market import indicators
from bot.playbook.orders.timing import retracement_zone
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, World, golden_policy, neutral_world

D = Decimal
STEP = 4 * HOUR_MS
POLICY = Policy()


def swing(*turns: float, symbol: str = "UNI/USDT", end_ms: int = START_MS) -> CandleSeries:
    """Straight lines from turn to turn, ten candles each."""
    closes = [a + (b - a) * k / 10 for a, b in pairwise(turns) for k in range(10)] + [turns[-1]]
    starts = tuple(end_ms - end_ms % STEP - (len(closes) - k) * STEP for k in range(len(closes)))
    column = tuple(closes)
    return CandleSeries(symbol, STEP, starts, column, column, column, column, (1e6,) * len(closes))


@dataclass
class Swinging(World):
    """UNI has the candles of a swing, the others have none."""

    turns: tuple[float, ...] = (8.0, 12.0, 11.9)

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), candles={"UNI/USDT": swing(*self.turns, end_ms=self.at_ms)})


def buying(*turns: float, price: str = "10", **changes: object) -> Swinging:
    """A rotation into DeFi whose next phase is the purchase of UNI and AAVE, with UNI at a price."""
    settings = {"entry_wait": False, "entry_fibonacci": True, "bridge": "none", "hedge": False, "tactical": False}
    base = neutral_world(golden_policy(**settings | changes))
    world = Swinging(base.sectors, base.policy, spot=base.spot, perp_wallet=base.perp_wallet, memory=base.memory)
    world.turns = turns
    made = world.decide()
    while Purpose.REDUCE in {i.purpose for i in made.intents}:
        world.apply(made.intents)
        world.move(made.transfers)
        made = world.decide()
    world.prices["UNI"] = D(price)
    return world


def bought(world: World) -> set[str]:
    return {i.symbol for i in world.decide().intents if i.purpose is Purpose.INCREASE}


def test_a_purchase_waits_above_the_zone_and_is_made_in_it() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    made = world.decide()
    assert {i.symbol for i in made.intents} == {"AAVE/USDT"}
    waits = next(note for note in made.notes if note.reason is Reason.ENTRY_WAITS)
    assert "given back 38.2%" in waits.words
    assert float(waits.numbers["limit"]) == pytest.approx(12 - 0.382 * 4)
    assert float(waits.numbers["deep"]) == pytest.approx(12 - 0.618 * 4)
    world.prices["UNI"] = D("10.47")
    assert bought(world) == {"AAVE/USDT", "UNI/USDT"}


def test_the_deadline_ends_the_waiting() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    world.skip(world.policy.entries.wait_hours * 60 - 1)
    assert bought(world) == {"AAVE/USDT"}
    world.skip(1)
    assert bought(world) == {"AAVE/USDT", "UNI/USDT"}


@pytest.mark.parametrize("turns", [(12.0, 8.0, 8.1), (10.0, 10.0)])
def test_without_a_rising_swing_nothing_is_waited_for(turns: tuple[float, ...]) -> None:
    assert bought(buying(*turns, price="11.0")) == {"AAVE/USDT", "UNI/USDT"}


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert Policy().entries.pullback is False
    assert bought(buying(8.0, 12.0, 11.9, price="11.9", entry_fibonacci=False)) == {"AAVE/USDT", "UNI/USDT"}


def test_sales_and_hedges_never_wait() -> None:
    settings = {"entry_fibonacci": True, "condition_override": "uncertainty", "entry_wait": True}
    base = neutral_world(golden_policy(**settings))
    world = Swinging(base.sectors, base.policy, spot=base.spot, perp_wallet=base.perp_wallet, memory=base.memory)
    world.prices["UNI"] = D("11.9")
    made = world.decide()
    assert {i.purpose for i in made.intents} == {Purpose.HEDGE}
    world.apply(made.intents)
    assert "UNI/USDT" in {i.symbol for i in world.decide().intents if i.purpose is Purpose.REDUCE}


def test_the_zone_needs_its_thresholds_in_order() -> None:
    with pytest.raises(ValueError, match="fibonacci"):
        Policy.model_validate({"fibonacci": "0.7"})


@given(
    low=st.floats(0.001, 1000), rise=st.floats(0.01, 10), back=st.floats(0.0, 0.3), scale=st.sampled_from([0.001, 7.0])
)
def test_the_zone_lies_inside_the_swing_and_moves_with_its_scale(
    low: float, rise: float, back: float, scale: float
) -> None:
    high = low * (1 + rise)
    last = high - back * (high - low)
    zone = retracement_zone(swing(low, high, last), POLICY)
    other = retracement_zone(swing(low * scale, high * scale, last * scale), POLICY)
    assert zone is not None
    assert other is not None
    assert low < zone[0] < zone[1] < high
    assert other == (pytest.approx(zone[0] * scale), pytest.approx(zone[1] * scale))


def test_a_swing_ends_at_the_later_of_its_extremes() -> None:
    assert indicators.last_swing([1, 5, 3], [1, 4, 2]) == (1, 5, True)
    assert indicators.last_swing([5, 2, 1], [4, 2, 1]) == (1, 5, False)
    assert indicators.last_swing([2, 2], [2, 2]) is None
    assert indicators.last_swing([], []) is None
