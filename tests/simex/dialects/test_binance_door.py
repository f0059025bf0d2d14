"""Who is let in, on which host, how often, and in which words the others are sent away."""

import pytest

from bot.simex.dialects.binance.dialect import HOSTS
from bot.simex.dialects.wire import WireRequest
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, START_MS, Bench, MakeBench

ACCOUNT, PERP_ACCOUNT, ORDER = "/api/v3/account", "/fapi/v3/account", "/api/v3/order"
LIMIT = {"symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "9"}
STRANGER = (-2015, "Invalid API-key, IP, or permissions for action.")


def raw(bench: Bench, method: str, path: str, query: str = "", body: str = "", key: str = "mainkey") -> object:
    request = WireRequest(method, path, query, body, {"x-mbx-apikey": key} if key else {})
    return bench.simex.respond(request)


@pytest.mark.parametrize("path", [ACCOUNT, PERP_ACCOUNT])
def test_what_is_wrong_with_a_signed_request_is_said_exactly(bench: Bench, path: str) -> None:
    late = "Timestamp for this request is outside of the recvWindow."
    early = "Timestamp for this request was 1000ms ahead of the server's time."
    assert bench.no("GET", path, lead_ms=-5001) == (-1021, late)
    assert bench.no("GET", path, lead_ms=-101, window_ms=100) == (-1021, late)
    assert bench.no("GET", path, lead_ms=1000) == (-1021, early)
    assert bench.no("GET", path, window_ms=60001) == (-1131, "recvWindow must be less than 60000.")
    assert bench.no("GET", path, secret="wrong") == (-1022, "Signature for this request is not valid.")
    assert bench.ok("GET", path, lead_ms=999)
    assert bench.ok("GET", path, lead_ms=-5000)


@pytest.mark.parametrize(
    ("query", "code", "name"),
    [
        ("", -1102, "timestamp"),
        (f"timestamp={START_MS}", -1102, "signature"),
        ("timestamp=x&signature=1", -1100, "timestamp"),
    ],
)
def test_a_signed_route_wants_time_and_signature(bench: Bench, query: str, code: int, name: str) -> None:
    reply = raw(bench, "GET", ACCOUNT, query)
    assert reply.status == 400
    assert reply.content["code"] == code
    assert f"'{name}'" in reply.content["msg"]


def test_keys_that_are_missing_malformed_or_unknown(bench: Bench) -> None:
    for key, code in (("", -2014), ("not a key!", -2014), ("unknownkey", -2015)):
        reply = raw(bench, "GET", ACCOUNT, f"timestamp={START_MS}&signature=00", key=key)
        assert (reply.status, reply.content["code"]) == (401, code)


def test_a_key_without_the_permission_trades_nowhere(bench: Bench) -> None:
    assert bench.ok("GET", ACCOUNT, key="spotonly")
    assert bench.no("GET", PERP_ACCOUNT, key="spotonly") == STRANGER
    assert (
        bench.no(
            "POST", "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE", "asset": "USDT", "amount": "1"}, key="spotonly"
        )
        == STRANGER
    )


def test_a_demo_key_is_nobody_on_production_hosts(bench: Bench) -> None:
    assert bench.no("GET", ACCOUNT, key="demokey", host="api.binance.com") == STRANGER
    assert bench.no("GET", PERP_ACCOUNT, key="demokey", host="fapi.binance.com") == STRANGER
    assert bench.no("GET", ACCOUNT, key="demokey", host="testnet.binance.vision") == STRANGER
    assert bench.ok("GET", ACCOUNT, key="demokey", host="demo-api.binance.com")
    assert bench.ok("GET", PERP_ACCOUNT, key="demokey", host="demo-fapi.binance.com")
    assert bench.ok("GET", ACCOUNT, key="demokey")


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_each_host_serves_its_own_paths_only(bench: Bench, host: str) -> None:
    prefixes = HOSTS[host][1]
    for path in ("/api/v3/ping", "/fapi/v1/ping", "/dapi/v1/ping"):
        reply = bench.ask("GET", path, key=None, host=host)
        assert (reply.status == 200) == path.startswith(prefixes)


def test_unknown_paths_methods_and_hosts(bench: Bench) -> None:
    spot, perp = bench.ask("GET", "/api/v3/nothing", key=None), bench.ask("GET", "/fapi/v1/nothing", key=None)
    assert (spot.status, spot.content) == (404, "<html><body><h2>404 Not found</h2></body></html>")
    assert perp.status == 404
    assert perp.content == {"code": -5000, "msg": "Path /fapi/v1/nothing, Method GET is invalid"}
    assert bench.ask("PUT", ORDER, key=None).status == 405
    assert bench.ask("GET", "/api/v3/ping", key=None, host="example.com").status == 404


