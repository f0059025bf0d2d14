"""How to reach the embedded exchange as MEXC: endpoints, a signed request by curl, and ccxt pointed at it."""

from collections.abc import Iterable

from bot.simex.dialects.wire import Guide
from bot.simex.signing import ApiKey

_CCXT = """\
import ccxt
exchange = ccxt.mexc({{"apiKey": "{key}", "secret": "{secret}"}})
exchange.urls["api"]["spot"] = {{"public": "{base}", "private": "{base}"}}
exchange.urls["api"]["contract"] = {{"public": "{base}/api/v1/contract", "private": "{base}/api/v1/private"}}
exchange.has["fetchCurrencies"] = False
exchange.load_time_difference()
print(exchange.fetch_balance({{"type": "spot"}})["USDT"])
print(exchange.create_order("ETH/USDT", "market", "sell", 0.01)["id"])"""


def guide(http_port: int, hosts: Iterable[str], key: ApiKey) -> Guide:
    """All of it for one key."""
    base = f"http://127.0.0.1:{http_port}"
    return Guide(
        {"spot": f"{base}/api/v3", "perp": f"{base}/api/v1"},
        tuple(dict.fromkeys(hosts)),
        _curl(base, key),
        _CCXT.format(key=key.key, secret=key.secret, base=base),
    )


def _curl(base: str, key: ApiKey) -> str:
    return (
        f"T=$(curl -s {base}/api/v3/time | tr -dc 0-9); "
        f'Q="timestamp=$T&recvWindow=5000"; '
        f"S=$(printf %s \"$Q\" | openssl dgst -sha256 -hmac {key.secret} | sed 's/.*= //'); "
        f'curl -s -H "X-MEXC-APIKEY: {key.key}" "{base}/api/v3/account?$Q&signature=$S"'
    )
