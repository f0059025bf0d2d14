"""The contract of `bot.ports.Venue`, tried on every venue of `stands.STANDS`."""

import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.instrument import Kind, Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import (
    Lane,
    OrderRequest,
    OutcomeUnknown,
    ReadsPositionSize,
    Rejection,
    ReportState,
    Unavailable,
    Venue,
    VenueRejected,
)
from tests.venues.contract.stands import NO_TRANSFERS, STANDS, Stand
from tests.venues.simex_bench import HOUR_MS, PERP, SPOT, D, order_request

BOTH = (SPOT, PERP)


@pytest.fixture(params=list(STANDS))
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    async with STANDS[request.param](tmp_path) as opened:
        yield opened


def order(stand: Stand, symbol: str, side: Side, size: str, price: str | None, **changes: object) -> OrderRequest:
    stand.clock.value_ms += 1
    return order_request(stand.venue, stand.clock, symbol, side, size, price, **changes)


async def test_a_venue_names_itself_and_keeps_its_time(stand: Stand) -> None:
    venue = stand.venue
    assert venue.id
    assert venue.environment == "sim"
    assert venue.account_name == "main"
    assert venue.receive_window_ms > 0
    assert venue.quiet_period_ms > 0
    assert await venue.fetch_clock_skew() == venue.clock_skew_ms == 0
    assert venue.now_ms() == stand.clock.now_ms()
    assert venue.held_seconds() == {}


async def test_instruments_are_as_the_exchange_has_them_and_unknown_ones_are_missing(stand: Stand) -> None:
    found = await stand.venue.fetch_instruments([SPOT, PERP, "NONE/USDT"])
    assert set(found) == set(BOTH)
    for symbol, kind in ((SPOT, Kind.SPOT), (PERP, Kind.PERP)):
        theirs = stand.exchange.instruments[symbol]
        assert found[symbol].kind is kind
        for name in ("price_tick", "size_step", "size_min", "notional_min", "contract_size", "multiplier"):
            assert getattr(found[symbol], name) == getattr(theirs, name), name


async def test_market_data_are_complete_and_never_of_the_future(stand: Stand) -> None:
    venue = stand.venue
    quotes = await venue.fetch_quotes(BOTH)
    for symbol in BOTH:
        assert quotes[symbol].defect() is None
        assert quotes[symbol].at_ms <= venue.now_ms()
        book = await venue.fetch_book(symbol, 7)
        assert 0 < len(book.bids) <= 7
        assert [price for price, _ in book.asks] == sorted(price for price, _ in book.asks)
        candles = await venue.fetch_candles(symbol, HOUR_MS, venue.now_ms() - 5 * HOUR_MS, 3)
        assert len(candles) == 3
        assert candles.end_ms <= venue.now_ms()
    assert quotes[PERP].mark is not None
    assert (await venue.fetch_funding([PERP]))[PERP].interval_hours > 0
    assert all(0 < bracket.maintenance_rate < 1 for bracket in (await venue.fetch_instruments([PERP]))[PERP].brackets)
    assert (await venue.fetch_instruments([PERP]))[PERP].brackets


async def test_what_cannot_be_read_is_unavailable(stand: Stand) -> None:
    with pytest.raises(Unavailable):
        await stand.venue.fetch_book("NONE/USDT", 5)
    with pytest.raises(Unavailable):
        await stand.venue.fetch_open_interest("NONE/USDT:USDT")


async def test_an_account_is_reviewed_and_read(stand: Stand) -> None:
    assert (await stand.venue.fetch_account_review(0)).problems == ()
    account = await stand.venue.fetch_account()
    assert account.cash + account.perp_wallet == D(11_000)
    assert account.perp_wallet == D(0 if account.is_unified else 1_000)
    assert account.positions == {}
    if isinstance(stand.venue, ReadsPositionSize):
        assert await stand.venue.fetch_position_size(PERP) == 0


@pytest.mark.parametrize("symbol", BOTH)
async def test_a_resting_order_is_seen_cannot_be_doubled_and_is_cancelled_once(symbol: str, stand: Stand) -> None:
    venue = stand.venue
    sent = order(stand, symbol, Side.BUY, "10", "9.5", time_in_force=TimeInForce.GTC)
    await venue.admit(symbol, Lane.BULK)
    assert (await venue.submit_order(sent)).state is ReportState.OPEN
    stand.book()
    (seen,) = await venue.fetch_open_orders(BOTH)
    assert (seen.client_id, seen.state, seen.size, seen.price) == (
        sent.client_id,
        ReportState.OPEN,
        D(10),
        D("9.5"),
    )
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(sent)
    assert caught.value.kind is Rejection.DUPLICATE_ID
    await venue.cancel_order(symbol, sent.client_id)
    assert await venue.fetch_open_orders([symbol]) == ()
    report = await venue.fetch_order(symbol, sent.client_id)
    assert report is not None
    assert report.state is ReportState.CANCELED
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(symbol, sent.client_id)
    assert caught.value.kind is Rejection.NOT_FOUND
    history = await venue.fetch_order_history(symbol, venue.now_ms() - HOUR_MS)
    assert sent.client_id in {found.client_id for found in history}
    assert await venue.fetch_order(symbol, "tsbabcnone") is None


