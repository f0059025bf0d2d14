"""Logs: secrets in any shape never pass, whichever renderer writes, and local variables are never shown."""

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.runtime import logs
from bot.runtime.redaction import STARS, Redactor
from tests.commands import environment

SECRET = "Zx9/+kQ==s3cr3t-Value'7"
KEY = "AKIAkeykeykey42"
Log = Callable[[], str]


@pytest.fixture(params=["console", "json"])
def written(request: pytest.FixtureRequest) -> Log:
    stream = io.StringIO()
    logs.configure(style=request.param, level="debug", secrets=(SECRET, KEY), stream=stream)
    return stream.getvalue


def check_clean(text: str) -> None:
    assert text.strip(), "nothing was written at all"
    for form in (SECRET, KEY, quote(SECRET, safe=""), repr(SECRET)[1:-1]):
        assert form not in text


NASTY: dict[str, dict[str, Any]] = {
    "in a text": {"why": f"request with {SECRET} failed"},
    "by name": {"api_secret": "unknown-to-us", "apiKey": "unknown-to-us", "X-MBX-APIKEY": "unknown-to-us"},
    "in a mapping": {"headers": {"X-MBX-APIKEY": "unknown-to-us", "Accept": "x"}},
    "as a key": {"by": {SECRET: 1}},
    "deep": {"a": [{"b": ({"c": {SECRET}},)}]},
    "in an object": {"thing": ValueError(SECRET)},
    "in bytes": {"body": f"x={SECRET}".encode()},
    "in an address": {"url": "https://host/api?timestamp=1&signature=unknown-to-us&x=1"},
    "quoted in an address": {"url": f"https://host/api?key={quote(SECRET, safe='')}"},
    "in a header's words": {
        "why": "headers={'X-MBX-APIKEY': 'unknown-to-us'}",
        "also": "Authorization: Bearer unknown-to-us",
    },
    "in the headers of a venue": {
        "why": "ACCESS-KEY: unknown-to-us, 'ACCESS-SIGN': 'unknown-to-us'; access-passphrase=unknown-to-us",
        "also": "headers={'X-MEXC-APIKEY': 'unknown-to-us', 'X-BX-APIKEY': 'unknown-to-us'}",
        "headers": {
            "ACCESS-KEY": "unknown-to-us",
            "ACCESS-SIGN": "unknown-to-us",
            "Access-Passphrase": "unknown-to-us",
        },
    },
    "in JSON": {"body": '{"listenKey":"unknown-to-us"}'},
    "in a path": {"where": Path("/run") / KEY},
    "as a list by name": {"passwords": ["unknown-to-us", 2]},
}


@pytest.mark.parametrize("kind", NASTY)
def test_a_secret_in_an_event_does_not_pass(written: Log, kind: str) -> None:
    structlog.get_logger().info(f"event of {KEY}", **NASTY[kind])
    check_clean(written())
    assert "unknown-to-us" not in written()


def test_what_is_no_secret_passes(written: Log) -> None:
    structlog.get_logger().info("done", token="ETH", has_secret=True, api_key=None, count=3, url="https://host/a?b=1")
    for part in ("ETH", "done", "3", "https://host/a?b=1"):
        assert part in written()
    assert STARS not in written()


def fail_with_a_secret_in_sight() -> None:
    api_secret = "only-in-a-local-variable"
    raise ConnectionError(f"GET /account?signature=abcdef0123 {SECRET} {len(api_secret)}")


def test_an_exception_shows_neither_locals_nor_secrets(written: Log) -> None:
    try:
        fail_with_a_secret_in_sight()
    except ConnectionError:
        structlog.get_logger().exception("failed")
    check_clean(written())
    assert "only-in-a-local-variable" not in written().replace('api_secret = "only-in-a-local-variable"', "")
    assert "abcdef0123" not in written()
    assert "fail_with_a_secret_in_sight" in written()


def test_a_chain_of_exceptions_is_cleaned_all_the_way(written: Log) -> None:
    try:
        try:
            fail_with_a_secret_in_sight()
        except ConnectionError as error:
            raise RuntimeError(f"while asking with {KEY}") from error
    except RuntimeError:
        structlog.get_logger().exception("failed")
    check_clean(written())
    assert "abcdef0123" not in written()


def test_other_packages_write_through_the_same_filter(written: Log) -> None:
    logger = logging.getLogger("aiohttp.client")
    logger.warning("asked %s with %s", "https://host/?signature=abcdef0123", SECRET)
    try:
        fail_with_a_secret_in_sight()
    except ConnectionError:
        logger.exception("failed")
    check_clean(written())
    assert "abcdef0123" not in written()
    assert "asked" in written()


def test_warnings_write_through_the_same_filter(written: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"careful with {SECRET}", stacklevel=1)
    check_clean(written())


def test_an_exception_nobody_catches_is_cleaned(written: Log) -> None:
    try:
        fail_with_a_secret_in_sight()
    except ConnectionError as error:
        sys.excepthook(ConnectionError, error, error.__traceback__)
    check_clean(written())
    assert "uncaught" in written()


def test_json_lines_are_json_whatever_is_logged() -> None:
    stream = io.StringIO()
    logs.configure(style="json", stream=stream)
    structlog.get_logger().info("one\ntwo", thing=object(), name={1: b"\xff", "at": {1, 2}}, nothing=float("nan"))
    logging.getLogger("x").error("three")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["one\ntwo", "three"]
    assert all("at" in line and "level" in line for line in lines)


def test_events_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure(style="json", level="warning", stream=stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    stream = io.StringIO()
    logs.configure(style="auto", stream=stream)
    structlog.get_logger().info("x")
    assert json.loads(stream.getvalue())["event"] == "x"


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_never_survives_in_any_text(secret: str, before: str, after: str) -> None:
    if set(secret) <= {"*"}:
        return
    assert secret not in Redactor([secret]).text(before + secret + after)


def test_a_process_that_dies_shows_no_locals(tmp_path: Path) -> None:
    program = (
        "from bot.runtime import logs\n"
        "logs.configure(style='auto', secrets=('hunter2hunter2',))\n"
        "def f():\n    password = 'hunter2' * 2\n    raise OSError('bad ' + password)\n"
        "f()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "hunter2hunter2" not in done.stderr
    assert json.loads(done.stderr)["event"] == "uncaught"
