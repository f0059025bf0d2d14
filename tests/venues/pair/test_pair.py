"""Two venues as one: who is asked what, what the account is, and what is left when one of them does not answer."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.domain.portfolio import Account, Balance
from bot.execution.books.ledger import Baseline, expected_books
from bot.execution.unreadable import believed, review
from bot.ports import (
    DEPOSIT,
    PERP_DEPOSIT,
    PERP_WITHDRAWAL,
    WITHDRAWAL,
    AccountProblem,
    AccountRefused,
    AccountReview,
    ChecksUnanswered,
    HalfUnavailable,
    Listed,
    OrderRequest,
    Payment,
    SetupFailed,
    Unavailable,
    Venue,
    VenueRejected,
)
from bot.venues.pair.account import joined, perp_payments, spot_payments
from tests.venues.pair.halves import PERP, SPOT, START_MS, Two, two

D = Decimal
BOTH = (SPOT, PERP)


def order(symbol: str, side: Side = Side.BUY, size: str = "10", price: str = "10.5") -> OrderRequest:
    return OrderRequest(
        f"tsb{side}{size}", symbol, side, D(size), OrderType.LIMIT, TimeInForce.IOC, START_MS, 5_000, price=D(price)
    )


async def test_each_order_goes_to_the_venue_of_its_market_and_to_no_other() -> None:
    both = two()
    port: Venue = both.venue
    await port.submit_order(order(SPOT))
    await port.set_leverage(PERP, D(5))
    await port.submit_order(order(PERP, Side.SELL, price="9.5"))
    assert both.spot.calls == ["submit_order"]
    assert both.perp.calls == ["set_leverage", "submit_order"]
    account = await port.fetch_account()
    assert account.balances["UNI"].total > 109
    assert account.positions[PERP].size == -10
    assert {fill.venue for symbol in BOTH for fill in await port.fetch_fills(symbol, 0)} == {"first", "second"}


async def test_the_account_is_the_spot_wallet_of_one_and_the_perp_wallet_of_the_other() -> None:
    account = await two().venue.fetch_account()
    assert {name: held.total for name, held in account.balances.items()} == {"USDT": D(10_000), "UNI": D(100)}
    assert (account.perp_wallet, account.perp_free, account.is_unified) == (D(1_000), D(1_000), False)


async def test_a_unified_wallet_is_the_perp_wallet_of_an_account_of_perps() -> None:
    spot = await two().spot.fetch_account()
    unified = replace(
        spot,
        balances={"USDT": Balance("USDT", D(700), D(300)), "SOL": Balance("SOL", D(5))},
        perp_wallet=D(0),
        is_unified=True,
        unreadable={"spot:USDT": "cut", "spot:SOL": "cut", "perp:X/USDT:USDT": "cut"},
    )
    found = joined(spot, unified, "USDT")
    assert (found.perp_wallet, found.perp_free, found.is_unified) == (D(1_000), D(700), False)
    assert "SOL" not in found.balances
    assert found.unreadable == {"wallet": "cut", "perp:X/USDT:USDT": "cut"}


async def test_money_is_never_moved_between_two_venues() -> None:
    both = two()
    with pytest.raises(VenueRejected, match="250 is not moved from spot at first to perps at second"):
        await both.venue.move_cash(D(250), to_perp=True)
    assert both.spot.calls == both.perp.calls == []
    assert not both.venue.has_transfers


@pytest.mark.parametrize("dark", ["spot", "perp"])
async def test_of_a_dark_half_nothing_is_believed_to_be_gone(dark: str) -> None:
    both = two()
    await both.venue.set_leverage(PERP, D(5))
    await both.venue.submit_order(order(PERP, Side.SELL, price="9.5"))
    await both.venue.fetch_instruments()
    before = await both.venue.fetch_account()
    getattr(both, dark).why = "no route"
    account = await both.venue.fetch_account()
    books = expected_books(
        Baseline({"spot:UNI": D(100), "spot:USDT": D(10_000), f"perp:{PERP}": D(-10), "wallet": D(1_000)}, {}, 0, 0, 0),
        (),
        (),
        (),
        quote="USDT",
        is_unified=False,
    )
    seen = believed(account, books)
    assert seen.balances["UNI"].total == 100
    assert seen.positions[PERP].size == -10
    assert seen.cash == 10_000
    assert seen.perp_wallet == (D(1_000) if dark == "perp" else before.perp_wallet)
    unread = review(account, (), BOTH)
    assert unread.is_unbounded  # entries stop on both
    assert all("no route" in note.words for note in unread.notes)
    known = await both.venue.fetch_instruments(BOTH)
    assert set(known) == set(BOTH)
    quotes = await both.venue.fetch_quotes(BOTH)
    assert set(quotes) == {SPOT if dark == "perp" else PERP}
    listed = await both.venue.fetch_open_orders(BOTH)
    assert isinstance(listed, Listed)
    assert len(listed.defects) == 1
    payments = await both.venue.fetch_payments(0)
    assert isinstance(payments, Listed)
    assert "no route" in payments.defects[0][1]


async def test_what_neither_answers_is_unavailable() -> None:
    both = two()
    both.spot.why, both.perp.why = "no route", "banned"
    for reading in (both.venue.fetch_account(), both.venue.fetch_quotes(BOTH), both.venue.fetch_open_orders(BOTH)):
        with pytest.raises(Unavailable, match="spot at first: no route; perps at second: banned"):
            await reading
    with pytest.raises(Unavailable, match="perps at second: banned"):
        await both.venue.fetch_quotes([PERP])


async def test_a_half_that_hangs_holds_up_the_other_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.venues.pair.venue.PATIENCE_S", 0.05)
    both = two()
    both.perp.is_hung = True
    async with asyncio.timeout(2):
        account = await both.venue.fetch_account()
    assert account.balances["UNI"].total == 100
    assert "no answer" in account.unreadable["perp:"]


@pytest.mark.parametrize(("used", "is_waited_for"), [(0.8, True), (0.5, False)])
async def test_a_half_whose_request_limits_hold_the_question_back_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, used: float, is_waited_for: bool
) -> None:
    """The wallet of perps passed for unread in every other cycle at WEEX, which allows 500 weight in ten seconds: no
    long was opened, and the stop of a position was replaced each time."""
    monkeypatch.setattr("bot.venues.pair.venue.PATIENCE_S", 0.02)
    both = two()
    fetch = type(both.perp).fetch_account

    async def admitted_late(venue: object) -> Account:
        await asyncio.sleep(0.2)
        return await fetch(both.perp)

    monkeypatch.setattr(both.perp, "fetch_account", lambda: admitted_late(both.perp))
    monkeypatch.setattr(both.perp, "requests_used", lambda: {"perps": used})
    account = await both.venue.fetch_account()
    assert ("perp:" not in account.unreadable) is is_waited_for
    monkeypatch.setattr("bot.venues.pair.reading.LIMITED_S", 0.05)
    account = await both.venue.fetch_account()
    assert "no answer" in account.unreadable["perp:"]


async def test_a_bug_in_a_half_is_no_darkness(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two()

    async def broken(_: object) -> None:
        raise KeyError("bid")

    monkeypatch.setattr(both.perp, "fetch_quotes", broken)
    with pytest.raises(KeyError):
        await both.venue.fetch_quotes(BOTH)


@pytest.mark.parametrize(
    ("spot", "perp", "raised", "words"),
    [
        (SetupFailed("bad key"), None, SetupFailed, "spot at first: bad key"),
        (None, Unavailable("no route"), HalfUnavailable, "perps at second: no route"),
        (Unavailable("dark"), Unavailable("no route"), Unavailable, "spot at first: dark; perps at second: no route"),
        (
            AccountRefused("hedge mode"),
            Unavailable("no route"),
            AccountRefused,
            "hedge mode; perps at second: no route",
        ),
        (AccountRefused("hedge mode"), SetupFailed("bad key"), SetupFailed, "perps at second: bad key"),
        (AccountRefused("hedge mode"), None, AccountRefused, "spot at first: hedge mode"),
        (ChecksUnanswered("later"), AccountRefused("hedge mode"), AccountRefused, "spot at first: later; perps at"),
        (None, ChecksUnanswered("later"), ChecksUnanswered, "perps at second: later"),
    ],
)
async def test_a_start_says_which_of_both_refuses(
    spot: Exception | None, perp: Exception | None, raised: type[Exception], words: str
) -> None:
    both = two()
    both.spot.start_error, both.perp.start_error = spot, perp
    with pytest.raises(raised, match=words) as caught:
        await both.venue.open()
    assert type(caught.value) is raised
    is_connected = raised in (AccountRefused, ChecksUnanswered, HalfUnavailable)
    has_answered = [is_connected and not isinstance(error, Unavailable) for error in (spot, perp)]
    assert [both.spot.is_open, both.perp.is_open] == has_answered


async def test_a_half_that_was_dark_at_the_start_is_opened_beside_the_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.venues.pair.reading.REOPEN_S", 0.05)
    both = two()
    both.spot.start_error = Unavailable("no route")
    both.perp.skew_ms = 3_000
    with pytest.raises(HalfUnavailable):
        await both.venue.open()
    assert (both.venue.now_ms(), both.venue.clock_skew_ms) == (both.perp.now_ms(), 3_000)
    assert all("second" in part for part in both.venue.held_seconds())
    for _ in range(2):
        assert "no route" in (await both.venue.fetch_account()).unreadable["spot:"]
        await asyncio.sleep(0.06)
    both.spot.start_error = None  # its clock is another one: it stays closed
    await both.venue.fetch_account()
    await asyncio.sleep(0.06)
    assert "differ by 3000 ms" in (await both.venue.fetch_account()).unreadable["spot:"]
    both.spot.skew_ms = 2_500
    await asyncio.sleep(0.06)
    await both.venue.fetch_account()
    await asyncio.sleep(0)
    assert (await both.venue.fetch_account()).unreadable == {}
    assert both.spot.is_open
    await both.venue.close()
    assert not both.spot.is_open


async def test_a_half_that_asks_for_silence_is_not_opened_before_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found at the wire (seeds 21 and 28): a venue that had banned the address was asked for its time every 15 s."""
    monkeypatch.setattr("bot.venues.pair.reading.REOPEN_S", 0.02)
    both = two()
    both.spot.start_error = Unavailable("banned", 0.25)
    with pytest.raises(HalfUnavailable):
        await both.venue.open()
    opened, open_spot = [asyncio.get_running_loop().time()], both.spot.open

    async def counted() -> None:
        opened.append(asyncio.get_running_loop().time())
        await open_spot()

    monkeypatch.setattr(both.spot, "open", counted)
    for _ in range(30):
        await both.venue.fetch_account()
        await asyncio.sleep(0.03)
    assert len(opened) >= 3
    assert min(later - earlier for earlier, later in pairwise(opened)) >= 0.24
    await both.venue.close()


