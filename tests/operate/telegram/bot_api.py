"""A stand-in of the Bot API on loopback, as documented: offsets confirm, long polls wait, one poller at a time (409),
429 with `retry_after`, 401 for a wrong token."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.secret_watch import WATCH

TOKEN = "123456789:AAE-telegram-stand-in-secret-91c4"
ME = {"id": 123456789, "is_bot": True, "first_name": "bot", "username": "my_bot"}


class BotApi:
    """The queue of updates, what was sent, and the failures that a test asks for."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []
        self.failures: list[tuple[str, int, dict[str, Any]]] = []  # method, status, parameters; each once
        self.waiting = 0
        self.conflicts = 0
        self.port = 0
        self._changed = asyncio.Event()
        self._is_over = False
        self._next_id = 700

    @property
    def url(self) -> str:
        WATCH.note(TOKEN, TOKEN.partition(":")[2])
        return f"http://127.0.0.1:{self.port}"

    def say(self, text: str, user: int = 42, *, chat: str = "private", age: float = 0, **fields: Any) -> int:
        """A message of a user; its update id."""
        self._next_id += 1
        sender = {"id": user, "is_bot": False, "first_name": "Ann", "username": "ann"}
        message = {
            "message_id": self._next_id,
            "date": int(time.time() - age),
            "chat": {"id": user if chat == "private" else -100, "type": chat},
            "from": sender,
            "text": text,
            **fields,
        }
        self.updates.append({"update_id": self._next_id, "message": message})
        self._changed.set()
        return self._next_id

    def fail(self, method: str, status: int, **parameters: Any) -> None:
        self.failures.append((method, status, parameters))

    def end(self) -> None:
        """Long polls are answered at once from here on: the server waits for them when it stops."""
        self._is_over = True
        self._changed.set()

    async def handle(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return _error(401, "Unauthorized")
        method, fields = request.match_info["method"], dict(await request.post())
        for failure in self.failures:
            if failure[0] == method:
                self.failures.remove(failure)
                return _error(failure[1], "as asked for", failure[2])
        if method == "getMe":
            return _ok(ME)
        if method == "sendMessage":
            self.sent.append(fields)
            chat = {"id": int(fields["chat_id"]), "type": "private"}
            return _ok({"message_id": 1, "date": int(time.time()), "chat": chat, "text": fields["text"]})
        if method == "getUpdates":
            return await self._poll(fields)
        return _error(404, "Not Found: method not found")

    async def _poll(self, fields: dict[str, Any]) -> web.Response:
        self.polls.append(fields)
        offset, timeout = int(fields.get("offset", 0)), float(fields.get("timeout", 0))
        self.updates = [update for update in self.updates if update["update_id"] >= offset]
        if self.waiting:
            self.conflicts += 1
            return _error(409, "Conflict: terminated by other getUpdates request")
        self.waiting += 1
        try:
            if not self.updates and not self._is_over:
                self._changed.clear()
                try:
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            self.waiting -= 1
        return _ok(self.updates[: int(fields.get("limit", 100))])


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(status: int, description: str, parameters: dict[str, Any] | None = None) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=status)


@asynccontextmanager
async def serving() -> AsyncIterator[BotApi]:
    """A stand-in that listens."""
    api = BotApi()
    app = web.Application()
    app.router.add_route("*", "/bot{token}/{method}", api.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield api
    finally:
        api.end()
        await runner.cleanup()
