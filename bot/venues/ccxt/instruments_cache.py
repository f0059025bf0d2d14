"""The instruments cache: the markets we trade, kept as a JSON file, so that a start need not parse thousands of them.

Parsing a venue's full list blocks the event loop for more than half a second and fetches megabytes. The file holds
ccxt's market dictionaries of the wanted symbols only. It is a cache: unreadable, changed, old or short, it is not
used. A grid with a flipped bit would still be a grid, so the file carries a digest of itself.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.atomic_file import write_atomically
from bot.domain.durations import HOUR_MS

_VERSION = 2
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
        stored = self._load_whole()
        if stored is None or not 0 <= now_ms - stored["saved_ms"] <= self.max_age_ms:
            return None
        if not set(stored["asked"]).issuperset(symbols):
            return None
        return {symbol: market for symbol, market in stored["markets"].items() if symbol in symbols}

    def load_former(self, symbol: str) -> Mapping[str, Any] | None:
        """What was last known of a market, whatever its age; None where nothing readable is."""
        result = self._stored().get(symbol)
        is_whole = isinstance(result, Mapping) and isinstance(result.get("info"), Mapping) and result.get("id")
        return result if is_whole else None

    def _stored(self) -> Mapping[str, Any]:
        """Every market in the file, listed when it was written or before."""
        stored = self._load_whole()
        return {} if stored is None else {**stored["former"], **stored["markets"]}

    def _load_whole(self) -> Mapping[str, Any] | None:
        """The file as `save` has written it; None where it is not there, of another version or changed since."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            digest = stored.pop("digest")
            return stored if stored["version"] == _VERSION and digest == _digest(stored) else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

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
            write_atomically(self.path, json.dumps({**content, "digest": _digest(content)}))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