async def test_clocks_that_differ_are_believed_by_nobody() -> None:
    both = two()
    both.perp.skew_ms = 1_500
    with pytest.raises(SetupFailed, match="differ by 1500 ms"):
        await both.venue.open()
    assert not both.spot.is_open
    with pytest.raises(Unavailable, match="one of them is wrong"):
        await both.venue.fetch_clock_skew()
    both.perp.skew_ms = -900
    await both.venue.open()
    assert await both.venue.fetch_clock_skew() == -900
    assert both.venue.quiet_period_ms >= max(both.spot.quiet_period_ms, both.perp.quiet_period_ms) + 900


async def test_the_clock_of_the_half_that_answers_counts() -> None:
    both = two()
    both.spot.why = "no route"
    assert await both.venue.fetch_clock_skew() == 0
    assert both.venue.now_ms() == both.perp.now_ms()


async def test_findings_of_both_accounts_are_named() -> None:
    both = two()
    both.spot.review = AccountReview((AccountProblem("mode", "wrong mode", "switch it"),), {"key": "no answer"}, ("x",))
    both.perp.review = AccountReview((), {"key": "a page of HTML"})
    found = await both.venue.fetch_account_review(0)
    assert [problem.words for problem in found.problems] == ["spot at first: wrong mode"]
    assert set(found.unanswered) == {"spot at first: key", "perps at second: key"}
    assert found.skipped == ("spot at first: x",)


