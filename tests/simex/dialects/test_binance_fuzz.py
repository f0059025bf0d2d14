"""Whatever is sent, the answer is the venue's: a status below 500, a code with words, and money conserved."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bot.simex.dialects.binance.routes import SPOT_ROUTES, USDM_ROUTES
from tests.profiles import examples
from tests.simex.dialects.conftest import FUNDING_MS, START_MS, MakeBench

ROUTES = [(route.method, route.path) for route in (*SPOT_ROUTES, *USDM_ROUTES)]
NUMBERS = st.sampled_from(
    ["0", "0.1", "1", "2", "5.05", "9", "9.5", "10", "11", "100", "99999999999999999999", "1e5", "x"]
)
WORDS: dict[str, st.SearchStrategy[str]] = {
    "symbol": st.sampled_from(["UNIUSDT", "LINKUSDT", "NOPE", "", "uni"]),
    "pair": st.sampled_from(["UNIUSDT", "NOPE"]),
    "symbols": st.sampled_from(['["UNIUSDT"]', "[", "[1]", "[]"]),
    "side": st.sampled_from(["BUY", "SELL", "BOTH"]),
    "type": st.sampled_from(
        [
            "LIMIT",
            "MARKET",
            "LIMIT_MAKER",
            "STOP_LOSS",
            "TAKE_PROFIT_LIMIT",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "1",
            "2",
            "MAIN_UMFUTURE",
            "UMFUTURE_MAIN",
        ]
    ),
    "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "GTX", "X"]),
    "algoType": st.just("CONDITIONAL"),
    "asset": st.sampled_from(["USDT", "UNI"]),
    "interval": st.sampled_from(["1s", "1h", "1d", "1w", "9h"]),
    "period": st.sampled_from(["5m", "1d", "1s"]),
    "contractType": st.sampled_from(["PERPETUAL", "NEXT"]),
    "newClientOrderId": st.sampled_from(["a", "b", "ü", "a b", "c" * 40]),
    "origClientOrderId": st.sampled_from(["a", "b", "z"]),
    "clientAlgoId": st.sampled_from(["a", "s"]),
    "startTime": st.sampled_from(["0", "1", str(START_MS), str(START_MS + 10**6), "9" * 20, "9" * 21]),
    "endTime": st.sampled_from(["0", str(START_MS), "9" * 20]),
    "marginType": st.sampled_from(["ISOLATED", "CROSSED", "X"]),
    "incomeType": st.sampled_from(["FUNDING_FEE", "WELCOME_BONUS"]),
    **dict.fromkeys(
        ("reduceOnly", "closePosition", "dualSidePosition", "multiAssetsMargin"),
        st.sampled_from(["true", "false", "maybe"]),
    ),
    **dict.fromkeys(("quantity", "price", "stopPrice", "triggerPrice", "quoteOrderQty", "amount"), NUMBERS),
    **dict.fromkeys(
        ("limit", "orderId", "algoId", "fromId", "leverage", "countdownTime"),
        st.sampled_from(["0", "1", "3", "20", "1500", "-1", "9" * 20]),
    ),
}
PARAMS = st.fixed_dictionaries({}, optional=WORDS)
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.mark.sweep(keep=60)
@pytest.mark.parametrize(("method", "path"), ROUTES)
@given(params=PARAMS)
@settings(max_examples=examples(10), **SLOW)
def test_no_request_breaks_an_endpoint(make_bench: MakeBench, method: str, path: str, params: dict[str, Any]) -> None:
    bench = make_bench(limits_scale=1000)
    bench.ask("POST", "/fapi/v1/order", {"symbol": "UNIUSDT", "side": "BUY", "type": "MARKET", "quantity": "3"})
    reply = bench.ask(method, path, params)
    assert reply.status < 500
    if reply.status != 200:
        assert reply.content["code"] < 0
        assert reply.content["code"] != -1000, "every reason the engine has is put into words"
        assert reply.content["msg"]
    json.dumps(reply.content)


SPOT_ORDER, PERP_ORDER, ALGO = "/api/v3/order", "/fapi/v1/order", "/fapi/v1/algoOrder"
LIMIT, MARKET = {"type": "LIMIT", "timeInForce": "GTC", "price": "{price}"}, {"type": "MARKET"}
SHAPES: list[tuple[str, str, dict[str, str]]] = [
    *[("POST", path, shape) for path in (SPOT_ORDER, PERP_ORDER) for shape in (LIMIT, MARKET)],
    *[("POST", path, {**LIMIT, "timeInForce": tif}) for path in (SPOT_ORDER, PERP_ORDER) for tif in ("IOC", "FOK")],
    ("POST", SPOT_ORDER, {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "{price}", "stopPrice": "{price}"}),
    ("POST", SPOT_ORDER, {"type": "TAKE_PROFIT", "stopPrice": "{price}"}),
    ("POST", PERP_ORDER, {**MARKET, "reduceOnly": "true"}),
    ("POST", ALGO, {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "{price}", "reduceOnly": "true"}),
    ("POST", ALGO, {"algoType": "CONDITIONAL", "type": "TAKE_PROFIT", "triggerPrice": "{price}", "price": "{price}"}),
    ("DELETE", "/api/v3/openOrders", {}),
    ("DELETE", "/fapi/v1/allOpenOrders", {}),
    ("POST", "/fapi/v1/leverage", {"leverage": "{quantity}"}),
    ("POST", "/fapi/v1/marginType", {"marginType": "ISOLATED"}),
    ("POST", "/fapi/v1/positionMargin", {"amount": "{price}", "type": "1"}),
    ("POST", "/sapi/v1/asset/transfer", {"type": "UMFUTURE_MAIN", "asset": "USDT", "amount": "{price}"}),
]
STEP = st.tuples(
    st.sampled_from(SHAPES),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["2", "30", "400"]),
    st.sampled_from(["8.5", "9.5", "10", "10.5", "11.5"]),
    st.sampled_from([8.6, 9.4, 10.0, 10.6, 11.4]),
    st.sampled_from([2000, FUNDING_MS]),
)


@given(st.lists(STEP, min_size=5, max_size=25))
@settings(max_examples=examples(25), **SLOW)
def test_no_sequence_of_requests_makes_or_loses_money(make_bench: MakeBench, steps: list[Any]) -> None:
    bench = make_bench(limits_scale=1000)
    for (method, path, shape), side, quantity, price, moves_to, wait_ms in steps:
        filled = {name: value.format(price=price, quantity=quantity) for name, value in shape.items()}
        amounts = {"side": side, "quantity": quantity} if path.endswith("rder") else {}
        symbol = {} if path.startswith("/sapi") else {"symbol": "UNIUSDT"}
        bench.ask(method, path, {**symbol, **amounts, **filled})
        for market in ("UNI/USDT", "UNI/USDT:USDT"):
            bench.market.step(market, bench.clock.now_ms + wait_ms - 1, moves_to)
        bench.clock.now_ms += wait_ms
    event(f"{sum(reply.status == 200 for reply in bench.seen) * 10 // len(bench.seen)}0 % accepted")
    bench.ok("GET", "/fapi/v3/account")
    bench.exchange.audit()
