"""Deposits and withdrawals of the embedded exchange: states, money, lists."""

from decimal import Decimal

from tests.simex.dialects.conftest import START_MS, Bench

D = Decimal
IN, OUT = "/sapi/v1/capital/deposit/hisrec", "/sapi/v1/capital/withdraw/history"


def free(bench: Bench, asset: str = "USDT") -> Decimal:
    rows = bench.ok("GET", "/api/v3/account")["balances"]
    return next(D(row["free"]) for row in rows if row["asset"] == asset)


def name_of(bench: Bench) -> str:
    return next(iter(bench.exchange._state.accounts))


def test_a_deposit_is_pending_before_the_wallet_has_it(bench: Bench) -> None:
    before, flows = free(bench), bench.exchange.flows
    number = flows.begin_deposit(name_of(bench), "USDT", D(50))
    (row,) = bench.ok("GET", IN)
    assert (row["status"], row["amount"], row["insertTime"], row["completeTime"]) == (0, "50", START_MS, None)
    assert free(bench) == before
    flows.end(number)
    (row,) = bench.ok("GET", IN, {"coin": "USDT"})
    assert (row["status"], free(bench)) == (1, before + 50)
    assert bench.ok("GET", IN, {"coin": "UNI"}) == []
    assert bench.ok("GET", IN, {"startTime": START_MS + 1}) == []
    bench.exchange.audit()


def test_a_withdrawal_leaves_at_once_with_its_fee_and_comes_back_when_it_fails(bench: Bench) -> None:
    before, flows = free(bench), bench.exchange.flows
    first = flows.begin_withdrawal(name_of(bench), "USDT", D(50), D(1))
    second = flows.begin_withdrawal(name_of(bench), "USDT", D(20), D(1))
    assert free(bench) == before - 72
    assert [row["status"] for row in bench.ok("GET", OUT)] == [4, 4]
    flows.end(first)
    flows.end(second, done=False)
    assert [(row["status"], row["amount"], row["transactionFee"]) for row in bench.ok("GET", OUT)] == [
        (5, "20", "1"),
        (6, "50", "1"),
    ]
    assert free(bench) == before - 51
    bench.exchange.audit()


def test_both_lists_need_a_signature(bench: Bench) -> None:
    for path in (IN, OUT):
        assert bench.no("GET", path, {}, key=None)[0] == -2014
