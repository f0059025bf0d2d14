"""Where the journal of a run is: one for each environment and mode, so that a dry-run is followed by trade.

Standard library only, because reading commands ask as well.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

JOURNAL_NAME = "journal.db"
WORLD = "world"  # the fact that names the environment, mode and venue of a journal
_WORLD_OF = "SELECT payload FROM event WHERE kind = ? ORDER BY seq DESC LIMIT 1"
_LAST_AT = "SELECT at_ms FROM event ORDER BY seq DESC LIMIT 1"


def whole_path(path: Path | None) -> Path | None:
    """The path, where nothing in it stands for a home directory.

    Raises:
        ValueError: it begins with `~`, which only a shell replaces: the files would lie in a directory of that name.
    """
    if path is not None and path.parts[:1] and path.parts[0].startswith("~"):
        raise ValueError(f"{path} begins with ~, which no home directory replaces; write the whole path")
    return path


def journal_path_of(directory: Path, *, environment: str, mode: str, is_shared: bool) -> Path:
    """The journal of an environment and mode in a state directory.

    Args:
        is_shared: whether every mode uses this directory, as it does while nobody names another one. A directory of
            its own holds one journal; so does a shared one of an older version, which keeps its journal.
    """
    plain = directory / JOURNAL_NAME
    if not is_shared:
        return plain
    if plain.is_file():
        world = world_of(plain)
        if world is not None and (world.get("environment"), world.get("mode")) == (environment, mode):
            return plain
    return directory / f"{environment}-{mode}" / JOURNAL_NAME


def world_of(journal: Path) -> Mapping[str, str] | None:
    """The environment, mode and venue that a journal belongs to; None where nobody has claimed it."""
    payload = _ask(journal, _WORLD_OF, [WORLD])
    try:
        world = json.loads(payload) if payload is not None else None
    except ValueError:
        return None
    return world if isinstance(world, Mapping) else None


def journals_in(directory: Path) -> Sequence[Path]:
    """Every journal of a state directory, the one that was written last first."""
    result = [path for path in (directory / JOURNAL_NAME, *directory.glob(f"*-*/{JOURNAL_NAME}")) if path.is_file()]
    return sorted(result, key=lambda journal: _ask(journal, _LAST_AT, []) or 0, reverse=True)


def _ask(journal: Path, query: str, values: Sequence[str]) -> Any:
    """One value of a journal that somebody else may be writing; None where it has none or cannot be read."""
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=1)) as db:
            row = db.execute(query, values).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None
