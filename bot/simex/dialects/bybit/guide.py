"""How to reach the embedded exchange as Bybit: endpoints, a signed request by curl, and ccxt pointed at it."""

from collections.abc import Iterable

from bot.simex.dialects.wire import Guide
from bot.simex.signing import ApiKey

_CCXT = """\
import ccxt
exchange = ccxt.bybit({{"apiKey": "{key}", "secret": "{secret}"}})
exchange.urls["api"] = {{name: "{base}" for name in exchange.urls["api"]}}
exchange.has["fetchCurrencies"] = False
exchange.options |= {{"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6}}
exchange.options["fetchMarkets"] = {{"types": ["spot", "linear"]}}
exchange.load_time_difference()
print(exchange.fetch_balance()["USDT"])
print(exchange.create_order("ETH/USDT", "market", "buy", 0.01)["id"])
print(exchange.create_order("ETH/USDT:USDT", "limit", "buy", 0.1, 2000)["id"])"""


def guide(http_port: int, hosts: Iterable[str], key: ApiKey) -> Guide:
    """All of it for one key."""
    base = f"http://127.0.0.1:{http_port}"
    return Guide(
        {"spot and perp": f"{base}/v5"},
        tuple(dict.fromkeys(hosts)),
        _curl(base, key),
        _CCXT.format(key=key.key, secret=key.secret, base=base),
    )


def _curl(base: str, key: ApiKey) -> str:
    return (
        f'T=$(curl -s {base}/v5/market/time | sed \'s/.*"time"://\' | tr -dc 0-9); Q="accountType=UNIFIED"; '
        f"S=$(printf %s \"${{T}}{key.key}5000$Q\" | openssl dgst -sha256 -hmac {key.secret} | sed 's/.*= //'); "
        f'curl -s -H "X-BAPI-API-KEY: {key.key}" -H "X-BAPI-TIMESTAMP: $T" -H "X-BAPI-RECV-WINDOW: 5000" '
        f'-H "X-BAPI-SIGN: $S" "{base}/v5/account/wallet-balance?$Q"'
    )
