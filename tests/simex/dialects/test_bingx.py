"""BingX's dialect over the engine: as strict as the venue's documents, two wallets, the truth of the one exchange."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.domain.durations import DAY_MS
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import AccountModes
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, Bench, MakeBench

D = Decimal
HOST, VIRTUAL_HOST = "open-api.bingx.com", "open-api-vst.bingx.com"
SPOT, SWAP = "/openApi/spot/v1/trade", "/openApi/swap/v2/trade"


@dataclass
class BingxHand:
    """Asks a bench in the words of BingX."""

    bench: Bench
    names: int = 0

    @property
    def now_ms(self) -> int:
        return self.bench.simex.now_ms()

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = "mainkey",
        host: str = HOST,
        lead_ms: int = 0,
        secret: str = "",
        body: str = "",
    ) -> Any:
        """The answer, which comes with status 200 whatever it says."""
        sent = {name: str(value) for name, value in (params or {}).items()}
        headers = {}
        if key is not None:
            sent["timestamp"] = str(self.now_ms + lead_ms)
            signed = "&".join(f"{name}={value}" for name, value in sorted(sent.items()))
            signature = sign(secret or KEYS[key].secret, signed)
            headers = {"x-bx-apikey": key}
            query = f"{urlencode(sorted(sent.items()))}&signature={signature}"
        else:
            query = urlencode(sent)
        reply: WireReply = self.bench.simex.respond(WireRequest(method, path, query, body, headers, host))
        self.bench.seen.append(reply)
        assert reply.status == 200
        return reply.content

    def ok(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        found = self.ask(method, path, params, **kwargs)
        assert found["code"] == 0, found
        return found["data"]

    def no(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> int:
        """The code of a refusal."""
        found = self.ask(method, path, params, **kwargs)
        assert found["code"] != 0, found
        code: int = found["code"]
        return code

    def order(self, **changes: Any) -> dict[str, Any]:
        self.names += 1
        usual = {"symbol": "UNI-USDT", "side": "BUY", "type": "LIMIT", "quantity": "10", "price": "9.5"}
        whole = {**usual, "timeInForce": "GTC", "clientOrderId": f"name{self.names}", **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def spot_order(self, **changes: Any) -> dict[str, Any]:
        made = self.order(**changes)
        return {**made, "newClientOrderId": made.pop("clientOrderId")}

    def create(self, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.ok("POST", f"{SWAP}/order", self.order(**changes))["order"]
        return found


@pytest.fixture
def make_hand(make_bench: MakeBench) -> Callable[..., BingxHand]:
    def make(**kwargs: Any) -> BingxHand:
        bench = make_bench(**kwargs)
        bench.simex.serve_dialects(("bingx",))
        return BingxHand(bench)

    return make


@pytest.fixture
def hand(make_hand: Callable[..., BingxHand]) -> BingxHand:
    return make_hand()


def desk_of(hand: BingxHand) -> Any:
    (dialect,) = hand.bench.simex._dialects
    return dialect.desk  # type: ignore[attr-defined]


STOP: dict[str, Any] = {
    "side": "SELL",
    "type": "STOP_MARKET",
    "price": None,
    "timeInForce": None,
    "stopPrice": "9",
    "reduceOnly": "true",
    "workingType": "MARK_PRICE",
}


def test_a_signature_covers_all_sorted_parameters_and_time_has_a_window(hand: BingxHand) -> None:
    path = "/openApi/swap/v1/positionSide/dual"
    assert hand.ok("GET", path) == {"dualSidePosition": "false"}
    assert hand.no("GET", path, secret="another") == 100001
    assert hand.no("GET", path, key=None) == 100413
    assert hand.ask("GET", path, lead_ms=-5_001)["msg"].startswith("timestamp")
    assert hand.no("GET", path, lead_ms=1_000) == 100421
    assert hand.ok("GET", path, lead_ms=-5_000)
    assert hand.no("GET", path, {"recvWindow": 2_000}, lead_ms=-2_001) == 100421
    assert hand.no("GET", path, {"recvWindow": 5_001}) == 109400
    assert hand.no("POST", f"{SWAP}/order", hand.order(), body="{}") == 109400


def test_what_is_no_endpoint_and_what_is_too_much_is_refused_with_status_200(hand: BingxHand) -> None:
    assert hand.no("GET", "/openApi/swap/v2/nothing") == 100400
    codes = [hand.ask("GET", f"{SWAP}/openOrders")["code"] for _ in range(6)]
    assert codes == [0] * 5 + [100410]
    hand.bench.clock.now_ms += 1_000
    hand.ok("GET", f"{SWAP}/openOrders")


def test_the_virtual_environment_has_perps_only_and_money_of_its_own(hand: BingxHand) -> None:
    (row,) = hand.ok("GET", "/openApi/swap/v3/user/balance", host=VIRTUAL_HOST)[:1]
    assert row["asset"] == "VST"
    assert hand.no("GET", "/openApi/spot/v1/account/balance", host=VIRTUAL_HOST) == 100400
    assert hand.ok("GET", "/openApi/swap/v3/user/balance")[0]["asset"] == "USDT"


def test_client_ids_are_written_small_and_have_two_spellings(hand: BingxHand) -> None:
    assert hand.create(clientOrderId="MixedCase1")["clientOrderID"] == "mixedcase1"
    for spelling in ("clientOrderId", "clientOrderID"):
        found = hand.ok("GET", f"{SWAP}/order", {"symbol": "UNI-USDT", spelling: "MIXEDCASE1"})["order"]
        assert found["clientOrderId"] == "mixedcase1"
    assert hand.no("POST", f"{SPOT}/order", hand.spot_order(clientOrderId="a-dash")) == 109400
    assert hand.no("POST", f"{SWAP}/order", hand.order(clientOrderId="x" * 41)) == 109400
    assert hand.no("POST", f"{SWAP}/order", hand.order(clientOrderId="mixedcase1")) == 101400


def test_a_number_that_has_been_through_a_float_is_refused(hand: BingxHand) -> None:
    for name in ("quantity", "price"):
        assert hand.no("POST", f"{SWAP}/order", hand.order(**{name: "1e-05"})) == 109400
        assert hand.no("POST", f"{SPOT}/order", hand.spot_order(**{name: "1E+1"})) == 109400


def test_small_numbers_leave_as_floats(hand: BingxHand) -> None:
    rows = hand.ok("GET", "/openApi/spot/v1/common/symbols", key=None)["symbols"]
    assert all(isinstance(row["stepSize"], float) for row in rows)
    book = hand.ok("GET", "/openApi/swap/v2/quote/depth", {"symbol": "UNI-USDT", "limit": 5}, key=None)
    contracts, coins = book["bids"][0], book["bidsCoin"][0]
    assert contracts[0] == coins[0]
    assert D(contracts[1]) < D(coins[1])
    assert [D(level[0]) for level in book["asksCoin"]] == sorted((D(one[0]) for one in book["asksCoin"]), reverse=True)


def test_a_conditional_order_loses_its_client_id_and_keeps_its_own(hand: BingxHand) -> None:
    hand.create(type="MARKET", price=None, timeInForce=None)
    made = hand.create(**STOP, clientOrderId="mystop")
    assert (made["clientOrderId"], made["clientOrderID"]) == ("", "")
    (row,) = hand.ok("GET", f"{SWAP}/openOrders", {"symbol": "UNI-USDT"})["orders"]
    assert (row["orderId"], row["clientOrderId"], row["stopPrice"], row["type"]) == (
        made["orderId"],
        "",
        "9",
        "STOP_MARKET",
    )
    assert hand.no("GET", f"{SWAP}/order", {"symbol": "UNI-USDT", "clientOrderId": "mystop"}) == 109421
    assert hand.no("DELETE", f"{SWAP}/order", {"symbol": "UNI-USDT", "clientOrderId": "mystop"}) == 109421
    ended = hand.ok("DELETE", f"{SWAP}/order", {"symbol": "UNI-USDT", "orderId": made["orderId"]})["order"]
    assert ended["status"] == "CANCELLED"
    desk_of(hand).keeps_stop_ids = True
    assert hand.create(**STOP, clientOrderId="kept")["clientOrderId"] == "kept"


def test_what_a_fired_stop_becomes_keeps_its_number_unless_it_is_numbered_anew(hand: BingxHand) -> None:
    exchange = hand.bench.exchange
    hand.create(type="MARKET", price=None, timeInForce=None)
    made = hand.create(**STOP)
    (waiting,) = exchange.open_orders("main", "UNI/USDT:USDT", is_trigger=True)
    exchange._timeline._fire(exchange._state.account("main"), waiting)
    span = {"symbol": "UNI-USDT", "startTime": hand.now_ms - 1_000, "endTime": hand.now_ms}
    named = {"symbol": "UNI-USDT", "orderId": made["orderId"]}
    fired = hand.ok("GET", f"{SWAP}/order", named)["order"]
    assert (fired["orderId"], fired["type"], fired["triggerOrderId"]) == (made["orderId"], "STOP_MARKET", 0)
    desk_of(hand).numbers_anew = True
    assert hand.no("GET", f"{SWAP}/order", named) == 109421
    (anew,) = [row for row in hand.ok("GET", f"{SWAP}/allOrders", span)["orders"] if row["triggerOrderId"]]
    assert (anew["triggerOrderId"], anew["type"], anew["status"]) == (made["orderId"], "MARKET", "FILLED")
    assert anew["orderId"] != made["orderId"]
    fills = hand.ok(
        "GET", f"{SWAP}/fillHistory", {"symbol": "UNI-USDT", "startTs": hand.now_ms - 1_000, "endTs": hand.now_ms}
    )
    assert str(anew["orderId"]) in {row["orderId"] for row in fills["fill_orders"]}
    desk_of(hand).shows_fired = True
    assert hand.ok("GET", f"{SWAP}/order", named)["order"] == fired
    assert hand.ok("GET", f"{SWAP}/order", {**named, "orderId": anew["orderId"]})["order"] == anew


def test_hedge_mode_refuses_orders_that_do_not_name_a_side(hand: BingxHand) -> None:
    hand.bench.exchange.put_into_modes("main", AccountModes(is_hedge_mode=True))
    assert hand.ok("GET", "/openApi/swap/v1/positionSide/dual") == {"dualSidePosition": "true"}
    assert hand.no("POST", f"{SWAP}/order", hand.order(positionSide="BOTH")) == 109400
    assert hand.create(positionSide="LONG")["positionSide"] == "LONG"
    hand.bench.exchange.put_into_modes("main", AccountModes())
    assert hand.no("POST", f"{SWAP}/order", hand.order(positionSide="LONG")) == 109400


def test_fills_of_perps_count_coins_in_whole_seconds_and_may_lack_their_side(hand: BingxHand) -> None:
    hand.create(type="MARKET", price=None, timeInForce=None)
    span = {"symbol": "UNI-USDT", "startTs": hand.now_ms - 1_000, "endTs": hand.now_ms}
    path = f"{SWAP}/fillHistory"
    assert hand.no("GET", path, {"symbol": "UNI-USDT"}) == 109400
    (row, *_) = hand.ok("GET", path, span)["fill_orders"]
    assert row["filledTime"].endswith(".000+0800")
    assert row["filledTm"] == row["filledTime"].replace(".000+0800", "Z")
    second_ms = hand.bench.exchange.trades("main", "UNI/USDT:USDT")[-1].at_ms // 1_000 * 1_000
    assert hand.ok("GET", path, {**span, "startTs": second_ms})["fill_orders"] == []
    assert hand.ok("GET", path, {**span, "startTs": second_ms - 1, "endTs": second_ms})["fill_orders"][0] == row
    assert hand.no("GET", path, {**span, "pageSize": 1_001}) == 109400
    assert row["side"] == "BUY"
    assert D(row["commission"]) < 0
    desk_of(hand).names_sides = False
    hand.bench.clock.now_ms += 1_000
    assert "side" not in hand.ok("GET", path, span)["fill_orders"][0]


def test_a_question_about_the_past_has_seven_days_at_most(hand: BingxHand) -> None:
    span = {"symbol": "UNI-USDT", "startTime": hand.now_ms - 7 * DAY_MS - 1, "endTime": hand.now_ms}
    assert hand.no("GET", f"{SWAP}/allOrders", span) == 109400
    assert hand.no("GET", f"{SWAP}/allOrders", {"symbol": "UNI-USDT"}) == 109400
    assert hand.ok("GET", f"{SWAP}/allOrders", {**span, "startTime": hand.now_ms - 7 * DAY_MS})["orders"] == []


def test_a_transfer_is_refused_without_a_code(hand: BingxHand) -> None:
    move = {"fromAccount": "spot", "toAccount": "USDTMPerp", "asset": "USDT", "amount": "10"}
    path = "/openApi/api/asset/v1/transfer"
    assert hand.ask("POST", path, move)["data"]["tranId"]
    assert hand.ask("POST", path, {**move, "amount": "99999999"}) == {"transferErrorMsg": "Insufficient assets"}
    (row, *_) = hand.ok("GET", "/openApi/swap/v2/user/income", {"incomeType": "TRANSFER"})
    assert row["income"] == "10"


def test_positions_have_no_sign_and_their_margin_has_the_profit_in_it(hand: BingxHand) -> None:
    hand.ok("POST", f"{SWAP}/marginType", {"symbol": "UNI-USDT", "marginType": "ISOLATED"})
    hand.ok("POST", f"{SWAP}/marginType", {"symbol": "UNI-USDT", "marginType": "ISOLATED"})
    hand.create(side="SELL", type="MARKET", price=None, timeInForce=None)
    (row,) = hand.ok("GET", "/openApi/swap/v2/user/positions")
    assert (row["positionSide"], D(row["positionAmt"]) > 0, row["isolated"]) == ("SHORT", True, True)
    held = hand.bench.exchange.positions("main")[0]
    assert D(row["margin"]) == held.isolated_wallet + held.unrealised_pnl


def test_spot_stops_have_one_type_for_both_directions(hand: BingxHand) -> None:
    common = {"type": "TAKE_STOP_MARKET", "price": None, "timeInForce": None, "side": "SELL", "quantity": "1"}
    for price in ("9", "11"):
        made = hand.ok("POST", f"{SPOT}/order", hand.spot_order(**common, stopPrice=price))
        assert (made["type"], made["status"]) == ("TAKE_STOP_MARKET", "NEW")


def test_a_cancel_of_what_has_ended_is_refused(hand: BingxHand) -> None:
    name = hand.create()["clientOrderId"]
    hand.ok("DELETE", f"{SWAP}/order", {"symbol": "UNI-USDT", "clientOrderId": name})
    assert hand.no("DELETE", f"{SWAP}/order", {"symbol": "UNI-USDT", "clientOrderId": name}) == 109421
    made = hand.ok("POST", f"{SPOT}/order", hand.spot_order())
    gone = hand.ok("POST", f"{SPOT}/cancel", {"symbol": "UNI-USDT", "clientOrderID": made["clientOrderID"]})
    assert gone["status"] == "CANCELED"
    assert hand.no("POST", f"{SPOT}/cancel", {"symbol": "UNI-USDT", "clientOrderID": made["clientOrderID"]}) == 100404
