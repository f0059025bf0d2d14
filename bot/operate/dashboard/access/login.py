"""Logging in and out."""

import asyncio

import structlog
from aiohttp import web

from bot.operate.dashboard.access.visitors import new_key
from bot.operate.dashboard.frontend import COOKIE, FRONTEND, set_cookie
from bot.operate.dashboard.render import render

_log = structlog.get_logger("sectorbot.dashboard")


async def show_login(request: web.Request) -> web.Response:
    """The form.

    Raises:
        HTTPFound: nobody has to log in here.
    """
    if not request.app[FRONTEND].access.needs_login:
        raise web.HTTPFound("/")
    return _form(request, "")


async def log_in(request: web.Request) -> web.Response:
    """Take name and password."""
    frontend = request.app[FRONTEND]
    form = await request.post()
    name, password = str(form.get("name", ""))[:100], str(form.get("password", ""))[:1_000]
    if not frontend.access.is_form_token(request.cookies.get(COOKIE, ""), str(form.get("csrf", ""))):
        return _form(request, "The form was too old. Try again.", 403)
    address = request.remote or ""
    if not frontend.access.may_try_login(address):
        _log.warning("dashboard_login_refused", address=address, why="too many tries")
        return _form(request, "Too many tries. Wait a minute.", 429)
    key = await asyncio.to_thread(frontend.access.log_in, name, password)
    if key is None:
        _log.warning("dashboard_login_failed", address=address)
        return _form(request, "Name or password is wrong.", 401)
    _log.info("dashboard_login", by=name, address=address)
    response = web.Response(status=303, headers={"Location": "/"})
    set_cookie(request, response, key)
    return response


async def log_out(request: web.Request) -> web.Response:
    """End the session.

    Raises:
        HTTPForbidden: the form is not of this session.
    """
    frontend, form = request.app[FRONTEND], await request.post()
    key = request.cookies.get(COOKIE, "")
    if not frontend.access.is_form_token(key, str(form.get("csrf", ""))):
        raise web.HTTPForbidden(text="the form was too old")
    frontend.access.log_out(key)
    response = web.Response(status=303, headers={"Location": "/login"})
    response.del_cookie(COOKIE, path="/")
    return response


def _form(request: web.Request, problem: str, status: int = 200) -> web.Response:
    frontend, key = request.app[FRONTEND], new_key()
    values = {"title": "Log in", "site": "sectorbot", "problem": problem, "csrf": frontend.access.form_token(key)}
    response = web.Response(text=render(frontend.environment, "login", values), content_type="text/html", status=status)
    set_cookie(request, response, key)
    return response
