"""What to do about a venue that does not answer: the network, the embedded exchange, the proxies that are set."""

import os
from collections.abc import Mapping

NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def unreachable(venue: str, environment: str, message: str, *, trust_env: bool) -> str:
    """One sentence about a venue that cannot be read: which, why, and what to do."""
    advice = "check network, DNS and VPN, or try the embedded exchange: -e sim"
    if environment == "sim":
        advice = "check that the exchange runs on this machine"
    why = with_proxy_hint(message, trust_env=trust_env)
    return f"{venue} {environment} cannot be read: {why}; {advice}"


def with_proxy_hint(message: str, *, trust_env: bool, environ: Mapping[str, str] = os.environ) -> str:
    """The words, and which variable names a proxy and whether it is used; never its value, which may be secret."""
    names = [name for word in NAMES for name in (word, word.lower()) if environ.get(name, "").strip()]
    if not names:
        return message
    if trust_env:
        hint = "used: check that proxy, list the venue's host in NO_PROXY, or set venue.trust_env=false"
    else:
        hint = "not used, because venue.trust_env is false: set it to true when the way out is through that proxy"
    return f"{message} ({', '.join(names)} {'is' if len(names) == 1 else 'are'} set and {hint})"
