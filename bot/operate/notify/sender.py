"""One destination of notices, through Apprise.

Apprise blocks while it sends, and a service may hang for ever: each sending has a thread of its own that nobody waits
for at the end of the process. A sending that takes too long counts as failed. The reason of a failure never holds any
of Apprise's texts, because these may quote the URL.
"""

import asyncio
import contextlib
import logging
import re
import threading

from apprise import Apprise

from bot.operate.notify.message import Message

_STATUS = re.compile(r"error[ =:]+(\d{3})\b")
_logger = logging.getLogger("apprise")
_logger.propagate = False  # its lines may quote a URL; `_Statuses` takes the number of the answer out of them


class Sender:
    """Sends to one URL, one message at a time.

    Raises:
        ValueError: Apprise does not know such a URL. The message does not quote it.
    """

    def __init__(self, name: str, url: str, *, timeout_seconds: float) -> None:
        self.name, self._timeout_seconds = name, timeout_seconds
        self._client, self._thread = Apprise(), threading.Thread()
        if not self._client.add(url) or not len(self._client):
            raise ValueError(f"{name}: Apprise does not know this URL; see its list of services")

    async def send(self, message: Message) -> str:
        """Send; empty when the service has taken it, else why not."""
        if self._thread.is_alive():
            return "the sending before this one still hangs"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def settle(why: str) -> None:
            if not answer.done():
                answer.set_result(why)

        def work() -> None:
            why = self._send_blocking(message)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, why)

        self._thread = threading.Thread(target=work, name=f"notify {self.name}", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await answer
        except TimeoutError:
            return f"no answer within {self._timeout_seconds:g} s"

    def _send_blocking(self, message: Message) -> str:
        statuses = _Statuses(threading.get_ident())
        _logger.addHandler(statuses)
        try:
            is_sent = self._client.notify(body=message.body, title=message.title, notify_type=message.kind)
        except Exception as error:  # noqa: BLE001 - an exception in a thread would end the daemon
            return type(error).__name__
        finally:
            _logger.removeHandler(statuses)
        if is_sent:
            return ""
        return f"the service answered {statuses.status}" if statuses.status else "the service cannot be reached"


class _Statuses(logging.Handler):
    """Takes the number of the last HTTP answer out of what Apprise logs in one thread."""

    def __init__(self, thread: int) -> None:
        super().__init__(logging.WARNING)
        self.status, self._of_thread = "", thread

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._of_thread and (match := _STATUS.search(record.getMessage())):
            self.status = match[1]
