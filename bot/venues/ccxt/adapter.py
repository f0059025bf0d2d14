"""What a folder of a venue supplies so that the common code can trade there."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol

from bot.domain.brackets import Bracket
from bot.domain.instrument import Instrument, Kind
from bot.domain.portfolio import Position
from bot.ports import AccountReads, AccountReview, OrderReads, Prices, Trading
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.profile import Profile
from bot.venues.registry import FOLDERS
from bot.venues.streams.channel import Channel

CandleRow = tuple[int, str, str, str, str, str, str]  # opens at ms, open, high, low, close, volume in base, in quote


class VenueReads(Prices, AccountReads, OrderReads, Protocol):
    """Reads of one account."""

    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Fetch the leverage brackets of all loaded perps, smallest notional first; those of a symbol whose row cannot
        be read are missing. Raises Unavailable."""
        ...


class VenueWrites(Trading, Protocol):
    """Writes of one account, each sent once."""

    def compare_leverage(self, positions: Mapping[str, Position]) -> None:
        """Forget what the venue confirmed where it now reports something else."""
        ...


class VenueFees(Protocol):
    """The account's own fee rates."""

    def are_due(self) -> bool:
        """Whether the rates should be asked for again."""
        ...

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Ask for what is due; `is_fresh`: the instruments were just read from the venue."""
        ...

    def applied(self, instrument: Instrument) -> Instrument:
        """The instrument with the account's rates."""
        ...

    def notes(self) -> Mapping[str, str]:
        """Why the rates of a symbol are not known, by symbol."""
        ...


class VenueChecks(Protocol):
    """The checks of an account and its key."""

    async def review(self) -> AccountReview:
        """Every check asked once more; raises nothing for a check that fails."""
        ...


class VenueHistory(Protocol):
    """Public history, page by page; a page shorter than `page` is the last one."""

    page: int

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Sequence[CandleRow]:
        """Closed candles that open in [start, end), oldest first. `interval` is the venue's word, 1h."""
        ...

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first."""
        ...


class MakeChecks(Protocol):
    """Makes the checks of one account."""

    def __call__(self, connection: Connection, *, account: str, trades: bool) -> VenueChecks: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """One venue: its profile, and what asks and answers in its terms over a connection."""

    profile: Profile
    reads: Callable[[Connection], VenueReads]
    writes: Callable[[Connection], VenueWrites]
    fees: Callable[[Connection], VenueFees]
    checks: MakeChecks
    history: Callable[[Connection], VenueHistory]


def only(adapter: Adapter, kinds: frozenset[Kind]) -> Adapter:
    """The adapter for an account of which only these kinds of markets are traded: nothing else is read, checked or
    moved."""
    environments = {
        name: replace(spec, kinds=spec.kinds & kinds, has_transfers=spec.has_transfers and kinds >= spec.kinds)
        for name, spec in adapter.profile.environments.items()
    }
    return replace(adapter, profile=replace(adapter.profile, environments=environments))


def load_adapter(venue_id: str) -> Adapter:
    """The adapter of a venue; its folder is imported now, and those of other venues are not.

    Raises:
        KeyError: the id is not in `registry.FOLDERS`.
    """
    adapter: Adapter = import_module(f"{FOLDERS[venue_id]}.adapter").ADAPTER
    return adapter


def load_channels(venue_id: str) -> Callable[[Connection, Collection[str]], Sequence[Channel]]:
    """What makes a venue's streams of some symbols and of the account; nothing of it is imported before.

    Raises:
        KeyError: the id is not in `registry.FOLDERS`.
    """
    result: Callable[[Connection, Collection[str]], Sequence[Channel]]
    result = import_module(f"{FOLDERS[venue_id]}.streams.channels").channels
    return result