def test_signed_posts_may_come_in_body_or_query_and_the_query_wins(bench: Bench) -> None:
    assert bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "inbody"}, in_body=True)["clientOrderId"] == "inbody"
    query = "newClientOrderId=fromquery"
    body = "&".join(f"{k}={v}" for k, v in LIMIT.items()) + f"&newClientOrderId=frombody&timestamp={START_MS}"
    signature = sign(KEYS["mainkey"].secret, query + body)
    reply = raw(bench, "POST", ORDER, query, f"{body}&signature={signature}")
    assert reply.content["clientOrderId"] == "fromquery"


def test_parameters_sent_twice_or_unread_are_refused(bench: Bench) -> None:
    reply = raw(bench, "GET", "/api/v3/klines", "symbol=UNIUSDT&symbol=LINKUSDT&interval=1h", key="")
    assert reply.content["code"] == -1101
    code, message = bench.no("POST", ORDER, {**LIMIT, "reduceOnly": "true"})
    assert code == -1104
    assert message == "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."


def test_weight_is_shown_and_successful_spot_orders_cost_none(bench: Bench) -> None:
    def used() -> int:
        return int(bench.seen[-1].headers["X-MBX-USED-WEIGHT-1M"])

    bench.public("/api/v3/ticker/24hr")
    assert used() == 80
    bench.ok("POST", ORDER, LIMIT)
    assert used() == 80
    bench.no("POST", ORDER, {**LIMIT, "side": "NONE"})
    assert used() == 81, "failures are charged"
    bench.public("/fapi/v1/ticker/24hr")
    assert used() == 40, "futures count for themselves"
    bench.ok("POST", "/fapi/v1/order", {**LIMIT, "price": "9"})
    assert used() == 40


def test_too_much_weight_is_429_then_418_with_retry_after(make_bench: MakeBench) -> None:
    bench = make_bench(limits_scale="0.01")
    bench.clock.now_ms += 30_000 - bench.clock.now_ms % 60_000
    replies = [bench.ask("GET", "/api/v3/exchangeInfo", key=None) for _ in range(12)]
    assert [reply.status for reply in replies] == [200] * 3 + [429] * 5 + [418] * 4
    assert replies[3].headers["Retry-After"] == "30"
    assert replies[3].content == {
        "code": -1003,
        "msg": "Too much request weight used; current limit is 60 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    }
    assert replies[-1].headers["Retry-After"] == "120"
    assert f"IP banned until {bench.clock.now_ms + 120_000}" in replies[-1].content["msg"]
    assert bench.ask("GET", "/fapi/v1/ping", key=None).status == 200
    bench.clock.now_ms += 120_000
    assert bench.ask("GET", "/api/v3/ping", key=None).status == 200


def test_order_counts_limit_placements_and_futures_never_give_back(make_bench: MakeBench) -> None:
    bench = make_bench(limits_scale="0.02")
    for path, limit in ((ORDER, 2), ("/fapi/v1/order", 6)):
        for count in range(1, limit + 1):
            reply = bench.ask("POST", path, LIMIT)
            assert reply.headers["X-MBX-ORDER-COUNT-10S"] == str(count)
        reply = bench.ask("POST", path, LIMIT)
        assert (reply.status, reply.content["code"]) == (429, -1015)
        assert reply.content["msg"] == f"Too many new orders; current limit is {limit} orders per 10 SECOND."
        assert 1 <= int(reply.headers["Retry-After"]) <= 10
    bench.clock.now_ms += 10_000
    market = {"symbol": "UNIUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    counts = [bench.ask("POST", ORDER, market).headers["X-MBX-ORDER-COUNT-10S"] for _ in range(4)]
    assert counts == ["0"] * 4, "an order that fills at once gives its count back"
    assert bench.ask("POST", "/fapi/v1/order", market).headers["X-MBX-ORDER-COUNT-10S"] == "1"


def test_a_resting_order_gives_back_more_when_it_fills(bench: Bench) -> None:
    counts = [bench.ask("POST", ORDER, LIMIT).headers["X-MBX-ORDER-COUNT-1D"] for _ in range(7)]
    assert counts == ["1", "2", "3", "4", "5", "6", "7"]
    bench.ok("DELETE", "/api/v3/openOrders", {"symbol": "UNIUSDT"})
    assert bench.ask("POST", ORDER, {**LIMIT, "price": "9.5"}).headers["X-MBX-ORDER-COUNT-1D"] == "8"
    bench.move("UNI/USDT", 9.2)
    used = {row["interval"]: row["count"] for row in bench.ok("GET", "/api/v3/rateLimit/order")}
    assert used["DAY"] == 8 - 5, "cancels give nothing back, a maker's fill gives five"


def test_refused_orders_are_not_counted(bench: Bench) -> None:
    for _ in range(3):
        bench.no("POST", ORDER, {**LIMIT, "quantity": "0.001"})
    assert bench.ask("POST", ORDER, LIMIT).headers["X-MBX-ORDER-COUNT-1D"] == "1"