@pytest.mark.parametrize("symbol", BOTH)
async def test_a_purchase_is_reported_and_its_fills_can_be_read(symbol: str, stand: Stand) -> None:
    venue = stand.venue
    sent = order(stand, symbol, Side.BUY, "12", "10.5")
    await venue.submit_order(sent)
    stand.book()
    report = await venue.fetch_order(symbol, sent.client_id)
    assert report is not None
    assert (report.state, report.filled_size) == (ReportState.FILLED, D(12))
    fills = await venue.fetch_fills(symbol, venue.now_ms() - HOUR_MS)
    assert sum(fill.size for fill in fills) == D(12)
    assert len({fill.trade_id for fill in fills}) == len(fills)


REFUSALS = (
    (SPOT, Side.BUY, "9000", "10.5", {}, Rejection.FUNDS),
    (PERP, Side.BUY, "40000", "10.5", {}, Rejection.FUNDS),
    (SPOT, Side.BUY, "0.3", "10", {}, Rejection.FILTER),
    (SPOT, Side.BUY, "10", "9.50001", {}, Rejection.FILTER),
    (PERP, Side.BUY, "10.5", "9.5", {}, Rejection.FILTER),
    (PERP, Side.BUY, "10", "10.5", {"reduce_only": True}, Rejection.REDUCE_ONLY),
    (SPOT, Side.BUY, "10", "11", {"time_in_force": TimeInForce.POST_ONLY}, Rejection.WOULD_TAKE),
    (PERP, Side.BUY, "10", "11", {"time_in_force": TimeInForce.POST_ONLY}, Rejection.WOULD_TAKE),
)


@pytest.mark.parametrize(("symbol", "side", "size", "price", "changes", "kind"), REFUSALS)
async def test_refusals_are_recognised_and_change_nothing(
    symbol: str, side: Side, size: str, price: str, changes: dict[str, object], kind: Rejection, stand: Stand
) -> None:
    before = await stand.venue.fetch_account()
    sent = order(stand, symbol, side, size, price, **changes)
    if stand.is_asynchronous and (symbol, kind) == (PERP, Rejection.WOULD_TAKE):
        assert (await stand.venue.submit_order(sent)).state is ReportState.OPEN
        stand.book()
        ended = await stand.venue.fetch_order(symbol, sent.client_id)
        assert ended is not None
        assert (ended.state, ended.filled_size) == (ReportState.EXPIRED, 0)
    elif kind in stand.unnamed:
        with pytest.raises(OutcomeUnknown):
            await stand.venue.submit_order(sent)
        assert await stand.venue.fetch_order(symbol, sent.client_id) is None
    else:
        with pytest.raises(VenueRejected) as caught:
            await stand.venue.submit_order(sent)
        assert caught.value.kind is kind
    after = await stand.venue.fetch_account()
    assert (after.balances, after.positions) == (before.balances, before.positions)
    assert await stand.venue.fetch_open_orders(BOTH) == ()


@pytest.mark.parametrize("symbol", BOTH)
async def test_a_stamp_older_than_the_window_is_refused(symbol: str, stand: Stand) -> None:
    late = order(stand, symbol, Side.BUY, "10", "10.5", stamp_ms=stand.venue.now_ms() - 60_000)
    with pytest.raises(VenueRejected) as caught:
        await stand.venue.submit_order(late)
    assert caught.value.kind is Rejection.CLOCK


