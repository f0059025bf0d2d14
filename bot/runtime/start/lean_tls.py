"""aiohttp, imported without what its TLS takes and a bot does not use.

It reads the system's list of authorities twice while it is imported, 40 ms of CPU and 2 MiB. The venue's connections
have a list of their own, so the system's is read for the first connection that needs it. And asyncio sets 256 KiB aside
for each connection, though a record of TLS has at most 16 KiB: a bot has up to 32 connections.
"""

import importlib
import ssl
import sys
from asyncio.sslproto import SSLProtocol
from functools import partial
from typing import Any

BUFFER_BYTES = 32 * 1024


def import_aiohttp() -> None:
    """Import it, unless something else has; from here on each connection sets `BUFFER_BYTES` aside."""
    SSLProtocol.max_size = BUFFER_BYTES
    if "aiohttp" in sys.modules:
        return
    waiting: list[ssl.SSLContext] = []

    def put_off(context: ssl.SSLContext) -> None:
        waiting.append(context)

    ssl.SSLContext.set_default_verify_paths = put_off  # type: ignore[assignment, method-assign]
    try:
        importlib.import_module("aiohttp")
    finally:
        del ssl.SSLContext.set_default_verify_paths
    for context in waiting:
        context.wrap_bio = partial(_read_and_wrap, context)  # type: ignore[method-assign]


def _read_and_wrap(context: ssl.SSLContext, *arguments: Any, **named: Any) -> ssl.SSLObject:
    """`SSLContext.wrap_bio` of a context whose authorities have not been read."""
    context.set_default_verify_paths()
    vars(context).pop("wrap_bio", None)
    return context.wrap_bio(*arguments, **named)
