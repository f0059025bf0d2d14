"""A throw-away certificate authority and a client session that can reach nothing but this machine.

Clients keep the venues' real host names: ccxt picks its error tables by host, so a rebased URL would not behave as in
production. Every name resolves to loopback and only the throw-away authority is trusted, so no request can leak.
"""

import datetime
import os
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.simex.dialects import certificate_names

LIFETIME = datetime.timedelta(days=30)
LOOPBACK = "127.0.0.1"
VENUE_NAMES = (*certificate_names(), "localhost")


def make_authority(directory: Path, names: Iterable[str] = VENUE_NAMES) -> tuple[Path, Path]:
    """Write a new authority and a server certificate for `names` and loopback; return (ca.pem, server.pem).

    The authority's own key is never stored: nothing else can be signed with it. `server.pem` holds the server's key and
    is readable by its owner only. `directory` is made when it is missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(path_length=0, organization_name="simex", organization_unit_name="throw-away authority")
    server = authority.issue_cert(*names, LOOPBACK, not_after=datetime.datetime.now(datetime.UTC) + LIFETIME)
    ca_path, server_path = directory / "ca.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(ca_path)
    server_path.unlink(missing_ok=True)
    with os.fdopen(os.open(server_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(server.private_key_and_cert_chain_pem.bytes())
    return ca_path, server_path


def server_context(server_path: Path) -> ssl.SSLContext:
    """TLS for the server: one certificate, whatever name the client asks for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_path)
    return context


def loopback_session(port: int, ca_path: Path) -> aiohttp.ClientSession:
    """A session in which every host is `127.0.0.1:port` and only the authority in `ca_path` is trusted.

    Must be made inside a running loop; the caller closes it. Proxy settings of the environment are not read.
    """
    context = ssl.create_default_context(cafile=str(ca_path))
    return aiohttp.ClientSession(connector=LoopbackConnector(port, context))


class LoopbackResolver(AbstractResolver):
    """Answers every look-up with loopback and one port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=LOOPBACK,
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


class LoopbackConnector(aiohttp.TCPConnector):
    """A connector that resolves literal addresses as well: aiohttp would connect to those without asking a resolver."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._loopback = LoopbackResolver(port)
        super().__init__(ssl=context, resolver=self._loopback)

    async def _resolve_host(self, host: str, port: int, traces: object = None) -> list[ResolveResult]:
        return await self._loopback.resolve(host, port)
