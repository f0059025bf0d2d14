"""The instruments cache: the markets we trade, kept as a JSON file, so that a start need not parse thousands of them.

Parsing a venue's full list blocks the event loop for more than half a second and fetches megabytes. The file holds
ccxt's market dictionaries of the wanted symbols only. It is a cache: unreadable, old or short, it is simply not used.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VERSION = 1


@dataclass(frozen=True, slots=True)
class InstrumentsCache:
    """One file per venue and environment in `folder`; `max_age_ms` bounds how stale a grid may be."""

    folder: Path
    venue: str
    environment: str
    max_age_ms: int = 6 * 3_600_000

    @property
    def path(self) -> Path:
        return self.folder / f"instruments-{self.venue}-{self.environment}.json"

    def load(self, symbols: Sequence[str], *, now_ms: int) -> Mapping[str, Any] | None:
        """ccxt markets by symbol, or None when the file does not answer for all of `symbols` or is too old."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            age_ms = now_ms - int(stored["saved_ms"])
            known = set(stored["asked"])
            markets = dict(stored["markets"])
            version = stored["version"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if version != _VERSION or not 0 <= age_ms <= self.max_age_ms or not known.issuperset(symbols):
            return None
        return {symbol: market for symbol, market in markets.items() if symbol in symbols}

    def save(self, markets: Mapping[str, Any], asked: Sequence[str], *, now_ms: int) -> None:
        """Write the file in one step; a folder that cannot be written only costs the next start its speed."""
        content = {"version": _VERSION, "saved_ms": now_ms, "asked": sorted(asked), "markets": dict(markets)}
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(content), encoding="utf-8")
            draft.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
