"""Binance's error codes and what they mean. A code that is not here is unknown when it answers a write."""

import json
import re

from bot.ports import Rejection
from bot.venues.ccxt.error_table import ErrorTable

_R = Rejection
_FILTER = (("", _R.FILTER),)
_OTHER = (("", _R.OTHER),)
_LEVERAGE = (("", _R.LEVERAGE),)
_FUNDS = (("", _R.FUNDS),)
_NO_ACCESS = (("", _R.AUTHENTICATION),)
_CLOSED = (("", _R.MARKET_CLOSED),)
_NEVER = (("", _R.PERMANENT),)

_BANNED_UNTIL = re.compile(r"until (\d{13})")
_FACT_CODES = frozenset({"-1121", "-1122", "-4047", "-4048", "-4067", "-4108", "-4144", "-4168"})


def read_error(body: str) -> tuple[str, str]:
    """(code, message) of a JSON error body, empty texts when it is not one."""
    if not body.lstrip().startswith("{"):  # candles and orders are long lists: each answer is looked at twice
        return "", ""
    try:
        parsed = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(parsed, dict):
        return "", ""
    return str(parsed.get("code", "")), str(parsed.get("msg", ""))


BINANCE_ERRORS = ErrorTable(
    read=read_error,
    holding_codes=frozenset({"-1003", "-1015"}),
    unknown_symbol_codes={"-1121": ("",)},
    fact_codes=_FACT_CODES,
    ban_end=_BANNED_UNTIL,
    codes={
        # request as a whole (spot and USDⓈ-M)
        "-1002": _NO_ACCESS,
        "-1003": (("", _R.RATE_LIMIT),),
        "-1015": (("", _R.RATE_LIMIT),),
        "-1021": (("", _R.CLOCK),),
        "-1022": _NO_ACCESS,
        "-2008": _NO_ACCESS,
        "-2014": _NO_ACCESS,
        "-2015": _NO_ACCESS,
        "-1100": _OTHER,
        "-1101": _OTHER,
        "-1102": _OTHER,
        "-1103": _OTHER,
        "-1104": _OTHER,
        "-1105": _OTHER,
        "-1106": _OTHER,
        "-1108": _OTHER,
        "-1109": _OTHER,
        "-1111": _FILTER,
        "-1112": _OTHER,
        "-1114": _OTHER,
        "-1115": _OTHER,
        "-1116": _OTHER,
        "-1117": _OTHER,
        "-1121": _OTHER,
        "-1128": _OTHER,
        "-1130": _OTHER,
        # orders
        "-1013": (("Market is closed", _R.MARKET_CLOSED), ("", _R.FILTER)),
        "-2010": (
            ("insufficient balance", _R.FUNDS),
            ("Duplicate order", _R.DUPLICATE_ID),
            ("immediately match and take", _R.WOULD_TAKE),
            ("Market is closed", _R.MARKET_CLOSED),
            ("disabled on this account", _R.AUTHENTICATION),
            ("not enabled", _R.AUTHENTICATION),
            ("", _R.OTHER),
        ),
        "-2011": (("", _R.NOT_FOUND),),
        "-2013": (("", _R.NOT_FOUND),),
        "-2026": (("", _R.NOT_FOUND),),
        "-2018": _FUNDS,
        "-2019": _FUNDS,
        "-2020": _OTHER,
        "-2021": _OTHER,
        "-2022": (("", _R.REDUCE_ONLY),),
        "-2023": _OTHER,
        "-2024": (("", _R.REDUCE_ONLY),),
        "-2025": _OTHER,
        "-2027": _LEVERAGE,
        "-2028": _LEVERAGE,
        "-4001": _FILTER,
        "-4002": _FILTER,
        "-4003": _FILTER,
        "-4004": _FILTER,
        "-4005": _FILTER,
        "-4013": _FILTER,
        "-4014": _FILTER,
        "-4015": _OTHER,
        "-4016": _FILTER,
        "-4023": _FILTER,
        "-4024": _FILTER,
        "-4045": _OTHER,
        "-4061": _NEVER,
        "-4087": (("", _R.REDUCE_ONLY),),
        "-4088": _NO_ACCESS,
        "-4109": _NEVER,
        "-4116": (("", _R.DUPLICATE_ID),),
        "-4118": (("", _R.REDUCE_ONLY),),
        "-4120": _NEVER,
        "-4131": _FILTER,
        "-4137": _OTHER,
        "-4138": _OTHER,
        "-4140": _CLOSED,
        "-4141": _CLOSED,
        "-4164": _FILTER,
        "-4192": _NEVER,
        "-4400": _OTHER,
        "-4401": _OTHER,
        "-4402": _NEVER,
        "-4403": _LEVERAGE,
        "-4411": _NEVER,
        "-5021": _OTHER,
        "-5022": (("", _R.WOULD_TAKE),),
        # account settings and margin
        "-4028": _LEVERAGE,
        "-4046": (("", _R.NO_CHANGE),),
        "-4047": _OTHER,
        "-4048": _NEVER,
        "-4050": _FUNDS,
        "-4051": _FUNDS,
        "-4059": (("", _R.NO_CHANGE),),
        "-4161": _LEVERAGE,
        "-4168": _NEVER,
        "-4202": _LEVERAGE,
        "-4203": _LEVERAGE,
        "-4205": _LEVERAGE,
        # transfers
        "-5013": _FUNDS,
    },
    statuses={403: _R.OTHER, 418: _R.RATE_LIMIT, 429: _R.RATE_LIMIT, 451: _R.AUTHENTICATION},
)
