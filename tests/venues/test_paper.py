"""The paper account: a real venue's prices, nobody's money, and not one write at the venue."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.portfolio import Account, Balance
from bot.ports import Lane, Rejection, ReportState, Venue, VenueRejected
from bot.simex.engine.refusal import RefusalReason
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.paper import engine_account
from bot.venues.paper.venue import PaperVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, Hit
from tests.venues.conftest import SYMBOLS, HandClock
from tests.venues.orders import market, request, stop

PERP, HOUR_MS = "UNI/USDT:USDT", 3_600_000
D = Decimal


def account(**changes: Any) -> Account:
    base = Account(
        at_ms=NOW_MS,
        quote="USDT",
        balances={"USDT": Balance("USDT", D(1_000)), "UNI": Balance("UNI", D(50))},
        perp_wallet=D(400),
        perp_free=D(400),
        positions={},
    )
    return replace(base, **changes)


class Prices:
    """The server's prices, moved by hand."""

    def __init__(self, server: BinanceServer) -> None:
        self.middle, self.spread = D(10), D("0.01")
        for prefix, kind in (("/api/v3", "spot"), ("/fapi/v1", "perp")):
            server.answers["GET", f"{prefix}/depth"] = self._depth
            server.answers["GET", f"{prefix}/ticker/bookTicker"] = self._books if kind == "spot" else self._book
        server.answers["GET", "/fapi/v1/premiumIndex"] = self._premium
        self.rate, self.next_ms = "0.001", NOW_MS + HOUR_MS

    def _depth(self, hit: Hit) -> Any:
        bids = [[str(self.middle - D("0.01") * (n + 1)), "20"] for n in range(5)]
        return {"bids": bids, "asks": [[str(self.middle + D("0.01") * (n + 1)), "20"] for n in range(5)]}

    def _row(self, symbol: str) -> dict[str, str]:
        return {
            "symbol": symbol,
            "bidPrice": str(self.middle - self.spread),
            "askPrice": str(self.middle + self.spread),
        }

    def _books(self, hit: Hit) -> Any:
        return [self._row(f"{base}USDT") for base in ("UNI", "AAVE", "DOT") if f"{base}USDT" in hit.params["symbols"]]

    def _book(self, hit: Hit) -> Any:
        return self._row(hit.params["symbol"])

    def _premium(self, hit: Hit) -> Any:
        price = str(self.middle)
        return {
            "symbol": hit.params["symbol"],
            "markPrice": price,
            "indexPrice": price,
            "lastFundingRate": self.rate,
            "nextFundingTime": self.next_ms,
            "time": NOW_MS,
        }


@pytest.fixture
def prices(server: BinanceServer) -> Prices:
    return Prices(server)


@pytest.fixture
async def make_paper(make_venue: Callable[..., CcxtVenue], prices: Prices, server: BinanceServer) -> Callable[..., Any]:
    async def make(initial: Account | None = None) -> Venue:
        made: Venue = PaperVenue(make_venue(), account="main", initial=initial)
        await made.open()
        await made.fetch_instruments(SYMBOLS)
        return made

    return make


def now(order: Any) -> Any:
    return replace(order, stamp_ms=NOW_MS)


async def test_the_account_is_copied_from_the_venue_when_none_is_given(make_paper: Callable[..., Any]) -> None:
    venue = await make_paper()
    found = await venue.fetch_account()
    assert (found.cash, found.balances["UNI"].total) == (D(1_000), D("12.34"))
    assert (found.perp_wallet, found.perp_free) == (D(500), D(500))


async def test_a_purchase_walks_the_venues_book_and_pays_the_fee_in_what_it_bought(
    make_paper: Callable[..., Any], server: BinanceServer
) -> None:
    venue = await make_paper(account())
    await venue.admit("UNI/USDT", Lane.BULK)
    report = await venue.submit_order(now(request(size=D(30), price=D("10.05"))))
    cost = D(20) * D("10.01") + D(10) * D("10.02")
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.FILLED, D(30), cost)
    assert [fill.price for fill in report.fills] == [D("10.01"), D("10.02")]
    found = await venue.fetch_account()
    assert found.cash == D(1_000) - cost
    assert found.balances["UNI"].total == D(50) + D(30) - D("0.03")
    assert {hit.method for hit in server.hits} == {"GET"}


