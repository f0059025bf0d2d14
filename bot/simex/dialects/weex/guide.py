"""How to reach the embedded exchange as WEEX: endpoints, a signed request by curl, and ccxt pointed at it."""

from collections.abc import Iterable

from bot.simex.dialects.wire import Guide
from bot.simex.signing import ApiKey

_CCXT = """\
import ccxt
exchange = ccxt.weex({{"apiKey": "{key}", "secret": "{secret}", "password": "{secret}"}})
exchange.urls["api"] = {{name: "{base}" for name in exchange.urls["api"]}}
exchange.has["fetchCurrencies"] = False
print(exchange.fetch_balance({{"type": "spot"}})["USDT"])
print(exchange.create_order("ETH/USDT", "limit", "buy", 0.01, 2000, {{"timeInForce": "GTC"}})["id"])
print(exchange.create_order("ETH/USDT:USDT", "limit", "buy", 0.1, 2000)["id"])"""


def guide(http_port: int, hosts: Iterable[str], key: ApiKey) -> Guide:
    """All of it for one key."""
    base = f"http://127.0.0.1:{http_port}"
    return Guide(
        {"spot": f"{base}/api/v3", "perp": f"{base}/capi/v3"},
        tuple(dict.fromkeys(hosts)),
        _curl(base, key),
        _CCXT.format(key=key.key, secret=key.secret, base=base),
    )


def _curl(base: str, key: ApiKey) -> str:
    """The passphrase of an embedded key is its secret."""
    return (
        f"T=$(curl -s {base}/capi/v3/market/time | tr -dc 0-9); P=/capi/v3/account/balance; "
        f'S=$(printf %s "${{T}}GET$P" | openssl dgst -sha256 -hmac {key.secret} -binary | base64); '
        f'curl -s -H "ACCESS-KEY: {key.key}" -H "ACCESS-SIGN: $S" -H "ACCESS-PASSPHRASE: {key.secret}" '
        f'-H "ACCESS-TIMESTAMP: $T" "{base}$P"'
    )
