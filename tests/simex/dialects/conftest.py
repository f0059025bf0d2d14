"""A small exchange whose prices the test decides, and a hand that signs requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.domain.instrument import Instrument, Kind
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import Rules
from bot.simex.server import Simex
from bot.simex.signing import ApiKey, sign
from tests.simex.scripted_market import ScriptedMarket

D = Decimal
START_MS = 1_750_000_000_000 // 28_800_000 * 28_800_000 + 3_600_000
FUNDING_MS = 28_800_000
PRICES = {"UNI": 10.0, "LINK": 20.0}


class SteadyMarket(ScriptedMarket):
    """Prices that stay where the test put them: ten basis points of spread, deep books, funding of one basis point."""

    def __init__(self) -> None:
        symbols = {symbol: price for base, price in PRICES.items() for symbol in (f"{base}/USDT", f"{base}/USDT:USDT")}
        first = START_MS - START_MS % FUNDING_MS - 30 * FUNDING_MS
        settlements = [(first + number * FUNDING_MS, 0.0001) for number in range(60)]
        super().__init__(
            {symbol: [(first, price)] for symbol, price in symbols.items()},
            funding={symbol: settlements for symbol in symbols if ":" in symbol},
            spread=0.001,
        )

    def open_interest(self, symbol: str, ms: int) -> float | None:
        return 5_000_000.0 if ":" in symbol else None

    def step(self, symbol: str, ms: int, price: float) -> None:
        """Jump to `price` at `ms`."""
        self.move(symbol, ms - 1, self.at(symbol, ms - 1).mid)
        self.move(symbol, ms, price)


def make_instruments() -> dict[str, Instrument]:
    """UNI and LINK, spot and perp."""
    made = {}
    for base in PRICES:
        spot = Instrument(
            "binance",
            f"{base}/USDT",
            Kind.SPOT,
            base,
            "USDT",
            D("0.001"),
            D("0.01"),
            D("0.01"),
            D(5),
            D(90000),
            D(20000),
            maker_fee=D("0.001"),
            taker_fee=D("0.001"),
            venue_symbol=f"{base}USDT",
        )
        perp = Instrument(
            "binance",
            f"{base}/USDT:USDT",
            Kind.PERP,
            base,
            "USDT",
            D("0.005"),
            D("0.1"),
            D("0.1"),
            D(5),
            D(90000),
            D(20000),
            maker_fee=D("0.0002"),
            taker_fee=D("0.0005"),
            leverage_max=D(50),
            venue_symbol=f"{base}USDT",
        )
        made |= {spot.symbol: spot, perp.symbol: perp}
    return made


@dataclass
class ManualClock:
    """A wall clock that moves when told."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


KEYS = {
    key.key: key
    for key in (
        ApiKey("mainkey", "main-secret", "main"),
        ApiKey("spotonly", "spot-secret", "main", frozenset({"spot"})),
        ApiKey("perponly", "perp-secret", "main", frozenset({"perp"})),
        ApiKey("withdrawer", "w-secret", "main", frozenset({"spot", "perp", "withdraw"})),
        ApiKey("demokey", "demo-secret", "main", hosts=frozenset({"demo"})),
        ApiKey("portfolio", "p-secret", "main", frozenset({"spot", "perp", "portfolio"})),
        ApiKey("otherkey", "other-secret", "other"),
    )
}


@dataclass
class Bench:
    """An exchange, its server without sockets, and the hand that asks it."""

    market: SteadyMarket
    exchange: Exchange
    simex: Simex
    clock: ManualClock
    seen: list[WireReply] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = "mainkey",
        lead_ms: int = 0,
        window_ms: Any = None,
        in_body: bool = False,
        host: str = "127.0.0.1",
        secret: str | None = None,
    ) -> WireReply:
        """One request; signed when `key` is given and the path is not public."""
        query = urlencode(dict(params or {}))
        headers = {}
        if key is not None:
            stamp = {"timestamp": self.clock.now_ms + lead_ms}
            if window_ms is not None:
                stamp["recvWindow"] = window_ms
            query = urlencode({**(params or {}), **stamp})
            query += "&signature=" + sign(secret or KEYS[key].secret, query)
            headers = {"x-mbx-apikey": key}
        body = query if in_body else ""
        reply = self.simex.respond(WireRequest(method, path, "" if in_body else query, body, headers, host))
        self.seen.append(reply)
        return reply

    def ok(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        reply = self.ask(method, path, params, **kwargs)
        assert reply.status == 200, reply
        return reply.content

    def public(self, path: str, **params: Any) -> Any:
        return self.ok("GET", path, params, key=None)

    def no(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> tuple[int, str]:
        """Code and message of a refusal."""
        reply = self.ask(method, path, params, **kwargs)
        assert reply.status >= 400, reply
        return reply.content["code"], reply.content["msg"]

    def move(self, symbol: str, price: float, after_ms: int = 1000) -> None:
        """Let the price of a symbol step, a moment from now, and let that moment pass."""
        self.market.step(symbol, self.clock.now_ms + after_ms, price)
        self.clock.now_ms += after_ms + 1


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench() -> MakeBench:
    def make(*, rules: Rules | None = None, **kwargs: Any) -> Bench:
        market, clock = SteadyMarket(), ManualClock()
        exchange = Exchange(instruments=make_instruments(), market=market, start_ms=START_MS, rules=rules)
        exchange.create_account("main", spot={"USDT": D(10000), "UNI": D(100)}, perp=D(5000))
        exchange.create_account("other", spot={"USDT": D(10)})
        return Bench(market, exchange, Simex(exchange, **{"keys": KEYS, "clock": clock, **kwargs}), clock)

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
