"""Connection data of a served exchange: a document for programs, and the same as lines of text."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.simex.server import Simex
from bot.simex.signing import ApiKey

DOCUMENT_NAME = "exchange.json"
"""The document in the exchange's state directory."""


def document_of(
    server: Simex, keys: Iterable[ApiKey], signing_keys: Iterable[ApiKey] = (), *, has_control: bool
) -> dict[str, Any]:
    """Addresses, keys, authority, and how to sign a request; for an exchange that listens. `signing_keys` are those of
    clients that sign with a private key of their own."""
    known = tuple(keys)
    guides = server.guides(known[0])
    base = f"http://127.0.0.1:{server.http_port}"
    return {
        "now_ms": server.now_ms(),
        "speed": float(server.speed),
        "http": base,
        "https": f"https://127.0.0.1:{server.https_port}",
        "ca": str(server.ca_path.absolute()),
        "hosts": [host for guide in guides for host in guide.hosts],
        "endpoints": {name: address for guide in guides for name, address in guide.endpoints.items()},
        "control": f"{base}/simex/" if has_control else None,
        "accounts": {key.account: {"key": key.key, "secret": key.secret} for key in known},
        "public_keys": [
            {"account": key.account, "kind": key.public.kind.value, "key": key.key}
            for key in signing_keys
            if key.public
        ],
        "curl": "\n".join(guide.curl for guide in guides),
        "ccxt": "\n\n".join(guide.ccxt for guide in guides),
    }


def lines_of(document: Mapping[str, Any]) -> Iterable[str]:
    """The document as `sectorbot exchange` prints it."""
    now = datetime.fromtimestamp(document["now_ms"] / 1000, UTC)
    yield f"exchange  {now:%Y-%m-%d %H:%M:%S} UTC, speed {document['speed']:g} · Ctrl-C ends it"
    yield ""
    for kind, address in document["endpoints"].items():
        yield f"{kind:<12} {address}"
    yield f"https     {document['https']} and, where they resolve to 127.0.0.1, {', '.join(document['hosts'])}"
    yield f"authority {document['ca']}"
    yield f"control   {document['control'] or 'off; --control switches it on'}"
    for name, pair in document["accounts"].items():
        yield f"account   {name}"
        yield f"  key     {pair['key']}"
        yield f"  secret  {pair['secret']}"
    for own in document["public_keys"]:
        yield f"account   {own['account']}, signing with its {own['kind']} key"
        yield f"  key     {own['key']}"
    yield from ("", "A signed request:", "", document["curl"], "", "The same through ccxt:", "")
    yield from document["ccxt"].splitlines()
