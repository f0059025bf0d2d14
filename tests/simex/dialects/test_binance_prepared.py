"""`exchangeInfo` is made once for each state of the listings, and never shows another state."""

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.simex.dialects.binance.public.prepared import PreparedObject
from bot.simex.dialects.wire import WireRequest
from bot.simex.engine.types import ListingStatus
from bot.simex.server import _text_of
from tests.simex.dialects.conftest import Bench, D, MakeBench

SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
PATHS = {SPOT: "/api/v3/exchangeInfo", PERP: "/fapi/v1/exchangeInfo"}
CHANGES = {
    "halted": lambda bench, symbol: bench.exchange.halt(symbol),
    "delisted": lambda bench, symbol: bench.exchange.delist(symbol),
    "removed": lambda bench, symbol: bench.exchange.remove(symbol),
    "unlisted": lambda bench, symbol: bench.exchange.unlist(symbol),
    "status": lambda bench, symbol: bench.exchange.set_status(symbol, ListingStatus.PRE_SETTLE),
    "filters": lambda bench, symbol: bench.exchange.replace_instrument(
        replace(bench.exchange.instruments[symbol], price_tick=D("0.5"))
    ),
    "the market's end": lambda bench, symbol: bench.market._tracks.update(
        {symbol: replace(bench.market.track(symbol), end_ms=bench.clock.now_ms)}
    ),
}


def shown(bench: Bench, symbol: str, **asked: Any) -> dict[str, Any]:
    """The row of UNIUSDT; that the text on the wire says the same as the object; that time is that of now."""
    content = bench.public(PATHS[symbol], **asked)
    assert isinstance(content, PreparedObject)
    assert json.loads(_text_of(content)[0]) == content
    assert list(json.loads(content.text)) == list(content)
    assert content["serverTime"] == bench.clock.now_ms
    return next((row for row in content["symbols"] if row["symbol"] == "UNIUSDT"), {})


@pytest.mark.parametrize("symbol", PATHS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_listing_shows_at_once(bench: Bench, symbol: str, change: str) -> None:
    before = shown(bench, symbol)
    bench.clock.now_ms += 7
    assert shown(bench, symbol) == before
    CHANGES[change](bench, symbol)
    bench.clock.now_ms += 1
    assert shown(bench, symbol) != before


def test_each_set_of_parameters_has_its_own_answer(bench: Bench) -> None:
    everything = bench.public(PATHS[SPOT])["symbols"]
    for names in (["UNIUSDT"], ["LINKUSDT"], ["LINKUSDT", "UNIUSDT"], ["UNIUSDT", "LINKUSDT"]):
        found = bench.public(PATHS[SPOT], symbols=json.dumps(names, separators=(",", ":")))["symbols"]
        assert [row["symbol"] for row in found] == names
    assert bench.public(PATHS[SPOT])["symbols"] == everything
    assert bench.no("GET", PATHS[SPOT], {"symbol": "NOUSDT"}, key=None)[0] == -1121
    assert bench.no("GET", PATHS[SPOT], {"symbol": "NOUSDT"}, key=None)[0] == -1121, "a refusal is not kept"


def test_it_is_made_once_while_nothing_changes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [0]
    own = bench.exchange.listed_ms

    def counted(symbol: str) -> int:
        made[0] += 1
        return own(symbol)

    monkeypatch.setattr(bench.exchange, "listed_ms", counted)
    for _ in range(5):
        bench.clock.now_ms += 1000
        bench.public(PATHS[PERP])
    assert made[0] == 2, "once for each perp"


def test_many_sets_of_parameters_do_not_pile_up(make_bench: MakeBench) -> None:
    bench = make_bench(limits_scale=1000)
    for number in range(200):
        bench.public(PATHS[SPOT], symbol="UNIUSDT", unknown=number)
    (dialect,) = bench.simex._dialects
    assert len(dialect.desk._prepared._made) <= 64


def test_microseconds_are_those_of_the_time_too(bench: Bench) -> None:
    reply = bench.simex.respond(WireRequest("GET", PATHS[SPOT], headers={"x-mbx-time-unit": "MICROSECOND"}))
    assert json.loads(_text_of(reply.content)[0])["serverTime"] == bench.clock.now_ms * 1000


@pytest.mark.parametrize(
    "path", ["exchangeInfo", "depth", "trades", "aggTrades", "klines", "ticker/24hr", "ticker/price"]
)
def test_market_data_of_the_first_version_is_that_of_the_third(bench: Bench, path: str) -> None:
    asked = {"symbol": "UNIUSDT", **({"interval": "1m"} if path == "klines" else {})}
    assert bench.public(f"/api/v1/{path}", **asked) == bench.public(f"/api/v3/{path}", **asked)