async def test_a_limit_that_the_book_does_not_reach_expires_as_far_as_it_is_unfilled(
    make_paper: Callable[..., Any],
) -> None:
    venue = await make_paper(account())
    report = await venue.submit_order(now(request(size=D(30), price=D("10.01"))))
    assert (report.state, report.filled_size) == (ReportState.EXPIRED, D(20))
    assert len(await venue.fetch_fills("UNI/USDT", 0)) == 1


async def test_a_short_with_its_stop_is_closed_when_the_venues_mark_passes_it(
    make_paper: Callable[..., Any], prices: Prices, clock: HandClock
) -> None:
    venue = await make_paper(account())
    await venue.set_leverage(PERP, D(5))
    await venue.submit_order(now(market(PERP, side=Side.SELL, size=D(40), client_id="tsbshort")))
    protect = stop(side=Side.BUY, size=D(40), trigger_price=D("10.5"), reduce_only=True, client_id="tsbstop")
    assert (await venue.submit_order(now(protect))).state is ReportState.OPEN
    held = (await venue.fetch_account()).positions[PERP]
    assert (held.size, held.leverage, held.is_isolated) == (D(-40), D(5), True)
    assert [order.client_id for order in await venue.fetch_open_orders([PERP])] == ["tsbstop"]
    clock.value_ms += 5_000
    prices.middle = D("10.6")
    await venue.fetch_quotes([PERP])
    assert (await venue.fetch_account()).positions == {}
    report = await venue.fetch_order(PERP, "tsbstop", is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.is_trigger) == (ReportState.FILLED, D(40), True)
    assert await venue.fetch_open_orders([PERP]) == ()


async def test_funding_is_settled_with_the_last_rate_seen_before(
    make_paper: Callable[..., Any], prices: Prices, clock: HandClock
) -> None:
    venue = await make_paper(account())
    await venue.submit_order(now(market(PERP, side=Side.SELL, size=D(20))))
    clock.value_ms += HOUR_MS + 1_000
    prices.next_ms += 4 * HOUR_MS
    await venue.fetch_account()
    paid = [payment for payment in await venue.fetch_payments(0) if payment.kind == "funding"]
    assert [(payment.amount, payment.symbol) for payment in paid] == [(D(20) * D(10) * D("0.001"), PERP)]


async def test_a_restart_takes_up_positions_at_their_entry_and_margin(make_paper: Callable[..., Any]) -> None:
    first = await make_paper(account())
    await first.set_leverage(PERP, D(5))
    await first.submit_order(now(market(PERP, side=Side.SELL, size=D(40))))
    await first.move_margin(PERP, D(7))
    before = await first.fetch_account()
    again = await make_paper(before)
    after = await again.fetch_account()
    assert after.positions == before.positions
    assert (after.perp_wallet, after.perp_free) == (before.perp_wallet, before.perp_free)
    assert after.balances == before.balances
    assert await again.fetch_fills(PERP, 0) == ()  # the engine's own entry of it is no execution of the account
    assert await again.fetch_order_history(PERP, 0) == ()
    await again.submit_order(now(market(PERP, side=Side.BUY, size=D(10), client_id="tsbless")))
    assert [one.client_id for one in await again.fetch_fills(PERP, 0)] == ["tsbless"]


@pytest.mark.parametrize("size", ["-40.0004", "0.003", "-90000"])
async def test_a_restart_takes_up_a_position_that_the_filters_of_now_would_not_let_in(
    make_paper: Callable[..., Any], size: str
) -> None:
    first = await make_paper(account(perp_wallet=D(400_000), perp_free=D(400_000)))
    await first.set_leverage(PERP, D(5))
    await first.submit_order(now(market(PERP, side=Side.SELL, size=D(40))))
    before = await first.fetch_account()
    (held,) = before.positions.values()
    odd = replace(held, size=D(size), margin=abs(D(size)) * 4)
    after = await (await make_paper(replace(before, positions={PERP: odd}))).fetch_account()
    assert {symbol: p.size for symbol, p in after.positions.items()} == {PERP: D(size)}


