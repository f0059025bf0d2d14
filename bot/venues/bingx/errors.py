"""BingX's codes and what they mean. A code that is not here is unknown when it answers a write.

BingX refuses with HTTP 200 and a `code` in the body, so the status proves nothing. One code may stand for several
meanings, which its words distinguish; 100410 is a rate limit or a busy system, and behind the latter the order may
exist. Transfers refuse in a shape of their own, without a code.
"""

import json

from bot.ports import Rejection
from bot.venues.ccxt.error_table import REFUSING_STATUSES, ErrorTable

SUCCESS = "0"
TRANSFER_REFUSED = "transferErrorMsg"
RATE_CODES = ("100410", "109429")
_R = Rejection
_FILTER = (("", _R.FILTER),)
_FUNDS = (("", _R.FUNDS),)
_NO_ACCESS = (("", _R.AUTHENTICATION),)
_REDUCE_ONLY = (("", _R.REDUCE_ONLY),)
_CLOSED = (("", _R.MARKET_CLOSED),)
_DUPLICATE = (("", _R.DUPLICATE_ID),)
_NOT_FOUND = (("", _R.NOT_FOUND),)


def code_of(answer: object) -> str:
    """The code of an answer, empty where it has none: then it is no answer of the venue."""
    code = answer.get("code") if isinstance(answer, dict) else None
    return str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""


def read_error(body: str) -> tuple[str, str]:
    """(code, message) of a refusal, empty texts where the body is none."""
    if body.startswith('{"code":0,'):
        return "", ""
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", ""
    if isinstance(parsed, dict) and isinstance(parsed.get(TRANSFER_REFUSED), str):
        return TRANSFER_REFUSED, parsed[TRANSFER_REFUSED]
    code = code_of(parsed)
    return ("", "") if code in ("", SUCCESS) else (code, str(parsed.get("msg", "")))


KEY_ADVICE = {
    "100001": "the secret does not belong to the key: copy both again, without spaces",
    "100004": "give the key the rights to read and to trade spot and perpetual futures{source}",
    "100412": "use a key of this venue{source}",
    "100413": "use a key of this venue{source}",
    "100414": "the venue has restricted the account: see its messages to you",
    "100419": "add the address of this machine to the key's allowed IP addresses{source}",
}
BINGX_ERRORS = ErrorTable(
    read=read_error,
    refusing_statuses=REFUSING_STATUSES | {200},
    holding_codes=frozenset(RATE_CODES),
    holding_statuses={429: 30.0, 418: 600.0},
    code_hold_s=10.0,
    unknown_symbol_codes={"109425": ("",)},
    key_advice=KEY_ADVICE,
    codes={
        # request as a whole
        "100001": _NO_ACCESS,
        "100004": _NO_ACCESS,
        "100412": _NO_ACCESS,
        "100413": _NO_ACCESS,
        "100414": _NO_ACCESS,
        "100419": _NO_ACCESS,
        "100421": (("timestamp", _R.CLOCK), ("", _R.MARKET_CLOSED)),
        "100410": (("rate limit", _R.RATE_LIMIT), ("frequency", _R.RATE_LIMIT), ("frequent", _R.RATE_LIMIT)),
        "109429": (("", _R.RATE_LIMIT),),
        "109400": (("timestamp", _R.CLOCK), ("", _R.FILTER)),
        "109403": (("", _R.OTHER),),
        "80014": _FILTER,
        "109425": (("", _R.OTHER),),
        # money
        "100202": _FUNDS,
        "101204": _FUNDS,
        "101253": _FUNDS,
        "80012": (('"Code":101253', _R.FUNDS), ('"Code":101204', _R.FUNDS)),  # what it wraps says what it is
        TRANSFER_REFUSED: (("Insufficient", _R.FUNDS),),
        # orders
        "100440": _FILTER,
        "101211": _FILTER,
        "101215": (("", _R.WOULD_TAKE),),
        "101400": (
            ("duplicate", _R.DUPLICATE_ID),
            ("clientOrder", _R.DUPLICATE_ID),
            ("suspended", _R.MARKET_CLOSED),
            ("", _R.FILTER),
        ),
        "101414": (("", _R.LEVERAGE),),
        "110422": _FILTER,
        "110425": _FILTER,
        "101205": _REDUCE_ONLY,
        "101290": _REDUCE_ONLY,
        "80017": _REDUCE_ONLY,
        "101481": _DUPLICATE,
        "109201": _DUPLICATE,
        "100490": _CLOSED,
        "101415": _CLOSED,
        "109418": _CLOSED,
        "80016": _NOT_FOUND,
        "80018": _NOT_FOUND,
        "100404": _NOT_FOUND,
        "109421": _NOT_FOUND,
        "109422": _NOT_FOUND,
    },
    statuses={429: _R.RATE_LIMIT, 418: _R.RATE_LIMIT},
)
