"""WEEX's codes and what they mean. A code that is not here is unknown when it answers a write.

Refusals come as `code` and `msg` with HTTP 400, and as `success: false` with `errorCode`, or as the status FAILED, in
an answer with HTTP 200. A lack of money has no code of its own: its words come under several, the one of a system error
among them. So does a client id that is in use, of which no code is documented.
"""

import json
from collections.abc import Mapping
from typing import Any

from bot.ports import Rejection
from bot.venues.ccxt.error_table import REFUSING_STATUSES, ErrorTable

FUNDS_WORDS, DUPLICATE_WORDS = "amount not enough", "duplicate"
_R = Rejection
_FILTER = (("", _R.FILTER),)
_NO_ACCESS = (("", _R.AUTHENTICATION),)
_CLOCK = (("", _R.CLOCK),)
_CLOSED = (("", _R.MARKET_CLOSED),)
_NOT_FOUND = (("", _R.NOT_FOUND),)


def refusal_in(answer: object, *, is_cancel: bool = False) -> tuple[str, str]:
    """(code, message) of a refusal, empty texts where the answer is none.

    Args:
        is_cancel: the answer is to a cancel, whose status FAILED says that the cancel failed; in any other answer it is
            the state of an order.
    """
    if not isinstance(answer, Mapping):
        return "", ""
    code, message = _named(answer)
    if not code and is_cancel and answer.get("status") == "FAILED":
        code, message = str(answer.get("errorMsg") or "FAILED"), str(answer.get("errorMsg") or "")
    if not code:
        return "", ""
    small = message.lower()
    for words in (FUNDS_WORDS, DUPLICATE_WORDS):
        if words in small:
            return words, f"{code} {message}"
    return code, message


def _named(answer: Mapping[str, Any]) -> tuple[str, str]:
    if "msg" in answer:
        code, message = str(answer.get("code", "")), str(answer["msg"])
        return ("", "") if code == "200" and message.lower() == "success" else (code, message)
    if answer.get("errorCode") or answer.get("success") is False:
        return str(answer.get("errorCode") or "success: false"), str(answer.get("errorMessage") or "")
    return "", ""


def read_error(body: str) -> tuple[str, str]:
    """(code, message) of a refusal, empty texts where the body is none."""
    if not body.startswith("{"):
        return "", ""
    try:
        return refusal_in(json.loads(body), is_cancel=True)  # no order stands in an answer that ccxt refuses to read
    except ValueError:
        return "", ""


_KEY_RIGHTS = "give the key the rights to read and to trade spot and futures{source}; a new key works after 15 minutes"
_ACCOUNT = "the venue has restricted the account: see its messages to you"
KEY_ADVICE = {
    "-1044": "use a key of this venue{source}; a new key works after 15 minutes",
    "-1047": "copy key, secret and passphrase again, without spaces: api_secret is SECRET,PASSPHRASE",
    "-1049": "copy key, secret and passphrase again, without spaces: api_secret is SECRET,PASSPHRASE",
    "-1050": _ACCOUNT,
    "-1051": _KEY_RIGHTS,
    "-1052": _KEY_RIGHTS,
    "-1055": "the venue wants a phone or an authenticator bound to the account",
    "-1056": "add the address of this machine to the key's allowed IP addresses{source}",
    "-1057": _ACCOUNT,
    "-3236": _KEY_RIGHTS,
}
WEEX_ERRORS = ErrorTable(
    read=read_error,
    refusing_statuses=REFUSING_STATUSES | {200},
    holding_codes=frozenset({"-1048"}),
    holding_statuses={429: 30.0, 418: 600.0},
    unknown_symbol_codes={"-1121": ("",), "-2007": ("",)},
    key_advice=KEY_ADVICE,
    codes={
        # request as a whole
        "-1040": _NO_ACCESS,
        "-1041": _NO_ACCESS,
        "-1042": _NO_ACCESS,
        "-1043": _CLOCK,
        "-1044": _NO_ACCESS,
        "-1046": _CLOCK,
        "-1047": _NO_ACCESS,
        "-1049": _NO_ACCESS,
        "-1050": _NO_ACCESS,
        "-1051": _NO_ACCESS,
        "-1052": _NO_ACCESS,
        "-1053": _NO_ACCESS,
        "-1055": _NO_ACCESS,
        "-1056": _NO_ACCESS,
        "-1057": _NO_ACCESS,
        "-1190": _NO_ACCESS,
        "-3236": _NO_ACCESS,
        # orders
        "-1115": _FILTER,
        "-1116": _FILTER,
        "-1117": _FILTER,
        "-1128": _FILTER,
        "-1135": _FILTER,
        "-1140": _FILTER,
        "-1141": _FILTER,
        "-1142": _FILTER,
        "-1160": _FILTER,
        "-1180": _FILTER,
        "-3006": _FILTER,
        "-3007": _FILTER,
        "-3313": (("", _R.LEVERAGE),),
        "-1058": _CLOSED,
        "-3235": _CLOSED,
        "-3613": _CLOSED,
        "-1121": _CLOSED,
        "-2007": _CLOSED,
        "-2200": _NOT_FOUND,
        "-3200": _NOT_FOUND,
        "FAILED_ORDER_NOT_FOUND": _NOT_FOUND,
        FUNDS_WORDS: (("", _R.FUNDS),),
        DUPLICATE_WORDS: (("", _R.DUPLICATE_ID),),
    },
    statuses={429: _R.RATE_LIMIT, 418: _R.RATE_LIMIT},
)
