"""The web server of the dashboard."""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from bot.operate.dashboard.access.guards import add_headers, make_guards
from bot.operate.dashboard.access.login import log_in, log_out, show_login
from bot.operate.dashboard.access.visitors import Access
from bot.operate.dashboard.api.endpoints import API, add_api
from bot.operate.dashboard.api.openapi import show_openapi
from bot.operate.dashboard.bots_file import RemoteBot
from bot.operate.dashboard.control import ask, confirm, show_control
from bot.operate.dashboard.frontend import FRONTEND, Frontend
from bot.operate.dashboard.live import ENDING, STREAMS, show_live
from bot.operate.dashboard.overview import list_bots, show_bots
from bot.operate.dashboard.pages import add_pages
from bot.operate.dashboard.render import STATIC
from bot.operate.dashboard.source import BotSource
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.sections import DashboardSettings

PORTS_TRIED = 10
PARENT_SECONDS = 1.0
_log = structlog.get_logger("sectorbot.dashboard")


def make_app(
    sources: Sequence[BotSource], settings: DashboardSettings, remotes: Sequence[RemoteBot] = ()
) -> web.Application:
    """The application over some bots, and over the dashboards of others."""
    is_play = settings.is_local and not remotes and all(source.settings.environment == "sim" for source in sources)
    app = web.Application(middlewares=make_guards(settings.names), client_max_size=65_536)
    frontend = Frontend(sources, Access(settings.accounts, is_play=is_play), remotes)
    app[FRONTEND], app[ENDING], app[STREAMS] = frontend, asyncio.Event(), set()
    app.router.add_static("/static", STATIC)
    app.router.add_get("/login", show_login)
    app.router.add_post("/login", log_in)
    app.router.add_post("/logout", log_out)
    prefix = "" if frontend.is_single else "/bots/{bot}"
    if not frontend.is_single:
        app.router.add_get("/", show_bots)
    app.router.add_get(f"{prefix}/live", show_live)
    add_pages(app, prefix)
    app.router.add_get(f"{prefix}/control", show_control)
    app.router.add_post(f"{prefix}/control", ask)
    app.router.add_post(f"{prefix}/control/confirm", confirm)
    app.router.add_get(f"{API}/openapi.json", show_openapi)
    app.router.add_get(f"{API}/bots", list_bots)
    add_api(app, prefix)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    app[ENDING].set()


async def start(app: web.Application, settings: DashboardSettings) -> tuple[web.AppRunner, str]:
    """Listen; the runner, which ends it, and the address for a browser.

    Raises:
        CommandFailed: nothing can listen there.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    ports = range(settings.port, min(65_535, settings.port + PORTS_TRIED - 1) + 1) if settings.port else (0,)
    for port in ports:
        site = web.TCPSite(runner, settings.host, port)
        try:
            await site.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port != ports[-1]:
                continue
            await runner.cleanup()
            tried = f"{ports[0]} to {port}" if port != ports[0] else str(port)
            why = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror or error
            message = f"dashboard: cannot listen on {settings.host}:{tried}: {why}; "
            message += "set another dashboard.host or dashboard.port"
            raise CommandFailed(message, ExitCode.ERROR) from None
        bound = runner.addresses[0][1]
        return runner, f"http://{_shown_host(settings.host)}:{bound}/"
    raise CommandFailed("dashboard: no port was tried", ExitCode.ERROR)


def _shown_host(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - what an operator chose is compared, nothing is bound here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


async def serve(
    sources: Sequence[BotSource],
    settings: DashboardSettings,
    announce: Callable[[str], None],
    parent: int | None = None,
    remotes: Sequence[RemoteBot] = (),
) -> None:
    """Serve until a signal.

    Args:
        announce: gets the address.
        parent: end as well when the process that started this one is no longer that one.
    """
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    runner, address = await start(make_app(sources, settings, remotes), settings)
    try:
        announce(address)
        while not ended.is_set() and (parent is None or os.getppid() == parent):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), PARENT_SECONDS)
    finally:
        await runner.cleanup()
        for source in sources:
            source.close()
