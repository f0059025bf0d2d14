"""The API: every reading command as JSON, and the actions, by a token. `/api/v1/openapi.json` describes it.

A browser sends no token by itself, so no form of another site can act here. Amounts are text with all their digits,
times are UTC milliseconds.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.operate.dashboard import actions
from bot.operate.dashboard.access.visitors import Visitor
from bot.operate.dashboard.control import may_act
from bot.operate.dashboard.documents import now, past, records
from bot.operate.dashboard.frontend import FRONTEND, Frontend
from bot.operate.dashboard.pages import SPAN_DEFAULT, number_in
from bot.operate.dashboard.source import BotSource
from bot.report import queries, signals
from bot.report.queries import JournalView
from bot.runtime import replay
from bot.runtime.exit_codes import CommandFailed

API = "/api/v1"
LIMIT_DEFAULT, LIMIT_MAX = 50, 1_000


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request that has been checked."""

    texts: dict[str, str]
    numbers: dict[str, int | None]
    equity: past.EquityCache


Make = Callable[[JournalView, Query], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    text: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class ApiRead:
    """One thing that can be read. `is_list`: the answer is an array."""

    path: str
    summary: str
    make: Make
    parameters: tuple[Parameter, ...] = ()
    is_list: bool = False

    @property
    def name(self) -> str:
        """Its operation id."""
        return "read_" + self.path.strip("/").replace("/{", "_").replace("}", "")


def _orders(view: JournalView, query: Query) -> list[Any]:
    result: list[Any] = records.orders_document(view, query.texts["state"], query.texts["text"])["orders"]
    return result[: min(query.numbers["limit"] or LIMIT_DEFAULT, LIMIT_MAX)]


def _history(view: JournalView, query: Query) -> Any:
    document = past.history_document(view, query.texts["since"] or SPAN_DEFAULT, query.equity)
    return {name: value for name, value in document.items() if name != "charts"}


def _log(view: JournalView, query: Query) -> Any:
    return records.log_document(view, query.texts["kind"], query.numbers["before"] or 0)


def _replay(view: JournalView, query: Query) -> Any:
    text = query.texts["cycle"]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise CommandFailed(f"{text[:20]}: give the number of a cycle")
    return replay.replay(view.settings, view.reader, int(text)).document


CYCLE = Parameter("cycle", "number of the cycle; without it the last full one", is_number=True)
ENDPOINTS = (
    ApiRead(
        "/status",
        "Mode, switch, last cycle, equity, orders, locks, as `sectorbot status --json`",
        lambda view, _: queries.status(view)[0],
    ),
    ApiRead(
        "/pnl",
        "Profit and loss by period, sleeve, campaign and token, as `sectorbot pnl --json`",
        lambda view, _: queries.profit(view),
    ),
    ApiRead(
        "/positions",
        "Sleeves, holdings and perps, as `sectorbot positions --json`",
        lambda view, _: queries.positions(view),
    ),
    ApiRead(
        "/now",
        "What the page Now shows: status, holdings, perps with their distance to stop, health, waits",
        lambda view, _: now.now_document(view),
    ),
    ApiRead("/health", "Whether the daemon lives, and each of its parts", lambda view, _: now.health_document(view)),
    ApiRead(
        "/orders",
        "The newest orders",
        _orders,
        (
            Parameter("limit", f"how many, at most {LIMIT_MAX}", is_number=True),
            Parameter("state", f"one of {', '.join(records.STATES)}"),
            Parameter("text", "a part of instrument, purpose or id"),
        ),
        is_list=True,
    ),
    ApiRead(
        "/orders/{client_id}",
        "One order with its executions",
        lambda view, q: records.order_document(view, q.texts["client_id"]),
    ),
    ApiRead(
        "/campaigns",
        "The newest rotations with tranches, legs and orders",
        lambda view, _: records.campaigns_document(view),
    ),
    ApiRead(
        "/history",
        "Equity, funding, fees and events since a moment",
        _history,
        (Parameter("since", f"a span such as 12h or 3d, a date, or all; without it {SPAN_DEFAULT}"),),
    ),
    ApiRead(
        "/why",
        "A decision in words, as `sectorbot why --json`",
        lambda view, q: queries.why(view, q.numbers["cycle"]),
        (CYCLE,),
    ),
    ApiRead(
        "/signals",
        "Signals of a cycle, as `sectorbot signals --json`",
        lambda view, q: signals.signals(view, q.numbers["cycle"]),
        (CYCLE,),
    ),
    ApiRead("/replay/{cycle}", "Decide a cycle again from its record, and compare", _replay),
    ApiRead(
        "/configuration",
        "Every setting with its origin; secrets are stars",
        lambda view, _: records.configuration_document(view),
    ),
    ApiRead(
        "/log",
        "Events of the journal, newest first",
        _log,
        (Parameter("kind", "events of one kind"), Parameter("before", "those before this event", is_number=True)),
    ),
)


def add_api(app: web.Application, prefix: str) -> None:
    """Put the API below `/api/v1`, of several bots below `/api/v1/bots/{bot}`."""
    for endpoint in ENDPOINTS:
        app.router.add_get(f"{API}{prefix}{endpoint.path}", _reader_of(endpoint))
    app.router.add_post(f"{API}{prefix}/halt", post_halt)
    app.router.add_post(f"{API}{prefix}/resume", post_resume)


def _reader_of(endpoint: ApiRead) -> Callable[[web.Request], Any]:
    async def read(request: web.Request) -> web.Response:
        frontend = request.app[FRONTEND]
        visitor_of(request)
        source = frontend.source_of(request)
        query = _checked(request, endpoint, frontend, source)
        key = ("api", endpoint.path, *sorted(query.texts.items()), *sorted(query.numbers.items()))
        document = await frontend.document(source, key, lambda view: endpoint.make(view, query))
        return json_response(document)

    return read


def visitor_of(request: web.Request) -> Visitor:
    """The visitor of a token, or the anonymous one where there are no accounts.

    Raises:
        HTTPUnauthorized: the token is missing or wrong.
        HTTPTooManyRequests: wrong tokens came too often from there.
    """
    access = request.app[FRONTEND].access
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        visitor = access.visitor_of_token(token.strip())
        if visitor is not None:
            return visitor
        if not access.may_try_login(request.remote or ""):
            raise web.HTTPTooManyRequests(text="too many wrong tokens; wait a minute")
    elif not access.needs_login:
        result = access.visitor_of("")
        if result is not None:
            return result
    raise web.HTTPUnauthorized(
        text="give the token of an account: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"}
    )


