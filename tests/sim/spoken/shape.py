"""What a simulation must know of a venue to disturb it in its own words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from bot.domain.brackets import Bracket
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.account_review import AccountCheck
from bot.venues.ccxt.profile import Profile
from tests.sim.gateway import HTML, Gateway
from tests.sim.memory import Answer
from tests.sim.replica import Replica
from tests.sim.venue import FaultyVenue

NUMBERS: tuple[Any, ...] = (None, "", "x", "NaN", "Infinity", [], ...)  # `...`: the field is missing
NAMES: tuple[Any, ...] = (None, 5, "NOBODY_KNOWS", [], ...)
PAGES = (WireReply(502, HTML), WireReply(503, ""), WireReply(200, HTML), WireReply(200, ""))
"""Answers that no venue gives, from machines before it."""


@dataclass(frozen=True)
class Rows:
    """A list: its paths at the wire, what can be bad in a row of it, and where the rows are in the answer."""

    paths: tuple[str, ...]
    bad: Mapping[str, Sequence[Any]]
    envelope: str = ""


Found = tuple[list[Any], Callable[[list[Any]], Any]]
"""The rows of an answer, and the answer with others in their place."""


@dataclass(frozen=True)
class Spoken:
    """A venue at the wire.

    Args:
        check_paths: where the questions of the account checks go.
        shapes: answers to such a question that are none.
        lists: the lists in which a row can be bad.
        find_rows: the rows of such a list in an answer, None where it has none.
        is_about_perps: whether a request is about perps.
        refuse_symbol: how a question about one symbol is answered that the venue does not know.
        ban: how a request is answered, so many seconds before the end of a ban.
        of_all: the lists whose rows are about no kind of market.
        symbol_in: the symbol that a question is about, without the signs between its parts.
        port: its connection where there is no wire.
        settings: what the bot needs beside the venue's id to trade there.
        ids_last: client ids are never free again there.
        names_stops: conditional orders of perps keep their client id; else a restored journal cannot know those that
            were sent after its copy.
        lists_liquidations: its ledger has what a liquidation costs beside its trades.
        writes_digits: it writes the grids of perps as numbers of digits, so that none is coarser than one.
        told_brackets: what it tells of the brackets that a perp has.
        has_sole_list: one list alone shows conditional orders of perps that wait: what it lacks is not absent before
            the list shows what is newer, or is older than any list.
        tells_mode: it tells whether the account is in hedge mode; else each order of a perp names its side.
    """

    profile: Profile
    checks: Sequence[AccountCheck]
    gateway: type[Gateway]
    replica: type[Replica]
    check_paths: Mapping[str, str]
    shapes: tuple[WireReply, ...]
    lists: Mapping[str, Rows]
    find_rows: Callable[[str, Rows, Any], Found | None]
    is_about_perps: Callable[[WireRequest], bool]
    refuse_symbol: Callable[[str], WireReply]
    ban: Callable[[int], Answer]
    of_all: frozenset[str] = frozenset({"balances"})
    symbol_in: Callable[[WireRequest], str] = lambda request: bare(dict(parse_qsl(request.query)).get("symbol", ""))
    port: type[FaultyVenue] = FaultyVenue
    settings: tuple[str, ...] = ()
    ids_last: bool = False
    names_stops: bool = True
    lists_liquidations: bool = True
    writes_digits: bool = False
    told_brackets: Callable[[Sequence[Bracket]], Sequence[Bracket]] = tuple
    has_sole_list: bool = False
    tells_mode: bool = True

    @property
    def id(self) -> str:
        return self.profile.id

    @property
    def markets(self) -> tuple[str, ...]:
        """How the paths of its markets begin, each of which can be shut by itself."""
        return tuple(part for part, _ in self.profile.path_markets)


def bare(name: str) -> str:
    """A symbol, in the venue's words or in ours, without the signs between its parts and without its settlement."""
    return name.partition(":")[0].translate(str.maketrans("", "", "-_/"))


def plain_ban(seconds: int) -> Answer:
    """As most venues say it: by status and header."""
    body = '{"code":-1003,"msg":"Way too many requests; IP banned."}'
    return Answer(418, body, headers=(("Retry-After", str(seconds)),))
