"""Proxies of the environment, and what to do about a venue that does not answer."""

import os
from collections.abc import Collection, Mapping, MutableMapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from bot.ports import SetupFailed

NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def apply_proxies(hosts: Collection[str], environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables as the HTTP library reads them. It knows no ALL_PROXY and no address without http://, and goes
    past a proxy of a kind that it does not know, straight to the venue. A name in small letters that is set and empty
    switches its proxy off.

    Args:
        hosts: those of the venue; what NO_PROXY exempts needs no proxy.

    Raises:
        SetupFailed: the proxy that HTTPS requests would use is no HTTP proxy; its address, which may hold a password,
            is not shown.
    """
    exempt = {"no": environ.get("no_proxy", environ.get("NO_PROXY", ""))}
    is_needed = not all(proxy_bypass_environment(host, exempt) for host in hosts)
    for word in ("https_proxy", "http_proxy"):
        name = _chosen(word, environ)
        address = _address(environ[name]) if name else ""
        if address:
            environ[word] = address
        elif name and word == "https_proxy" and is_needed:
            raise SetupFailed(
                f"environment {name}: is not the address of an HTTP proxy; write it as http://host:port, or set "
                "venue.trust_env=false to go without"
            )


def _chosen(word: str, environ: Mapping[str, str]) -> str:
    """The name of the variable that holds the proxy of `word`; empty where there is none."""
    for name in (word, "all_proxy"):
        if name in environ and not environ[name].strip():
            return ""
        for known in (name, name.upper()):
            if environ.get(known, "").strip():
                return known
    return ""


def _address(text: str) -> str:
    """The address of an HTTP proxy; empty where it is none."""
    address = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        parts = urlsplit(address)
        is_usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    return address if is_usable else ""


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
