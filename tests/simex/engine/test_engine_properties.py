"""What holds for every sequence of calls and every path of prices."""

import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import perp as formulas
from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, NewOrder
from tests.profiles import examples
from tests.simex.engine.floor import BUY, HOUR, PERP, SELL, SPOT, D, exchange, isolated, limit, market, refused

FEW = settings(max_examples=examples(40), deadline=None)
sides = st.sampled_from(list(Side))
prices = st.integers(7_000, 14_000).map(lambda ticks: ticks * D("0.001"))
sizes = st.integers(1, 20_000).map(lambda steps: steps * D("0.1"))
paths = st.lists(st.integers(6_000, 15_000), min_size=2, max_size=8).map(
    lambda ticks: [(0, 10.0), *((HOUR * (at + 1), tick / 1_000) for at, tick in enumerate(ticks))]
)
orders = st.builds(
    lambda symbol, side, size, price, tif, reduce: NewOrder(
        symbol,
        side,
        OrderType.MARKET if price is None else OrderType.LIMIT,
        size=size,
        price=price,
        time_in_force=tif,
        reduce_only=reduce and symbol == PERP,
    ),
    st.sampled_from([SPOT, PERP]),
    sides,
    sizes,
    st.none() | prices,
    st.sampled_from(list(TimeInForce)),
    st.booleans(),
)
triggers = st.builds(
    lambda symbol, kind, side, size, price, reduce: NewOrder(
        symbol, side, kind, size=size, trigger_price=price, reduce_only=reduce and symbol == PERP
    ),
    st.sampled_from([SPOT, PERP]),
    st.sampled_from([OrderType.STOP, OrderType.TAKE_PROFIT]),
    sides,
    sizes,
    prices,
    st.booleans(),
)
steps = st.one_of(
    orders,
    triggers,
    st.integers(1, 3 * HOUR),
    st.sampled_from(["cancel", "to_perp", "to_spot"]),
    st.tuples(st.just("leverage"), st.integers(1, 50)),
    st.tuples(st.just("margin"), st.integers(-200, 200)),
)


def play(venue: Exchange, script: list[object]) -> None:
    """Do what the script says; refusals are answers."""
    for step in script:
        try:
            if isinstance(step, NewOrder):
                venue.place("a", step)
            elif isinstance(step, int):
                venue.advance(venue.now_ms + step)
            elif isinstance(step, tuple) and step[0] == "leverage":
                venue.set_leverage("a", PERP, step[1])
            elif isinstance(step, tuple):
                venue.move_margin("a", PERP, D(step[1]))
            elif step == "cancel":
                venue.cancel_all("a", SPOT)
            else:
                venue.transfer("a", D("123.45"), to_perp=step == "to_perp")
        except Refusal:
            continue


@FEW
@given(paths, st.lists(steps, max_size=15), st.booleans(), st.sampled_from([1e3, 1e4, 1e6]))
def test_nothing_is_made_or_lost(path: list[tuple[int, float]], script: list[object], lone: bool, depth: float) -> None:
    funding = {PERP: [(at * HOUR, 0.0003 * (-1) ** at) for at in range(1, 9)]}
    venue = exchange(path, depth_quote=depth, funding=funding)
    if lone:
        isolated(venue, 15)
    play(venue, script)
    deposited = venue.audit()
    assert deposited == {"USDT": D(110_000), "UNI": D(1_000)}
    venue.advance(20 * HOUR)
    assert venue.audit() == deposited
    assert venue.wallet("a").balance >= 0


@FEW
@given(st.lists(st.integers(10, 30_000), min_size=2, max_size=6).map(sorted), sides)
def test_a_larger_order_never_gets_a_better_average(steps_: list[int], side: Side) -> None:
    averages = []
    for step in steps_:
        venue = exchange(spot={"USDT": "100000000", "UNI": "1000000"})
        order = venue.place("a", market(SPOT, side, str(step * D("0.01") * 10)))
        averages.append(order.average_price * side.sign)
        assert all(
            a.price * side.sign < b.price * side.sign for a, b in zip(order.trades, order.trades[1:], strict=False)
        )
    assert averages == sorted(averages)


