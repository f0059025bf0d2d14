"""An empty working directory without settings of the machine, and a journal that a real run has left."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("SECTORBOT__")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SECTORBOT__")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"}


def sectorbot(*arguments: str, cwd: Path, python: Sequence[str] = (sys.executable,)) -> Done:
    """The command as a person runs it, in a process of its own."""
    command = [*python, "-m", "bot", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a sim daemon has run two cycles; `var/journal.db` is its journal."""
    folder = tmp_path_factory.mktemp("finished")
    done = sectorbot(
        "run", "--environment", "sim", "--cycles", "2", "--set", "cadence.cycle_seconds=0.2", "--json",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