async def test_the_review_of_one_half_counts_while_the_other_is_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two()
    both.spot.review = AccountReview((AccountProblem("mode", "wrong mode", "switch it"),))
    reviewed = both.perp.fetch_account_review

    async def dark(max_age_ms: int) -> AccountReview:
        raise Unavailable("no route")

    monkeypatch.setattr(both.perp, "fetch_account_review", dark)
    found = await both.venue.fetch_account_review(0)
    assert [problem.words for problem in found.problems] == ["spot at first: wrong mode"]
    assert dict(found.unanswered) == {"perps at second: account": "perps at second: no route"}
    monkeypatch.setattr(both.perp, "fetch_account_review", reviewed)
    assert not (await both.venue.fetch_account_review(0)).unanswered


async def test_payments_are_sorted_by_an_account_that_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two()
    unified = replace(await both.perp.fetch_account(), is_unified=True)

    async def account() -> Account:
        return unified

    async def paid(since_ms: int) -> Listed[Payment]:
        return Listed([_paid(DEPOSIT, 9)])

    monkeypatch.setattr(both.perp, "fetch_account", account)
    monkeypatch.setattr(both.perp, "fetch_payments", paid)
    found = await both.venue.fetch_payments(0)
    assert [payment.kind for payment in found] == [PERP_DEPOSIT], "in its unified wallet"


