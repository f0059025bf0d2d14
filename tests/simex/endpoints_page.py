"""Writes docs/endpoints.md from the routes of the embedded exchange: `make reference`; a test compares."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from bot.domain.instrument import Kind
from bot.simex.dialects import DIALECTS
from bot.simex.dialects.binance.common import Route
from bot.simex.dialects.binance.routes import SPOT_ROUTES, USDM_ROUTES
from bot.simex.dialects.binance.streams import api

PAGE = Path(__file__).parent.parent.parent / "docs" / "endpoints.md"
GROUPS = (
    ("Binance spot and wallet", Kind.SPOT, SPOT_ROUTES),
    ("Binance USDⓈ-M futures", Kind.PERP, USDM_ROUTES),
)
VENUES = {name: import_module(f"bot.simex.dialects.{name}.dialect") for name in DIALECTS if name != "binance"}
HEAD = """# Endpoints of the embedded exchange

Made from the routes by `make reference`; a test compares. What is not listed is answered as the venue answers what it
does not know, and counted (`GET /simex/unknown`). Binance is served, and with `--venue` any other of them.
[exchange.md](exchange.md) says how to start it, and what its WebSockets send.
"""


def page() -> str:
    """The page as it must be."""
    return "\n".join((HEAD, *lines()))


def lines() -> Iterator[str]:
    for title, kind, routes in GROUPS:
        yield f"## {title}\n"
        yield "| Method | Path | Asks for | Weight | By message |"
        yield "|---|---|---|---|---|"
        messages = _messages(kind)
        for route in sorted(routes, key=lambda route: (route.path, route.method)):
            weight = str(route.weight) if isinstance(route.weight, int) else "by parameters"
            names = " ".join(f"`{name}`" for name in messages.get((route.method, route.path), ()))
            yield f"| {route.method} | `{route.path}` | {_asks(route)} | {weight} | {names} |"
        yield ""
    for title, endpoints in sorted((_title(name), dialect.ENDPOINTS) for name, dialect in VENUES.items()):
        yield f"## {title}\n"
        yield "| Method | Path | Asks for | A second |"
        yield "|---|---|---|---|"
        for endpoint in sorted(endpoints, key=lambda e: (e.path, e.method)):
            asks = "a signature" if endpoint.is_signed else "nothing"
            yield f"| {endpoint.method} | `{endpoint.path}` | {asks} | {endpoint.per_second or 'as the address'} |"
        yield ""


def _title(name: str) -> str:
    """The venue's name, with which the first line of its dialect begins."""
    words = import_module(f"bot.simex.dialects.{name}").__doc__ or ""
    return words.partition(",")[0]


def _asks(route: Route) -> str:
    return {"none": "nothing", "key": "a key", "signed": "a signature"}[route.security.value]


def _messages(kind: Kind) -> dict[tuple[str, str], list[str]]:
    """Names of the WebSocket API by endpoint."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in (*(api._SPOT if kind is Kind.SPOT else api._PERP), *api._KEYS):
        target = api.target_of(kind, name)
        if target is not None:
            found.setdefault(target, []).append(name)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
