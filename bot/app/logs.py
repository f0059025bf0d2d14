"""Logs: structlog, console on a terminal and JSON otherwise; secrets never pass (DESIGN §10).

Redaction is the last step before rendering, so that it sees all an event holds: by key name, by the secrets in use
wherever they occur in a text, and `signature=` in URLs. No renderer prints local variables.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from bot.app.cycle import CycleResult

STARS = "********"
_SECRET_KEY = re.compile(r"secret|password|passphrase|token$|api_?key|signature|authorization|x-mbx-apikey", re.I)
_IN_TEXT = re.compile(r"(signature=|apiKey=|X-MBX-APIKEY['\"]?\s*[:=]\s*['\"]?)[^&\s'\",}]+", re.I)


class Redactor:
    """Replaces secrets in events. `secrets` are the values in use."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True))

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return {key: self._clean(key, value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, STARS)
        return _IN_TEXT.sub(lambda match: match[1] + STARS, text)

    def _clean(self, key: str, value: Any) -> Any:
        if _SECRET_KEY.search(key) and value is not None and not isinstance(value, bool):
            return STARS
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(name): self._clean(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


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
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback),
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


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def log_cycle(result: CycleResult) -> None:
    """The canonical line of one turn: what was read, wanted, allowed, done, and what it is all worth."""
    refused = [verdict for verdict in result.verdicts if hasattr(verdict, "note")]
    decision, campaign = result.decision, result.decision.campaign
    structlog.get_logger("sectorbot.cycle").info(
        result.kind,
        number=result.number,
        condition=decision.condition.value,
        confidence=str(decision.confidence),
        stance=decision.stance.value,
        campaign=None if campaign is None else f"{campaign.number} {campaign.state.value}",
        intents=len(decision.intents),
        refused=len(refused),
        refusals=sorted({verdict.note.reason.value for verdict in refused}),
        orders=sum(len(outcome.client_ids) for outcome in result.outcomes),
        equity_quote=str(round(result.portfolio.equity, 2)),
        book_quote=str(round(result.portfolio.book, 2)),
        working=len(result.truth.working),
        is_agreed=result.truth.is_agreed,
        locked=sorted(result.truth.locked),
        kill=result.kill.value,
        missing=len(result.snapshot.missing),
        seconds=round(result.seconds, 3),
        notes=[f"{note.reason.value}: {note.words}" for note in (*decision.notes, *result.truth.notes, *result.notes)],
    )
