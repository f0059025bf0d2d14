"""What a sector is hedged with: leader, index perp, basket, and the beta each is sized by (PLAYBOOK §5)."""

import math
import statistics
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, OpenExit
from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.domain.market import Funding, Snapshot
from bot.domain.money import ZERO
from bot.domain.order import ExitPlan, Purpose
from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from bot.domain.turn.decision import Decision
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.choices import HedgeWith
from bot.playbook.policy.membership import Sectors
from bot.playbook.positions.hedge import common_level
from bot.playbook.positions.hedge_beta import estimate_beta
from bot.playbook.positions.hedge_choice import choose_hedges
from tests.playbook.builders import World, golden_policy, make_sectors, neutral_world
from tests.profiles import examples

D = Decimal
ETH, SOL, INDEX = "ETH/USDT:USDT", "SOL/USDT:USDT", "INFRA/USDT:USDT"
STEP = 4 * HOUR_MS
COUNT = 240


@dataclass
class Beta(World):
    """A world whose candles move together: each token by its own multiple of one wave, plus a wave of its own."""

    multiples: dict[str, float] = field(default_factory=dict)
    own: float = 0.0

    def snapshot(self) -> Snapshot:
        candles = {}
        for place, (token, multiple) in enumerate(self.multiples.items()):
            level, closes = 0.0, []
            for step in range(COUNT):
                level += multiple * 0.01 * math.sin(step * 1.3) + self.own * 0.01 * math.sin(step * (2.1 + place))
                closes.append(math.exp(level))
            starts = tuple(self.at_ms - self.at_ms % STEP - (COUNT - step) * STEP for step in range(COUNT))
            column = tuple(closes)
            symbol = f"{token}/USDT"
            candles[symbol] = CandleSeries(symbol, STEP, starts, column, column, column, column, (1e6,) * COUNT)
        return replace(super().snapshot(), candles=candles)


def world(sectors: Sectors | None = None, own: float = 0.0, **changes: object) -> Beta:
    base = neutral_world(golden_policy(**{"entry_wait": False, "bridge": "none"} | changes), sectors=sectors)
    found = Beta(base.sectors, base.policy, spot=base.spot, perp_wallet=base.perp_wallet, memory=base.memory)
    found.multiples = {"ETH": 1.0, "SOL": 2.0, "UNI": 1.0, "AAVE": 1.0}
    found.own = own
    return found


def scene(found: World) -> PlanContext:
    return PlanContext(found.snapshot(), found.portfolio(), found.policy, found.sectors, ())


def hedges(made: Decision) -> dict[str, Decimal]:
    return {i.symbol: i.size * i.reference_price for i in made.intents if i.purpose is Purpose.HEDGE}


def test_a_beta_is_the_slope_of_the_sector_on_the_token() -> None:
    found = world()
    # Half ETH and half SOL by value: near the mean of 1 and 2 on ETH, half of that on SOL.
    on_eth, on_sol = (estimate_beta("infra", (symbol,), scene(found)) for symbol in (ETH, SOL))
    assert on_eth == pytest.approx(1.5, abs=0.05)
    assert on_sol == pytest.approx(0.75, abs=0.03)


def test_a_beta_equals_the_covariance_over_the_variance() -> None:
    found = world(own=0.7)
    found.spot |= {"ETH": D("16.5"), "SOL": D(110)}  # 41,250 and 13,750 of what is held
    snapshot = found.snapshot()
    eth, sol = (snapshot.candles[f"{token}/USDT"].closes for token in ("ETH", "SOL"))
    eth, sol = eth[-181:], sol[-181:]
    pairs = [
        (0.75 * (eth[k] / eth[k - 1] - 1) + 0.25 * (sol[k] / sol[k - 1] - 1), eth[k] / eth[k - 1] - 1)
        for k in range(1, len(eth))
    ]
    mean_y, mean_x = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    expected = sum((y - mean_y) * (x - mean_x) for y, x in pairs) / sum((x - mean_x) ** 2 for _, x in pairs)
    assert estimate_beta("infra", (ETH,), scene(found)) == pytest.approx(expected, abs=1e-9)


