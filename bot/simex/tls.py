"""A throw-away certificate authority and a client session that can reach nothing but this machine.

Clients keep the venues' real host names: ccxt picks its error tables by host, so a rebased URL would not behave as in
production. Every name resolves to loopback and only the throw-away authority is trusted, so no request can leak.
"""

import datetime
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=30)
LOOPBACK = "127.0.0.1"
VENUE_NAMES = (
    "binance.com",
    "*.binance.com",
    "binancefuture.com",
    "*.binancefuture.com",
    "binance.vision",
    "*.binance.vision",
    "*.testnet.binance.vision",
    "bybit.com",
    "*.bybit.com",
    "localhost",
)


def make_authority(directory: Path, names: Iterable[str] = VENUE_NAMES) -> tuple[Path, Path]:
    """Write a new authority and a server certificate for `names` and loopback; return (ca.pem, server.pem).

    The authority's own key is never stored: nothing else can be signed with it. `server.pem` holds the server's key and
    is readable by its owner only. `directory` is made when it is missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("simex throw-away authority")
    authority = (
        _builder(issuer, issuer, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    server = (
        _builder(_name("simex"), issuer, server_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    ca_path, server_path = directory / "ca.pem", directory / "server.pem"
    pem = serialization.Encoding.PEM
    key_pem = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_path.write_bytes(authority.public_bytes(pem))
    server_path.unlink(missing_ok=True)
    with os.fdopen(os.open(server_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(server.public_bytes(pem) + key_pem)
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


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
