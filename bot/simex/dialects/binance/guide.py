"""How to reach the embedded exchange as Binance: endpoints, a signed request by curl, and ccxt pointed at it."""

from collections.abc import Iterable

from bot.simex.dialects.wire import Guide
from bot.simex.signing import ApiKey

_CCXT = """\
import json, ccxt
exchange = ccxt.binance({{"apiKey": "{key}", "secret": "{secret}"}})
urls = json.dumps(exchange.urls["api"]).replace("https://", "http://{address}/").replace("wss://", "ws://{address}/")
exchange.urls["api"] = json.loads(urls)
exchange.has["fetchCurrencies"] = exchange.options["fetchMargins"] = False
exchange.load_time_difference()
print(exchange.fetch_balance()["USDT"])
print(exchange.fetch_balance({{"type": "swap"}})["USDT"])
print(exchange.create_order("ETH/USDT", "market", "buy", 0.01)["status"])
print(exchange.create_order("ETH/USDT:USDT", "limit", "buy", 0.1, 2000)["status"])"""


def guide(http_port: int, hosts: Iterable[str], key: ApiKey) -> Guide:
    """All of it for one key."""
    address = f"127.0.0.1:{http_port}"
    base = f"http://{address}"
    endpoints = {
        "spot": f"{base}/api/v3",
        "wallet": f"{base}/sapi/v1",
        "perp": f"{base}/fapi/v1",
        "spot streams": f"ws://{address}/stream.binance.com/ws",
        "perp streams": f"ws://{address}/fstream.binance.com/ws",
        "spot ws api": f"ws://{address}/ws-api/v3",
        "perp ws api": f"ws://{address}/ws-fapi/v1",
    }
    return Guide(
        endpoints,
        tuple(dict.fromkeys(hosts)),
        _curl(base, key),
        _CCXT.format(key=key.key, secret=key.secret, address=address),
    )


def _curl(base: str, key: ApiKey) -> str:
    return (
        f'Q="timestamp=$(curl -s {base}/api/v3/time | tr -dc 0-9)"; '
        f"S=$(printf %s \"$Q\" | openssl dgst -sha256 -hmac {key.secret} | sed 's/.*= //'); "
        f'curl -s -H "X-MBX-APIKEY: {key.key}" "{base}/api/v3/account?$Q&signature=$S"'
    )
