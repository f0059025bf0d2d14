"""Fault plans: which request is hit, how often, and always the same way."""

from bot.simex.faults import Fault, FaultPlan, FaultRule

LOST, SLOW = Fault(after_engine_drop=True), Fault(delay_after_ms=500)


def test_a_script_hits_requests_by_number() -> None:
    plan = FaultPlan(script={1: LOST})
    assert [plan.draw("GET", "/a") for _ in range(3)] == [None, LOST, None]
    assert [hit.request for hit in plan.hits] == [1]


def test_a_rule_hits_its_requests_after_the_skipped_ones_as_often_as_it_says() -> None:
    plan = FaultPlan([FaultRule(LOST, method="POST", path="/api/*/order", needle="UNI", skip=1, times=2)])
    calls = [
        ("GET", "/api/v3/order", "UNI"),
        ("POST", "/api/v3/order", "AAVE"),
        ("POST", "/api/v3/account", "UNI"),
        *[("POST", "/api/v3/order", "symbol=UNIUSDT")] * 4,
    ]
    assert [plan.draw(*call) for call in calls] == [None, None, None, None, LOST, LOST, None]


def test_the_first_rule_that_hits_wins_and_a_spent_one_lets_the_next_speak() -> None:
    plan = FaultPlan([FaultRule(LOST), FaultRule(SLOW, times=None)])
    assert [plan.draw("GET", "/a") for _ in range(3)] == [LOST, SLOW, SLOW]


def test_chances_follow_the_seed_and_nothing_else() -> None:
    def draws(seed: int) -> list[bool]:
        plan = FaultPlan([FaultRule(LOST, times=None, probability=0.3)], seed=seed)
        return [plan.draw("GET", "/a") is not None for _ in range(200)]

    assert draws(1) == draws(1) != draws(2)
    assert 30 < sum(draws(1)) < 90


def test_a_disarmed_plan_counts_and_hits_nothing() -> None:
    plan = FaultPlan(script={0: LOST, 1: SLOW})
    plan.disarm()
    assert plan.draw("GET", "/a") is None
    plan.arm()
    assert plan.draw("GET", "/a") is SLOW


def test_a_fault_knows_whether_the_client_sees_anything() -> None:
    assert LOST.is_lost
    assert Fault(reset=True).is_lost
    assert not SLOW.is_lost


def test_one_symbol_fails_while_lists_answer_and_the_reverse() -> None:
    calls = [("GET", "/fapi/v1/ticker/bookTicker", query) for query in ("", "symbol=UNIUSDT", "symbol=LINKUSDT")]
    single = FaultPlan([FaultRule(LOST, needle="symbol=UNIUSDT", times=None)])
    assert [single.draw(*call) for call in calls] == [None, LOST, None]
    lists = FaultPlan([FaultRule(LOST, path="/fapi/v1/ticker/*", without="symbol=", times=None)])
    assert [lists.draw(*call) for call in calls] == [LOST, None, None]


def test_a_forced_limit_says_when_to_come_back() -> None:
    assert Fault(reply_status=429).headers == {"Retry-After": "1"}
    assert Fault(reply_status=418).headers == {"Retry-After": "120"}
    assert Fault(reply_status=429, retry_after_s=30).headers == {"Retry-After": "30"}
    assert Fault(reply_status=503).headers == {}
