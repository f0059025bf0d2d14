"""One trial of a sweep: a back-test of some settings over one window. It can be sent to another process."""

import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.money import plain
from bot.lab.backtest import command as backtest_command
from bot.runtime.settings.model import Settings

_KEYS = {"api_key", "api_secret"}
_PLACES = {"state_directory", "secrets_directory", "logs", "journal", "kill_switch"}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is run. `key` names settings and window, and nothing else: who has run it need not run it again."""

    key: str
    settings: Settings
    folder: Path
    start_ms: int
    end_ms: int
    decide_hours: int
    guard_hours: int


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Daily equity of a trial, or the problem that kept it from ending; seconds of wall time."""

    key: str
    equity: tuple[float, ...]
    problem: str
    seconds: float


def deciding_digest(settings: Settings) -> str:
    """Names everything in the settings that a back-test depends on, calendar and TVL included. Equal numbers have one
    name: a grid's 0.2 is the default's 0.20, and not another trial."""
    content = settings.model_dump(exclude=_PLACES | {"venue"})
    content["venue"] = settings.venue.without_keys().model_dump(exclude=_KEYS)
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_text_of).encode()).hexdigest()[:16]


def _text_of(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


def without_secrets(settings: Settings) -> Settings:
    """The same without API keys: a trial travels over the network, and needs none."""
    return settings.model_copy(update={"venue": settings.venue.without_keys()})


def run_trial(trial: Trial) -> TrialResult:
    """Run it. Whatever goes wrong is the outcome: one trial that fails must not end the search."""
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="sectorbot-trial-"))
    try:
        journal = trial.settings.journal.model_copy(update={"path": None})
        settings = trial.settings.model_copy(update={"state_directory": scratch, "journal": journal})
        requested = backtest_command.BacktestRequest(
            folder=trial.folder,
            start_ms=trial.start_ms,
            end_ms=trial.end_ms,
            decide_hours=trial.decide_hours,
            guard_hours=trial.guard_hours,
            is_checked=True,
            may_end=True,
        )
        history = backtest_command.read_history(requested, settings)
        record = backtest_command.run_record(requested, settings, history, on_progress=lambda _: None)
        problem = "" if record.reconciled else "books and exchange did not agree at the end"
        return TrialResult(trial.key, tuple(record.curve()), problem, time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - see above; the words are kept and shown
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        return TrialResult(trial.key, (), message, time.monotonic() - began)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
