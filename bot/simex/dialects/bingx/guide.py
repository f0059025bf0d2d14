"""How to reach the embedded exchange as BingX: endpoints, a signed request by curl, and ccxt pointed at it."""

from collections.abc import Iterable

from bot.simex.dialects.wire import Guide
from bot.simex.signing import ApiKey

_CCXT = """\
import ccxt
exchange = ccxt.bingx({{"apiKey": "{key}", "secret": "{secret}"}})
exchange.urls["api"] = {{name: "{base}/openApi" for name in exchange.urls["api"]}}
exchange.has["fetchCurrencies"] = False
exchange.load_time_difference()
print(exchange.fetch_balance({{"type": "spot"}})["USDT"])
print(exchange.create_order("ETH/USDT", "market", "buy", 0.01)["id"])
print(exchange.create_order("ETH/USDT:USDT", "limit", "buy", 0.1, 2000)["id"])"""


def guide(http_port: int, hosts: Iterable[str], key: ApiKey) -> Guide:
    """All of it for one key."""
    base = f"http://127.0.0.1:{http_port}"
    return Guide(
        {"spot": f"{base}/openApi/spot", "perp": f"{base}/openApi/swap"},
        tuple(dict.fromkeys(hosts)),
        _curl(base, key),
        _CCXT.format(key=key.key, secret=key.secret, base=base),
    )


def _curl(base: str, key: ApiKey) -> str:
    return (
        f"T=$(curl -s {base}/openApi/swap/v2/server/time | sed 's/.*serverTime\"://' | tr -dc 0-9); "
        f'Q="recvWindow=5000&timestamp=$T"; '
        f"S=$(printf %s \"$Q\" | openssl dgst -sha256 -hmac {key.secret} | sed 's/.*= //'); "
        f'curl -s -H "X-BX-APIKEY: {key.key}" "{base}/openApi/spot/v1/account/balance?$Q&signature=$S"'
    )
