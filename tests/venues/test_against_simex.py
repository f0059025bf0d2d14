"""The venue against the embedded exchange: the real dialect, the real engine, the real wire."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import Lane, OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.simex.faults import Fault, FaultRule
from bot.venues.ccxt.throttle import Gate
from tests.venues.binance_server import NOW_MS
from tests.venues.simex_bench import HOUR_MS, PERP, SPOT, Bench, D, simex_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with simex_bench(tmp_path) as made:
        yield made


async def test_instruments_come_back_as_the_exchange_has_them(bench: Bench) -> None:
    found = await bench.venue.fetch_instruments([SPOT, PERP])
    for symbol, theirs in bench.exchange.instruments.items():
        ours = found[symbol]
        for name in ("kind", "base", "quote", "price_tick", "size_step", "size_min", "notional_min", "leverage_max"):
            assert getattr(ours, name) == getattr(theirs, name), (symbol, name)


async def test_market_data_agree_with_the_engine(bench: Bench) -> None:
    venue, exchange = bench.venue, bench.exchange
    quotes = await venue.fetch_quotes([SPOT, PERP])
    for symbol in (SPOT, PERP):
        truth = exchange.quote(symbol)
        assert (quotes[symbol].bid, quotes[symbol].ask) == (truth.bid, truth.ask)
        assert (await venue.fetch_book(symbol, 5)).asks == exchange.book(symbol, 5).asks
        candles = await venue.fetch_candles(symbol, HOUR_MS, NOW_MS - 5 * HOUR_MS, 10)
        assert candles.end_ms == NOW_MS
        assert len(candles) == 5
    assert quotes[PERP].mark is not None
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert funding.interval_hours == exchange.funding(PERP).interval_hours


async def test_a_spot_purchase_from_order_to_fill_to_balance(bench: Bench) -> None:
    venue = bench.venue
    await venue.admit(SPOT, Lane.BULK)
    sent = bench.request(SPOT, Side.BUY, "12.34", "10.5")
    report = await venue.submit_order(sent)
    assert (report.state, report.filled_size) == (ReportState.FILLED, D("12.34"))
    assert await venue.fetch_order(SPOT, sent.client_id) == replace(report, fills=())
    fills = await venue.fetch_fills(SPOT, NOW_MS - HOUR_MS)
    assert sum(fill.size for fill in fills) == D("12.34")
    assert {fill.trade_id for fill in fills} == {fill.trade_id for fill in report.fills}
    account = await venue.fetch_account()
    assert account.balances["UNI"].total == D(100) + D("12.34") - sum(fill.fee for fill in fills)
    assert account.cash == bench.exchange.balances("main")["USDT"].total


async def test_a_hedge_with_leverage_stop_and_funding(bench: Bench) -> None:
    venue, clock = bench.venue, bench.clock
    await venue.set_leverage(PERP, D(5))
    await venue.set_leverage(PERP, D(5))
    await venue.submit_order(bench.request(PERP, Side.SELL, "50", None))
    held = (await venue.fetch_account()).positions[PERP]
    truth = bench.exchange.positions("main")[0]
    assert (held.size, held.leverage, held.is_isolated) == (D(-50), D(5), True)
    assert (held.entry_price, held.margin) == (truth.entry_price, truth.isolated_wallet)
    stop = bench.request(
        PERP,
        Side.BUY,
        "50",
        None,
        order_type=OrderType.STOP,
        trigger_price=D("10.6"),
        reduce_only=True,
        client_id="tsbabcstop",
    )
    assert (await venue.submit_order(stop)).state is ReportState.OPEN
    assert [order.client_id for order in await venue.fetch_open_orders([SPOT, PERP])] == ["tsbabcstop"]
    await venue.move_margin(PERP, D("12.5"))
    bench.market.move(PERP, NOW_MS + HOUR_MS + 1_000, 10.0)
    clock.value_ms += HOUR_MS + 1_000
    assert any(payment.kind == "funding" and payment.amount > 0 for payment in await venue.fetch_payments(NOW_MS))
    bench.market.move(PERP, clock.value_ms + 5_000, 10.8)
    clock.value_ms += 5_000
    assert (await venue.fetch_account()).positions == {}
    report = await venue.fetch_order(PERP, "tsbabcstop", is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.client_id) == (ReportState.FILLED, D(50), "tsbabcstop")


async def test_cash_moves_and_the_books_agree(bench: Bench) -> None:
    await bench.venue.move_cash(D("250.5"), to_perp=True)
    account = await bench.venue.fetch_account()
    assert (account.cash, account.perp_wallet) == (D("9749.5"), D("1250.5"))
    with pytest.raises(VenueRejected) as caught:
        await bench.venue.move_cash(D(10**6), to_perp=False)
    assert caught.value.kind in (Rejection.FUNDS, Rejection.OTHER)
    bench.exchange.audit()


@pytest.mark.parametrize(
    ("symbol", "side", "size", "price", "changes", "kind"),
    [
        (SPOT, Side.BUY, "9000", "10.5", {}, Rejection.FUNDS),
        (SPOT, Side.BUY, "0.3", "10", {}, Rejection.FILTER),
        (PERP, Side.BUY, "9000", "10.5", {}, Rejection.FUNDS),
        (PERP, Side.BUY, "10", "10.5", {"reduce_only": True}, Rejection.REDUCE_ONLY),
        (SPOT, Side.BUY, "10", "11", {"time_in_force": TimeInForce.POST_ONLY}, Rejection.WOULD_TAKE),
        (PERP, Side.BUY, "10", "11", {"time_in_force": TimeInForce.POST_ONLY}, Rejection.WOULD_TAKE),
        (PERP, Side.BUY, "10", "10.5", {"stamp_ms": NOW_MS - 60_000}, Rejection.CLOCK),
        (SPOT, Side.BUY, "10", "10.5", {"stamp_ms": NOW_MS - 60_000}, Rejection.CLOCK),
    ],
)
async def test_the_exchanges_own_refusals_are_understood(
    symbol: str, side: Side, size: str, price: str, changes: dict[str, object], kind: Rejection, bench: Bench
) -> None:
    with pytest.raises(VenueRejected) as caught:
        await bench.venue.submit_order(bench.request(symbol, side, size, price, **changes))
    assert caught.value.kind is kind, caught.value


@pytest.mark.parametrize(
    ("fault", "has_happened"),
    [
        (Fault(after_engine_drop=True), True),
        (Fault(before_engine_drop=True), False),
        (Fault(truncate=20), True),
        (Fault(html=True), True),
        (Fault(empty=True), True),
        (Fault(reset=True), True),
        (Fault(reply_status=503), True),
    ],
)
async def test_a_doubtful_order_is_unknown_and_its_truth_can_be_read_afterwards(
    fault: Fault, has_happened: bool, bench: Bench
) -> None:
    for symbol, path in ((SPOT, "/api/v3/order"), (PERP, "/fapi/v1/order")):
        bench.simex.faults.add(FaultRule(fault, method="POST", path=path, times=1))
        bench.clock.value_ms += 1
        sent = bench.request(symbol, Side.BUY, "10", "10.5")
        before = len(bench.exchange.orders("main", symbol))
        with pytest.raises(OutcomeUnknown):
            await bench.venue.submit_order(sent)
        assert len(bench.exchange.orders("main", symbol)) - before == int(has_happened)
        report = await bench.venue.fetch_order(symbol, sent.client_id)
        assert (report is not None) is has_happened


async def test_the_exchange_never_counts_more_than_we_do(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counts come back in headers; if one were above ours, a weight in the profile would be too small."""
    venue, compared = bench.venue, set()
    for market, gate in venue._link.wire.gates.items():

        def compare(bucket: str, counted: int, gate: Gate = gate, market: str = market) -> None:
            assert counted <= gate.loads()[bucket][0], (market, bucket)
            compared.add((market, bucket))

        monkeypatch.setattr(gate, "sync", compare)
    for _ in range(3):
        await venue.fetch_account()
        await venue.fetch_quotes([SPOT, PERP])
        await venue.fetch_funding([PERP])
        await venue.fetch_open_orders([SPOT, PERP])
        for symbol in (SPOT, PERP):
            bench.clock.value_ms += 1
            await venue.fetch_book(symbol, 100)
            await venue.fetch_candles(symbol, HOUR_MS, NOW_MS - 50 * HOUR_MS, 50)
            await venue.fetch_order_history(symbol, NOW_MS - HOUR_MS)
            await venue.fetch_fills(symbol, NOW_MS - HOUR_MS)
            sent = bench.request(symbol, Side.BUY, "10", "9.5", time_in_force=TimeInForce.GTC)
            await venue.submit_order(sent)
            await venue.cancel_order(symbol, sent.client_id)
        await venue.fetch_payments(NOW_MS - HOUR_MS)
    assert {("spot", "weight"), ("usdm", "weight"), ("usdm", "orders_10s"), ("spot", "orders_10s")} <= compared


async def test_the_exchange_answers_everything_a_start_asks(bench: Bench) -> None:
    asked = {path: status for _, _, path, status in bench.simex.request_log}
    assert {"/fapi/v3/account", "/api/v3/account", "/sapi/v1/account/apiRestrictions"} <= asked.keys()
    assert set(asked.values()) == {200}, asked