@FEW
@given(paths, sides, sizes, prices)
def test_a_fill_pays_taker_at_once_and_maker_when_it_rested(
    path: list[tuple[int, float]], side: Side, size: Decimal, price: Decimal
) -> None:
    venue = exchange(path, spot={"USDT": "1000000", "UNI": "100000"})
    wanted = limit(SPOT, side, str(size), str(price))
    if size * price < 5:
        assert refused(venue, wanted) is RefusalReason.MIN_NOTIONAL
        return
    order = venue.place("a", wanted)
    assert order.price is not None
    venue.advance(10 * HOUR)
    for trade in venue.trades("a", SPOT):
        is_first = trade.at_ms == 0
        assert trade.is_maker is not is_first
        assert (trade.price - order.price) * side.sign <= 0
        assert trade.fee_asset == ("UNI" if side is BUY else "USDT")
        received = trade.size if side is BUY else trade.quote
        assert abs(trade.fee - received * D("0.001")) <= D("1e-8")


@FEW
@given(paths, sides, sizes, st.lists(st.tuples(sizes, st.none() | prices, st.integers(0, HOUR)), max_size=6))
def test_reduce_only_never_flips_a_position(
    path: list[tuple[int, float]], side: Side, size: Decimal, more: list[tuple[Decimal, Decimal | None, int]]
) -> None:
    venue = exchange(path, perp="1000000")
    try:
        venue.place("a", market(PERP, side, str(size)))
    except Refusal:
        return
    held = sum((p.size for p in venue.positions("a")), D(0))
    for part, price, wait in more:
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        closing = Side.of(-Decimal(side.sign))
        with suppress(Refusal):
            venue.place("a", NewOrder(PERP, closing, kind, size=part, price=price, reduce_only=True))
        venue.advance(venue.now_ms + wait)
        now = sum((p.size for p in venue.positions("a")), D(0))
        assert 0 <= now * side.sign <= held * side.sign
        held = now
    venue.advance(10 * HOUR)
    assert all(p.size * side.sign > 0 for p in venue.positions("a"))


@FEW
@given(paths, sides, st.integers(50, 5_000), st.integers(2, 50), st.sampled_from([1e3, 1e5, 1e6]))
def test_an_isolated_position_never_loses_more_than_its_margin(
    path: list[tuple[int, float]], side: Side, steps_: int, leverage: int, depth: float
) -> None:
    venue = exchange(path, depth_quote=depth)
    isolated(venue, leverage)
    try:
        venue.place("a", market(PERP, side, str(steps_ * D("0.1"))))
    except Refusal:
        return
    # A thin book can move the mark so far that the position is closed as it opens; its margin is read off the fills.
    opened = sum((t.price * t.size for t in venue.trades("a", PERP) if not t.client_id.startswith("autoclose-")), D(0))
    held = venue.positions("a")
    margin = sum((p.isolated_wallet for p in held), D(0)) if held else opened / leverage
    free = venue.wallet("a").cross_balance
    venue.advance(10 * HOUR)
    for position in venue.positions("a"):
        assert position.isolated_wallet + position.unrealised_pnl > position.maintenance_margin
    closed = [t for t in venue.trades("a", PERP) if t.client_id.startswith("autoclose-")]
    assert sum((t.realised_pnl for t in closed), D(0)) >= -margin
    assert venue.wallet("a").cross_balance >= free
    venue.audit()


