"""The rehearsals of the pages, command by command: the real daemon against `sectorbot exchange --state`."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.order_ids import is_ours
from bot.runtime.exit_codes import ExitCode
from bot.runtime.simulator.reach import DOCUMENT_NAME
from bot.runtime.simulator.serve import ServedExchange, ServeOptions
from tests.commands import Done, environment, sectorbot_process
from tests.conftest import ROOT
from tests.site.pages import blocks, commands

pytestmark = pytest.mark.slow
START_SECONDS = 240
TITLE = "## Rehearse it"
NO_PAGE = ("--set", "dashboard.enabled=false")


class Rehearsal:
    """A folder in which the commands of a page are carried out; the exchange runs beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.done: list[tuple[str, Done]] = []

    def carry_out(self, command: str) -> None:
        """One line of a page; a command of the bot may end with what its books say."""
        words = shlex.split(re.sub(r"^(old|new)/bin/", "", command))
        if words[0] in {"rm", "cp"}:
            subprocess.run(["bash", "-c", command], cwd=self.folder, check=True, timeout=10)
        elif words[1] == "exchange":
            self.start(*words[1:])
        elif words[1] == "run" and "--once" not in words:
            self.done.append((command, self.run_until_agreed(*words[1:])))
        else:
            assert words[0] == "sectorbot", command
            done = sectorbot_process(*words[1:], cwd=self.folder)
            assert done.returncode in {ExitCode.OK, ExitCode.MISMATCH}, (command, done.stdout, done.stderr)
            self.done.append((command, done))

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "bot", *arguments]
        process = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL)
        self.processes.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not (self.folder / "exchange" / DOCUMENT_NAME).is_file():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def run_until_agreed(self, *arguments: str) -> Done:
        """The daemon until its books are right, then Ctrl-C."""
        command = [sys.executable, "-m", "bot", *arguments, "--set", "cadence.cycle_seconds=1", *NO_PAGE]
        log = self.folder / "run.log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=file, stderr=file)
        self.processes.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not any(event["event"] == "cycle" and event["is_agreed"] for event in lines_of(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        self.processes.remove(process)
        return subprocess.CompletedProcess(command, 0, log.read_text(), "")

    def stop(self) -> None:
        """End the exchange, and a bot that a failed assertion has left."""
        while self.processes:
            process = self.processes.pop()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    def sent(self) -> list[tuple[str, str]]:
        """What the exchange has taken from the bot by its kept state, stops' children left out: (symbol, client id)."""
        self.stop()
        served = ServedExchange(ServeOptions(state=self.folder / "exchange"))
        try:
            exchange = served.exchange
            orders = [order for symbol in exchange.instruments for order in exchange.orders("main", symbol)]
            return [(o.symbol, o.client_id) for o in orders if o.parent_id is None and is_ours(o.client_id, "main")]
        finally:
            served.close()

    def events(self, command: str) -> list[list[dict[str, Any]]]:
        """The log lines of each time that a command was carried out."""
        runs = [done.stdout + done.stderr for known, done in self.done if known.endswith(command)]
        return [lines_of(text) for text in runs]


def lines_of(log: str) -> list[dict[str, Any]]:
    """The events of a log; its last line may be written half."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]


@pytest.fixture
def rehearsal(workplace: Path) -> Iterator[Rehearsal]:
    (block,) = [block for block in blocks(ROOT / "docs/backup.md") if block.name == "sectorbot.toml"]
    (workplace / "sectorbot.toml").write_text(block.text)
    made = Rehearsal(workplace)
    yield made
    made.stop()
    for file in ("exchange.db", DOCUMENT_NAME, "server.pem"):  # keys are where they belong, and are left nowhere
        (workplace / "exchange" / file).unlink(missing_ok=True)


def commands_of(name: str) -> list[str]:
    """The commands below the title of the page."""
    page = ROOT / "docs" / name
    before = page.read_text(encoding="utf-8").partition(f"\n{TITLE}\n")[0]
    found = [command for block in blocks(page) for command in commands(block)]
    return [command for command in found if f"$ {command}\n" not in before]


def test_a_restore_is_rehearsed_as_the_page_says(rehearsal: Rehearsal) -> None:
    for command in commands_of("backup.md"):
        rehearsal.carry_out(command)
    (bought,) = rehearsal.events("sectorbot run --once")
    assert any(event["event"] == "executed" for event in bought)
    rotated, restored, _ = rehearsal.events("override=euphoria")
    assert any(event["event"] == "executed" for event in rotated)
    cycles = [event for event in restored if event["event"] == "cycle"]
    assert cycles
    assert not any(event["is_agreed"] for event in cycles)
    assert not any(event["event"] == "executed" and event["side"] == "buy" for event in restored)
    sent = rehearsal.sent()
    assert len(sent) > 4
    assert max(Counter(sent).values()) == 1, "an id was used twice"


def test_an_upgrade_is_rehearsed_as_the_page_says(rehearsal: Rehearsal) -> None:
    for command in commands_of("upgrade.md"):
        rehearsal.carry_out(command)
    old, new = rehearsal.events("sectorbot run --once")
    assert [event["event"] for event in old].count("executed") > 0
    assert not any(event["event"] == "executed" for event in new), "nothing is sent twice"
    assert [event for event in new if event["event"] == "cycle"][-1]["is_agreed"]
    taken = rehearsal.sent()
    assert max(Counter(taken).values()) == 1
