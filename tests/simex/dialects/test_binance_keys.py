"""Requests signed with a key pair: Ed25519 and RSA over REST, and a WebSocket API connection that has logged on."""

import base64
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.public_keys import read_public_key
from bot.simex.signing import ApiKey
from tests.simex.dialects.conftest import KEYS, Bench, MakeBench
from tests.simex.dialects.test_binance_streams import Socket

Private = Ed25519PrivateKey | rsa.RSAPrivateKey
KINDS = ("Ed25519", "RSA")
ORDER = {"symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": "9"}


@pytest.fixture(scope="module")
def pairs() -> dict[str, Private]:
    return {"Ed25519": Ed25519PrivateKey.generate(), "RSA": rsa.generate_private_key(65537, 2048)}


def pem_of(private: Private | ec.EllipticCurvePrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature_of(private: Private, payload: str) -> str:
    content = payload.encode()
    if isinstance(private, rsa.RSAPrivateKey):
        return base64.b64encode(private.sign(content, PKCS1v15(), SHA256())).decode()
    return base64.b64encode(private.sign(content)).decode()


@pytest.fixture
def bench(make_bench: MakeBench, pairs: dict[str, Private]) -> Bench:
    own = {name: ApiKey(name, "", "main", public=read_public_key(pem_of(private))) for name, private in pairs.items()}
    return make_bench(keys={**KEYS, **own})


def ask(bench: Bench, name: str, payload: str, signature: str) -> WireReply:
    query = f"{payload}&signature={quote(signature, safe='')}"
    return bench.simex.respond(WireRequest("GET", "/api/v3/account", query, headers={"x-mbx-apikey": name}))


@pytest.mark.parametrize("name", KINDS)
def test_a_request_signed_with_the_private_key_is_taken(bench: Bench, pairs: dict[str, Private], name: str) -> None:
    payload = urlencode({"timestamp": bench.clock.now_ms})
    signature = signature_of(pairs[name], payload)
    assert ask(bench, name, payload, signature).status == 200
    other = signature_of(pairs[KINDS[KINDS.index(name) - 1]], payload)
    for wrong in (signature.swapcase(), "no base64", other, signature_of(pairs[name], payload + "1")):
        reply = ask(bench, name, payload, wrong)
        assert (reply.status, reply.content["code"]) == (400, -1022)
    assert ask(bench, "mainkey", payload, signature).content["code"] == -1022, "another kind of key"


def log_on(bench: Bench, socket: Socket, private: Private, name: str) -> Any:
    params = {"apiKey": name, "timestamp": bench.clock.now_ms}
    signature = signature_of(private, f"apiKey={name}&timestamp={bench.clock.now_ms}")
    return socket.say({"id": 1, "method": "session.logon", "params": {**params, "signature": signature}})


@pytest.mark.parametrize(("path", "is_spot"), [("/ws-api/v3", True), ("/ws-fapi/v1", False)])
def test_who_has_logged_on_trades_without_signatures(
    bench: Bench, pairs: dict[str, Private], path: str, is_spot: bool
) -> None:
    socket = Socket(bench, path)
    stamp = {"timestamp": bench.clock.now_ms}
    place = {"id": 2, "method": "order.place", "params": {**ORDER, **stamp}}
    assert socket.say(place)["error"]["code"] in (-2014, -2015)
    status = log_on(bench, socket, pairs["Ed25519"], "Ed25519")["result"]
    assert (status["apiKey"], status["authorizedSince"]) == ("Ed25519", bench.clock.now_ms)
    assert socket.say(place)["result"]["status"] == "NEW"
    assert socket.say({"id": 3, "method": "order.place", "params": ORDER})["error"]["code"] == -1102, "no timestamp"
    named = {**ORDER, **stamp, "apiKey": "mainkey"}
    assert socket.say({"id": 4, "method": "order.place", "params": named})["error"]["code"] == -1102, "no signature"
    if is_spot:
        assert socket.say({"id": 5, "method": "userDataStream.subscribe"})["result"] == {"subscriptionId": 0}
        assert socket.say({"id": 6, "method": "userDataStream.subscribe"})["error"]["code"] == -2035
        assert socket.say({"id": 7, "method": "session.subscriptions"})["result"] == [{"subscriptionId": 0}]
    assert socket.say({"id": 8, "method": "session.logout"})["result"]["apiKey"] is None
    assert socket.say(place)["error"]["code"] in (-2014, -2015)


def test_only_an_ed25519_key_logs_on(bench: Bench, pairs: dict[str, Private]) -> None:
    socket = Socket(bench, "/ws-api/v3")
    assert log_on(bench, socket, pairs["RSA"], "RSA")["error"]["code"] == -4056
    assert log_on(bench, socket, pairs["RSA"], "Ed25519")["error"]["code"] == -1022
    assert socket.say({"id": 1, "method": "session.status"})["result"]["apiKey"] is None
    assert socket.say({"id": 1, "method": "userDataStream.subscribe"})["error"]["code"] == -2015


@pytest.mark.parametrize("text", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no public key"):
        read_public_key(text)


def test_other_kinds_and_short_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="Ed25519 or an RSA"):
        read_public_key(pem_of(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ValueError, match="1024 bits"):
        read_public_key(pem_of(rsa.generate_private_key(65537, 1024)))  # noqa: S505 - refused
