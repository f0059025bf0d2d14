"""MEXC's codes and what they mean. A code that is not here is unknown when it answers a write.

Spot refuses with HTTP 4xx and `{code, msg}`, perps with HTTP 200 and `{success, code, message}`; their codes do not
overlap. What a used client id is answered with is not documented: a refusal that names one is asked about.
"""

import json
from collections.abc import Mapping

from bot.ports import Rejection
from bot.venues.ccxt.error_table import REFUSING_STATUSES, ErrorTable

_R = Rejection
_Rows = tuple[tuple[str, Rejection], ...]
_NAMES_AN_ID: _Rows = (("uplicate", _R.DUPLICATE_ID),)


def _all(kind: Rejection) -> _Rows:
    return (*_NAMES_AN_ID, ("", kind))


_SPOT: Mapping[Rejection, tuple[str, ...]] = {
    _R.AUTHENTICATION: ("10072", "700001", "700002", "700006", "700007", "70011", "60005", "730100"),
    _R.CLOCK: ("700003",),
    _R.RATE_LIMIT: ("429",),
    _R.FUNDS: ("10101", "30004", "30005"),
    _R.FILTER: ("30002", "30003", "30029", "30032", "30087"),
    _R.OTHER: ("700005", "700004", "700008", "-1128", "22222", "-1121", "30018", "30019", "30041"),
    _R.MARKET_CLOSED: (
        "10007",
        "30000",
        "30001",
        "30014",
        "30016",
        "30020",
        "30021",
        "30027",
        "30028",
    ),
    _R.NOT_FOUND: ("-2011", "-2013"),
}
_PERP: Mapping[Rejection, tuple[str, ...]] = {
    _R.AUTHENTICATION: ("401", "402", "406", "511", "602", "701", "702", "703", "704", "1000"),
    _R.CLOCK: ("513",),
    _R.RATE_LIMIT: ("510", "2037"),
    _R.FUNDS: ("2005", "2018"),
    _R.FILTER: (
        "2001",
        "2002",
        "2003",
        "2004",
        "2007",
        "2008",
        "2011",
        "2015",
        "2028",
        "2030",
        "2032",
        "2033",
        "2035",
        "2036",
        "3001",
        "3002",
        "3003",
        "3004",
    ),
    _R.OTHER: ("600", "1001", "2029"),
    _R.LEVERAGE: ("2006", "2019", "2021", "2022", "2023", "2024", "2026", "2027", "2031"),
    _R.MARKET_CLOSED: ("1002", "6001", "6002", "6005"),
    _R.REDUCE_ONLY: ("2009",),
    _R.NOT_FOUND: ("2040", "2041"),
    _R.DUPLICATE_ID: ("2042",),
}
RATE_CODES = ("429", "510", "2037")


def is_success(answer: object) -> bool:
    """Whether an answer about perps says that it is one."""
    return isinstance(answer, Mapping) and answer.get("success") is True and str(answer.get("code")) == "0"


def read_error(body: str) -> tuple[str, str]:
    """(code, message) of a refusal, empty texts where the body is none."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(parsed, dict) or parsed.get("success") is True:
        return "", ""
    code = parsed.get("code")
    if not isinstance(code, int | str) or isinstance(code, bool) or str(code) in ("", "0", "200"):
        return "", ""
    return str(code), str(parsed.get("msg") or parsed.get("message") or "")


KEY_ADVICE = {
    "10072": "use a key of this venue{source}",
    "402": "the key has expired, as every key without a fixed address does after 90 days: make a new one{source}",
    "406": "add the address of this machine to the key's allowed IP addresses{source}",
    "700001": "copy the key again, without spaces{source}",
    "700002": "the secret does not belong to the key: copy both again, without spaces",
    "602": "the secret does not belong to the key: copy both again, without spaces",
    "700006": "add the address of this machine to the key's allowed IP addresses{source}",
    "700007": "give the key the rights to read and to trade{source}",
}
MEXC_ERRORS = ErrorTable(
    read=read_error,
    refusing_statuses=REFUSING_STATUSES | {200},
    holding_codes=frozenset(RATE_CODES),
    holding_statuses={429: 30.0, 418: 600.0, 403: 600.0},  # a firewall before the venue answers 403
    code_hold_s=10.0,
    unknown_symbol_codes={"-1121": ("",), "1001": ("",)},
    key_advice=KEY_ADVICE,
    codes={
        **{code: _all(kind) for kinds in (_SPOT, _PERP) for kind, codes in kinds.items() for code in codes},
        "30010": (*_NAMES_AN_ID, ("immediately match", _R.WOULD_TAKE), ("", _R.FILTER)),
    },
    statuses={429: _R.RATE_LIMIT, 418: _R.RATE_LIMIT, 403: _R.OTHER},
)