def test_a_beta_is_bounded_shown_and_cut_to_hundredths() -> None:
    found = world(hedge_by_beta=True, beta_max="1.2")
    (part,), notes = choose_hedges("infra", scene(found))
    assert (part.symbol, part.beta, notes) == (ETH, D("1.20"), ())
    made = found.turn()
    assert "beta 1.20" in next(i.words for i in made.intents if i.purpose is Purpose.HEDGE)


def test_the_hedge_is_sized_by_its_beta() -> None:
    plain, sized = world(), world(hedge_by_beta=True)
    beta = choose_hedges("infra", scene(sized))[0][0].beta
    one, other = hedges(plain.turn())[ETH], hedges(sized.turn())[ETH]
    assert beta > D("1.4")
    assert abs(other - one * beta) < 5


def test_without_candles_the_hedge_is_of_equal_value_and_says_so() -> None:
    found = world(hedge_by_beta=True)
    found.multiples = {}
    plain = world()
    plain.multiples = {}
    made = found.turn()
    assert hedges(made) == hedges(plain.turn())
    assert [n for n in made.notes if n.reason is Reason.SIGNAL_MISSING and "its beta" in n.words]


def test_a_basket_is_divided_and_never_worth_more_than_the_spot_that_is_left() -> None:
    found = world(hedge_with="basket", basket_size=2)
    made = found.turn()
    assert set(hedges(made)) == {ETH, SOL}
    found.run()
    total = sum((-p.size * p.mark_price for s, p in found.positions.items() if s in (ETH, SOL)), ZERO)
    assert ZERO < total <= found.portfolio().sectors["infra"].spot


def test_a_basket_that_is_too_thin_has_fewer_perps() -> None:
    found = world(hedge_with="basket", basket_size=2)
    found.notional_min = D(3_000)
    made = found.turn()
    assert len(hedges(made)) == 1


INDEXED = make_sectors(
    sectors={
        "defi": {"hedge": ["UNI", "AAVE"], "tactical": ["UNI", "AAVE"], "weight_max": 1},
        "infra": {"hedge": ["ETH", "SOL"], "index": ["INFRA"], "tactical": ["ETH"], "weight_max": 1},
    },
    perps={"INFRA": INDEX},
)


def test_an_index_perp_hedges_its_sector_where_it_is_listed() -> None:
    found = world(INDEXED, hedge_with="index")
    found.prices["INFRA"] = D(1000)
    assert set(hedges(found.turn())) == {INDEX}
    assert found.memory.hedges == {INDEX: "infra"}
    assert INDEX in INDEXED.perp_symbols


def test_without_its_index_perp_the_leader_stands_in_and_the_note_says_so() -> None:
    found = world(INDEXED, hedge_with="index")
    made = found.turn()
    assert set(hedges(made)) == {ETH}
    assert [n for n in made.notes if n.reason is Reason.HEDGE_CUT and "no index perp" in n.words]


def test_an_index_must_be_a_known_perp() -> None:
    with pytest.raises(ValueError, match="NOPE is not a token of the list"):
        make_sectors(
            sectors={
                "defi": {"hedge": ["UNI"], "index": ["NOPE"], "weight_max": 1},
                "infra": {"hedge": ["ETH"], "weight_max": 1},
            }
        )


def indexed_and_hedged() -> Beta:
    """A book that waits delta-neutral with a short on the leader, and is told to use the index perp from now on."""
    found = world(INDEXED, neutral_futures="delta-neutral", condition_override=None, drift_buffer="0.5")
    found.prices["INFRA"] = D(1000)
    found.run()
    assert found.positions[ETH].size < 0
    found.policy = found.policy.changed({"hedging.instrument": HedgeWith.INDEX})
    return found


