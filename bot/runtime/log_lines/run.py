"""Lines of a run besides those of its turns: executions, tokens left out, its end."""

import contextlib
from collections.abc import Sequence

import structlog

from bot.domain.order import Order
from bot.journal.journal import JournalError
from bot.journal.reader import JournalReader
from bot.runtime.cycle import CycleResult
from bot.runtime.log_lines.turns import ExecutionLog, left_out
from bot.runtime.settings.model import Settings

_log = structlog.get_logger("sectorbot.daemon")


class RunLog:
    """Writes what happened between two turns. Made before the first turn."""

    def __init__(self, reader: JournalReader, settings: Settings) -> None:
        self._executions, self._settings = ExecutionLog(reader), settings
        self._has_named_unlisted = False

    def write(self, result: CycleResult) -> None:
        """One line for each order that has executed since the last turn, stops at the venue included; once, the tokens
        of the configuration that the venue does not list or does not let trade."""
        with contextlib.suppress(JournalError):
            self._write_executions()
        if not self._has_named_unlisted and result.snapshot.instruments:
            self._has_named_unlisted = True
            settings = self._settings
            for text in left_out(settings.universe, result.snapshot.instruments, settings.venue.name):
                _log.warning("token_left_out", text=text)

    def _write_executions(self) -> None:
        for executed in self._executions.poll():
            order = executed.order
            _log.info(
                "executed",
                text=executed.text,
                symbol=order.symbol,
                side=order.side.value,
                size=str(executed.size),
                quote=str(executed.quote),
                purpose=order.purpose.value,
                client_id=order.client_id,
            )


def start_text(settings: Settings, version: str, message: str) -> str:
    """The first line of a run."""
    return (
        f"sectorbot {version} started: {settings.mode} on {settings.venue.name} {settings.environment}, {message}; "
        f"a cycle every {settings.cadence.cycle_seconds:g} s; journal {settings.journal_path}"
    )


def load_working(reader: JournalReader) -> Sequence[Order]:
    """The orders that stay at the venue; none where the journal cannot say."""
    try:
        return reader.load_working()
    except JournalError:
        return ()


def log_end(settings: Settings, by: str, last_turn: object, working: Sequence[Order]) -> None:
    """The last line of a run: what ended it, and what rests at the venue."""
    stops = sum(order.trigger_price is not None for order in working)
    others = len(working) - stops
    rests = f"{stops} stop{'s' * (stops != 1)} and {others} other order{'s' * (others != 1)} rest at the venue"
    head = f"stopped{f' by {by}' if by else ''}, last turn {last_turn or 'none'}"
    text = f"{head}; {rests}; journal {settings.journal_path} is closed"
    _log.info("stopped", text=text, by=by, cycle=last_turn, stops=stops, orders=others)
