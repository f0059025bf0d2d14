"""Deposits and withdrawals of the spot wallet, row by row."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from bot.ports import DEPOSIT, RETURNED, WITHDRAWAL
from bot.venues.binance.flow_reads import KNOWN_MS
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, Canned
from tests.venues.conftest import HandClock

IN, OUT = ("GET", "/sapi/v1/capital/deposit/hisrec"), ("GET", "/sapi/v1/capital/withdraw/history")
INCOME = ("GET", "/fapi/v1/income")
SINCE = NOW_MS - 3_600_000


def came(status: Any = 1, **changes: Any) -> dict[str, Any]:
    return {"id": "7", "amount": "4500", "coin": "USDT", "status": status, "insertTime": NOW_MS - 60_000, **changes}


def went(status: Any = 6, **changes: Any) -> dict[str, Any]:
    return {
        "id": "69e5",
        "amount": "28.75",
        "transactionFee": "0.25",
        "coin": "UNI",
        "status": status,
        "applyTime": "2027-01-15 07:59:00",
        **changes,
    }


@pytest.fixture(autouse=True)
def nothing(server: BinanceServer) -> None:
    server.answers |= {IN: [], OUT: [], INCOME: []}


@pytest.mark.parametrize(
    ("row", "moved"),
    [(came(1), "4500"), (came(6), "4500"), (came("1"), "4500"), *((came(status), None) for status in (0, 2, 7, 8))],
)
async def test_a_deposit_counts_once_it_is_credited(
    venue: CcxtVenue, server: BinanceServer, row: Any, moved: str | None
) -> None:
    server.answers[IN] = [row]
    found = await venue.fetch_payments(SINCE)
    assert [(p.kind, p.asset, str(p.amount)) for p in found] == ([] if moved is None else [(DEPOSIT, "USDT", moved)])


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 5, 6])
async def test_a_withdrawal_has_left_with_its_fee_and_comes_back_when_it_fails(
    venue: CcxtVenue, server: BinanceServer, status: int
) -> None:
    server.answers[OUT] = [went(status)]
    found = await venue.fetch_payments(SINCE)
    assert (found[0].kind, found[0].amount, found[0].at_ms) == (WITHDRAWAL, Decimal(-29), NOW_MS - 59_001)
    assert [(p.kind, p.amount) for p in found[1:]] == ([(RETURNED, Decimal(29))] if status in (1, 3, 5) else [])


@pytest.mark.parametrize(
    "bad",
    [
        came("x"),
        came(99),
        came(None),
        came(amount="NaN"),
        came(amount="-1"),
        came(amount=None),
        came(insertTime="soon"),
        came(id=None),
        came(id=[]),
        {},
        None,
        7,
    ],
)
async def test_a_deposit_that_cannot_be_read_is_named_and_costs_no_other(
    venue: CcxtVenue, server: BinanceServer, bad: Any
) -> None:
    server.answers[IN] = [bad, came(id="8", amount="5")]
    found = await venue.fetch_payments(SINCE)
    assert [p.amount for p in found] == [5]
    assert len(found.defects) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "bad", [went("x"), went(7), went(amount="Infinity"), went(transactionFee="-1"), went(applyTime="2027"), went(id="")]
)
async def test_a_withdrawal_that_cannot_be_read_is_named_and_costs_no_other(
    venue: CcxtVenue, server: BinanceServer, bad: Any
) -> None:
    server.answers[OUT] = [bad, went(id="8")]
    found = await venue.fetch_payments(SINCE)
    assert [p.id for p in found] == ["WITHDRAWAL:8"]
    assert len(found.defects) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [Canned(503, "busy"), Canned(404, "<html>"), {}, {"code": -1, "msg": "no"}, "x"])
async def test_without_the_lists_the_payments_of_the_perp_wallet_are_had(
    venue: CcxtVenue, server: BinanceServer, answer: Any
) -> None:
    server.answers |= {IN: answer, OUT: answer}
    server.answers[INCOME] = [
        {"incomeType": "TRANSFER", "asset": "USDT", "income": "5", "tranId": 1, "time": NOW_MS, "symbol": ""}
    ]
    found = await venue.fetch_payments(SINCE)
    assert [p.kind for p in found] == ["transfer"]
    assert all("could not be read" in words for _, words in found.defects)  # type: ignore[attr-defined]
    assert len(found.defects) == 2  # type: ignore[attr-defined]


async def test_what_came_before_is_left_out_and_the_lists_are_asked_for_rarely(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    server.answers[IN] = [came(), came(id="6", insertTime=SINCE - 1), came(id="5", completeTime=NOW_MS, insertTime=1)]
    assert {p.id for p in await venue.fetch_payments(SINCE)} == {"DEPOSIT:7", "DEPOSIT:5"}
    clock.value_ms += KNOWN_MS - 1
    assert {p.id for p in await venue.fetch_payments(NOW_MS)} == {"DEPOSIT:5"}
    assert server.count(*OUT) == 1
    assert int(server.last(*IN).params["startTime"]) < SINCE - 6 * 86_400_000, "it completes later than it begins"
    clock.value_ms += 1
    await venue.fetch_payments(SINCE)
    assert server.count(*OUT) == 2


async def test_an_environment_without_the_lists_is_not_asked(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue(environment="testnet")
    await venue.open()
    assert await venue.fetch_payments(SINCE) == ()
    assert server.count(*IN) == 0
