"""Fixed windows, escalation from 429 to 418, and what an order's count is."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.simex.limits import FIRST_BAN_MS, PERP_ORDERS, SPOT_IP, SPOT_ORDERS, Counter, IpGate, LimitWindow, OrderGate

MINUTE = 60_000
TEN = (LimitWindow("REQUEST_WEIGHT", "MINUTE", 1, 10),)


@given(st.lists(st.tuples(st.integers(0, 3 * MINUTE), st.integers(0, 9)), max_size=30))
def test_a_window_counts_what_fell_into_its_own_minute(events: list[tuple[int, int]]) -> None:
    counter = Counter(TEN[0])
    added: dict[int, int] = {}
    for at_ms, amount in sorted(events):
        counter.add(amount, at_ms)
        added[at_ms // MINUTE] = added.get(at_ms // MINUTE, 0) + amount
        assert counter.used(at_ms) == added[at_ms // MINUTE]


def test_weight_over_the_limit_is_429_until_the_minute_ends() -> None:
    gate = IpGate(TEN)
    assert gate.admit("a", 10, 59_000) is None
    excess = gate.admit("a", 1, 59_000)
    assert excess is not None
    assert (excess.status, excess.retry_after_s, excess.until_ms) == (429, 1, MINUTE)
    assert gate.admit("b", 10, 59_000) is None, "limits are per address"
    assert gate.admit("a", 10, MINUTE) is None, "the next minute is a new one"
    assert gate.headers("a", MINUTE) == {"X-MBX-USED-WEIGHT": "10", "X-MBX-USED-WEIGHT-1M": "10"}


def test_who_ignores_429_is_banned_and_longer_each_time() -> None:
    gate = IpGate(TEN, patience=2)
    now, lengths = 0, []
    for _ in range(3):
        statuses = []
        while True:
            excess = gate.admit("a", 11, now)
            assert excess is not None
            statuses.append(excess.status)
            if excess.status == 418:
                break
        assert statuses == [429, 429, 418]
        lengths.append(excess.until_ms - now)
        during = gate.admit("a", 1, excess.until_ms - 1)
        assert during is not None
        assert (during.status, during.retry_after_s) == (418, 1)
        now = excess.until_ms
        assert gate.admit("a", 1, now) is None, "the ban ends"
        now += MINUTE
    assert lengths[0] == FIRST_BAN_MS
    assert lengths == sorted(set(lengths))


def test_a_refund_never_makes_room_below_zero() -> None:
    gate = IpGate(TEN)
    gate.refund("a", 5, 0)
    assert gate.admit("a", 10, 0) is None
    assert gate.admit("a", 1, 0) is not None


def test_order_limits_are_per_account_and_name_the_window_that_is_full() -> None:
    gate = OrderGate(PERP_ORDERS, Decimal("0.01"))
    assert [window.limit for window in gate.windows] == [3, 12]
    for second in range(4):
        for _ in range(3):
            now = second * 10_000
            assert gate.excess("a", now) is None
            gate.add("a", now)
        full = gate.excess("a", second * 10_000)
        assert full is not None
        assert full.window.tag == "10S"
    late = gate.excess("a", 40_000)
    assert late is not None
    assert (late.window.tag, late.retry_after_s) == ("1M", 20)
    assert gate.excess("b", 40_000) is None
    assert gate.headers("a", 40_000) == {"X-MBX-ORDER-COUNT-10S": "0", "X-MBX-ORDER-COUNT-1M": "12"}


def test_the_documented_limits_are_the_defaults() -> None:
    assert [(w.kind, w.count, w.interval, w.limit) for w in (*SPOT_IP, *SPOT_ORDERS, *PERP_ORDERS)] == [
        ("REQUEST_WEIGHT", 1, "MINUTE", 6000),
        ("RAW_REQUESTS", 5, "MINUTE", 300_000),
        ("ORDERS", 10, "SECOND", 100),
        ("ORDERS", 1, "DAY", 200_000),
        ("ORDERS", 10, "SECOND", 300),
        ("ORDERS", 1, "MINUTE", 1200),
    ]
