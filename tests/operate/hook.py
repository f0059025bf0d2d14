"""A service of notices on loopback, which takes what Apprise's json:// sends, or fails as a test wants."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.secret_watch import WATCH

PASSWORD = "hook-password-5b1f7c"


class Hook:
    """What it has received, and how it answers: `status` 200 takes a message, None hangs until `release` is set."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.asked = 0
        self.status: int | None = 200
        self.release = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of this service, with a password in it."""
        WATCH.note(PASSWORD)
        return f"json://operator:{PASSWORD}@127.0.0.1:{self.port}/in"

    @property
    def text(self) -> str:
        """All that has arrived."""
        return "\n".join(f"{message['title']}\n{message['message']}" for message in self.received)

    def take(self, message: dict[str, Any]) -> int:
        self.asked += 1
        status = self.status
        if status is None:
            self.release.wait(30)
            status = 503
        self.statuses.append(status)
        if status == 200:
            self.received.append(message)
        return status


@contextmanager
def serving() -> Iterator[Hook]:
    """A hook that listens."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(hook.take(json.loads(body)))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.release.set()
        server.shutdown()
        server.server_close()
