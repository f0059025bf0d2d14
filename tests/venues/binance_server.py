"""A recording Binance-shaped server on loopback, under the real host names: canned rows, faults by route.

It checks signatures and keeps every hit; it executes nothing. Routes are (method, path).
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from bot.simex.tls import loopback_session, server_context

KEY, SECRET = "key-of-a-test", "secret-of-a-test"
NOW_MS = 1_800_000_000_000


@dataclass(frozen=True)
class Hit:
    """One request as it arrived: `params` merges query and body in wire order."""

    method: str
    host: str
    path: str
    params: dict[str, str]
    raw: str

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path


def filters(tick: str, step: str, *, perp: bool) -> list[dict[str, Any]]:
    notional = (
        {"filterType": "MIN_NOTIONAL", "notional": "5"}
        if perp
        else {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True}
    )
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "100000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "900000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "5000", "stepSize": step},
        notional,
    ]


def spot_symbol(base: str, tick: str = "0.00100000", step: str = "0.01000000") -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(tick, step, perp=False),
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def perp_symbol(base: str, tick: str = "0.001", step: str = "1") -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 4,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "liquidationFee": "0.015",
        "marketTakeBound": "0.10",
        "filters": filters(tick, step, perp=True),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def commission_rate(hit: "Hit") -> dict[str, str]:
    return {"symbol": hit.params["symbol"], "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"}


def defaults() -> dict[tuple[str, str], Any]:
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
    spot = [spot_symbol("UNI"), spot_symbol("AAVE"), spot_symbol("DOT")]
    perps = [perp_symbol("UNI"), perp_symbol("1000PEPE", "0.0000001", "1"), perp_symbol("DOT")]
    book = {"bidPrice": "9.990", "bidQty": "100", "askPrice": "10.010", "askQty": "100"}
    premium = {
        "markPrice": "10.00500000",
        "indexPrice": "10.00100000",
        "lastFundingRate": "0.00010000",
        "nextFundingTime": NOW_MS + 3_600_000,
        "time": NOW_MS,
    }
    return {
        ("GET", "/api/v3/exchangeInfo"): {"rateLimits": limits, "exchangeFilters": [], "symbols": spot},
        ("GET", "/fapi/v1/exchangeInfo"): {"rateLimits": limits, "exchangeFilters": [], "assets": [], "symbols": perps},
        ("GET", "/api/v3/account"): {
            "canTrade": True,
            "balances": [
                {"asset": "USDT", "free": "900.50000000", "locked": "99.50000000"},
                {"asset": "UNI", "free": "12.34000000", "locked": "0.00000000"},
                {"asset": "BNB", "free": "0.00000000", "locked": "0.00000000"},
            ],
        },
        ("GET", "/fapi/v3/account"): {
            "totalWalletBalance": "500.00000000",
            "availableBalance": "380.00000000",
            "assets": [{"asset": "USDT", "walletBalance": "500.00000000", "availableBalance": "380.00000000"}],
            "positions": [],
        },
        ("GET", "/fapi/v3/positionRisk"): [],
        ("GET", "/fapi/v1/positionSide/dual"): {"dualSidePosition": False},
        ("GET", "/fapi/v1/multiAssetsMargin"): {"multiAssetsMargin": False},
        ("GET", "/sapi/v1/asset/tradeFee"): [
            {"symbol": f"{b}USDT", "makerCommission": "0.001", "takerCommission": "0.001"}
            for b in ("UNI", "AAVE", "DOT")
        ],
        ("GET", "/fapi/v1/commissionRate"): commission_rate,
        ("GET", "/sapi/v1/account/apiRestrictions"): {"enableWithdrawals": False, "enableFutures": True},
        ("GET", "/fapi/v1/leverageBracket"): [
            {
                "symbol": name,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": 50,
                        "notionalCap": 5000,
                        "notionalFloor": 0,
                        "maintMarginRatio": 0.01,
                        "cum": 0.0,
                    },
                    {
                        "bracket": 2,
                        "initialLeverage": 25,
                        "notionalCap": 100000,
                        "notionalFloor": 5000,
                        "maintMarginRatio": 0.025,
                        "cum": 75.0,
                    },
                ],
            }
            for name in ("UNIUSDT", "1000PEPEUSDT", "DOTUSDT")
        ],
        ("GET", "/api/v3/ticker/bookTicker"): [{"symbol": f"{b}USDT", **book} for b in ("UNI", "AAVE", "DOT")],
        ("GET", "/api/v3/ticker/24hr"): [
            {"symbol": f"{b}USDT", **book, "closeTime": NOW_MS} for b in ("UNI", "AAVE", "DOT")
        ],
        ("GET", "/fapi/v1/ticker/bookTicker"): {"symbol": "UNIUSDT", **book},
        ("GET", "/fapi/v1/premiumIndex"): {"symbol": "UNIUSDT", **premium},
        ("GET", "/fapi/v1/fundingInfo"): [{"symbol": "UNIUSDT", "fundingIntervalHours": 4}],
        ("GET", "/api/v3/openOrders"): [],
        ("GET", "/fapi/v1/openOrders"): [],
        ("GET", "/fapi/v1/openAlgoOrders"): [],
    }


@dataclass(frozen=True)
class Canned:
    """An answer with its status, headers and raw text."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class BinanceServer:
    """`answers[(method, path)]` is a JSON value, a Canned, or a function of the Hit giving either."""

    def __init__(self, folder: Path) -> None:
        self.hits: list[Hit] = []
        self.answers = defaults()
        self.now_ms: Callable[[], int] = lambda: NOW_MS
        self.drops: set[tuple[str, str]] = set()
        self.truncates: set[tuple[str, str]] = set()
        self.silent: set[tuple[str, str]] = set()
        self.folder, self.port = folder, 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._respond)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        context = server_context(self.folder / "server.pem")
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def session(self) -> aiohttp.ClientSession:
        return loopback_session(self.port, self.folder / "ca.pem")

    def routes(self) -> list[tuple[str, str]]:
        return [hit.route for hit in self.hits]

    def last(self, method: str, path: str) -> Hit:
        return [hit for hit in self.hits if hit.route == (method, path)][-1]

    def count(self, method: str, path: str) -> int:
        return self.routes().count((method, path))

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        raw = request.raw_path.partition("?")[2] or body
        hit = Hit(request.method, request.host.partition(":")[0], request.path, dict(parse_qsl(raw)), raw)
        self.hits.append(hit)
        if hit.route in self.drops:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response()
        if hit.route in self.silent:
            await asyncio.sleep(30)
        if hit.route in self.truncates:
            partial = web.StreamResponse(headers={"Content-Length": "900", "Content-Type": "application/json"})
            await partial.prepare(request)
            await partial.write(b'{"orderId": 1')
            assert request.transport is not None
            request.transport.close()
            return partial
        if "signature" in hit.params:
            signed, _, signature = raw.rpartition("&signature=")
            expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
            if signature != expected:
                return web.json_response({"code": -1022, "msg": "Signature for this request is not valid."}, status=400)
        if hit.path in ("/api/v3/time", "/fapi/v1/time"):
            return web.json_response({"serverTime": self.now_ms()})
        answer = self.answers.get(hit.route, Canned(404, "<html>no such route</html>", content_type="text/html"))
        if callable(answer):
            answer = answer(hit)
        if isinstance(answer, Canned):
            return web.Response(
                status=answer.status, text=answer.text, headers=answer.headers, content_type=answer.content_type
            )
        return web.json_response(answer)