def test_a_standing_hedge_moves_to_the_perp_that_is_chosen_now() -> None:
    found = indexed_and_hedged()
    made = found.turn()
    assert f"{INDEX} stands in for it" in next(n.words for n in made.notes if n.reason is Reason.HEDGE_OFF)
    found.run()
    assert found.positions[ETH].size == 0
    assert found.positions[INDEX].size < 0
    assert found.memory.hedges == {INDEX: "infra", "UNI/USDT:USDT": "defi"}


def test_a_rotation_closes_the_hedge_on_another_perp_before_it_opens_its_own() -> None:
    found = indexed_and_hedged()
    found.policy = found.policy.changed({"regime.override": Condition.BREAKOUT})
    made = found.run()
    orders = [i for d in made for i in d.intents if i.symbol in (ETH, INDEX)]
    assert [(i.symbol, i.purpose) for i in orders[:2]] == [(ETH, Purpose.EXIT), (INDEX, Purpose.HEDGE)]
    assert orders[0].words.endswith(f"{INDEX} stands in for it")


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    how=st.sampled_from(["leader", "basket"]),
    by_beta=st.booleans(),
    multiples=st.lists(st.sampled_from([0.2, 0.5, 1.0, 1.6, 3.0]), min_size=4, max_size=4),
    own=st.sampled_from([0.0, 0.5, 2.0]),
    condition=st.sampled_from(["breakout", "uncertainty", "downtrend"]),
    hedge_leverage=st.integers(1, 5),
)
def test_hedges_of_any_kind_stay_within_spot_and_margin_and_end_with_the_rotation(
    how: str, by_beta: bool, multiples: list[float], own: float, condition: str, hedge_leverage: int
) -> None:
    found = world(
        own=own, hedge_with=how, hedge_by_beta=by_beta, condition_override=condition, hedge_leverage=hedge_leverage
    )
    found.multiples = dict(zip(("ETH", "SOL", "UNI", "AAVE"), multiples, strict=True))
    for _ in range(12):
        for _ in range(40):
            made = found.turn()
            portfolio = found.portfolio()
            for sector, sleeves in portfolio.sectors.items():
                shorts = [
                    p
                    for s, p in portfolio.account.positions.items()
                    if made.memory.hedges.get(s) == sector and p.size < 0
                ]
                assert sum((-p.size * p.mark_price for p in shorts), ZERO) <= sleeves.spot
                assert all(p.leverage is not None and p.leverage <= hedge_leverage for p in shorts)
            assert portfolio.account.perp_free >= -1
            if not made.intents and not made.transfers:
                break
        found.skip(61)
    assert found.memory.campaign is not None
    assert found.memory.campaign.is_over
    assert found.memory.hedges == {}


def basket_world(**changes: object) -> Beta:
    """Both sectors hedged by baskets that want ETH: DeFi's has it third, infra's first."""
    sectors = make_sectors(
        sectors={
            "defi": {"hedge": ["UNI", "AAVE", "ETH"], "tactical": ["UNI", "AAVE"], "weight_max": 1},
            "infra": {"hedge": ["ETH", "SOL"], "tactical": ["ETH"], "weight_max": 1},
        }
    )
    return world(sectors, own=0.4, **{"hedge_with": "basket", "basket_size": 3} | changes)


def test_a_basket_has_one_beta_the_slope_of_what_is_held_on_its_equal_parts() -> None:
    found = basket_world()
    snapshot = found.snapshot()
    closes = {token: snapshot.candles[f"{token}/USDT"].closes[-181:] for token in ("UNI", "AAVE", "ETH")}
    moves = {token: [after / before - 1 for before, after in pairwise(line)] for token, line in closes.items()}
    held = [(uni + aave) / 2 for uni, aave in zip(moves["UNI"], moves["AAVE"], strict=True)]
    basket = [sum(line) / 3 for line in zip(*moves.values(), strict=True)]
    slope = statistics.covariance(held, basket) / statistics.variance(basket)
    parts, _ = choose_hedges("defi", scene(found))
    assert [part.symbol for part in parts] == ["UNI/USDT:USDT", "AAVE/USDT:USDT", ETH]
    assert {part.part for part in parts} == {D(1) / 3}
    assert {part.beta for part in parts} == {D(f"{slope:.6f}").quantize(D("0.01"))}


