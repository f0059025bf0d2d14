"""The restricted start: the account checks refuse entries, and a kill level, positions or orders need the bot.

The account checks of a start refuse it. With nothing to look after that ends the process. Otherwise the bot starts all
the same: the checks go on as those of every hour, so entries stay stopped until the setting is right, while cancels,
exits and a flatten go out as far as the venue takes them. docs/decisions/0016 has the choice.
"""

import structlog

from bot.domain.codec import decode
from bot.domain.portfolio import Account, Position
from bot.domain.states import KillLevel, highest
from bot.journal.journal import JournalCorrupt, JournalError, JournalReader
from bot.journal.substitute import Substitute
from bot.ports import AccountRefused, ChecksUnanswered, HalfUnavailable, RecallsStops, Venue
from bot.runtime.settings.model import Settings

ACCOUNT = "account"
NAMED_MAX = 8
_log = structlog.get_logger("sectorbot.daemon")


async def open_venue(
    venue: Venue, settings: Settings, reader: JournalReader, asked: KillLevel, *, reads_only: bool = False
) -> None:
    """Open the venue; a refusal of the account checks ends the start unless there is something to look after. Of two
    venues one that does not answer ends the start of what only looks: a bot that trades goes on with the other.

    The venue knows from here on which orders are ours: the kill switch may withdraw them before the first settlement.

    Raises:
        SetupFailed, Unavailable: as `Venue.open`.
        JournalError: when the journal cannot say what there is.
    """
    if isinstance(venue, RecallsStops):
        venue.recall_stops(reader.load_working())
    try:
        await venue.open()
    except HalfUnavailable as error:
        if settings.mode != "trade" or reads_only:
            raise
        what = "entries stop at both venues until it answers; exits and cancels at the other go on"
        _log.critical("started_without_entries", why=str(error), what=what)
    except (AccountRefused, ChecksUnanswered) as error:
        level = highest(asked, reader.load_latch().level)
        held = describe_open(reader) if settings.mode == "trade" else ""
        if settings.mode != "trade" or (level is KillLevel.OFF and not held):
            raise
        duty = f"level {level.value} is in force" if level is not KillLevel.OFF else f"the journal holds {held}"
        _log.critical(
            "started_without_entries",
            why=str(error),
            what=f"{duty}: entries stop until this is set right; cancels, exits and a flatten go on",
        )


def level_in_force(settings: Settings, asked: KillLevel) -> KillLevel:
    """The level that was asked for, or the one that a journal which cannot be opened has latched: `cancel` where that
    cannot be made out, as with an unreadable flag file."""
    copy = Substitute(settings.journal_path)
    path = copy.path if copy.exists() else settings.journal_path
    if not path.is_file():
        return asked
    reader = JournalReader(path)
    try:
        return highest(asked, reader.load_latch().level)
    except JournalCorrupt:
        return highest(asked, KillLevel.CANCEL)
    except JournalError:
        return asked
    finally:
        reader.close()


def left_open(settings: Settings) -> str:
    """One sentence about what stays at the venue when a start is refused; empty when the journal holds nothing."""
    if settings.mode != "trade" or not settings.journal_path.is_file():
        return ""
    reader = JournalReader(settings.journal_path)
    try:
        held = describe_open(reader)
        level = reader.load_latch().level
    except (JournalError, ValueError):
        return "the journal cannot be read, so whatever positions and orders the account has stay as they are"
    finally:
        reader.close()
    latched = f" and level {level.value} is latched but not carried out" if level is not KillLevel.OFF else ""
    if not held and not latched:
        return ""
    return f"left at the venue as it is: {held or 'nothing that the journal knows of'}{latched}"


def describe_open(reader: JournalReader) -> str:
    """Perp positions of the last account that the journal knows, and the orders that may still execute."""
    positions = {symbol: held.size for symbol, held in _last_positions(reader).items() if held.size}
    working = reader.load_working()
    parts = []
    if positions:
        parts.append(f"{len(positions)} positions ({_listed([f'{s} {size}' for s, size in positions.items()])})")
    if working:
        parts.append(f"{len(working)} working orders ({_listed(sorted({order.symbol for order in working}))})")
    return " and ".join(parts)


def _last_positions(reader: JournalReader) -> dict[str, Position]:
    seen = [decode(Account, fact.payload) for fact in reader.load_facts(ACCOUNT, 1)]
    last = reader.load_last_cycle()
    newest = max([*seen, *([last.account] if last else [])], key=lambda account: account.at_ms, default=None)
    return {} if newest is None else dict(newest.positions)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
