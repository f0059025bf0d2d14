"""What every request passes: the host it asks for, where a form comes from, the headers of every answer, and errors as
sentences."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.journal.errors import JournalError
from bot.operate.dashboard.frontend import FRONTEND
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.layers import SettingsProblem

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says of its own forms that they come from nowhere
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Server": "sectorbot",
}
_log = structlog.get_logger("sectorbot.dashboard")


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a browser may ask for the dashboard by this name.

    A page of another site can make its own name lead to this machine (DNS rebinding), but it cannot make an address or
    a name of ours its own.
    """
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost") or name in {one.lower() for one in names}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def make_guards(names: Collection[str]) -> list[Middleware]:
    """The middlewares, outermost first."""

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = request.app[FRONTEND].message(request, error.reason, _sentence(error), error.status)
            if "WWW-Authenticate" in error.headers:
                answer.headers["WWW-Authenticate"] = error.headers["WWW-Authenticate"]
            return answer
        except CommandFailed as error:
            is_absent = error.code is ExitCode.NOT_RUNNING
            title = "Not there yet" if is_absent else "Not found"
            return request.app[FRONTEND].message(request, title, str(error), 503 if is_absent else 404)
        except ConnectionError:
            raise
        except (SettingsProblem, OSError) as error:
            return request.app[FRONTEND].message(request, "It could not be done", str(error), 500)
        except JournalError as error:
            return request.app[FRONTEND].message(request, "The journal cannot be read", str(error), 503)
        except Exception as error:  # noqa: BLE001 - a page that fails is a page, not the end of the server
            _log.error("page_failed", path=request.path, why=f"{type(error).__name__}: {error}", exc_info=error)
            return request.app[FRONTEND].message(
                request, "This page failed", f"{type(error).__name__}; the log says where", 500
            )

    @web.middleware
    async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_own_host(request.host, names):
            name = request.host[:100]
            raise web.HTTPMisdirectedRequest(
                text=f"{name} is not a name of this dashboard; add it to dashboard.names if it is"
            )
        origin = request.headers.get("Origin")
        if request.method not in {"GET", "HEAD"}:
            is_foreign = origin is not None and urlsplit(origin).netloc != request.host
            if is_foreign or request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
                raise web.HTTPForbidden(text="this request comes from another site")
        return await handler(request)

    return [answer_errors, check_origin]


def _sentence(error: web.HTTPException) -> str:
    """What was said about it; aiohttp's own text only repeats the status."""
    text = error.text or ""
    return "" if text == f"{error.status}: {error.reason}" else text


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on an answer, before it is sent."""
    for name, value in HEADERS.items():
        if name == "Cache-Control" and request.path.startswith("/static/") and response.status == 200:
            value = "public, max-age=31536000, immutable"
        response.headers[name] = value