async def test_payments_of_a_half_whose_account_is_unknown_are_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two()

    async def dark() -> Account:
        raise Unavailable("no route")

    monkeypatch.setattr(both.perp, "fetch_account", dark)
    found = await both.venue.fetch_payments(0)
    assert isinstance(found, Listed)
    assert found.defects == (("", "payments of perps at second: no route"),)
    assert not found.is_whole
    assert "fetch_payments" not in both.perp.calls


async def test_payments_are_waited_for_longer_than_a_quote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.venues.pair.venue.PATIENCE_S", 0.01)
    both = two()
    await both.venue.fetch_account()
    answered = both.perp.fetch_payments

    async def slow(since_ms: int) -> tuple[Payment, ...]:
        await asyncio.sleep(0.1)
        return await answered(since_ms)

    monkeypatch.setattr(both.perp, "fetch_payments", slow)
    found = await both.venue.fetch_payments(0)
    assert isinstance(found, Listed)
    assert found.is_whole


def _paid(kind: str, amount: int) -> Payment:
    return Payment(f"{kind}{amount}", kind, "USDT", D(amount), None, START_MS)


def test_money_from_the_other_wallet_of_an_account_comes_from_outside() -> None:
    given = [_paid("transfer", 5), _paid("transfer", -3), _paid("funding", 1), _paid(DEPOSIT, 9)]
    perps = list(perp_payments(given, is_unified=False))
    assert [(p.kind, p.amount) for p in perps] == [(PERP_DEPOSIT, 5), (PERP_WITHDRAWAL, -3), ("funding", 1)]
    assert [p.kind for p in spot_payments(given, is_unified=False)] == [DEPOSIT]
    unified = list(perp_payments([_paid(DEPOSIT, 9), _paid(WITHDRAWAL, -2), _paid("funding", 1)], is_unified=True))
    assert [p.kind for p in unified] == [PERP_DEPOSIT, PERP_WITHDRAWAL, "funding"]
    assert [p.kind for p in spot_payments([_paid("bonus", 2)], is_unified=True)] == [DEPOSIT]


def test_the_books_count_it_in_the_perp_wallet_and_in_no_other() -> None:
    baseline = Baseline({"spot:USDT": D(100), "wallet": D(50)}, {}, 0, 0, 0)
    books = expected_books(
        baseline, (), [_paid(PERP_DEPOSIT, 5), _paid(DEPOSIT, 9)], (), quote="USDT", is_unified=False
    )
    assert (books.amounts["wallet"], books.amounts["spot:USDT"]) == (D(55), D(109))


def _account(**changes: object) -> Account:
    return replace(Account(0, "USDT", {}, D(0), D(0), {}), **changes)  # type: ignore[arg-type]


def test_a_holding_without_a_name_is_none_that_is_gone() -> None:
    books = expected_books(Baseline({"spot:UNI": D(3)}, {}, 0, 0, 0), (), (), (), quote="USDT", is_unified=False)
    assert believed(_account(unreadable={"spot:": "cut"}), books).balances["UNI"].total == 3
    assert believed(_account(), books).balances == {}


def pair_of(both: Two) -> tuple[str, str]:
    return both.venue.id, both.venue.environment


def test_it_has_the_names_of_both() -> None:
    assert pair_of(two()) == ("first+second", "sim")


def test_the_streams_of_each_half_are_about_its_own_markets(monkeypatch: pytest.MonkeyPatch) -> None:
    both = two()
    assert both.venue.streams(BOTH) == []
    for half in (both.spot, both.perp):
        monkeypatch.setattr(half, "streams", lambda symbols, of=half.id: [(of, *symbols)], raising=False)
    assert both.venue.streams(BOTH) == [("first", SPOT), ("second", PERP)]