@FEW
@given(sides, st.integers(50, 900), st.integers(2, 50))
def test_the_liquidation_price_is_the_domains(side: Side, steps_: int, leverage: int) -> None:
    venue = exchange(perp="1000000")
    isolated(venue, leverage)
    venue.place("a", market(PERP, side, str(steps_)))
    (position,) = venue.positions("a")
    instrument = venue.instruments[PERP]
    for bracket in venue.brackets(PERP):
        price = formulas.liquidation_price(
            instrument,
            size=position.size,
            entry=position.entry_price,
            margin=position.isolated_wallet,
            maintenance_rate=bracket.maintenance_rate,
            maintenance_amount=bracket.cum,
        )
        if price is not None:
            notional = instrument.notional(position.size, price)
            if bracket.notional_floor < notional < bracket.notional_cap:
                assert position.liquidation_price == price


@FEW
@given(paths, sizes, st.lists(st.integers(-75, 75), min_size=1, max_size=6))
def test_funding_of_opposite_accounts_sums_to_zero(
    path: list[tuple[int, float]], size: Decimal, rates: list[int]
) -> None:
    venue = exchange(path, perp="10000000", funding={PERP: [(HOUR * (i + 1), r / 1e4) for i, r in enumerate(rates)]})
    venue.create_account("b", spot={}, perp=D(10_000_000))
    try:
        for name, side in (("a", BUY), ("b", SELL)):
            venue.place(name, market(PERP, side, str(size)))
    except Refusal:
        return
    venue.advance(10 * HOUR)
    rows = [venue.income(name, kind=IncomeKind.FUNDING_FEE) for name in ("a", "b")]
    assert [a.amount + b.amount for a, b in zip(*rows, strict=True)] == [0] * len(rates)


@FEW
@given(paths, st.lists(st.one_of(orders, triggers), max_size=6), st.lists(st.integers(1, 10 * HOUR), max_size=6))
def test_isolated_accounts_do_not_depend_on_how_time_is_cut(
    path: list[tuple[int, float]], script: list[object], cuts: list[int]
) -> None:
    funding = {PERP: [(at * HOUR, 0.0003) for at in range(1, 9)]}
    worlds = [exchange(path, funding=funding) for _ in range(2)]
    for venue in worlds:
        isolated(venue, 15)
        play(venue, script)
    for cut in sorted(cuts):
        worlds[1].advance(cut)
    for venue in worlds:
        venue.advance(12 * HOUR)
    assert worlds[0].trades("a", PERP) == worlds[1].trades("a", PERP)
    assert worlds[0].trades("a", SPOT) == worlds[1].trades("a", SPOT)
    assert worlds[0].wallet("a") == worlds[1].wallet("a")


TRACE = """
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.synthetic import SyntheticMarket
from bot.domain.instrument import Side
from bot.domain.order import OrderType
from decimal import Decimal as D
start = 1_767_225_600_000
market = SyntheticMarket(3, start, ["UNI", "AAVE", "ETH"], "downtrend", history_days=10)
venue = Exchange(instruments=default_instruments(["UNI", "AAVE", "ETH"]), market=market, start_ms=start)
venue.create_account("a", spot={"USDT": D(10000)}, perp=D(2000))
for number, symbol in enumerate(sorted(venue.instruments)):
    size = venue.instruments[symbol].size_for(D(900), venue.quote(symbol).ask)
    venue.place("a", NewOrder(symbol, Side.BUY, OrderType.MARKET, size=size))
    price = venue.instruments[symbol].floor_price(venue.quote(symbol).bid * D("0.98"))
    venue.place("a", NewOrder(symbol, Side.BUY, OrderType.LIMIT, size=size, price=price))
for hour in range(1, 60):
    venue.advance(start + hour * 3_600_000)
venue.audit()
for event in venue.history:
    print(event)
print(venue.wallet("a"), venue.balances("a"), venue.candles("UNI/USDT:USDT", 3_600_000, 0, venue.now_ms, 24))
"""


def test_the_same_calls_give_the_same_trace_under_two_hash_seeds() -> None:
    root = Path(__file__).parents[3]
    traces = {
        subprocess.run(
            [sys.executable, "-c", TRACE],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(traces) == 1
    assert len(next(iter(traces)).splitlines()) > 20
