"""The instruments cache: the markets we trade, kept as a JSON file, so that a start need not parse thousands of them.

Parsing a venue's full list blocks the event loop for more than half a second and fetches megabytes. The file holds
ccxt's market dictionaries of the wanted symbols only. It is a cache: unreadable, old or short, it is simply not used.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.atomic_file import write_atomically
from bot.domain.durations import HOUR_MS

_VERSION = 1
_FORMER_MAX = 200


@dataclass(frozen=True, slots=True)
class InstrumentsCache:
    """One file per venue and environment in `folder`; `max_age_ms` bounds how stale a grid may be."""

    folder: Path
    venue: str
    environment: str
    max_age_ms: int = 6 * HOUR_MS

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

    def load_former(self, symbol: str) -> Mapping[str, Any] | None:
        """What was last known of a market, whatever its age; None where nothing readable is."""
        result = self._stored().get(symbol)
        is_whole = isinstance(result, Mapping) and isinstance(result.get("info"), Mapping) and result.get("id")
        return result if is_whole else None

    def _stored(self) -> Mapping[str, Any]:
        """Every market in the file, listed when it was written or before."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return {**stored.get("former", {}), **stored["markets"]} if stored["version"] == _VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def save(
        self, markets: Mapping[str, Any], asked: Sequence[str], *, now_ms: int, former: Mapping[str, Any] | None = None
    ) -> None:
        """Write the file in one step; a folder that cannot be written only costs the next start its speed. Markets that
        were in it and are not in `markets` stay as former ones, the newest `_FORMER_MAX`."""
        gone = {
            symbol: market for symbol, market in {**self._stored(), **(former or {})}.items() if symbol not in markets
        }
        kept = dict(list(gone.items())[-_FORMER_MAX:])
        content = {
            "version": _VERSION,
            "saved_ms": now_ms,
            "asked": sorted(asked),
            "markets": dict(markets),
            "former": kept,
        }
        with contextlib.suppress(OSError):
            write_atomically(self.path, json.dumps(content))
