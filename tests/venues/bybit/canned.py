"""A Bybit that answers from a table, for unmodified ccxt: what was asked is kept, nothing leaves the process."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from multidict import CIMultiDict

from bot.venues.bybit.adapter import ADAPTER
from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from tests.venues.conftest import HandClock, skipped_waits

KEY, SECRET = "a-key", "a-secret"
NOW_MS = 1_760_000_000_000
SPOT, PERP = "BTC/USDT", "BTC/USDT:USDT"
HOST = "api.bybit.com"


def success(result: Any = None, **more: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": {} if result is None else result, "time": NOW_MS, **more}


def refusal(code: int, message: str = "Refused.") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": NOW_MS}


def listed(*rows: Any, cursor: str = "", category: str = "") -> dict[str, Any]:
    found = {"list": list(rows), "nextPageCursor": cursor}
    return success({"category": category, **found} if category else found)


@dataclass
class Reply:
    """An answer that is not JSON of a success, or not with status 200."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Sent:
    """One request as ccxt hands it to the session."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        return unquote(urlsplit(self.url).query)

    @property
    def is_signed_well(self) -> bool:
        """By the venue's own recipe, over the bytes that were sent."""
        raw = self.body if self.method == "POST" else urlsplit(self.url).query
        head = {name.lower(): value for name, value in self.headers.items()}
        text = f"{head['x-bapi-timestamp']}{head['x-bapi-api-key']}{head['x-bapi-recv-window']}{raw}"
        return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest() == head["x-bapi-sign"]


class _Answer:
    """What ccxt uses of an aiohttp response."""

    def __init__(self, reply: Reply) -> None:
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body, separators=(",", ":"))
        self.status, self.reason, self.headers = reply.status, "canned", CIMultiDict(reply.headers)
        self.content, self._text = text, text

    async def text(self, errors: Any = None) -> str:
        del errors
        return self._text

    async def __aenter__(self) -> "_Answer":
        return self

    async def __aexit__(self, *_: object) -> bool:
        return False


class CannedSession:
    """What ccxt uses of an aiohttp session. `answers` are by "METHOD /path", or "METHOD /path?part of the query"."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers: dict[str, Any] = dict(answers or {})
        self.sent: list[Sent] = []
        self.headers: dict[str, str] = {}

    def _ask(self, method: str, url: Any, options: Mapping[str, Any]) -> _Answer:
        body = options.get("data") or ""
        sent = Sent(
            method, str(url), dict(options.get("headers") or {}), body.decode() if isinstance(body, bytes) else body
        )
        self.sent.append(sent)
        for name in sorted(self.answers, key=len, reverse=True):
            path, _, part = name.partition("?")
            if path == f"{method} {sent.path}" and part in sent.query:
                answer = self.answers[name]
                return _Answer(answer if isinstance(answer, Reply) else Reply(answer))
        raise LookupError(f"no canned answer for {method} {sent.path}?{sent.query}")

    def get(self, url: Any, **options: Any) -> _Answer:
        return self._ask("GET", url, options)

    def post(self, url: Any, **options: Any) -> _Answer:
        return self._ask("POST", url, options)

    async def close(self) -> None:
        """Nothing is held."""

    def of(self, path: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.path == path]


def spot_row(symbol: str = "BTCUSDT", **lot: str) -> dict[str, Any]:
    base = symbol.removesuffix("USDT")
    filters = {"basePrecision": "0.000001", "minOrderQty": "0.000001", "minOrderAmt": "5", "maxLimitOrderQty": "230"}
    return {
        "symbol": symbol,
        "baseCoin": base,
        "quoteCoin": "USDT",
        "status": "Trading",
        "lotSizeFilter": {**filters, "maxMarketOrderQty": "120", **lot},
        "priceFilter": {"tickSize": "0.1"},
    }


def perp_row(symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "deliveryTime": "0",
        "fundingInterval": 480,
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.8", "tickSize": "0.10"},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "maxMktOrderQty": "500.000",
            "minNotionalValue": "5",
        },
    }


def risk_row(number: int, cap: str, rate: str, leverage: str, deduction: str) -> dict[str, Any]:
    return {
        "id": number,
        "symbol": "BTCUSDT",
        "riskLimitValue": cap,
        "maintenanceMargin": rate,
        "maxLeverage": leverage,
        "mmDeduction": deduction,
    }


def usual() -> dict[str, Any]:
    """Answers of a healthy account with one spot and one perp market."""
    rights = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": []}
    return {
        "GET /v5/market/time": success({"timeSecond": str(NOW_MS // 1000), "timeNano": f"{NOW_MS}000000"}),
        "GET /v5/market/instruments-info?category=spot": listed(spot_row(), spot_row("PEPEUSDT", basePrecision="1")),
        "GET /v5/market/instruments-info?category=linear": listed(
            perp_row(), perp_row("1000PEPEUSDT"), category="linear"
        ),
        "GET /v5/market/instruments-info?status=PreLaunch": listed(),
        "GET /v5/market/risk-limit": listed(
            risk_row(1, "2000000", "0.005", "100.00", ""), risk_row(2, "4000000", "0.0056", "90.00", "1200")
        ),
        "GET /v5/account/wallet-balance": wallet(coin("USDT", "1000", totalPositionIM="100", locked="50")),
        "GET /v5/account/info": success({"marginMode": "ISOLATED_MARGIN", "unifiedMarginStatus": 6}),
        "GET /v5/account/fee-rate": listed(
            {"symbol": "BTCUSDT", "takerFeeRate": "0.0006", "makerFeeRate": "0.0001"},
            {"symbol": "PEPEUSDT", "takerFeeRate": "0.0018", "makerFeeRate": "0.0018"},
        ),
        "GET /v5/position/list": listed(),
        "GET /v5/position/list?symbol=BTCUSDT": listed(
            {"symbol": "BTCUSDT", "positionIdx": 0, "size": "0", "side": ""}
        ),
        "GET /v5/user/query-api": success({"readOnly": 0, "permissions": rights, "ips": ["192.0.2.1"], "uta": 1}),
    }


def coin(name: str, balance: str, **more: str) -> dict[str, Any]:
    empty = {"locked": "0", "borrowAmount": "0", "totalOrderIM": "0", "totalPositionIM": "0"}
    return {"coin": name, "walletBalance": balance, **empty, **more}


def wallet(*coins: dict[str, Any], available: str = "") -> dict[str, Any]:
    return success({"list": [{"accountType": "UNIFIED", "totalAvailableBalance": available, "coin": list(coins)}]})


def venue_on(
    session: CannedSession, *, environment: str = "sim", adapter: Adapter = ADAPTER, **changes: Any
) -> CcxtVenue:
    """A venue that is not open yet."""
    settings: dict[str, Any] = {
        "environment": environment,
        "account": "main",
        "credentials": Credentials(KEY, SECRET),
        "session_factory": lambda: session,
        "clock": HandClock(NOW_MS),
        "rules": ConnectionRules(seams=skipped_waits()),
        **changes,
    }
    return CcxtVenue(adapter, **settings)