async def test_fills_of_two_starts_never_share_an_id(
    make_paper: Callable[..., Any], clock: HandClock, server: BinanceServer
) -> None:
    server.now_ms = clock.now_ms
    ids = set()
    for _ in range(2):
        venue = await make_paper(account())
        report = await venue.submit_order(replace(market(), stamp_ms=clock.now_ms()))
        ids |= {fill.trade_id for fill in report.fills}
        clock.value_ms += 1_000
    assert len(ids) == 2


async def test_cash_moves_between_the_wallets(make_paper: Callable[..., Any]) -> None:
    venue = await make_paper(account())
    await venue.move_cash(D(100), to_perp=True)
    found = await venue.fetch_account()
    assert (found.cash, found.perp_wallet) == (D(900), D(500))
    with pytest.raises(VenueRejected) as caught:
        await venue.move_cash(D(10_000), to_perp=False)
    assert caught.value.kind is Rejection.FUNDS


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (request(size=D("10000"), price=D(10)), Rejection.FUNDS),
        (request(size=D("0.3"), price=D(10)), Rejection.FILTER),
        (request(PERP, reduce_only=True), Rejection.REDUCE_ONLY),
        (request("NOPE/USDT"), Rejection.OTHER),
    ],
)
async def test_the_paper_account_rejects_what_a_venue_would(
    order: Any, kind: Rejection, make_paper: Callable[..., Any]
) -> None:
    venue = await make_paper(account())
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(now(order))
    assert caught.value.kind is kind


async def test_a_stamp_past_its_window_is_rejected_as_a_venue_would(
    make_paper: Callable[..., Any], clock: HandClock
) -> None:
    venue = await make_paper(account())
    clock.value_ms += 4_322
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(now(request()))
    assert caught.value.kind is Rejection.CLOCK


async def test_cancelling_what_is_not_there_is_not_found(make_paper: Callable[..., Any]) -> None:
    venue = await make_paper(account())
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order("UNI/USDT", "tsbnone")
    assert caught.value.kind is Rejection.NOT_FOUND
    assert await venue.fetch_order("UNI/USDT", "tsbnone") is None


async def test_without_market_data_a_paper_order_certainly_did_not_happen(
    make_paper: Callable[..., Any], server: BinanceServer
) -> None:
    venue = await make_paper(account())
    server.drops.add(("GET", "/api/v3/depth"))
    with pytest.raises(VenueRejected, match="no market data"):
        await venue.submit_order(now(request()))


def test_every_reason_of_the_engine_has_a_meaning() -> None:
    assert engine_account._REJECTIONS.keys() == set(RefusalReason)


async def test_symbols_may_be_added_later_and_changed_filters_apply(
    make_paper: Callable[..., Any], server: BinanceServer
) -> None:
    venue = await make_paper(account())
    with pytest.raises(VenueRejected, match="not among"):
        await venue.submit_order(now(request("DOT/USDT")))
    found = await venue.fetch_instruments([*SYMBOLS, "DOT/USDT"])
    assert "DOT/USDT" in found
    assert (await venue.submit_order(now(request("DOT/USDT", price=D("10.05"))))).state is ReportState.FILLED


async def test_a_crossed_quote_moves_nothing(make_paper: Callable[..., Any], prices: Prices, clock: HandClock) -> None:
    venue = await make_paper(account())
    await venue.submit_order(now(market(PERP, side=Side.SELL, size=D(20))))
    clock.value_ms += 1_000
    prices.spread = D(-1)
    prices.middle = D(20)
    assert (await venue.fetch_account()).positions[PERP].mark_price == D(10)


async def test_a_symbol_without_a_sound_quote_is_left_out_until_it_has_one(
    make_paper: Callable[..., Any], prices: Prices
) -> None:
    prices.spread = D(-1)
    venue = await make_paper(account())
    with pytest.raises(VenueRejected, match="not among"):
        await venue.submit_order(now(request()))
    prices.spread = D("0.01")
    await venue.fetch_instruments(SYMBOLS)
    assert (await venue.submit_order(now(request(price=D("10.05"))))).state is ReportState.FILLED
