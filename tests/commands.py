"""Running `sectorbot` in tests: an empty working directory, the command as a process, and a journal of a real run."""

import contextlib
import gc
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from bot.__main__ import main
from bot.runtime.kill import early_signals

ROOT = Path(__file__).parent.parent
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("SECTORBOT__")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def kept_logging() -> Iterator[None]:
    """What sets up the log of its process inside, as a command does, leaves it afterwards as it was before."""
    root = logging.getLogger()
    handlers, level, hook, shown = list(root.handlers), root.level, sys.excepthook, structlog.get_config()
    was_configured = structlog.is_configured()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        sys.excepthook = hook
        structlog.configure(**shown) if was_configured else structlog.reset_defaults()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SECTORBOT__")}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}


@contextlib.contextmanager
def kept_signals() -> Iterator[None]:
    """What a run listens to, it has listened to only inside."""
    numbers = (signal.SIGTERM, signal.SIGINT, *early_signals.LEVELS)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def kept_collector() -> Iterator[None]:
    """How often garbage is looked for is what it was before; a command begins with thresholds of a start."""
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    try:
        yield
    finally:
        gc.callbacks[:] = callbacks
        gc.set_threshold(*thresholds)


def sectorbot(*arguments: str, cwd: Path) -> Done:
    """The command as a person runs it, in this process: what would be imported anew takes longer than most commands.

    Of runs those with an end, outside of any event loop.
    """
    assert "run" not in arguments or {"--once", "--cycles"} & {*arguments}, "who would stop it?"
    said, failed, code = io.StringIO(), io.StringIO(), 0
    with (
        kept_logging(),
        kept_signals(),
        kept_collector(),
        contextlib.chdir(cwd),
        pytest.MonkeyPatch.context() as patches,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(failed),
    ):
        for name in os.environ.keys() - environment().keys():
            patches.delenv(name)
        patches.setenv("COLUMNS", "120")
        for kept in ("_asked", "_directories"):
            patches.setattr(early_signals, kept, [])
        patches.setattr(sys, "argv", ["sectorbot", *arguments])
        try:
            code = main()
        except SystemExit as end:  # as the interpreter takes it
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(arguments, code, said.getvalue(), failed.getvalue())


def sectorbot_process(*arguments: str, cwd: Path, python: Sequence[str] = (sys.executable,)) -> Done:
    """The command in a process of its own."""
    command = [*python, "-m", "bot", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a sim daemon has run two cycles; `var/sim-dry-run/journal.db` is its journal."""
    folder = tmp_path_factory.mktemp("finished")
    done = sectorbot("run", "-e", "sim", "--cycles", "2", "--set", "cadence.cycle_seconds=0.2", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
