"""The rehearsals of the pages, command by command: the real daemon against `sectorbot exchange --state`.

What an older version has left is in the folder `upgrade/exchange`: journal and exchange of a program between the fourth
and the fifth migration (commit c430004, with 095350a on it so that a run trades at a running exchange). It was killed
in the second of two tranches, with four spot orders sent and the reply to the first of them on its way; then five
minutes went by at the exchange. Snapshots but the newest, and the keys, are left out.
"""

import json
import lzma
import re
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain.order import Order
from bot.domain.order_ids import is_ours
from bot.domain.states import OrderState
from bot.journal.reader import JournalReader
from bot.runtime.exit_codes import ExitCode
from bot.runtime.simulator.reach import DOCUMENT_NAME
from bot.runtime.simulator.serve import ServedExchange, ServeOptions
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.types import SimOrder
from tests.commands import Done, environment, sectorbot_process
from tests.conftest import ROOT
from tests.site.pages import blocks, commands

pytestmark = pytest.mark.slow
START_SECONDS = 240
RECORDED = Path(__file__).parent / "upgrade/exchange"
OLDER_MARKET = ServeOptions(start_ms=1_788_220_800_000, tokens=("BTC", "UNI", "AAVE", "LDO", "ETH", "SOL", "AVAX"))
UNI_PERP = "UNI/USDT:USDT"
TITLE = "## Rehearse it"
NO_PAGE = ("--set", "dashboard.enabled=false")