def test_a_basket_that_becomes_smaller_is_measured_anew() -> None:
    found = basket_world()
    pair, _ = choose_hedges("defi", scene(found), most=2)
    assert [part.symbol for part in pair] == ["UNI/USDT:USDT", "AAVE/USDT:USDT"]
    assert {part.beta for part in pair} == {D("1.00")}  # what is held is this very pair


def test_a_perp_that_hedges_one_sector_hedges_no_other() -> None:
    found = basket_world(condition_override="downtrend")
    made = found.turn()
    shorts = [(i.symbol, i.sector) for i in made.intents if i.purpose is Purpose.HEDGE]
    assert sorted(shorts) == [
        ("AAVE/USDT:USDT", "defi"),
        (ETH, "defi"),
        (SOL, "infra"),
        ("UNI/USDT:USDT", "defi"),
    ]
    assert made.memory.hedges[ETH] == "defi"


@pytest.mark.parametrize("choice", ["leader", "basket"])
def test_a_long_that_is_closed_first_makes_room_for_the_hedge_of_one_sector_only(choice: str) -> None:
    """The perp counted as free for every sector: each opened its hedge on it, and one net position stood for both."""
    defi = ["UNI", "AAVE", "ETH"] if choice == "basket" else ["ETH", "UNI"]
    sectors = make_sectors(
        sectors={
            "defi": {"hedge": defi, "tactical": ["UNI", "AAVE"], "weight_max": 1},
            "infra": {"hedge": ["ETH", "SOL"], "tactical": ["ETH"], "weight_max": 1},
        }
    )
    found = world(sectors, own=0.4, hedge_with=choice, condition_override="downtrend")
    price, size = found.prices["ETH"], D(2)
    found.positions[ETH] = Position(ETH, size, price, price, ZERO, size * price / 5, D(5))
    plan = ExitPlan(price * D("0.9"), ((price * D("1.08"), D("0.3")),), D("0.05"), found.at_ms + 10**9, D(1000))
    found.memory = replace(found.memory, exits=(OpenExit(ETH, "infra", size, price, plan, price, campaign=1),))
    found.turn()
    assert found.memory.campaign is not None
    legs = found.memory.campaign.tranches[0].legs
    shorts = [leg.symbol for leg in legs if leg.purpose is Purpose.HEDGE]
    assert len(shorts) == len(set(shorts))
    assert {leg.sector for leg in legs if leg.purpose is Purpose.HEDGE} == {"defi", "infra"}
    assert found.memory.hedges[ETH] == "defi"
    (hedge,) = [leg for leg in legs if leg.symbol == ETH and leg.purpose is Purpose.HEDGE]
    assert (hedge.sector, hedge.size_from) == ("defi", ZERO), "the long is closed by then"


def test_a_basket_that_margin_has_cut_is_released_down_to_the_spot_that_is_left_only() -> None:
    """It was released by the part that is sold as if it were whole: 8,500 fell to 5,082 over 12,497 unsold."""
    found = basket_world(condition_override="uncertainty")
    found.memory = replace(found.memory, labels={"defi": D(1_500), "infra": D(200)})
    found.perp_wallet = D(1_700)
    made = found.turn()
    assert [note for note in made.notes if note.reason is Reason.HEDGE_CUT]
    assert found.memory.campaign is not None
    first, *later = found.memory.campaign.tranches
    unsold = sum((leg.quote_value for t in later for leg in t.legs if leg.purpose is Purpose.REDUCE), ZERO)
    opened = sum((leg.quote_value for leg in first.legs if leg.purpose is Purpose.HEDGE), ZERO)
    released = sum((leg.quote_value for leg in first.legs if leg.purpose is Purpose.RELEASE), ZERO)
    assert D(5_000) < opened < unsold
    assert released == 0


