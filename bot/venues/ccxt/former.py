"""Markets that the venue no longer lists, as far as cancels, reads and closing need them.

After a restart ccxt knows the listed markets only, and refuses a cancel in any other before it reaches the wire. What
is needed there is the venue's name of the symbol. The grid is the one last known; where none is, every digit passes and
the venue judges it.
"""

from collections.abc import Mapping
from typing import Any

from bot.domain.symbol import base_of, is_perp, quote_of, settle_of

ANY_DIGIT = "0.00000001"


def bare_market(symbol: str, venue_symbol: str, info: Mapping[str, Any]) -> Mapping[str, Any]:
    """A ccxt market of a symbol of which nothing but its names is known."""
    base, quote = base_of(symbol), quote_of(symbol)
    settle, is_contract = settle_of(symbol) or None, is_perp(symbol)
    return {
        "id": venue_symbol,
        "lowercaseId": venue_symbol.lower(),
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle,
        "baseId": base,
        "quoteId": quote,
        "settleId": settle,
        "type": "swap" if is_contract else "spot",
        "subType": "linear" if is_contract else None,
        "spot": not is_contract,
        "margin": False,
        "swap": is_contract,
        "future": False,
        "option": False,
        "contract": is_contract,
        "linear": True if is_contract else None,
        "inverse": False if is_contract else None,
        "contractSize": "1" if is_contract else None,
        "active": False,
        "precision": {"amount": ANY_DIGIT, "price": ANY_DIGIT, "base": ANY_DIGIT, "quote": ANY_DIGIT},
        "limits": {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "market", "leverage")},
        "info": dict(info),
    }
