"""The throw-away authority, and the session that can reach nothing but this machine."""

import datetime
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from bot.simex.tls import VENUE_NAMES, loopback_session, make_authority, server_context


@pytest.fixture
async def echo_port(tmp_path: Path) -> AsyncIterator[int]:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.host} {request.path}")

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    _, server_path = make_authority(tmp_path)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(server_path)).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.mark.parametrize(
    "host",
    [
        "api.binance.com",
        "fapi.binance.com",
        "demo-fapi.binance.com",
        "testnet.binance.vision",
        "testnet.binancefuture.com",
        "api.bybit.com",
        "127.0.0.1",
    ],
)
async def test_every_venue_host_is_reached_under_its_own_name(echo_port: int, tmp_path: Path, host: str) -> None:
    async with loopback_session(echo_port, tmp_path / "ca.pem") as session, session.get(f"https://{host}/x") as reply:
        assert await reply.text() == f"{host} /x"


async def test_a_host_outside_the_certificate_fails_instead_of_leaving_the_machine(
    echo_port: int, tmp_path: Path
) -> None:
    async with loopback_session(echo_port, tmp_path / "ca.pem") as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get("https://example.com/")


async def test_another_authority_is_not_trusted(echo_port: int, tmp_path: Path) -> None:
    other, _ = make_authority(tmp_path / "other")
    async with loopback_session(echo_port, other) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get("https://api.binance.com/")


def test_the_servers_key_is_private_and_the_authoritys_is_nowhere(tmp_path: Path) -> None:
    for _ in range(2):
        ca_path, server_path = make_authority(tmp_path)
    assert stat.S_IMODE(server_path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in ca_path.read_bytes()
    assert server_path.read_bytes().count(b"PRIVATE KEY-----\n") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "server.pem"]
    assert ssl.create_default_context(cafile=str(ca_path)).get_ca_certs()
    assert "localhost" in VENUE_NAMES


def test_the_certificate_of_the_server_ends_within_a_month_and_signs_nothing(tmp_path: Path) -> None:
    _, server_path = make_authority(tmp_path)
    certificate = x509.load_pem_x509_certificate(server_path.read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=1) < left <= datetime.timedelta(days=31)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
