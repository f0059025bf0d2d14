"""MEXC's dialect over the engine: as strict as the venue's documents, with two envelopes and the venue's own traps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.simex.dialects.mexc.common import MexcCall, MexcParams
from bot.simex.dialects.mexc.market import perp_markets
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import AccountModes
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, Bench, MakeBench

D = Decimal
HOST = "api.mexc.com"
PRIVATE = "/api/v1/private"


@dataclass
class MexcHand:
    """Asks a bench in the words of MEXC."""

    bench: Bench
    names: int = 0

    @property
    def now_ms(self) -> int:
        return self.bench.simex.now_ms()

    def spot(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = "mainkey",
        secret: str = "",
        lead_ms: int = 0,
        window: int = 5_000,
    ) -> WireReply:
        sent = {name: str(value) for name, value in (params or {}).items()}
        headers = {}
        if key is not None:
            sent |= {"timestamp": str(self.now_ms + lead_ms), "recvWindow": str(window)}
            headers = {"x-mexc-apikey": key}
        query = urlencode(sent)
        if key is not None:
            query += f"&signature={sign(secret or KEYS[key].secret, query)}"
        return self._respond(WireRequest(method, f"/api/v3/{path}", query, "", headers, HOST))

    def perp(
        self, method: str, path: str, params: Any = None, *, secret: str = "", lead_ms: int = 0, is_public: bool = False
    ) -> Any:
        """The answer, which comes with status 200 whatever it says."""
        query, body = ("", json.dumps(params or {})) if method == "POST" else (urlencode(params or {}), "")
        stamp = str(self.now_ms + lead_ms)
        signature = sign(secret or KEYS["mainkey"].secret, f"mainkey{stamp}{body or query}")
        headers = {} if is_public else {"apikey": "mainkey", "request-time": stamp, "signature": signature}
        where = "/api/v1/contract" if is_public else PRIVATE
        reply = self._respond(WireRequest(method, f"{where}/{path}", query, body, headers, HOST))
        assert reply.status == 200
        return reply.content

    def done(self, method: str, path: str, params: Any = None, **kwargs: Any) -> Any:
        found = self.perp(method, path, params, **kwargs)
        assert found["success"] is True, found
        return found.get("data")

    def no(self, method: str, path: str, params: Any = None, **kwargs: Any) -> int:
        """The code of a refusal about perps."""
        found = self.perp(method, path, params, **kwargs)
        assert found["success"] is False, found
        return int(found["code"])

    def spot_no(self, *args: Any, **kwargs: Any) -> int:
        reply = self.spot(*args, **kwargs)
        assert 400 <= reply.status < 500, reply
        return int(reply.content["code"])

    def spot_order(self, **changes: Any) -> dict[str, Any]:
        self.names += 1
        usual = {"symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT", "quantity": "10", "price": "9.5"}
        whole = {**usual, "newClientOrderId": f"name{self.names}", **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def perp_order(self, **changes: Any) -> dict[str, Any]:
        self.names += 1
        usual = {"symbol": "UNI_USDT", "vol": self.contracts(10), "side": 1, "type": 1, "price": 9.5, "openType": 1}
        whole = {**usual, "leverage": 5, "externalOid": f"name{self.names}", **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def plan(self, **changes: Any) -> dict[str, Any]:
        usual = {"symbol": "UNI_USDT", "vol": self.contracts(10), "side": 4, "openType": 1, "triggerPrice": "9"}
        return {**usual, "triggerType": 2, "executeCycle": 2, "orderType": 5, "trend": 2, **changes}

    def contracts(self, coins: int) -> int:
        """As many as those coins are."""
        row = self.row()
        return round(coins / row["contractSize"])

    def row(self) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.detail() if one["symbol"] == "UNI_USDT")
        return found

    def detail(self) -> list[dict[str, Any]]:
        return perp_markets(MexcCall(desk_of(self), MexcParams({}, Kind.PERP), self.now_ms, Kind.PERP))

    def _respond(self, request: WireRequest) -> WireReply:
        reply: WireReply = self.bench.simex.respond(request)
        self.bench.seen.append(reply)
        return reply


def desk_of(hand: MexcHand) -> Any:
    (dialect,) = hand.bench.simex._dialects
    return dialect.desk  # type: ignore[attr-defined]


@pytest.fixture
def make_hand(make_bench: MakeBench) -> Callable[..., MexcHand]:
    def make(**kwargs: Any) -> MexcHand:
        bench = make_bench(**kwargs)
        bench.simex.serve_dialects(("mexc",))
        return MexcHand(bench)

    return make


@pytest.fixture
def hand(make_hand: Callable[..., MexcHand]) -> MexcHand:
    return make_hand()


def test_spot_is_signed_in_the_query_and_refused_with_a_status(hand: MexcHand) -> None:
    assert hand.spot("GET", "account").status == 200
    assert hand.spot_no("GET", "account", secret="another") == 700002
    assert hand.spot_no("GET", "account", lead_ms=-5_100) == 700003
    assert hand.spot_no("GET", "account", lead_ms=1_500) == 700003
    assert hand.spot_no("GET", "account", window=61_000) == 700005
    assert hand.spot("GET", "account", lead_ms=-5_100, window=10_000).status == 200
    assert hand.spot("GET", "nothing", key=None).status == 404


def test_perps_are_signed_in_headers_and_refused_with_status_200(hand: MexcHand) -> None:
    assert hand.done("GET", "position/position_mode") == 2
    assert hand.no("GET", "position/position_mode", secret="another") == 602
    assert hand.done("GET", "position/position_mode", lead_ms=-9_900) == 2
    assert hand.no("GET", "position/position_mode", lead_ms=-10_100) == 513


def test_a_spot_order_with_a_stop_price_is_filled_at_once(hand: MexcHand) -> None:
    """The trap of the venue: it knows no such parameter and does not say so."""
    sent = hand.spot_order(side="SELL", type="MARKET", price=None, stopPrice="5", stopLossPrice="5")
    reply = hand.spot("POST", "order", sent)
    assert reply.status == 200
    row = hand.spot("GET", "order", {"symbol": "UNIUSDT", "origClientOrderId": sent["newClientOrderId"]}).content
    assert (row["status"], row["executedQty"]) == ("FILLED", "10")


def test_the_answer_to_a_spot_order_has_neither_our_id_nor_a_state(hand: MexcHand) -> None:
    sent = hand.spot_order()
    row = hand.spot("POST", "order", sent).content
    assert row["orderId"].startswith("C02__")
    assert not {"clientOrderId", "status", "executedQty"} & row.keys()
    assert hand.spot_no("POST", "order", sent) == -1128
    where = {"symbol": "UNIUSDT", "origClientOrderId": sent["newClientOrderId"]}
    ended = hand.spot("DELETE", "order", where).content
    assert (ended["status"], ended["origClientOrderId"]) == ("CANCELED", sent["newClientOrderId"])
    assert ended["clientOrderId"] != sent["newClientOrderId"]
    assert hand.spot_no("DELETE", "order", where) == -2011
    assert hand.spot_no("GET", "order", {**where, "origClientOrderId": "nobody"}) == -2013
    assert hand.spot("POST", "order", sent).status == 200  # free again: it has ended


def test_how_long_a_spot_order_stays_is_its_type(hand: MexcHand) -> None:
    for word, status in (("IMMEDIATE_OR_CANCEL", "CANCELED"), ("LIMIT_MAKER", "NEW"), ("LIMIT", "NEW")):
        sent = hand.spot_order(type=word, timeInForce="IOC")
        assert hand.spot("POST", "order", sent).status == 200
        where = {"symbol": "UNIUSDT", "origClientOrderId": sent["newClientOrderId"]}
        assert hand.spot("GET", "order", where).content["status"] == status
    assert hand.spot_no("POST", "order", hand.spot_order(type="LIMIT_MAKER", price="11")) == 30010
    assert hand.spot_no("POST", "order", hand.spot_order(quantity="1e1")) == 700004


def test_history_of_spot_has_seven_days_and_a_day_where_none_is_asked_for(hand: MexcHand) -> None:
    span = {"symbol": "UNIUSDT", "startTime": hand.now_ms - 7 * DAY_MS - 1, "endTime": hand.now_ms}
    assert hand.spot_no("GET", "allOrders", span) == 700004
    assert hand.spot("GET", "allOrders", {**span, "startTime": hand.now_ms - 7 * DAY_MS}).content == []
    assert hand.spot_no("GET", "openOrders") == 700004


def test_no_perp_counts_alike_in_coins_and_in_contracts(hand: MexcHand) -> None:
    row = hand.row()
    assert (row["volUnit"], row["apiAllowed"]) == (10, True)
    step = next(one.size_step for one in hand.bench.exchange.instruments.values() if one.symbol == "UNI/USDT:USDT")
    assert D(str(row["contractSize"])) * 10 == step
    assert hand.no("POST", "order/create", hand.perp_order(vol=hand.contracts(10) + 1)) == 2015
    assert hand.no("POST", "order/create", hand.perp_order(vol="100")) == 600  # numbers are numbers


def test_margin_mode_and_leverage_are_in_each_order(hand: MexcHand) -> None:
    assert hand.no("POST", "order/create", hand.perp_order(leverage=None)) == 600
    assert hand.no("POST", "order/create", hand.perp_order(openType=None)) == 600
    hand.done("POST", "order/create", hand.perp_order(type=5, price=None, side=3))
    (held,) = hand.done("GET", "position/open_positions")
    assert (held["positionType"], held["openType"], held["leverage"]) == (2, 1, 5)
    assert not {"markPrice", "unrealised"} & held.keys()
    assert hand.no("POST", "order/create", hand.perp_order(type=5, price=None, side=3, leverage=3)) == 2021
    assert hand.no("POST", "order/create", hand.perp_order(type=5, price=None, side=4, leverage=None)) == 2009
    hand.done("POST", "order/create", hand.perp_order(type=5, price=None, side=2, leverage=None))
    assert hand.done("GET", "position/open_positions") == []


def test_a_post_only_order_that_would_take_is_accepted_and_then_invalid(hand: MexcHand) -> None:
    sent = hand.perp_order(type=2, price=11.0)
    answer = hand.done("POST", "order/create", sent)
    row = hand.done("GET", f"order/external/UNI_USDT/{sent['externalOid']}")
    assert (row["orderId"], row["state"], row["errorCode"], row["dealVol"]) == (answer["orderId"], 5, 20, 0)
    assert hand.done("GET", f"order/get/{answer['orderId']}")["externalOid"] == sent["externalOid"]
    assert hand.no("POST", "order/create", sent) == 2042
    assert hand.no("POST", "order/cancel_with_external", {k: sent[k] for k in ("symbol", "externalOid")}) == 2041
    (kept,) = hand.done("GET", "order/list/history_orders", {"symbol": "UNI_USDT"})
    assert kept["orderId"] == answer["orderId"]


def test_a_conditional_order_has_no_client_id_and_ends_after_its_cycle(hand: MexcHand) -> None:
    hand.done("POST", "order/create", hand.perp_order(type=5, price=None))
    number = hand.done("POST", "planorder/place", hand.plan(externalOid="ours"))
    (row,) = hand.done("GET", "planorder/list/orders", {"states": 1})
    assert (str(row["id"]), row["executeCycle"], row["state"]) == (number, 168, 1)
    assert "externalOid" not in row
    assert hand.no("GET", "order/external/UNI_USDT/ours") == 2040
    assert hand.no("POST", "order/cancel_with_external", {"symbol": "UNI_USDT", "externalOid": "ours"}) == 2040
    hand.bench.clock.now_ms += 7 * DAY_MS + 60_000
    span = {"start_time": hand.now_ms - 8 * DAY_MS, "end_time": hand.now_ms}
    (ended,) = hand.done("GET", "planorder/list/orders", span)
    assert ended["state"] == 4


def test_what_became_of_a_cancel_stands_in_its_row(hand: MexcHand) -> None:
    hand.done("POST", "order/create", hand.perp_order(type=5, price=None))
    number = hand.done("POST", "planorder/place", hand.plan())
    plans = [{"symbol": "UNI_USDT", "orderId": number}, {"symbol": "UNI_USDT", "orderId": "17"}]
    assert [row["errorCode"] for row in hand.done("POST", "planorder/cancel", plans)] == [0, 2040]
    assert [row["errorCode"] for row in hand.done("POST", "planorder/cancel", plans[:1])] == [2041]


def test_perps_that_are_not_allowed_by_api_are_refused(hand: MexcHand) -> None:
    desk_of(hand).api_allowed = False
    assert hand.row()["apiAllowed"] is False
    assert hand.no("POST", "order/create", hand.perp_order()) == 6001


def test_in_hedge_mode_the_number_of_an_order_names_its_position(hand: MexcHand) -> None:
    hand.bench.exchange.put_into_modes("main", AccountModes(is_hedge_mode=True))
    assert hand.done("GET", "position/position_mode") == 1
    for side, coins in ((1, 30), (3, 20)):
        hand.done("POST", "order/create", hand.perp_order(side=side, vol=hand.contracts(coins), type=5, price=None))
    held = hand.done("GET", "position/open_positions")
    assert {(row["positionType"], row["holdVol"]) for row in held} == {(1, hand.contracts(30)), (2, hand.contracts(20))}
    long, short = sorted(held, key=lambda row: row["positionType"])
    assert long["positionId"] != short["positionId"]
    hand.done("POST", "position/change_margin", {"positionId": short["positionId"], "amount": "2", "type": "ADD"})
    after = {row["positionId"]: row["im"] for row in hand.done("GET", "position/open_positions")}
    assert after[long["positionId"]] == long["im"]
    assert after[short["positionId"]] == pytest.approx(short["im"] + 2)
    hand.done("POST", "order/create", hand.perp_order(side=2, vol=hand.contracts(20), type=5, price=None))
    assert [row["positionType"] for row in hand.done("GET", "position/open_positions")] == [1]
    assert hand.no("POST", "order/create", hand.perp_order(side=2, type=5, price=None)) == 2009


@pytest.mark.parametrize("mode", [1, 2])
def test_an_order_that_closes_names_the_margin_mode_of_the_position(mode: int, hand: MexcHand) -> None:
    hand.done("POST", "order/create", hand.perp_order(vol=hand.contracts(20), type=5, price=None, openType=mode))
    for path, closing in (
        ("planorder/place", hand.plan(openType=3 - mode)),
        ("order/create", hand.perp_order(side=4, type=5, price=None, openType=3 - mode)),
    ):
        assert hand.no("POST", path, closing) == 2027
        hand.done("POST", path, {**closing, "openType": mode})


def test_the_account_does_not_tell_what_a_key_may_do(hand: MexcHand) -> None:
    """It says what the account may do: a key without the right to spot gets the same answer."""
    assert "spot" not in KEYS["perponly"].permissions
    for key in ("mainkey", "perponly"):
        assert hand.spot("GET", "account", key=key).content["canTrade"] is True
    hand.bench.exchange.put_into_modes("main", AccountModes(can_trade=False))
    assert hand.spot("GET", "account").content["canTrade"] is False


def test_each_endpoint_has_a_limit_of_its_own(make_hand: Callable[..., MexcHand]) -> None:
    hand = make_hand(limits_scale=D(1))
    answers = [hand.perp("GET", "position/position_mode") for _ in range(21)]
    assert [answer["success"] for answer in answers] == [True] * 20 + [False]
    assert answers[-1]["code"] == 510
    assert hand.done("GET", "position/open_positions") == []
    assert hand.perp("GET", "detail", is_public=True)["success"] is True
    assert hand.perp("GET", "detail", is_public=True)["code"] == 510
    replies = [hand.spot("GET", "account") for _ in range(51)]
    assert (replies[49].status, replies[50].status) == (200, 429)
    assert int(replies[50].headers["Retry-After"]) > 0
