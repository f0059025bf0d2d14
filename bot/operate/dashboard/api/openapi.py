"""The OpenAPI document of the API, made from the table of its endpoints."""

from typing import Any

from aiohttp import web

import bot
from bot.operate.dashboard.actions import LEVELS
from bot.operate.dashboard.api.endpoints import API, ENDPOINTS, ApiRead, json_response
from bot.operate.dashboard.api.schema import ANSWERS, schema_of, schemas
from bot.operate.dashboard.frontend import FRONTEND

REFUSALS = {
    "400": "a parameter or the body is wrong",
    "401": "no token, or a wrong one",
    "403": "this account reads only",
    "404": "there is no such thing in the journal",
    "429": "too often within a minute",
    "503": "there is no journal yet, or it cannot be read",
}


def document(*, is_single: bool) -> dict[str, Any]:
    """The description of every path, for one bot or for several."""
    prefix = "" if is_single else "/bots/{bot}"
    paths: dict[str, Any] = {
        "/bots": {"get": _operation("list_bots", "The bots of this dashboard", schema_of(ANSWERS["/bots"]))}
    }
    for endpoint in ENDPOINTS:
        paths[f"{prefix}{endpoint.path}"] = {"get": _reading(endpoint, prefix)}
    for name, summary, body in (
        ("halt", "Throw the kill switch; waits some seconds for the bot's confirmation", _HALT),
        ("resume", "Release the kill switch", _RESUME),
    ):
        operation = _operation(name, summary, {"$ref": "#/components/schemas/Answer"}, _path_parameters(prefix))
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        accepted = {"description": "asked, and not confirmed yet", "content": _content(_ANSWER_REF)}
        operation["responses"]["202"] = accepted
        paths[f"{prefix}/{name}"] = {"post": operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sectorbot",
            "version": bot.__version__,
            "description": "Amounts are text with all their digits, times are UTC milliseconds.",
        },
        "servers": [{"url": API}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas(), "Error": _ERROR, "Answer": _ANSWER},
        },
    }


async def show_openapi(request: web.Request) -> web.Response:
    """The document; it holds nothing of a bot, so it needs no token."""
    return json_response(document(is_single=request.app[FRONTEND].is_single))


def _reading(endpoint: ApiRead, prefix: str) -> dict[str, Any]:
    schema = schema_of(ANSWERS[endpoint.path])
    parameters = _path_parameters(prefix + endpoint.path)
    parameters += [
        {
            "name": one.name,
            "in": "query",
            "description": one.text,
            "schema": {"type": "integer", "minimum": 1} if one.is_number else {"type": "string"},
        }
        for one in endpoint.parameters
    ]
    return _operation(endpoint.name, endpoint.summary, schema, parameters)


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _operation(
    name: str, summary: str, schema: dict[str, Any], parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    refusals = {code: {"description": text, "content": _content(_ERROR_REF)} for code, text in REFUSALS.items()}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": "OK", "content": _content(schema)}, **refusals},
    }


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_ERROR_REF: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
_ANSWER_REF: dict[str, Any] = {"$ref": "#/components/schemas/Answer"}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error", "status"],
    "properties": {"error": {"type": "string"}, "status": {"type": "integer"}},
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["is_done", "text", "level"],
    "properties": {"is_done": {"type": "boolean"}, "text": {"type": "string"}, "level": {"type": "string"}},
}
_REASON: dict[str, Any] = {"type": "string", "minLength": 1, "description": "why; it is written into the journal"}
_HALT: dict[str, Any] = {
    "type": "object",
    "required": ["level", "reason"],
    "properties": {"level": {"enum": [level.value for level in LEVELS]}, "reason": _REASON},
}
_RESUME: dict[str, Any] = {
    "type": "object",
    "required": ["reason"],
    "properties": {
        "reason": _REASON,
        "accept_mismatch": {"type": "boolean", "description": "the account is right where the journal differs"},
        "rebase_peak": {"type": "boolean", "description": "measure the drawdown from the equity of now"},
    },
}
