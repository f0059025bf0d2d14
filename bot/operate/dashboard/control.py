"""The page Control: ask for a level or a resume with a reason, read what it does, confirm."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict
from typing import Any

from aiohttp import web

from bot.operate.dashboard import actions
from bot.operate.dashboard.access.visitors import Visitor
from bot.operate.dashboard.documents.now import control_document
from bot.operate.dashboard.frontend import COOKIE, FRONTEND, Frontend
from bot.operate.dashboard.source import BotSource

CONFIRM_SECONDS = 120


async def show_control(request: web.Request) -> web.Response:
    """The form, what is in force now, and what became of the last request."""
    frontend, source = request.app[FRONTEND], request.app[FRONTEND].source_of(request)
    visitor = frontend.visitor(request)
    values = await _values(frontend, source)
    answer = frontend.answers.get(request.query.get("answer", ""))
    return frontend.page(request, source, "control", values | {"answer": answer, "may_act": may_act(source, visitor)})


async def ask(request: web.Request) -> web.Response:
    """Say what a request would do."""
    frontend, source, visitor, form = await _operator(request)
    required = actions.Request(
        str(form.get("what", ""))[:20],
        actions.clean_reason(str(form.get("reason", ""))),
        accept_mismatch="accept_mismatch" in form,
        rebase_peak="rebase_peak" in form,
    )
    values = await _values(frontend, source)
    if required.problem:
        shown = values | {"problem": required.problem, "answer": None, "may_act": True, "wanted": required}
        response = frontend.page(request, source, "control", shown)
        response.set_status(400)
        return response
    withdrawn, sent = actions.withdraws(required.what)
    seal = _seal(frontend, source, visitor, required)
    shown = values | {"wanted": required, "seal": seal, "withdrawn": withdrawn, "sent": sent, "problem": ""}
    return frontend.page(request, source, "control", shown | {"template": "confirm"}, is_live=False)


async def confirm(request: web.Request) -> web.Response:
    """Carry out what was confirmed.

    Raises:
        HTTPConflict: the confirmation is too old, or not of this visitor.
        HTTPBadRequest: the word to type is another one.
        HTTPTooManyRequests: too many actions within a minute.
        HTTPSeeOther: it is carried out; the answer is there.
    """
    frontend, source, visitor, form = await _operator(request)
    required = _opened(frontend, source, visitor, str(form.get("seal", "")))
    if required is None:
        raise web.HTTPConflict(text="this confirmation is older than two minutes or not for you: ask again")
    if required.needs_word and str(form.get("word", "")).strip().lower() != required.what:
        raise web.HTTPBadRequest(text=f"nothing was done: type {required.what} to confirm it")
    if not frontend.access.actions.take(visitor.name):
        raise web.HTTPTooManyRequests(text="too many actions within a minute; the command line has no such limit")
    answer = await asyncio.to_thread(actions.carry_out, source, required, visitor.name, "dashboard")
    key = frontend.keep_answer(answer)
    raise web.HTTPSeeOther(f"{frontend.root_of(source)}/control?answer={key}")


def may_act(source: BotSource, visitor: Visitor) -> bool:
    """Whether this visitor may act on this bot: a journal by itself has nobody to ask."""
    return visitor.is_operator and not source.is_named


async def _operator(request: web.Request) -> tuple[Frontend, BotSource, Visitor, Any]:
    """Who sends a form, once all of it has been checked.

    Raises:
        HTTPForbidden: he may not act, or the form is not his.
    """
    frontend = request.app[FRONTEND]
    visitor, source = frontend.visitor(request), frontend.source_of(request)
    form = await request.post()
    if not frontend.access.is_form_token(request.cookies.get(COOKIE, ""), str(form.get("csrf", ""))):
        raise web.HTTPForbidden(text="the form was too old; nothing was done")
    if not may_act(source, visitor):
        raise web.HTTPForbidden(text="this account reads only; nothing was done")
    return frontend, source, visitor, form


async def _values(frontend: Frontend, source: BotSource) -> dict[str, Any]:
    document = await frontend.document(source, ("control",), control_document)
    levels = [(level.value, text) for level, text in actions.LEVELS.items()]
    return document | {"title": "Control", "levels": levels, "problem": "", "wanted": None}


def _seal(frontend: Frontend, source: BotSource, visitor: Visitor, wanted: actions.Request) -> str:
    """A request that only this visitor can confirm, within two minutes, and nobody can alter."""
    content = asdict(wanted) | {"until": int(time.time()) + CONFIRM_SECONDS, "once": secrets.token_hex(8)}
    text = json.dumps(content, sort_keys=True)
    return f"{text.encode().hex()}.{_signature(frontend, source, visitor, text)}"


def _opened(frontend: Frontend, source: BotSource, visitor: Visitor, seal: str) -> actions.Request | None:
    body, _, signature = seal.partition(".")
    try:
        text = bytes.fromhex(body).decode()
    except ValueError:
        return None
    if not hmac.compare_digest(_signature(frontend, source, visitor, text), signature):
        return None
    content = json.loads(text)
    if content.pop("until") < time.time() or not frontend.spend(content.pop("once")):
        return None
    return actions.Request(**content)


def _signature(frontend: Frontend, source: BotSource, visitor: Visitor, text: str) -> str:
    secret = frontend.access.form_token(visitor.key)
    return hmac.new(secret.encode(), f"{source.name}\n{text}".encode(), hashlib.sha256).hexdigest()