@settings(max_examples=examples(15), deadline=None)
@given(margin=st.integers(500, 6_000))
def test_a_release_leaves_what_is_unsold_covered_as_far_as_margin_allowed(margin: int) -> None:
    found = basket_world(condition_override="uncertainty")
    found.memory = replace(found.memory, labels={"defi": D(margin), "infra": D(200)})
    found.perp_wallet = D(margin + 200)
    found.turn()
    assert found.memory.campaign is not None
    first, *later = found.memory.campaign.tranches
    unsold = sum((leg.quote_value for t in later for leg in t.legs if leg.purpose is Purpose.REDUCE), ZERO)
    opened = sum((leg.quote_value for leg in first.legs if leg.purpose is Purpose.HEDGE), ZERO)
    released = sum((leg.quote_value for leg in first.legs if leg.purpose is Purpose.RELEASE), ZERO)
    beta = choose_hedges("defi", scene(basket_world()))[0][0].beta
    wanted = unsold * min(D(1), beta)
    assert opened - released == pytest.approx(min(opened, wanted), rel=D("0.02"))


def test_a_perp_of_a_basket_without_candles_is_left_out() -> None:
    found = basket_world()
    del found.multiples["AAVE"]
    parts, notes = choose_hedges("defi", scene(found))
    assert [part.symbol for part in parts] == ["UNI/USDT:USDT", ETH]
    assert not notes


@settings(max_examples=examples(25), deadline=None)
@given(levels=st.lists(st.floats(0.01, 100), min_size=1, max_size=60))
def test_candles_that_have_not_closed_change_no_hedge(levels: list[float]) -> None:
    """No look-ahead: whatever comes after the time of the snapshot."""
    plain, later = basket_world(), basket_world()
    seen = later.snapshot()
    candles = {}
    for symbol, series in seen.candles.items():
        starts = tuple(series.end_ms + step * STEP for step in range(len(levels)))
        column, volumes = series.closes + tuple(levels), series.volumes_quote + (1e6,) * len(levels)
        candles[symbol] = CandleSeries(symbol, STEP, series.starts_ms + starts, column, column, column, column, volumes)
    later.snapshot = lambda: replace(seen, candles=candles)  # type: ignore[method-assign]
    assert hedges(plain.decide()) == hedges(later.decide()) != {}


@given(
    notionals=st.lists(st.decimals("0.01", "1000000", places=2), min_size=1, max_size=5),
    room=st.decimals("0", "2000000", places=2),
)
def test_the_level_of_a_basket_cuts_the_largest_and_no_more_than_needed(
    notionals: list[Decimal], room: Decimal
) -> None:
    level = common_level(notionals, room)
    after = sum((min(notional, level) for notional in notionals), ZERO)
    assert after <= room + D("0.0001") or sum(notionals) <= room
    assert after >= min(room, sum(notionals, ZERO)) - D("0.0001")


def test_a_basket_over_its_spot_is_levelled_by_its_largest_part() -> None:
    found = basket_world(condition_override=None, neutral_futures="delta-neutral", drift_buffer="0.5")
    found.run()
    before = {s: -p.size * p.mark_price for s, p in found.positions.items() if found.memory.hedges[s] == "defi"}
    assert len(before) == 3
    found.prices["AAVE"] *= D("1.4")
    found.spot |= {"UNI": ZERO, "AAVE": (sum(before.values()) + D("0.4") * before["AAVE/USDT:USDT"] - 500) / D(280)}
    made = found.guard()
    assert [i.symbol for i in made.intents if i.purpose is Purpose.RELEASE or i.reduce_only] == ["AAVE/USDT:USDT"]