def placed(hit: Hit, *, status: str = "NEW", filled: str = "0") -> dict[str, Any]:
    """The venue's answer to an accepted order, echoing what was sent."""
    row = {
        "symbol": hit.params["symbol"],
        "orderId": 4711,
        "clientOrderId": hit.params.get("newClientOrderId", ""),
        "price": hit.params.get("price", "0"),
        "origQty": hit.params.get("quantity", "0"),
        "executedQty": filled,
        "status": status,
        "timeInForce": hit.params.get("timeInForce", "GTC"),
        "type": hit.params["type"],
        "side": hit.params["side"],
    }
    if hit.path.startswith("/api"):
        return row | {"transactTime": NOW_MS, "cummulativeQuoteQty": "0", "fills": []}
    if hit.path.endswith("algoOrder"):
        row |= {"algoId": 99, "clientAlgoId": hit.params["clientAlgoId"], "algoStatus": status}
        row |= {"quantity": row["origQty"], "orderType": row["type"], "createTime": NOW_MS}
        return {name: value for name, value in row.items() if name not in ("orderId", "clientOrderId", "status")}
    return row | {"updateTime": NOW_MS, "cumQuote": "0", "avgPrice": "0", "reduceOnly": False}


def refusal(code: int, message: str, status: int = 400, **headers: str) -> Canned:
    return Canned(status, json.dumps({"code": code, "msg": message}), headers)
