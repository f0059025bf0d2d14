"""A failed answer and the table that gives its code a meaning.

ccxt's exception classes do not decide it: they depend on the URL's host, call a duplicate id an invalid order, and use
one class for "rejected" and "may have happened". What decides is a parsed code of the venue's own together with a
status that the venue refuses with. A write that is not in the table is unknown.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from bot.ports import Rejection

LONGEST_BAN_S = 3 * 86_400.0
REFUSING_STATUSES = frozenset(range(400, 500)) - {408, 409}
HOLDING_STATUSES: Mapping[int, float] = {429: 30.0, 418: 180.0}
_FACT_KINDS = frozenset({Rejection.FILTER, Rejection.LEVERAGE, Rejection.MARKET_CLOSED})


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """The answer behind a ccxt exception; attached to it as `http_facts`. `code` and `message` are the venue's, empty
    when its body has none; `ban_ends_ms` is set where the body says until when the venue answers nothing."""

    status: int
    headers: Mapping[str, str]
    body: str
    url: str
    method: str
    code: str = ""
    message: str = ""
    ban_ends_ms: int | None = None

    def retry_after(self, now_ms: int | None = None) -> float | None:
        """Seconds the venue asks us to wait, the longer of header and ban's end; None when neither can be read."""
        values = (value for name, value in self.headers.items() if name.lower() == "retry-after")
        asked = [seconds for value in values if (seconds := read_retry_after(value, now_ms)) is not None]
        if self.ban_ends_ms is not None and now_ms is not None:
            asked.append(_bounded((self.ban_ends_ms - now_ms) / 1000))
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


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What the errors of a venue mean.

    Args:
        read: (code, message) of a body, empty texts where it is no answer of the venue; also of a body that came with
            a status of success, where the venue refuses so.
        codes: the venue's code to (needle in the message, meaning) rows, first match wins, "" matches all.
        statuses: HTTP statuses that mean "not executed" whatever the body says.
        status_text: what an HTTP status says where the body has no code and message of its own.
        refusing_statuses: HTTP statuses with which a listed code means "not executed".
        holding_codes: codes that ask for silence, whatever their status.
        holding_statuses: HTTP statuses that ask for silence, and for how many seconds where the answer does not say.
        ban_statuses: those of them that shut out the address, so that not even a critical request is answered.
        code_hold_s: how long a code of `holding_codes` asks for silence where the answer does not say.
        reset_header: the header, in small letters, that says when a limit is free again, UTC ms; empty: there is none.
        unknown_symbol_codes: codes that say that the venue does not list the symbol, with needles in small letters: one
            of them is in the message, whatever its case.
        key_advice: what to do about a key, or an account, that the venue refuses with this code, whatever it is asked;
            `{source}` is where keys of the environment come from.
        fact_codes: codes that contradict what is known of an instrument.
        ban_end: finds the end of a ban, UTC ms, in a body.
    """

    read: Callable[[str], tuple[str, str]]
    codes: Mapping[str, tuple[tuple[str, Rejection], ...]]
    statuses: Mapping[int, Rejection] = field(default_factory=dict)
    status_text: Mapping[int, str] = field(default_factory=dict)
    refusing_statuses: frozenset[int] = REFUSING_STATUSES
    holding_codes: frozenset[str] = frozenset()
    holding_statuses: Mapping[int, float] = field(default_factory=lambda: HOLDING_STATUSES)
    ban_statuses: frozenset[int] = frozenset({418})
    code_hold_s: float = 30.0
    reset_header: str = ""
    unknown_symbol_codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key_advice: Mapping[str, str] = field(default_factory=dict)
    fact_codes: frozenset[str] = frozenset()
    ban_end: re.Pattern[str] | None = None

    def facts(self, status: int, headers: Mapping[str, str], body: str, url: str, method: str) -> HttpFacts:
        """The answer, with code and message of its body."""
        code, message = self.read(body)
        message = message or self.status_text.get(status, "")
        found = self.ban_end.search(body) if self.ban_end is not None else None
        ends_ms = int(found.group(1)) if found else None
        if self.reset_header and code in self.holding_codes:
            reset = next((value for name, value in headers.items() if name.lower() == self.reset_header), "")
            ends_ms = int(reset) if reset.isdigit() else ends_ms
        return HttpFacts(status, headers, body, url, method, code, message, ends_ms)

    def hold_of(self, facts: HttpFacts, now_ms: int) -> tuple[float, bool] | None:
        """(seconds, whether it is a ban) for which an answer asks for silence; None where it asks for none."""
        asked = facts.retry_after(now_ms)
        if facts.status in self.holding_statuses:
            seconds = self.holding_statuses[facts.status] if asked is None else asked
            return seconds, facts.status in self.ban_statuses
        if facts.status in self.refusing_statuses and facts.code in self.holding_codes:
            return (self.code_hold_s if asked is None else asked), False
        return None

    def find(self, facts: HttpFacts) -> tuple[str, str, Rejection] | None:
        """(code, message, meaning) of a recognised refusal, else None."""
        if facts.status in self.refusing_statuses:
            for needle, kind in self.codes.get(facts.code, ()):
                if needle in facts.message:
                    return facts.code, facts.message, kind
        if facts.status in self.statuses:
            message = facts.code or f"HTTP {facts.status}", facts.message or "no readable answer"
            return *message, self.statuses[facts.status]
        return None

    def is_symbol_unknown(self, code: str, message: str) -> bool:
        """Whether a refusal says that the venue does not list the symbol."""
        said = message.lower()
        return any(needle in said for needle in self.unknown_symbol_codes.get(code, ()))

    def contradicts_facts(self, code: str, kind: Rejection) -> bool:
        """Whether a refusal of the venue says that what is known of an instrument is no longer so: its symbol, filters,
        precision, status, leverage or margin mode. Our own check before the wire says nothing about the venue."""
        return code != "not sent" and (kind in _FACT_KINDS or code in self.fact_codes)
