"""Several bots on one page: a card for each, of bots of this machine and of dashboards elsewhere."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from bot.journal.errors import JournalError
from bot.operate.dashboard.api.endpoints import json_response, visitor_of
from bot.operate.dashboard.bots_file import RemoteBot
from bot.operate.dashboard.frontend import FRONTEND, Frontend
from bot.operate.dashboard.render import render
from bot.operate.dashboard.source import BotSource
from bot.report import queries
from bot.report.queries import JournalView
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.settings.layers import SettingsProblem

REMOTE_SECONDS = 5.0
_SHOWN = (
    "mode",
    "environment",
    "kill_switch",
    "condition",
    "quote",
    "equity_quote",
    "unpriced",
    "drawdown",
    "last_cycle_ms",
    "now_ms",
    "is_running",
)


async def show_bots(request: web.Request) -> web.Response:
    """The first page of several bots."""
    frontend = request.app[FRONTEND]
    frontend.visitor(request)
    values = {"title": "Bots", "site": "sectorbot", "bots": await cards(frontend), "refresh": "5"}
    return web.Response(text=render(frontend.environment, "bots", values), content_type="text/html")


async def list_bots(request: web.Request) -> web.Response:
    """The same for programs."""
    visitor_of(request)
    return json_response(await cards(request.app[FRONTEND]))


async def cards(frontend: Frontend) -> Sequence[Mapping[str, Any]]:
    """One for each bot; one that cannot be read says why."""
    local = [_local_card(frontend, source) for source in frontend.sources.values()]
    remote = [_remote_card(one) for one in frontend.remotes.values()]
    return list(await asyncio.gather(*local, *remote))


def card_of(status: Mapping[str, Any]) -> dict[str, Any]:
    """What a card shows of a status."""
    return {name: status.get(name) for name in _SHOWN}


async def _local_card(frontend: Frontend, source: BotSource) -> Mapping[str, Any]:
    head = {"name": source.name, "path": frontend.root_of(source) + "/", "problem": ""}

    def made(view: JournalView) -> dict[str, Any]:
        status, _ = queries.status(view)
        return card_of(status | {"is_running": view.health is not None})

    try:
        return head | await frontend.document(source, ("card",), made)
    except (CommandFailed, JournalError) as error:
        return head | card_of({}) | {"problem": str(error)}


async def _remote_card(remote: RemoteBot) -> Mapping[str, Any]:
    head = {"name": remote.name, "path": remote.url, "problem": ""}
    try:
        token = await asyncio.to_thread(remote.load_token)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=REMOTE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(remote.url.rstrip("/") + "/api/v1/now", allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return head | card_of({}) | {"problem": f"{remote.url} answers with {answer.status} {answer.reason}"}
            result = await answer.json()
            status = result["status"] | {"is_running": result["health"]["is_running"]}
            return head | card_of(status)
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, SettingsProblem) as error:
        return head | card_of({}) | {"problem": f"{remote.url} is not reached: {type(error).__name__}"}