class Rehearsal:
    """A folder in which the commands of a page are carried out; the exchange runs beside them."""

    def __init__(self, folder: Path, market: ServeOptions | None = None) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.market = market or ServeOptions()  # of the exchange, where it is not the usual one
        self.done: list[tuple[str, Done]] = []

    def carry_out(self, command: str) -> None:
        """One line of a page; a command of the bot may end with what its books say."""
        words = shlex.split(re.sub(r"^(old|new|\.venv)/bin/", "", command))
        if words[0] in {"rm", "cp"}:
            subprocess.run(["bash", "-c", command], cwd=self.folder, check=True, timeout=10)
        elif words[1] == "exchange":
            self.start(*words[1:], *given(self.market))
        elif words[1] == "run" and "--once" not in words:
            self.done.append((command, self.run_until(lambda cycle: cycle["is_agreed"], *words[1:])))
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

    def run_until(self, is_enough: Callable[[dict[str, Any]], bool], *arguments: str, last: str = "") -> Done:
        """The daemon until a cycle says enough, `last` while it still runs, then Ctrl-C."""
        command = [sys.executable, "-m", "bot", *arguments, "--set", "cadence.cycle_seconds=1", *NO_PAGE]
        log = self.folder / "run.log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=file, stderr=file)
        self.processes.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not any(event["event"] == "cycle" and is_enough(event) for event in lines_of(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        if last:
            self.carry_out(last)
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

    @contextmanager
    def kept(self) -> Iterator[Exchange]:
        """The exchange by its kept state, once nobody has it any more."""
        self.stop()
        served = ServedExchange(replace(self.market, state=self.folder / "exchange"))
        try:
            yield served.exchange
        finally:
            served.close()

    def orders(self) -> list[SimOrder]:
        """What the exchange has taken from the bot, stops' children left out."""
        with self.kept() as exchange:
            orders = [order for symbol in exchange.instruments for order in exchange.orders("main", symbol)]
        return [order for order in orders if order.parent_id is None and is_ours(order.client_id, "main")]

    def sent(self) -> list[tuple[str, str]]:
        """The same as (symbol, client id)."""
        return [(order.symbol, order.client_id) for order in self.orders()]

    def events(self, command: str) -> list[list[dict[str, Any]]]:
        """The log lines of each time that a command was carried out."""
        runs = [done.stdout + done.stderr for known, done in self.done if known.endswith(command)]
        return [lines_of(text) for text in runs]


def given(market: ServeOptions) -> list[str]:
    """The options of `sectorbot exchange` for a market that is not the usual one."""
    if market.start_ms is None:
        return []
    day = datetime.fromtimestamp(market.start_ms / 1000, UTC)
    return ["--start", f"{day:%Y-%m-%d}", "--tokens", ",".join(market.tokens)]


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
    forget_keys(workplace)


@pytest.fixture
def older(workplace: Path) -> Iterator[Rehearsal]:
    """The folder as an older program has left it, killed while the reply to an order was on its way."""
    journal, state = workplace / "var/exchange-trade/journal.db", workplace / "exchange/exchange.db"
    for file in (journal, state):
        file.parent.mkdir(parents=True)
        file.write_bytes(lzma.decompress((RECORDED / f"{file.name}.xz").read_bytes()))
    (workplace / "sectorbot.toml").write_bytes((RECORDED / "sectorbot.toml").read_bytes())
    with closing(sqlite3.connect(state)) as db:  # the recorded keys are nobody's any more
        keys = {"main": [secrets.token_hex(32), secrets.token_hex(32)]}
        db.execute("INSERT INTO part VALUES (?, ?)", ['["keys"]', json.dumps(keys)])
        db.commit()
    made = Rehearsal(workplace, OLDER_MARKET)
    yield made
    made.stop()
    forget_keys(workplace)


def forget_keys(folder: Path) -> None:
    """Keys are where they belong, and are left nowhere."""
    for file in ("exchange.db", DOCUMENT_NAME, "server.pem"):
        (folder / "exchange" / file).unlink(missing_ok=True)


def commands_of(name: str, *, rehearsed: bool = True) -> list[str]:
    """The commands below the title of the page, or those above it."""
    page = ROOT / "docs" / name
    before = page.read_text(encoding="utf-8").partition(f"\n{TITLE}\n")[0]
    found = [command for block in blocks(page) for command in commands(block)]
    return [command for command in found if (f"$ {command}\n" not in before) is rehearsed]


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


def journaled(folder: Path) -> dict[str, Order]:
    reader = JournalReader(folder / "var/exchange-trade/journal.db")
    try:
        return {order.client_id: order for order in reader.load_orders(1_000)}
    finally:
        reader.close()


def is_over(cycle: dict[str, Any]) -> bool:
    """Whether the rotation is done, and the cycle has nothing to send."""
    return bool(cycle["campaign"] == "1 done" and not cycle["intents"])


def migrations_of(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "var/exchange-trade/journal.db")) as db:
        return [row[0] for row in db.execute("SELECT name FROM _sqlite_migrations ORDER BY rowid")]


def test_a_journal_and_an_exchange_of_an_older_version_are_upgraded_as_the_page_says(older: Rehearsal) -> None:
    folder = older.folder
    before, known = older.orders(), journaled(folder)
    (doubtful,) = [order for order in known.values() if order.state is OrderState.SUBMITTING]
    assert doubtful.client_id in {order.client_id for order in before}, "it has executed, and the journal does not know"
    had = migrations_of(folder)

    older.carry_out("sectorbot exchange --state exchange")
    for command in commands_of("upgrade.md", rehearsed=False):
        older.carry_out(command)
    assert migrations_of(folder) == had, "what is asked before the start leaves the journal to the older version"
    log = lines_of(older.run_until(is_over, "run", last="sectorbot status").stdout)
    (migrated,) = [event for event in log if event["event"] == "journal_migrated"]
    assert migrated["migrations"] == migrations_of(folder)[len(had) :] == ["m005_parts"]
    assert all(event["is_agreed"] for event in log if event["event"] == "cycle")
    older.carry_out("sectorbot run --once")
    older.carry_out("sectorbot journal verify")
    assert all(done.returncode == ExitCode.OK for _, done in older.done)
    (again,) = older.events("run --once")
    assert not {"journal_migrated", "executed"} & {event["event"] for event in again}

    after, now = older.orders(), journaled(folder)
    assert [order.client_id for order in after if ":" not in order.symbol] == [
        order.client_id for order in before if ":" not in order.symbol
    ], "no spot order of the tranche is sent again"
    assert max(Counter(order.client_id for order in after).values()) == 1
    assert {order.client_id: order.filled_size for order in after} == {n: order.filled_size for n, order in now.items()}
    assert now[doubtful.client_id].state is OrderState.FILLED
    with older.kept() as exchange:
        (position,) = exchange.positions("main")
        (stop,) = [order for order in exchange.open_orders("main") if order.trigger_price is not None]
    assert (stop.symbol, stop.size) == (position.symbol, position.size) == (UNI_PERP, position.size)
    assert stop.client_id in now
