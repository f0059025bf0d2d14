"""What is held already counts with the order: its margin, its entry, its contracts, its other direction."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.market import Snapshot
from bot.domain.order import Intent, OrderType
from bot.domain.portfolio import Portfolio, Position
from bot.domain.reason import Reason
from bot.risk import Approved, Refused, TurnRisk, review
from bot.risk.projection import Pending, held_hedges, held_margin, position_value, project
from tests.risk.test_checks import WIDE
from tests.risk.worlds import D, context, hedge, instrument, portfolio, position, release, snapshot, tactical, working

UNI_PERP, ETH_PERP, SOL_PERP = "UNI/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
CONTRACTS = replace(instrument(UNI_PERP), contract_size=D(10))


def held(symbol: str, size: int | str, **changes: object) -> Position:
    return replace(position(symbol, D(size)), **changes)  # type: ignore[arg-type]


def liquidation(wish: Intent, seen: Portfolio, snapshot_: Snapshot | None = None) -> Decimal:
    """Where the gate expects the position to be liquidated after `wish`, from the words of its refusal."""
    limits = WIDE.model_copy(update={"liquidation_distance_min": D("0.99")})
    (verdict,) = review([wish], context(portfolio=seen, snapshot=snapshot_ or snapshot()), limits)
    assert isinstance(verdict, Refused)
    assert verdict.note.reason is Reason.LIQUIDATION_DISTANCE
    return D(verdict.note.numbers["liquidation"])


def isolated(size: Decimal, entry: Decimal, margin: Decimal, side: int) -> Decimal:
    """Where margin + profit = 1 % of the notional, by hand."""
    if side > 0:
        return (size * entry - margin) / (size * D("0.99"))
    return (size * entry + margin) / (size * D("1.01"))


def test_adding_to_a_position_averages_entry_and_adds_margin() -> None:
    wish = tactical(1_000, leverage=D(4))
    seen = portfolio((held(UNI_PERP, 100, entry_price=D(8), margin=D(160)),))
    entry = (800 + 100 * wish.worst_price) / 200
    expected = isolated(D(200), entry, D(160) + 100 * wish.worst_price / 4, 1)
    assert abs(liquidation(wish, seen) - expected) < D("0.0001")


def test_adding_to_a_short_averages_too() -> None:
    wish = hedge(2_000, leverage=D(5))
    seen = portfolio((held(ETH_PERP, -1, entry_price=D(2_200), margin=D(440)),))
    entry = (2_200 + wish.worst_price) / 2
    expected = isolated(D(2), entry, D(440) + wish.worst_price / 5, -1)
    assert abs(liquidation(wish, seen) - expected) < D("0.0001")


@pytest.mark.parametrize(("leverage", "margin"), [(D(5), D(160)), (D(1), D(800)), (None, D(800))])
def test_a_cross_position_counts_the_margin_its_leverage_asks_for(leverage: Decimal | None, margin: Decimal) -> None:
    wish = tactical(1_000, leverage=D(4))
    cross = portfolio((held(UNI_PERP, 100, entry_price=D(8), margin=D(0), leverage=leverage),))
    expected = isolated(D(200), (800 + 100 * wish.worst_price) / 200, margin + 100 * wish.worst_price / 4, 1)
    assert abs(liquidation(wish, cross) - expected) < D("0.0001")


@pytest.mark.parametrize("size", ["-50", "0"])
def test_a_position_of_the_other_direction_is_taken_as_gone(size: str) -> None:
    wish = tactical(1_000, leverage=D(4))
    assert liquidation(wish, portfolio((held(UNI_PERP, size),))) == liquidation(wish, portfolio())


def test_even_a_small_position_of_the_same_direction_counts() -> None:
    wish = tactical(1_000, leverage=D(4))
    little = portfolio((held(UNI_PERP, "0.5", entry_price=D(2), margin=D("0.2")),))
    cost = 100 * wish.worst_price + 1
    expected = isolated(D("100.5"), cost / D("100.5"), D("0.2") + 100 * wish.worst_price / 4, 1)
    assert abs(liquidation(wish, little) - expected) < D("0.0001")


def verdict(wish: Intent, world: TurnRisk, **limits: object) -> Reason | None:
    (found,) = review([wish], world, WIDE.model_copy(update=limits))
    return None if isinstance(found, Approved) else found.note.reason


def test_exactly_the_least_distance_passes() -> None:
    wish = tactical(1_000, leverage=D(4))
    distance = (10 - isolated(D(100), wish.worst_price, 100 * wish.worst_price / 4, 1)) / 10
    assert verdict(wish, context(), liquidation_distance_min=distance - D("1e-20")) is None
    assert verdict(wish, context(), liquidation_distance_min=distance + D("1e-20")) is Reason.LIQUIDATION_DISTANCE


def test_exactly_the_allowed_funding_passes_and_a_hedge_is_not_left_out_for_an_unknown_rate() -> None:
    funding = snapshot().funding[UNI_PERP]
    yearly = funding.rate * 24 * 365 / 8
    assert verdict(tactical(), context(), funding_rate_max_annual=yearly) is None
    assert verdict(tactical(), context(), funding_rate_max_annual=yearly - D("1e-20")) is Reason.FUNDING_BUDGET
    unknown = context(snapshot=snapshot(funding={}))
    assert verdict(hedge(), unknown) is None
    assert verdict(tactical(), unknown) is Reason.FUNDING_BUDGET


def test_a_stop_at_the_entry_or_at_the_liquidation_price_is_none() -> None:
    wish = tactical(1_000, leverage=D(2))
    assert wish.exits is not None
    at_liquidation = isolated(D(100), D(10), D(500), 1)
    for stop, reason in ((D(10), Reason.EXITS_MISSING), (D("9.99"), None), (at_liquidation + D("1e-20"), None)):
        assert verdict(replace(wish, exits=replace(wish.exits, stop_price=stop)), context()) is reason
    below = replace(wish, exits=replace(wish.exits, stop_price=at_liquidation - D("1e-20")))
    assert verdict(below, context()) is Reason.EXITS_MISSING


def test_contracts_are_worth_their_size_in_base_units() -> None:
    base = snapshot()
    seen = replace(base, instruments={**base.instruments, UNI_PERP: CONTRACTS})
    long = held(UNI_PERP, 30)
    start = portfolio((long,))
    assert position_value(seen, start, UNI_PERP) == 30 * 10 * 10
    unknown = replace(base, instruments={s: i for s, i in base.instruments.items() if s != UNI_PERP})
    assert position_value(unknown, start, UNI_PERP) == 30 * 10
    assert project(seen, start, ()).perp_gross == 3_000


def test_a_position_is_valued_at_the_snapshots_price_and_at_the_accounts_where_there_is_none() -> None:
    start = portfolio((held(UNI_PERP, 30, mark_price=D(11)),))
    base = snapshot()
    assert position_value(base, start, UNI_PERP) == 300
    assert position_value(replace(base, quotes={}), start, UNI_PERP) == 330


@pytest.mark.parametrize(
    ("margin", "leverage", "locked"),
    [("77", "5", "77"), ("0.5", "5", "0.5"), ("0", "5", "60"), ("0", "1", "300"), ("0", None, "300")],
)
def test_a_position_locks_its_wallet_or_what_its_leverage_asks_for(
    margin: str, leverage: str | None, locked: str
) -> None:
    start = portfolio((held(UNI_PERP, 30, margin=D(margin), leverage=None if leverage is None else D(leverage)),))
    assert held_margin(snapshot(), start, UNI_PERP) == D(locked)
    assert project(snapshot(), start, ()).margin == D(locked)


def test_hedges_of_one_sector_add_up_and_a_long_is_none() -> None:
    start = portfolio((held(ETH_PERP, -1), held(SOL_PERP, -10), held(UNI_PERP, 100)))
    covering = {ETH_PERP: "infra", SOL_PERP: "infra", UNI_PERP: "defi", "AAVE/USDT:USDT": "defi"}
    assert held_hedges(snapshot(), start, covering) == {"infra": D(2_500), "defi": D(0)}


def test_an_order_under_way_counts_at_its_price_then_its_trigger_then_the_valuation() -> None:
    seen = snapshot()
    stop = release(1_000, order_type=OrderType.STOP, trigger_price=D(2_160))
    for price, trigger, expected in ((D(2_200), D(2_160), 2_200), (None, D(2_160), 2_160), (None, None, 2_000)):
        pending = Pending.of_order(working(stop, price=price, trigger_price=trigger), seen, D(3))
        assert pending.price == expected
    nobody_knows = Pending.of_order(working(stop, price=None, trigger_price=None), replace(seen, quotes={}), None)
    assert nobody_knows.price == 0


def test_an_order_under_way_keeps_what_it_is() -> None:
    stop = release(1_000, order_type=OrderType.STOP, trigger_price=D(2_160))
    pending = Pending.of_order(working(stop, order_type=OrderType.STOP, filled_size=D("0.2")), snapshot(), D(3))
    assert (pending.is_trigger, pending.reduce_only, pending.leverage) == (True, True, D(3))
    assert pending.size == stop.size - D("0.2")
    assert Pending.of_order(working(stop), snapshot(), None).is_trigger is False


def test_a_reduction_may_count_on_entries_of_its_own_symbol_only() -> None:
    close = tactical(1_000, id="close", side=Side.of(-Decimal(release().side.sign)), reduce_only=True)
    for first, allowed in ((tactical(1_000), True), (tactical(500), False), (hedge(1_000), False)):
        verdicts = review([first, close], context(), WIDE)
        assert isinstance(verdicts[-1], Approved) is allowed, first.id
