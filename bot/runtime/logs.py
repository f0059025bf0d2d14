"""Logs: structlog, console on a terminal and JSON otherwise; secrets never pass (DESIGN §10).

Redaction is the last step before rendering, so that it sees all an event holds, tracebacks included; the hook for
exceptions that nobody catches writes through it, too. No renderer prints local variables.
"""

import logging
import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from bot.domain.reason import Reason
from bot.risk import Refused
from bot.runtime.cycle import CycleResult
from bot.runtime.log_lines.person import PersonRenderer
from bot.runtime.log_lines.turns import is_news, notes_of_turn, turn_text
from bot.runtime.redaction import Redactor
from bot.runtime.turn import CYCLE


def configure(
    *, style: str = "auto", level: str = "info", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Set up logging of the whole process, standard library included. `style` is auto, console or json."""
    stream = stream or sys.stderr
    is_console = style == "console" or (style == "auto" and stream.isatty())
    redactor = Redactor(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    if is_console:
        tail: list[Processor] = [
            structlog.processors.format_exc_info,
            redactor,
            PersonRenderer(is_coloured=stream.isatty() and "NO_COLOR" not in os.environ),
        ]
    else:
        transformer = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        tail = [transformer, redactor, structlog.processors.JSONRenderer(serializer=_json)]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail], foreign_pre_chain=shared
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("sectorbot").critical("uncaught", exc_info=(kind, error, trace))


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


LOUD = frozenset(
    {
        Reason.LEG_REFUSED,
        Reason.HEDGE_LATE,
        Reason.HEDGE_STOPPED,
        Reason.ANOTHER_WRITER,
        Reason.CASH_UNEXPLAINED,
        Reason.EXIT_UNFILLED,
        Reason.DRAWDOWN,
        Reason.DRAWDOWN_OVER,
    }
)


def log_cycle(result: CycleResult, kill_source: tuple[str, str] = ("", "")) -> None:
    """The canonical line of one turn: what was read, wanted, allowed, done, and what it is all worth.

    A guard without news is written at level `debug` only. `kill_source`: who asked for the level in force, and why.
    """
    for note in (*result.decision.notes, *result.truth.notes, *result.notes):
        if note.reason in LOUD:
            structlog.get_logger("sectorbot.cycle").critical(note.reason.value, why=note.words, subject=note.subject)
    refused = [verdict for verdict in result.verdicts if isinstance(verdict, Refused)]
    decision, campaign = result.decision, result.decision.campaign
    log = structlog.get_logger("sectorbot.cycle")
    read = {"confidence": str(decision.confidence)} if result.kind == CYCLE else {}
    (log.info if is_news(result) else log.debug)(
        result.kind,
        text=turn_text(result, kill_source),
        number=result.number,
        condition=decision.condition.value,
        **read,
        stance=decision.stance.value,
        campaign=None if campaign is None else f"{campaign.number} {campaign.state.value}",
        intents=len(decision.intents),
        refused=len(refused),
        refusals=sorted({verdict.note.reason.value for verdict in refused}),
        orders=sum(len(outcome.client_ids) for outcome in result.outcomes),
        equity_quote=None if result.portfolio.unpriced else str(round(result.portfolio.equity, 2)),
        unpriced=list(result.portfolio.unpriced),
        book_quote=str(round(result.portfolio.book, 2)),
        working=len(result.truth.working),
        is_agreed=result.truth.is_agreed,
        locked=sorted(result.truth.locked),
        kill=result.kill.value,
        missing=len(result.snapshot.missing),
        seconds=round(result.seconds, 3),
        notes=notes_of_turn(result),
    )
