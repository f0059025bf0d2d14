"""Classification of an error: rejected, unknown outcome, or failed read.

What decides is proof that nothing left, or a row of the venue's error table.
"""

import aiohttp

from bot.ports import NotListed, OutcomeUnknown, Rejection, Unavailable, VenueRejected
from bot.venues.ccxt.error_table import REFUSING_STATUSES, ErrorTable, HttpFacts

NO_CONNECTION = "no connection to"


class NotSent(Exception):
    """Raised by us before a request left."""

    def __init__(self, message: str, kind: Rejection, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.retry_after = kind, retry_after


class ReadRefused(Unavailable):
    """The venue understood a read and refused it: asking again changes nothing."""

    def __init__(self, code: str, message: str, kind: Rejection) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.kind = code, message, kind


class SymbolUnknown(ReadRefused, NotListed):
    """The venue refused a read because it does not list the symbol."""


def facts_of(error: BaseException) -> HttpFacts | None:
    """The HTTP answer attached to an exception by the wire, if there was one."""
    facts = getattr(error, "http_facts", None)
    return facts if isinstance(facts, HttpFacts) else None


def classify_write(error: Exception, table: ErrorTable, *, was_sent: bool) -> VenueRejected | OutcomeUnknown:
    """The port's error for a failed write. `has_left`: an HTTP request was begun."""
    if isinstance(error, VenueRejected | OutcomeUnknown):
        return error
    if isinstance(error, NotSent):
        return VenueRejected("not sent", str(error), error.kind)
    if not was_sent:
        return VenueRejected("not sent", f"{type(error).__name__}: {error}", Rejection.OTHER)
    facts = facts_of(error)
    if facts is None:
        if isinstance(error.__cause__, aiohttp.ClientConnectorError):
            return VenueRejected("not sent", "no connection to the venue", Rejection.OTHER)
        return OutcomeUnknown(describe(error))
    result = table.find(facts)
    return VenueRejected(*result) if result else OutcomeUnknown(describe(error))


def classify_read(error: Exception, table: ErrorTable, *, was_sent: bool, now_ms: int) -> Unavailable:
    """The port's error for a failed read; `ReadRefused` when repeating is useless."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, NotSent):
        return Unavailable(str(error), error.retry_after)
    if not was_sent:
        return ReadRefused("not sent", f"{type(error).__name__}: {error}", Rejection.OTHER)
    facts = facts_of(error)
    if facts is None:
        return Unavailable(describe(error))
    result = table.find(facts)
    if result is None and facts.status in REFUSING_STATUSES and not facts.code:
        return ReadRefused(f"HTTP {facts.status}", describe(error), Rejection.OTHER)
    if result is None:
        return Unavailable(describe(error), facts.retry_after(now_ms))
    if result[2] is Rejection.RATE_LIMIT:
        requested, hold = facts.retry_after(now_ms), table.hold_of(facts, now_ms)
        is_ban = hold is not None and hold[1]  # another try would end in silence and hide the reason
        return Unavailable(describe(error), hold[0] if hold is not None and is_ban else requested)
    return (SymbolUnknown if table.is_symbol_unknown(result[0], result[1]) else ReadRefused)(*result)


def describe(error: BaseException) -> str:
    """One line about an error without URL, query or signature in it."""
    facts = facts_of(error)
    if isinstance(error.__cause__, aiohttp.ClientConnectorError):
        return _no_connection(error.__cause__)
    if facts is None:
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ is not None else ""
        own = f": {error}" if isinstance(error, ValueError | TypeError | KeyError | AttributeError) else ""
        return f"{type(error).__name__}{cause}{own}"
    path = facts.url.split("?", 1)[0].split("//", 1)[-1]
    said = f"{facts.code} {facts.message}".strip() or repr(facts.body[:80])
    return f"{facts.method} {path} answered HTTP {facts.status}: {said}"


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    """The host that could not be reached, and why."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{NO_CONNECTION} {error.host}: its name is not found"
    return f"{NO_CONNECTION} {error.host}:{error.port}: {error.strerror or type(error).__name__}"