async def post_halt(request: web.Request) -> web.Response:
    """`{"level": "pause", "reason": "…"}`."""
    return await _act(request, lambda body: actions.Request(str(body.get("level", "")), _reason(body)))


async def post_resume(request: web.Request) -> web.Response:
    """`{"reason": "…", "accept_mismatch": false, "rebase_peak": false}`."""

    def made(body: dict[str, Any]) -> actions.Request:
        return actions.Request(
            actions.RESUME,
            _reason(body),
            accept_mismatch=body.get("accept_mismatch") is True,
            rebase_peak=body.get("rebase_peak") is True,
        )

    return await _act(request, made)


async def _act(request: web.Request, made: Callable[[dict[str, Any]], actions.Request]) -> web.Response:
    visitor, frontend = visitor_of(request), request.app[FRONTEND]
    source = frontend.source_of(request)
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send JSON: Content-Type: application/json")
    if not may_act(source, visitor):
        raise web.HTTPForbidden(text="this account reads only" if not source.is_named else "there is no bot to ask")
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is no JSON object")
    required = made(body)
    if required.problem:
        raise web.HTTPBadRequest(text=required.problem)
    if not frontend.access.actions.take(visitor.name):
        raise web.HTTPTooManyRequests(text="too many actions within a minute")
    answer = await asyncio.to_thread(actions.carry_out, source, required, visitor.name, "API")
    document = {"is_done": answer.is_done, "text": answer.text, "level": answer.level}
    return json_response(document, 200 if answer.is_done else 202)


def json_response(document: Any, status: int = 200) -> web.Response:
    """An answer as JSON; what is neither number nor text is written as text."""
    text = json.dumps(document, ensure_ascii=False, default=str)
    return web.Response(text=text, content_type="application/json", status=status)


def _reason(body: dict[str, Any]) -> str:
    return actions.clean_reason(str(body.get("reason", "")))


def _checked(request: web.Request, endpoint: ApiRead, frontend: Frontend, source: BotSource) -> Query:
    known = {parameter.name for parameter in endpoint.parameters}
    for name in request.query:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise web.HTTPBadRequest(text=f"{name}: unknown parameter; known are: {allowed}")
    texts = {p.name: request.query.get(p.name, "")[:100] for p in endpoint.parameters if not p.is_number}
    numbers = {p.name: number_in(request, p.name) for p in endpoint.parameters if p.is_number}
    texts |= {name: value for name, value in request.match_info.items() if name != "bot"}
    return Query(texts, numbers, frontend.equity[source.name])
