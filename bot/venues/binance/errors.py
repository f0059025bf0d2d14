"""What an error means: it did not happen, nobody knows, or the read failed.

ccxt's exception classes do not decide it: they depend on the URL's host, call a duplicate id an invalid order, and use
one class for "rejected" and "may have happened". What decides is proof that nothing left, or a parsed code of the
venue's own together with a 4xx status. A write that is not in the table is unknown.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import aiohttp

from bot.ports import NotListed, OutcomeUnknown, Rejection, Unavailable, VenueRejected

LONGEST_BAN_S = 3 * 86_400.0
_UNKNOWN_STATUS = frozenset({408, 409})
_BANNED_UNTIL = re.compile(r"until (\d{13})")


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """The answer behind a ccxt exception; attached to it as `http_facts`."""

    status: int
    headers: Mapping[str, str]
    body: str
    url: str
    method: str

    def verdict(self) -> tuple[str, str]:
        """(code, message) of a JSON error body, empty texts when it is not one."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return "", ""
        if not isinstance(parsed, dict):
            return "", ""
        return str(parsed.get("code", "")), str(parsed.get("msg", ""))

    def retry_after(self, now_ms: int | None = None) -> float | None:
        """Seconds the venue asks us to wait, the longer of header and ban's end; None when neither can be read."""
        values = (value for name, value in self.headers.items() if name.lower() == "retry-after")
        asked = [seconds for value in values if (seconds := read_retry_after(value, now_ms)) is not None]
        banned = _BANNED_UNTIL.search(self.body)
        if banned and now_ms is not None:
            asked.append(_bounded((int(banned.group(1)) - now_ms) / 1000))
        return max(asked, default=None)


def read_retry_after(value: str, now_ms: int | None) -> float | None:
    """Seconds of a `Retry-After` header: a number of seconds or a date. None for what is neither, negative numbers
    included; at least a second, at most as long as the longest ban."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
            return None if now_ms is None else _bounded(at.timestamp() - now_ms / 1000)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return _bounded(seconds) if math.isfinite(seconds) and seconds >= 0 else None


def _bounded(seconds: float) -> float:
    return min(max(1.0, seconds), LONGEST_BAN_S)


class NotSent(Exception):
    """Raised by us before a request left."""

    def __init__(self, words: str, kind: Rejection, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.kind, self.retry_after = kind, retry_after


class ReadRefused(Unavailable):
    """The venue understood a read and refused it: asking again changes nothing."""

    def __init__(self, code: str, message: str, kind: Rejection) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.kind = code, message, kind


class SymbolUnknown(ReadRefused, NotListed):
    """The venue refused a read because it does not list the symbol."""


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """`codes`: the venue's code to (needle in the message, meaning) rows, first match wins, "" matches all.
    `statuses`: HTTP statuses that mean "not executed" whatever the body says."""

    codes: Mapping[str, tuple[tuple[str, Rejection], ...]]
    statuses: Mapping[int, Rejection] = field(default_factory=dict)

    def find(self, facts: HttpFacts) -> tuple[str, str, Rejection] | None:
        """(code, message, meaning) of a recognised refusal, else None."""
        code, message = facts.verdict()
        if 400 <= facts.status < 500 and facts.status not in _UNKNOWN_STATUS:
            for needle, kind in self.codes.get(code, ()):
                if needle in message:
                    return code, message, kind
        if facts.status in self.statuses:
            return code or f"HTTP {facts.status}", message or "no readable answer", self.statuses[facts.status]
        return None


_FACT_KINDS = frozenset({Rejection.FILTER, Rejection.LEVERAGE, Rejection.MARKET_CLOSED})
_FACT_CODES = frozenset({"-1121", "-1122", "-4047", "-4048", "-4067", "-4108", "-4144", "-4168"})


def contradicts_facts(code: str, kind: Rejection) -> bool:
    """Whether a refusal of the venue says that what is known of an instrument is no longer so: its symbol, filters,
    precision, status, leverage or margin mode. Our own check before the wire says nothing about the venue."""
    return code != "not sent" and (kind in _FACT_KINDS or code in _FACT_CODES)


def facts_of(error: BaseException) -> HttpFacts | None:
    """The HTTP answer attached to an exception by the wire, if there was one."""
    facts = getattr(error, "http_facts", None)
    return facts if isinstance(facts, HttpFacts) else None


def classify_write(error: Exception, table: ErrorTable, *, has_left: bool) -> VenueRejected | OutcomeUnknown:
    """The port's error for a failed write. `has_left`: an HTTP request was begun."""
    if isinstance(error, VenueRejected | OutcomeUnknown):
        return error
    if isinstance(error, NotSent):
        return VenueRejected("not sent", str(error), error.kind)
    if not has_left:
        return VenueRejected("not sent", f"{type(error).__name__}: {error}", Rejection.OTHER)
    facts = facts_of(error)
    if facts is None:
        if isinstance(error.__cause__, aiohttp.ClientConnectorError):
            return VenueRejected("not sent", "no connection to the venue", Rejection.OTHER)
        return OutcomeUnknown(describe(error))
    found = table.find(facts)
    return VenueRejected(*found) if found else OutcomeUnknown(describe(error))


def classify_read(error: Exception, table: ErrorTable, *, has_left: bool, now_ms: int) -> Unavailable:
    """The port's error for a failed read; `ReadRefused` when repeating is useless."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, NotSent):
        return Unavailable(str(error), error.retry_after)
    if not has_left:
        return ReadRefused("not sent", f"{type(error).__name__}: {error}", Rejection.OTHER)
    facts = facts_of(error)
    if facts is None:
        return Unavailable(describe(error))
    found = table.find(facts)
    if found is None and 400 <= facts.status < 500 and facts.status not in _UNKNOWN_STATUS and not facts.verdict()[0]:
        return ReadRefused(f"HTTP {facts.status}", describe(error), Rejection.OTHER)
    if found is None:
        return Unavailable(describe(error), facts.retry_after(now_ms))
    if found[2] is Rejection.RATE_LIMIT:
        return Unavailable(describe(error), facts.retry_after(now_ms))
    return (SymbolUnknown if found[0] in UNKNOWN_SYMBOL_CODES else ReadRefused)(*found)


def describe(error: BaseException) -> str:
    """One line about an error without URL, query or signature in it."""
    facts = facts_of(error)
    if facts is None:
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ is not None else ""
        own = f": {error}" if isinstance(error, ValueError | TypeError | KeyError | AttributeError) else ""
        return f"{type(error).__name__}{cause}{own}"
    code, message = facts.verdict()
    path = facts.url.split("?", 1)[0].split("//", 1)[-1]
    said = f"{code} {message}".strip() or repr(facts.body[:80])
    return f"{facts.method} {path} answered HTTP {facts.status}: {said}"


_R = Rejection
_FILTER = (("", _R.FILTER),)
UNKNOWN_SYMBOL_CODES = ("-1121",)
_OTHER = (("", _R.OTHER),)
_LEVERAGE = (("", _R.LEVERAGE),)
_FUNDS = (("", _R.FUNDS),)
_NO_ACCESS = (("", _R.AUTHENTICATION),)
_CLOSED = (("", _R.MARKET_CLOSED),)
_NEVER = (("", _R.PERMANENT),)

BINANCE_ERRORS = ErrorTable(
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

ERROR_TABLES: Mapping[str, ErrorTable] = {"binance": BINANCE_ERRORS}
