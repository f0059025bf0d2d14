"""Bybit's result codes and what they mean. A code that is not here is unknown when it answers a write.

Bybit refuses with HTTP 200 and a `retCode` in the body, so the status proves nothing. Codes that say "time-out",
"system" or "processing" stay out of the table on purpose: the order behind one may exist.
"""

import json

from bot.ports import Rejection
from bot.venues.ccxt.error_table import REFUSING_STATUSES, ErrorTable

SUCCESS = "0"
_R = Rejection
_FILTER = (("", _R.FILTER),)
_FUNDS = (("", _R.FUNDS),)
_NO_ACCESS = (("", _R.AUTHENTICATION),)
_NEVER = (("", _R.PERMANENT),)
_CLOSED = (("", _R.MARKET_CLOSED),)
_DUPLICATE = (("", _R.DUPLICATE_ID),)
_NOT_FOUND = (("", _R.NOT_FOUND),)
_LEVERAGE = (("", _R.LEVERAGE),)
_NO_CHANGE = (("", _R.NO_CHANGE),)
BAN_S = 600.0


def code_of(answer: object) -> str:
    """The result code of an answer, empty where it has none: then it is no answer of the venue."""
    code = answer.get("retCode") if isinstance(answer, dict) else None
    return str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""


def read_error(body: str) -> tuple[str, str]:
    """(code, message) of a refusal, empty texts where the body is none."""
    if body.startswith('{"retCode":0,'):
        return "", ""
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", ""
    code = code_of(parsed)
    return ("", "") if code in ("", SUCCESS) else (code, str(parsed.get("retMsg", "")))


KEY_ADVICE = {
    "10003": "use a key of this environment{source}; the test network, demo trading and the real market have their own",
    "10004": "the secret does not belong to the key: copy both again, without spaces",
    "10005": "give the key the rights to read and to trade spot and contracts{source}",
    "10010": "add the address of this machine to the key's allowed IP addresses{source}",
    "10024": "the venue does not serve this account or its region: see its messages to you, or use another venue",
    "10028": "it is a classic account: upgrade it to a unified trading account, or use another one",
    "33004": "the key has expired: make a new one{source}",
}
BYBIT_ERRORS = ErrorTable(
    read=read_error,
    refusing_statuses=REFUSING_STATUSES | {200},
    holding_codes=frozenset({"10006"}),
    holding_statuses={403: BAN_S, 429: 30.0},
    ban_statuses=frozenset({403}),
    code_hold_s=1.0,
    reset_header="x-bapi-limit-reset-timestamp",
    unknown_symbol_codes={"170121": ("",), "10001": ("symbol invalid", "not supported symbols")},
    key_advice=KEY_ADVICE,
    codes={
        # request as a whole
        "10001": (
            ("position idx", _R.PERMANENT),
            ("position mode", _R.PERMANENT),
            ("", _R.FILTER),
        ),
        "10002": (("", _R.CLOCK),),
        "10003": _NO_ACCESS,
        "10004": _NO_ACCESS,
        "10005": _NO_ACCESS,
        "10006": (("", _R.RATE_LIMIT),),
        "10010": _NO_ACCESS,
        "10024": _NEVER,
        "10028": _NEVER,
        # perps
        "110001": _NOT_FOUND,
        "110003": _FILTER,
        "110004": _FUNDS,
        "110007": _FUNDS,
        "110012": _FUNDS,
        "110013": _LEVERAGE,
        "110017": (("", _R.REDUCE_ONLY),),
        "110025": _NO_CHANGE,
        "110026": _NO_CHANGE,
        "110043": _NO_CHANGE,
        "110045": _FUNDS,
        "110072": _DUPLICATE,
        "110074": _CLOSED,
        "110090": _LEVERAGE,
        "110094": _FILTER,
        "110121": _FILTER,
        "30228": _CLOSED,
        "33004": _NO_ACCESS,
        # spot
        "170033": _FUNDS,
        "170121": (("", _R.OTHER),),
        "170131": _FUNDS,
        "170132": _FILTER,
        "170133": _FILTER,
        "170134": _FILTER,
        "170135": _FILTER,
        "170136": _FILTER,
        "170137": _FILTER,
        "170140": _FILTER,
        "170141": _DUPLICATE,
        "170213": _NOT_FOUND,
        "170218": (("", _R.WOULD_TAKE),),
    },
    statuses={403: _R.RATE_LIMIT},
    status_text={
        403: "this address is shut out: it asked too much (then it is free again after ten minutes without a request), "
        "or its country is not served (then run the bot elsewhere)",
        401: "the request was not accepted as signed: check key and secret, and that they are of this environment",
    },
)
