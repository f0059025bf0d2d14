"""The network guard can fail: it raises, it remembers, and it lets this machine through."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import BREACHES, ROOT, NetworkForbiddenError


@pytest.fixture
def breaches() -> Iterator[Callable[[], list[str]]]:
    """What a test breaches on purpose; it does not count against the session."""
    before = len(BREACHES)
    yield lambda: BREACHES[before:]
    del BREACHES[before:]


def tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def connect() -> None:
    with tcp() as sock:
        sock.connect(("203.0.113.1", 443))


def connect_ex() -> None:
    with tcp() as sock:
        sock.connect_ex(("203.0.113.1", 443))


def connect_v6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.connect(("2001:db8::1", 443, 0, 0))


def datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("203.0.113.1", 53))


def datagram_message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b"x"], [], 0, ("203.0.113.1", 53))


def look_up() -> None:
    socket.getaddrinfo("example.org", 443)


def look_up_bytes() -> None:
    socket.getaddrinfo(b"example.org", None)


def look_up_the_old_way() -> None:
    socket.gethostbyname("example.org")


def create_connection() -> None:
    socket.create_connection(("example.org", 443), timeout=1)


def in_the_event_loop() -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection("example.org", 443), 5))


def in_the_event_loop_by_address() -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection("203.0.113.1", 443), 5))


@pytest.mark.parametrize(
    "leave",
    [
        connect,
        connect_ex,
        connect_v6,
        datagram,
        datagram_message,
        look_up,
        look_up_bytes,
        look_up_the_old_way,
        create_connection,
        in_the_event_loop,
        in_the_event_loop_by_address,
    ],
)
def test_leaving_this_machine_raises_and_is_remembered(
    leave: Callable[[], None], breaches: Callable[[], list[str]]
) -> None:
    with pytest.raises(NetworkForbiddenError):
        leave()
    (breach,) = breaches()
    assert "test_leaving_this_machine_raises_and_is_remembered" in breach


def test_loopback_is_open(breaches: Callable[[], list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, tcp() as client:
        client.connect(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
    assert breaches() == []


def test_a_unix_socket_is_open(tmp_path: Path, breaches: Callable[[], list[str]]) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
    assert breaches() == []


SWALLOWS = """
import contextlib, socket

def test_swallows():
    with contextlib.suppress(Exception):
        socket.create_connection(("203.0.113.1", 443), timeout=1)
"""


WORKERS = ("-p", "xdist.plugin", "-n", "2", "--dist", "worksteal")


def run_pytest(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_inner.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    own = ("-p", "no:cacheprovider", f"--basetemp={folder / 'inner'}")
    command = [sys.executable, "-m", "pytest", *own, *options, str(folder)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_swallowed_breach_fails_the_session_by_name(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, SWALLOWS)
    assert "1 passed" in result.stdout
    assert "network guard: the session fails" in result.stdout
    assert re.search(r"203\.0\.113\.1\S* in \S*test_inner\.py::test_swallows", result.stdout)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_breach_in_a_worker_fails_the_session_by_name(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, SWALLOWS, *WORKERS)
    assert "1 passed" in result.stdout
    assert "network guard: the session fails" in result.stdout
    assert re.search(r"203\.0\.113\.1\S* in \S*test_inner\.py::test_swallows", result.stdout)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_session_that_stays_at_home_passes(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "def test_nothing():\n    pass\n")
    assert result.returncode == pytest.ExitCode.OK, result.stdout


def test_the_shared_folder_is_found_by_its_variable_and_skipped_when_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = "def test_asks(shared):\n    assert shared.is_dir()\n"
    monkeypatch.setenv("SECTORBOT_SHARED", str(tmp_path))
    assert "1 passed" in run_pytest(tmp_path, asks).stdout
    monkeypatch.setenv("SECTORBOT_SHARED", str(tmp_path / "nowhere"))
    assert "1 skipped" in run_pytest(tmp_path, asks).stdout
