"""An exception that ends a thread ends the daemon."""

import asyncio
import threading
from collections.abc import Callable


def hand_over(failed: "asyncio.Future[None]") -> Callable[[threading.ExceptHookArgs], None]:
    """A hook for threads: what ends one of them ends the daemon."""
    loop = asyncio.get_running_loop()

    def hook(arguments: threading.ExceptHookArgs) -> None:
        error = arguments.exc_value or RuntimeError("a thread ended")

        def fail() -> None:
            if not failed.done():
                failed.set_exception(error)

        loop.call_soon_threadsafe(fail)

    return hook


async def fail_with(failed: "asyncio.Future[None]") -> None:
    """Until a thread has ended by an exception, and then with it."""
    await failed
