"""The dashboard beside a run: a process that comes back when it is killed and goes when the bot goes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from aiohttp import web

from bot.operate.dashboard import server
from bot.operate.dashboard.beside import dashboard_beside
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.settings.sections import DashboardSettings
from tests.commands import ROOT, environment

WAIT_SECONDS = 30.0
OUTER = """
import os, sys
from bot.operate.dashboard.beside import DashboardProcess
process = DashboardProcess(sys.argv[1:], lambda address: print(process.pid, flush=True))
process.start()
input()
os._exit(1)
"""


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_served(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}static/icon.svg", timeout=5) as answer:  # noqa: S310 - of our own server
            return bool(answer.status == 200)
    except OSError:
        return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_comes_back_when_it_is_killed_and_ends_with_the_block(
    workplace: Path, rotation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("bot.operate.dashboard.beside.RESTART_SECONDS", (0.05,))
    addresses: list[str] = []
    with dashboard_beside(["--journal", str(rotation / "journal.db"), "--port", "0"], addresses.append) as process:
        wait_for(lambda: len(addresses) == 1)
        assert is_served(addresses[0])
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: len(addresses) == 2)
        last = process.pid
        assert is_served(addresses[1])
    assert not is_running(last)


def test_it_ends_when_the_bot_is_killed(workplace: Path, rotation: Path) -> None:
    command = [sys.executable, "-c", OUTER, "--journal", str(rotation / "journal.db"), "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=workplace, env=environment()
    ) as bot:
        assert bot.stdout is not None
        child = int(bot.stdout.readline())
        assert is_running(child)
        bot.kill()
    wait_for(lambda: not is_running(child))


def test_a_child_that_cannot_start_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.operate.dashboard.beside.sys.executable", "/nowhere/python")
    monkeypatch.setattr("bot.operate.dashboard.beside.RESTART_SECONDS", (0.01,))
    with dashboard_beside([]) as process:
        time.sleep(0.1)
        assert process.address == ""


async def test_every_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PORTS_TRIED", 2)
    with ExitStack() as taken:
        last = taken.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        with suppress(OSError):  # another program has it already
            taken.enter_context(socket.create_server(("127.0.0.1", last - 1)))
        with pytest.raises(CommandFailed, match=rf"127\.0\.0\.1:{last - 1} to {last}: address already in use; set"):
            await server.start(web.Application(), DashboardSettings(port=last - 1))
