"""The pages of a bot, read only."""

from functools import partial
from typing import Any

from aiohttp import web

from bot.operate.dashboard.documents import now, past, records
from bot.operate.dashboard.frontend import FRONTEND, Frontend
from bot.operate.dashboard.source import BotSource
from bot.report import queries
from bot.report.queries import JournalView

SPANS = (("12h", "12 hours"), ("3d", "3 days"), ("30d", "30 days"), ("all", "all"))
SPAN_DEFAULT = "3d"


async def show_now(request: web.Request) -> web.Response:
    """What is owned, and what the bot waits for."""
    frontend, source = _asked(request)
    document = await frontend.document(source, ("now",), now.now_document)
    status = document["status"]
    return frontend.page(request, source, "now", document | {"title": "Now", "now_ms": status["now_ms"]})


async def show_why(request: web.Request) -> web.Response:
    """A decision in words."""
    frontend, source = _asked(request)
    number = number_in(request, "cycle")

    def make(view: JournalView) -> dict[str, Any]:
        return {"d": queries.why(view, number), "last": view.reader.next_cycle_number() - 1, "now_ms": view.now_ms}

    document = await frontend.document(source, ("why", number), make)
    return frontend.page(request, source, "why", document | {"title": "Why"}, is_live=number is None)


async def show_campaigns(request: web.Request) -> web.Response:
    """Rotations with tranches, legs and their orders."""
    frontend, source = _asked(request)
    document = await frontend.document(source, ("campaigns",), lambda v: _at(v, records.campaigns_document(v)))
    return frontend.page(request, source, "campaigns", document | {"title": "Campaigns"})


async def show_orders(request: web.Request) -> web.Response:
    """The newest orders."""
    frontend, source = _asked(request)
    state, text = request.query.get("state", "")[:20], request.query.get("text", "")[:60]
    make = partial(records.orders_document, state=state, text=text)
    document = await frontend.document(source, ("orders", state, text), lambda v: _at(v, make(v)))
    return frontend.page(request, source, "orders", document | {"title": "Orders", "states": records.STATES})


async def show_order(request: web.Request) -> web.Response:
    """One order with its executions."""
    frontend, source = _asked(request)
    client_id = request.match_info["client_id"]
    document = await frontend.document(
        source, ("order", client_id), lambda v: _at(v, records.order_document(v, client_id))
    )
    return frontend.page(request, source, "orders", document | {"title": f"Order {client_id}", "template": "order"})


async def show_history(request: web.Request) -> web.Response:
    """Equity, funding, fees and events."""
    frontend, source = _asked(request)
    since = request.query.get("since", SPAN_DEFAULT)[:30]
    cache = frontend.equity[source.name]
    document = await frontend.document(
        source, ("history", since), lambda v: _at(v, past.history_document(v, since, cache))
    )
    return frontend.page(request, source, "history", document | {"title": "History", "spans": SPANS})


async def show_configuration(request: web.Request) -> web.Response:
    """Every setting with its origin."""
    frontend, source = _asked(request)
    document = await frontend.document(source, ("configuration",), lambda v: _at(v, records.configuration_document(v)))
    return frontend.page(request, source, "configuration", document | {"title": "Configuration"}, is_live=False)


async def show_log(request: web.Request) -> web.Response:
    """Events of the journal."""
    frontend, source = _asked(request)
    kind, before = request.query.get("kind", "")[:40], number_in(request, "before") or 0
    make = partial(records.log_document, kind=kind, before=before)
    document = await frontend.document(source, ("log", kind, before), lambda v: _at(v, make(v)))
    return frontend.page(request, source, "log", document | {"title": "Log"}, is_live=not before)


def number_in(request: web.Request, name: str) -> int | None:
    """A positive whole number of the query; None where there is none.

    Raises:
        HTTPBadRequest: it is something else.
    """
    text = request.query.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 15 and int(text) > 0):
        raise web.HTTPBadRequest(text=f"{name}: give a whole number above 0")
    return int(text)


def add_pages(app: web.Application, prefix: str) -> None:
    """Put the pages under a prefix: none for one bot, `/bots/{bot}` for several."""
    for path, handler in (
        ("/", show_now),
        ("/why", show_why),
        ("/campaigns", show_campaigns),
        ("/orders", show_orders),
        ("/orders/{client_id}", show_order),
        ("/history", show_history),
        ("/configuration", show_configuration),
        ("/log", show_log),
    ):
        app.router.add_get(prefix + path, handler)


def _asked(request: web.Request) -> tuple[Frontend, BotSource]:
    frontend = request.app[FRONTEND]
    frontend.visitor(request)
    return frontend, frontend.source_of(request)


def _at(view: JournalView, document: dict[str, Any]) -> dict[str, Any]:
    return {"d": document, "now_ms": view.now_ms}