async def test_a_short_with_leverage_margin_and_stop(stand: Stand) -> None:
    venue = stand.venue
    await venue.set_leverage(PERP, D(5))
    await venue.set_leverage(PERP, D(5))
    await venue.submit_order(order(stand, PERP, Side.SELL, "50", None))
    held = (await venue.fetch_account()).positions[PERP]
    if isinstance(venue, ReadsPositionSize):
        assert await venue.fetch_position_size(PERP) == held.size != 0
    assert (held.size, held.leverage, held.is_isolated) == (D(-50), D(5), True)
    await venue.move_margin(PERP, D("12.5"))
    assert (await venue.fetch_account()).positions[PERP].margin == held.margin + D("12.5")
    stop = order(
        stand, PERP, Side.BUY, "50", None, order_type=OrderType.STOP, trigger_price=D("10.6"), reduce_only=True
    )
    await venue.submit_order(stop)
    stand.book()
    (seen,) = await venue.fetch_open_orders([PERP])
    assert (seen.client_id, seen.is_trigger, seen.trigger_price) == (stop.client_id, True, D("10.6"))
    plain = await venue.fetch_order(PERP, stop.client_id)
    assert plain is None or plain.is_trigger  # where conditional orders share the ids, it is found and says what it is
    report = await venue.fetch_order(PERP, stop.client_id, is_trigger=True)
    assert report is not None
    assert report.state is ReportState.OPEN
    await venue.cancel_order(PERP, stop.client_id, is_trigger=True)
    assert await venue.fetch_open_orders([PERP]) == ()


async def test_cash_moves_between_the_wallets_and_is_a_payment(stand: Stand) -> None:
    venue, began_ms = stand.venue, stand.venue.now_ms()
    if (await venue.fetch_account()).is_unified:
        with pytest.raises(VenueRejected, match="one wallet"):
            await venue.move_cash(D("250.5"), to_perp=True)
        assert [p for p in await venue.fetch_payments(began_ms - HOUR_MS) if p.kind == "transfer"] == []
        return
    if not venue.has_transfers:
        before = await venue.fetch_payments(began_ms - HOUR_MS)
        with pytest.raises(VenueRejected, match="there is no way"):
            await venue.move_cash(D("250.5"), to_perp=True)
        assert await venue.fetch_payments(began_ms - HOUR_MS) == before
        return
    await venue.move_cash(D("250.5"), to_perp=True)
    account = await venue.fetch_account()
    assert (account.cash, account.perp_wallet) == (D("9749.5"), D("1250.5"))
    payments = await venue.fetch_payments(began_ms - HOUR_MS)
    assert (payments[-1].kind, payments[-1].amount) == ("transfer", D("250.5"))
    assert len({payment.id for payment in payments}) == len(payments)


@pytest.mark.parametrize("name", list(NO_TRANSFERS))
async def test_what_is_not_claimed_is_refused_before_a_request_leaves(name: str, tmp_path: Path) -> None:
    async with NO_TRANSFERS[name](tmp_path) as stand:
        assert not stand.venue.has_transfers
        stand.sent.clear()
        with pytest.raises(VenueRejected) as caught:
            await stand.venue.move_cash(D(10), to_perp=True)
        assert caught.value.code == "not sent"
        assert stand.sent == []


async def test_a_lost_answer_is_unknown_and_the_order_is_sent_once(tmp_path: Path) -> None:
    tried = 0
    for name, opens in STANDS.items():
        async with opens(tmp_path / name) as stand:
            if stand.lose_answer is None:
                continue
            tried += 1
            stand.lose_answer()
            sent = order(stand, SPOT, Side.BUY, "10", "10.5")
            stand.sent.clear()
            with pytest.raises(OutcomeUnknown):
                await stand.venue.submit_order(sent)
            assert len(stand.sent) == 1
            stand.book()
            report = await stand.venue.fetch_order(SPOT, sent.client_id)
            assert report is not None
            assert report.state is ReportState.FILLED
    assert tried


async def test_a_venue_that_asks_for_silence_is_left_alone(tmp_path: Path) -> None:
    tried = 0
    for name, opens in STANDS.items():
        async with opens(tmp_path / name) as stand:
            if stand.limit is None:
                continue
            tried += 1
            stand.limit()
            with pytest.raises(Unavailable):
                await stand.venue.fetch_book(SPOT, 5)
            assert stand.venue.held_seconds()
            stand.sent.clear()
            with pytest.raises(Unavailable):
                await stand.venue.fetch_book(SPOT, 5)
            assert stand.sent == []
    assert tried


async def test_the_used_share_of_a_request_budget_lies_between_nothing_and_the_whole(tmp_path: Path) -> None:
    tried = 0
    for name, opens in STANDS.items():
        async with opens(tmp_path / name) as stand:
            await stand.venue.fetch_book(SPOT, 5)
            used = stand.venue.requests_used()
            assert all(0 <= share <= 1 for share in used.values()), name
            if used:
                tried += 1
                assert max(used.values()) > 0, name
    assert tried


def test_the_contract_calls_the_whole_port() -> None:
    members = {name for name, _ in inspect.getmembers(Venue, callable) if not name.startswith("_")}
    source = inspect.getsource(sys.modules[__name__]) + inspect.getsource(sys.modules[Stand.__module__])
    assert {name for name in members if f"venue.{name}(" not in source} == set()