def test_the_hedge_of_what_is_fled_from_stands_on_idle_margin_of_the_other_sleeve() -> None:
    """DeFi's own sleeve has a fifth of the margin; infrastructure's is idle."""
    found = basket_world(condition_override="uncertainty")
    found.memory = replace(found.memory, labels={"defi": D(1_000), "infra": D(14_000)})
    made = found.turn()
    assert not [note for note in made.notes if note.reason is Reason.HEDGE_CUT]
    assert sum(hedges(made).values(), ZERO) == pytest.approx(D(20_000), rel=D("0.3"))
    labels = found.memory.labels
    locked = sum((i.margin_quote for i in made.intents if i.purpose is Purpose.HEDGE), ZERO)
    assert locked <= labels["defi"] < locked + 1
    assert labels["defi"] + labels["infra"] == D(15_000)


def test_a_sleeve_lends_no_margin_that_its_own_shorts_need() -> None:
    found = basket_world(condition_override="uncertainty")
    found.memory = replace(found.memory, labels={"defi": D(1_000), "infra": D(14_000)}, hedges={SOL: "infra"})
    found.positions[SOL] = Position(SOL, D(-240), D(125), D(125), ZERO, D(6_000), D(5), None, True)
    made = found.turn()
    (cut,) = {note.words.partition(":")[0] for note in made.notes if note.reason is Reason.HEDGE_CUT}
    assert cut == "defi"
    assert found.memory.labels["infra"] >= 12_000 - 1


DEAR = D("-0.0005")  # at each of three settlements a day: 55 % a year


def funded(rates: dict[str, Decimal], **changes: object) -> Beta:
    """A basket world in which these rates have been paid at every settlement of the last week."""
    found = basket_world(condition_override="uncertainty", **changes)
    plain = found.snapshot

    def snapshot() -> Snapshot:
        at_ms = found.at_ms - found.at_ms % (8 * HOUR_MS)
        times = range(at_ms - 20 * 8 * HOUR_MS, at_ms + 1, 8 * HOUR_MS)
        paid = {
            symbol: Funding(symbol, rate, 8, at_ms + 8 * HOUR_MS, found.at_ms, tuple((at, rate) for at in times))
            for symbol, rate in rates.items()
        }
        return replace(plain(), funding=paid)

    found.snapshot = snapshot  # type: ignore[method-assign]
    return found


def test_a_rotation_leaves_out_a_perp_at_which_shorts_pay_too_much() -> None:
    made = funded({"UNI/USDT:USDT": DEAR, "AAVE/USDT:USDT": D("0.0001")}).turn()
    assert hedges(made).keys() == {"AAVE/USDT:USDT", ETH}
    (note,) = [n for n in made.notes if n.reason is Reason.FUNDING_DEAR and n.subject == "UNI/USDT:USDT"]
    assert "pay 54.8% a year on average" in note.words
    assert "it hedges nothing while another does" in note.words


def test_a_rotation_hedges_at_any_price_where_every_perp_is_expensive() -> None:
    every = dict.fromkeys(("UNI/USDT:USDT", "AAVE/USDT:USDT", ETH), DEAR)
    made = funded(every).turn()
    assert hedges(made).keys() == every.keys()
    said = [n.words for n in made.notes if n.reason is Reason.FUNDING_DEAR]
    assert len(said) == 3
    assert all("hedges all the same" in words for words in said)


def test_what_shorts_earn_or_what_is_not_known_leaves_no_perp_out() -> None:
    made = funded({"UNI/USDT:USDT": -DEAR, "AAVE/USDT:USDT": D("-0.0002")}).turn()
    assert hedges(made).keys() == {"UNI/USDT:USDT", "AAVE/USDT:USDT", ETH}
