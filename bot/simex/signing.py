"""Keys of the embedded exchange, signatures over the bytes as received, and the receive-window rule.

Source: binance-spot-api-docs rest-api.md, "SIGNED endpoint security" and "Timing security"; USDⓈ-M is identical.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.simex.public_keys import PublicKey

RECEIVE_WINDOW_MS = Decimal(5000)
RECEIVE_WINDOW_MAX_MS = Decimal(60000)
LEAD_MS = 1000
_MICROSECONDS_FROM = 10**14


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of an account. `permissions`: of `spot`, `perp`, `withdraw`, `margin`, `portfolio`.

    Empty `hosts`: accepted on every host; otherwise the environments (`production`, `demo`, `testnet`) or host names it
    is for. Plain loopback accepts all. With `public` the client signs with its private key, and `secret` is empty.
    """

    key: str
    secret: str = field(repr=False)
    account: str
    permissions: frozenset[str] = frozenset({"spot", "perp"})
    hosts: frozenset[str] = frozenset()
    public: PublicKey | None = None

    def has_signed(self, payload: str, signature: str) -> bool:
        """Whether `signature` is this key's over `payload`."""
        if self.public is not None:
            return self.public.is_signer_of(payload, signature)
        return is_signed_by(self.secret, payload, signature)


class TimingDefect(StrEnum):
    """Why a signed request's time is not accepted."""

    LATE = "late"
    EARLY = "early"


def signed_payload(raw_query: str, raw_body: str) -> str:
    """What a signature covers: query and body exactly as received, nothing between them, without `signature=`."""
    return _without_signature(raw_query) + _without_signature(raw_body)


def sign(secret: str, payload: str) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), payload.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def is_signed_by(secret: str, payload: str, signature: str) -> bool:
    """Whether `signature` (hex, any case) is the secret's over `payload`."""
    return hmac.compare_digest(sign(secret, payload).encode(), signature.lower().encode("utf-8", "surrogateescape"))


def timing_defect(stamp: int, window_ms: Decimal, server_ms: int) -> TimingDefect | None:
    """Accepted when stamp < server + 1000 and server − stamp <= window. `stamp` may be in ms or in µs."""
    stamp_ms = Decimal(stamp) / 1000 if stamp >= _MICROSECONDS_FROM else Decimal(stamp)
    if stamp_ms >= server_ms + LEAD_MS:
        return TimingDefect.EARLY
    return TimingDefect.LATE if server_ms - stamp_ms > window_ms else None


def _without_signature(raw: str) -> str:
    return "&".join(part for part in raw.split("&") if not part.startswith("signature="))
