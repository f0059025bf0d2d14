"""What aiohttp's TLS takes of a bot's start, and that a connection is verified as it would be without."""

import asyncio
import json
import ssl
import subprocess
import sys
from asyncio.sslproto import SSLProtocol
from pathlib import Path

import pytest
import trustme

from tests.commands import environment

ASKED = """
from bot.runtime.start.lean_tls import import_aiohttp
import_aiohttp()
import asyncio, json, ssl, sys
import aiohttp
from aiohttp import connector, web

def authorities():
    return connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"]

async def ask(url, **how):
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url, **how) as answer:
                return answer.status
        except aiohttp.ClientConnectorCertificateError as error:
            return type(error).__name__

async def work():
    app = web.Application()
    app.router.add_get("/", lambda request: asyncio.sleep(0, web.Response()))
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1])
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    url = f"https://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    before = authorities()
    found = [await ask(url), await ask(url), await ask(url, ssl=False)]
    print(json.dumps([before, authorities(), found]))
    await runner.cleanup()

asyncio.run(work())
"""


@pytest.mark.parametrize(
    ("is_trusted", "answers"),
    [(True, [200, 200, 200]), (False, ["ClientConnectorCertificateError"] * 2 + [200])],
    ids=["trusted", "not trusted"],
)
def test_the_authorities_are_read_for_the_first_connection_and_decide(
    is_trusted: bool, answers: list[object], tmp_path: Path
) -> None:
    issuer, other = trustme.CA(), trustme.CA()
    issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    (issuer if is_trusted else other).cert_pem.write_to_path(str(tmp_path / "authorities.pem"))
    places = {"SSL_CERT_FILE": str(tmp_path / "authorities.pem"), "SSL_CERT_DIR": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(tmp_path / "server.pem")],
        env=environment() | places,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [0, 1, answers]


BEGUN = """
import asyncio, contextlib, json, sys
from asyncio.sslproto import SSLProtocol
from bot.__main__ import main

def ended(work, **_):
    work.close()
    from aiohttp import connector
    both = (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED)
    print(json.dumps([*(context.cert_store_stats()["x509_ca"] for context in both), SSLProtocol.max_size]))
    sys.exit()

asyncio.run = ended
main()
"""


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_command_begins_without_authorities_and_with_small_buffers(command: str, finished_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGUN, command],
        cwd=finished_run,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 32 * 1024]


async def test_what_arrives_is_read_whole_through_a_small_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the buffer, in records and in one piece."""
    monkeypatch.setattr(SSLProtocol, "max_size", 32 * 1024)
    issuer = trustme.CA()
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    issuer.issue_cert("127.0.0.1").configure_cert(theirs)
    issuer.configure_trust(ours)
    sent = bytes(range(256)) * 4096

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=theirs)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1], ssl=ours)
        assert await asyncio.wait_for(reader.read(), 30) == sent
        writer.close()
