"""What the environment says of proxies, for the one error of a venue that does not answer."""

import os
from collections.abc import Mapping

NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


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
