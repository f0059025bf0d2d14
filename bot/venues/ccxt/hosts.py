"""The hosts of a ccxt instance, compared with those that its environment allows."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.ports import SetupFailed
from bot.venues.ccxt.profile import EnvironmentSpec


def verify_hosts(exchange: Any, environment: EnvironmentSpec, venue: str) -> None:
    """Every URL of the instance is https and on an allowed host.

    Raises:
        SetupFailed: naming the first URL that is not. ccxt's switches may raise, do nothing or move only some URLs.
    """
    urls = list(_flatten(exchange.urls.get("api")))
    if not urls:
        raise SetupFailed(f"{venue} names no API URL in environment {environment.name!r}; refusing to start")
    for section, url in urls:
        parts = urlsplit(url.replace("{hostname}", str(getattr(exchange, "hostname", "") or "")))
        if parts.scheme not in ("https", "wss") or parts.hostname not in environment.hosts:
            raise SetupFailed(
                f"environment {environment.name!r} of {venue} must not use {parts.scheme}://{parts.hostname} "
                f"(section {section}); refusing to start. Allowed: {', '.join(sorted(environment.hosts))}"
            )


def _flatten(urls: Any, path: str = "api") -> Iterator[tuple[str, str]]:
    if isinstance(urls, str):
        yield path, urls
    elif isinstance(urls, Mapping):
        for name, value in urls.items():
            if name != "ws":
                yield from _flatten(value, f"{path}.{name}")
