"""Whatever part of what was approved fills, at its worst price: no cap breaks. And the gate never falls over."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import Intent, OrderType, Purpose
from bot.domain.portfolio import Portfolio
from bot.domain.states import OrderState
from bot.risk import Approved, Limits, TurnRisk, review
from bot.risk.projection import Exposure, Pending, held_hedges, project, widest
from bot.risk.stress import stress_losses
from tests.profiles import examples
from tests.risk.worlds import (
    SPOT,
    D,
    buy,
    context,
    exits,
    hedge,
    hedging,
    instrument,
    portfolio,
    position,
    price_of,
    release,
    sell,
    snapshot,
    tactical,
    working,
)

LIMITS = Limits(
    order_notional_max_quote=D(100_000),
    order_share_max=D(1),
    gross_max=D("0.88"),
    net_max=D("0.83"),
    asset_max=D("0.285"),
    sector_max=D("0.53"),
    stress_loss_max=D("0.255"),
    account_leverage_max=D("0.20"),
    margin_use_max=D("0.40"),
    futures_budget=D("0.06"),
    participation_max=D(1),
    slippage_max_bps=1000,
    turnover_max=D(5),
)
SNAPSHOT = snapshot()
HELD = (position("ETH/USDT:USDT", D(-1)), position("UNI/USDT:USDT", D(100), D(3)))
HEDGES = {"ETH/USDT:USDT": "infra"}

values = st.integers(50, 12_000)
wishes = st.one_of(
    st.builds(buy, values, st.sampled_from(["UNI/USDT", "AAVE/USDT", "ETH/USDT", "SOL/USDT"])),
    st.builds(sell, values, st.sampled_from(["UNI/USDT", "AAVE/USDT", "ETH/USDT", "SOL/USDT"])),
    st.builds(hedge, values, st.sampled_from(["ETH/USDT:USDT", "SOL/USDT:USDT", "AAVE/USDT:USDT"])),
    st.builds(tactical, values, st.sampled_from(["UNI/USDT:USDT", "AAVE/USDT:USDT"])),
    st.builds(release, values, st.just("ETH/USDT:USDT")),
)
batches = st.lists(wishes, min_size=1, max_size=8)


def numbered(batch: list[Intent]) -> tuple[Intent, ...]:
    """Distinct ids, and exits that fit the price of their token."""
    return tuple(
        replace(i, id=str(n), exits=exits(i.reference_price * D("0.92")) if i.exits else None)
        for n, i in enumerate(batch)
    )


def fill(start: Portfolio, fills: list[tuple[Intent, Decimal]]) -> tuple[Portfolio, Decimal]:
    """The portfolio after the fills, at their worst prices, and its equity with positions at the valuation.

    Spot is capped at what is held, reduce-only at the position, in the order of the fills.
    """
    sizes = {token: start.held(f"{token}/USDT") for token in SPOT}
    perps = {s: p.size for s, p in start.account.positions.items()}
    equity = start.equity
    for intent, size in fills:
        sign, symbol = intent.side.sign, intent.symbol
        if ":" in symbol:
            held = perps.get(symbol, ZERO)
            done = min(size, max(ZERO, -held * sign)) if intent.reduce_only else size
            perps[symbol] = held + done * sign
        else:
            token = symbol.split("/", 1)[0]
            done = size if intent.side is Side.BUY else min(size, sizes[token])
            sizes[token] += done * sign
        equity -= done * (intent.worst_price - price_of(symbol)) * sign
        equity -= done * max(intent.worst_price, price_of(symbol)) * instrument(symbol).taker_fee
    positions = tuple(position(s, size) for s, size in perps.items() if size)
    return portfolio(positions, sizes=sizes), equity


def measures(exposure: Exposure) -> dict[str, Decimal]:
    return {
        "gross": exposure.gross,
        "net": widest(exposure.net),
        "perp": exposure.perp_gross,
        **{f"asset {name}": widest(bounds) for name, bounds in exposure.assets.items()},
        **{f"sector {name}": widest(bounds) for name, bounds in exposure.sectors.items()},
        **{f"stress {name}": loss for name, loss in stress_losses(exposure, context().tokens).items()},
    }


def cap(name: str) -> Decimal:
    caps = {
        "gross": LIMITS.gross_max,
        "net": LIMITS.net_max,
        "perp": LIMITS.account_leverage_max,
        "asset": LIMITS.asset_max,
        "sector": LIMITS.sector_max,
        "stress": LIMITS.stress_loss_max,
    }
    return caps[name.split(" ", 1)[0]]


def reductions_of(batch: tuple[Intent, ...]) -> list[Intent]:
    return [i for i in batch if i.reduce_only or (":" not in i.symbol and i.side is Side.SELL)]


def verdicts_of(batch: tuple[Intent, ...], world: TurnRisk) -> list[Intent]:
    return [v.intent for v in review(batch, world, LIMITS) if isinstance(v, Approved)]


@settings(max_examples=examples(150), deadline=None)
@given(batches, st.data())
def test_no_cap_breaks_whichever_part_of_the_approved_fills(batch: list[Intent], pick: st.DataObject) -> None:
    wanted = numbered(batch)
    start = portfolio(HELD)
    world = context(snapshot=SNAPSHOT, portfolio=start, memory=hedging(HEDGES))
    approved = verdicts_of(wanted, world)
    reduced = project(SNAPSHOT, start, [Pending.of_intent(i) for i in reductions_of(wanted)])
    assume(all(value <= cap(name) * reduced.equity for name, value in measures(reduced).items()))

    order = pick.draw(st.permutations(approved))
    parts = [pick.draw(st.integers(0, 4)) for _ in order]
    fills = [(intent, intent.size * part / 4) for intent, part in zip(order, parts, strict=True)]
    after, equity = fill(start, fills)
    reached = project(SNAPSHOT, after, ())
    for name, value in measures(reached).items():
        assert value <= cap(name) * equity, name
    before = held_hedges(SNAPSHOT, start, HEDGES)
    names = {i.symbol: i.sector for i in approved if i.purpose is Purpose.HEDGE}
    for sector, hedged in held_hedges(SNAPSHOT, after, HEDGES | names).items():
        assert hedged <= max(after.sectors[sector].spot, before.get(sector, ZERO)), sector


@settings(max_examples=examples(60), deadline=None)
@given(batches)
def test_an_entry_that_is_approved_alone_beside_nothing_is_approved_or_refused_the_same_in_doubt_or_planned(
    batch: list[Intent],
) -> None:
    """An order in doubt weighs what the same order approved a moment ago would weigh."""
    *earlier, last = numbered(batch)
    start = portfolio(HELD)
    opening = [i for i in earlier if i.symbol != last.symbol]
    planned = [Pending.of_intent(i) for i in opening]
    doubts = tuple(working(i, OrderState.IN_DOUBT) for i in opening)
    both = [project(SNAPSHOT, start, p) for p in (planned, [Pending.of_order(o, SNAPSHOT, None) for o in doubts])]
    assert measures(both[0]) == measures(both[1])
    assert both[0].hedges == both[1].hedges
    assert both[0].margin <= both[1].margin


odd = st.sampled_from([D("NaN"), D("Infinity"), D("-Infinity"), D(0), D(-1), D("1e30"), D("1e-30"), D(3)])


fields = st.sampled_from(
    ["size", "worst_price", "reference_price", "leverage", "margin_quote", "trigger_price", "stop"]
)


@settings(max_examples=examples(300), deadline=None)
@given(wishes, st.lists(st.tuples(fields, odd), min_size=1, max_size=3))
def test_the_gate_answers_whatever_numbers_it_is_given(wish: Intent, changes: list[tuple[str, Decimal]]) -> None:
    strange = replace(wish, id="strange")
    for name, value in changes:
        strange = replace(strange, **({"exits": exits(value)} if name == "stop" else {name: value}))  # type: ignore[arg-type]
    world = context(snapshot=SNAPSHOT, portfolio=portfolio(HELD), memory=hedging(HEDGES))
    assert len(review((strange, wish, strange), world, LIMITS)) == 3


def test_a_reduce_only_order_makes_no_room_and_cannot_flip() -> None:
    start = portfolio(HELD)
    closing = [Pending.of_intent(release(50_000)), Pending.of_intent(release(50_000))]
    assert project(SNAPSHOT, start, closing).perps["ETH/USDT:USDT"] == (D(-2000), ZERO)


def test_a_sale_makes_no_room_for_a_purchase() -> None:
    start = portfolio()
    pair = project(SNAPSHOT, start, [Pending.of_intent(sell(10_000)), Pending.of_intent(buy(10_000))])
    assert pair.gross == start.equity - 20_000 + 10_000 * D("1.002")
    assert pair.net[0] == start.equity - 20_000 - 10_000


def test_a_token_of_two_sectors_counts_in_both_by_its_parts() -> None:
    start = portfolio()
    shared = [replace(h, value=h.value * D("0.8")) for h in start.holdings if h.symbol == "ETH/USDT"]
    shared += [replace(h, sector="defi", value=h.value / 4) for h in shared]
    rest = tuple(h for h in start.holdings if h.symbol != "ETH/USDT")
    mixed = replace(start, holdings=(*rest, *shared))
    before, after = project(SNAPSHOT, mixed, ()), project(SNAPSHOT, mixed, [Pending.of_intent(sell(10_000))])
    assert before.sectors["infra"][0] - after.sectors["infra"][0] == 8_000
    assert before.sectors["defi"][0] - after.sectors["defi"][0] == 2_000
    assert after.covers["infra"] == 55_000 - 8_000


def test_equity_is_what_is_left_after_filling_at_the_worst_prices_and_paying_fees() -> None:
    start = portfolio()
    pair = [Pending.of_intent(buy(10_000)), Pending.of_intent(sell(10_000))]
    slippage = 10_000 * D("0.002") * 2
    fee = D("0.0005") * (10_020 + 10_000)
    assert project(SNAPSHOT, start, pair).equity == start.equity - slippage - fee


def test_a_resting_stop_costs_nothing_until_the_market_gets_there() -> None:
    start = portfolio(HELD)
    stop = replace(release(1_000), order_type=OrderType.STOP, trigger_price=D(2160), worst_price=D(2200))
    assert project(SNAPSHOT, start, [Pending.of_intent(stop)]).equity == start.equity
