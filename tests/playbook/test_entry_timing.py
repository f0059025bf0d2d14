"""Entry timing: purchases wait for a pullback of the last swing, sales and hedges never (PLAYBOOK §9)."""

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.domain.market import SignalMarket, Snapshot
from bot.domain.order import Order, Purpose, TimeInForce
from bot.domain.reason import Reason
from bot.playbook.market import indicators
from bot.playbook.orders.timing import retracement_zone
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import START_MS, World, golden_policy, neutral_world, resting

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
        candles = {"UNI/USDT": swing(*self.turns, end_ms=self.at_ms)} if self.turns else {}
        return replace(super().snapshot(), candles=candles)


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
    """What is bought at once: purchases that rest are not."""
    purchases = [i for i in world.decide().intents if i.purpose is Purpose.INCREASE]
    return {i.symbol for i in purchases if not i.time_in_force.may_rest}


def test_a_purchase_waits_above_the_zone_and_is_made_in_it() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    made = world.decide()
    assert {i.symbol for i in made.intents if not i.time_in_force.may_rest} == {"AAVE/USDT"}
    waits = next(note for note in made.notes if note.reason is Reason.ENTRY_WAITS)
    assert "given back 38.2%" in waits.words
    assert float(waits.numbers["limit"]) == pytest.approx(12 - 0.382 * 4)
    assert float(waits.numbers["deep"]) == pytest.approx(12 - 0.618 * 4)
    world.prices["UNI"] = D("10.47")
    assert bought(world) == {"AAVE/USDT", "UNI/USDT"}


def rest(world: World) -> Order:
    """The purchase of UNI rests."""
    (intent,) = [i for i in world.decide().intents if i.symbol == "UNI/USDT"]
    order = resting(intent)
    world.working = (order,)
    return order


def test_while_it_waits_a_limit_order_rests_at_the_end_of_the_zone() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    (intent,) = [i for i in world.decide().intents if i.symbol == "UNI/USDT"]
    assert (intent.time_in_force, intent.worst_price) == (TimeInForce.GTC, D("10.47")), "12 − 0.382 · 4, on the grid"
    assert intent.size * intent.worst_price <= world.spot["USDT"]
    assert not intent.reduce_only


def test_it_stays_while_the_zone_does_and_comes_back_at_the_deadline() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    order = rest(world)
    made = world.decide()
    assert order.client_id not in made.cancels, "the price has left it behind, as it is meant to"
    assert "UNI/USDT" not in {i.symbol for i in made.intents}
    kept = world.turns
    world.turns = ()
    assert order.client_id not in world.guard().cancels, "a guard reads no candles"
    world.turns = kept
    world.skip(world.policy.entries.wait_hours * 60)
    assert order.client_id in world.decide().cancels
    world.working = ()
    assert "UNI/USDT" in bought(world)


@pytest.mark.parametrize("style", ["market", "limit"])
def test_after_the_deadline_it_comes_back_wherever_the_price_is(style: str) -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0", increase_style=style)
    order = rest(world)
    world.prices["UNI"] = D("10.47")  # the price has come to the order, and no further
    world.skip(world.policy.entries.wait_hours * 60 - 1)
    assert order.client_id not in world.guard().cancels
    world.skip(1)
    for unquoted in ({"UNI/USDT"}, set()):
        world.unquoted = unquoted
        assert order.client_id in world.guard().cancels, "also in a guard, also without a quote"
        assert order.client_id in world.decide().cancels


def test_an_ordinary_purchase_is_chased_in_a_guard_beside_pullbacks() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0", increase_style="limit")
    made = {i.symbol: resting(i) for i in world.decide().intents}
    ordinary, waiting = made["AAVE/USDT"], made["UNI/USDT"]
    world.working = (ordinary, waiting)
    world.prices["AAVE"] *= D("1.01")
    world.turns = ()
    assert world.guard().cancels == (ordinary.client_id,)


def test_an_outage_of_its_candles_leaves_the_order() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    order = rest(world)
    world.turns = ()
    assert order.client_id not in world.decide().cancels


def test_it_follows_a_swing_that_grows() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")
    order = rest(world)
    world.turns, world.prices["UNI"] = (8.0, 13.0, 12.9), D(12)
    assert order.client_id in world.decide().cancels
    world.working = ()
    assert rest(world).price == D("11.09"), "13 − 0.382 · 5"


def test_a_zone_of_another_market_gives_no_price() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0")

    class Elsewhere(Swinging):
        def snapshot(self) -> Snapshot:
            return replace(super().snapshot(), signal_market=SignalMarket("mainnet", self.at_ms, {"UNI/USDT": D(11)}))

    world.__class__ = Elsewhere
    made = world.decide()
    assert "UNI/USDT" not in {i.symbol for i in made.intents}
    assert Reason.ENTRY_WAITS in {note.reason for note in made.notes}


def test_an_overbought_token_is_not_ordered() -> None:
    world = buying(8.0, 12.0, 11.9, price="11.0", entry_wait=True, rsi_max=50)
    waits = [n.words for n in world.decide().notes if n.reason is Reason.ENTRY_WAITS]
    assert any("RSI is" in line for line in waits)
    assert "UNI/USDT" not in {i.symbol for i in world.decide().intents}


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
