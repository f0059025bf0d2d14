"""Listen keys: who may hear the private events of an account, for an hour from their last renewal."""

import hashlib
from dataclasses import dataclass

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Kind


@dataclass(frozen=True, slots=True)
class ListenKey:
    """A key and until when it is good, in exchange time."""

    key: str
    account: str
    kind: Kind
    until_ms: int


class ListenKeys:
    """The keys of one venue: one per account and market at a time."""

    def __init__(self) -> None:
        self._made = 0
        self._known: dict[str, ListenKey] = {}

    def create(self, account: str, kind: Kind, now_ms: int, salt: str) -> ListenKey:
        """The account's key, which is good for another hour; a new one where there is none."""
        held = self.of(account, kind, now_ms)
        if held is not None:
            return self._renewed(held, now_ms)
        self._made += 1
        text = hashlib.sha256(f"{salt}{account}/{kind}/{self._made}/{now_ms}".encode()).hexdigest()
        return self._renewed(ListenKey(text, account, kind, 0), now_ms)

    def of(self, account: str, kind: Kind, now_ms: int) -> ListenKey | None:
        """The key of an account that is still good."""
        held = (k for k in self._known.values() if (k.account, k.kind) == (account, kind) and now_ms < k.until_ms)
        return next(held, None)

    def find(self, key: str, now_ms: int) -> ListenKey | None:
        """The key of this text, None for one that is unknown, closed or has run out."""
        held = self._known.get(key)
        return held if held is not None and now_ms < held.until_ms else None

    def renew(self, held: ListenKey, now_ms: int) -> None:
        """Good for another hour."""
        self._renewed(held, now_ms)

    def close(self, held: ListenKey) -> None:
        """Good no longer."""
        self._known.pop(held.key, None)

    def _renewed(self, held: ListenKey, now_ms: int) -> ListenKey:
        renewed = ListenKey(held.key, held.account, held.kind, now_ms + HOUR_MS)
        self._known[held.key] = renewed
        return renewed
