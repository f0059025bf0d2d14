"""The daemon as a process and as a loop: crashes, a second one, the kill switch, flattening, and how it ends."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.states import KillLevel, OrderState
from bot.journal.journal import JournalBusy, JournalError, JournalReader
from bot.ports import StreamNews, StreamState
from bot.runtime.cycle import Cycle, CycleResult
from bot.runtime.daemon import Daemon, Health
from bot.runtime.kill.switch import FlagFile, ResumeFile, ResumeRequest
from bot.runtime.settings.model import load_settings
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.start.attempts import only_daemon_of
from bot.runtime.wiring import App
from bot.simex.engine.exchange import Exchange
from tests.commands import environment, sectorbot_process
from tests.runtime.test_early_exit import AAVE, SIZE, long_before_the_rise
from tests.stage import FEW, QUIET_MS, Stage, notes_of, staged

JOURNAL_METHODS = ("record_submitting", "record_order_event", "record_fills", "record_cycle")
VENUE_METHODS = (
    "admit",
    "submit_order",
    "fetch_order",
    "fetch_fills",
    "cancel_order",
    "set_leverage",
    "move_cash",
    "fetch_open_orders",
    "fetch_account",
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def until(what: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


class Crash(BaseException):
    """The process ends here. No Exception, so that nothing in the bot takes it for an error it can handle."""


def light_fuse(app: App, length: int, patch: pytest.MonkeyPatch, *, acts_first: bool) -> list[str]:
    """Die in the `length`-th call of journal or venue, before or after it took effect; afterwards nothing works."""
    burnt: list[str] = []
    left = [length]

    def fragile(original: Callable[..., Any], name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and acts_first:
                await original(*args, **kwargs)
            if left[0] <= 0:
                burnt.append(name)
                raise Crash(name)
            return await original(*args, **kwargs)

        return call

    for owner, names in ((app.journal, JOURNAL_METHODS), (app.venue, VENUE_METHODS)):
        for name in names:
            patch.setattr(owner, name, fragile(getattr(owner, name), name))
    return burnt


async def let_go(app: App) -> None:
    """Files and sockets end with the process; nothing is finished."""
    await app.venue.close()
    await app.session.close()
    await app.journal.close()


@pytest.mark.parametrize("seed", range(2))
async def test_a_crash_at_any_await_is_finished_by_the_next_start_without_a_second_execution(
    stage: Stage, seed: int
) -> None:
    dice, deaths = random.Random(seed), list[str]()
    for _ in range(2):
        app = await stage.build()
        with pytest.MonkeyPatch.context() as patch:
            burnt = light_fuse(app, dice.randrange(8, 110), patch, acts_first=dice.random() < 0.5)
            with suppress(Crash, BaseExceptionGroup):
                await stage.rotate(app)
            deaths += burnt[:1]
        await let_go(app)
        stage.embedded.clock.skip(QUIET_MS)
    assert deaths, "the process died at least once"
    async with stage.app() as app:
        await stage.rotate(app)
        await stage.check_books(app)
        orders = app.journal.reader.load_orders(10_000)
        assert not [o for o in orders if o.state in (OrderState.SUBMITTING, OrderState.IN_DOUBT)]
        for intent in {order.intent_id for order in orders}:
            parts = [order for order in orders if order.intent_id == intent]
            filled = sum((part.filled_size for part in parts), Decimal(0))
            assert filled <= max(part.size for part in parts), f"{intent} was executed more than once"
        sectors = stage.results[-1].portfolio.sectors
        assert abs(sectors["defi"].spot - 48_000) < 300
        assert abs(sectors["infra"].spot - 35_000) < 300


async def test_a_second_bot_on_the_same_journal_is_told_which_process_has_it(stage: Stage) -> None:
    async with stage.app() as app:
        with pytest.raises(JournalBusy, match=rf"\b{os.getpid()}\b"):
            await stage.build()
        assert (await stage.turn(app)).truth.is_agreed, "the first one is not disturbed"


@pytest.mark.usefixtures("workplace")
def test_a_state_directory_that_cannot_be_made_is_named_with_the_reason() -> None:
    Path("var").write_text("")
    settings = load_settings()
    with pytest.raises(JournalError, match=r"^var: is a file, where a folder is meant"), only_daemon_of(settings):
        pass


def serve(app: App, stage: Stage) -> tuple["asyncio.Task[int]", asyncio.Event]:
    """The daemon's own loop over a running App."""
    stop = asyncio.Event()
    health = Health(stage.settings.state_directory / "health.json", "trade", "sim")
    return asyncio.create_task(Daemon(app, stage.settings, health, stop).run(None)), stop


@dataclass
class Told:
    """A stream of prices that says what a test lets it say."""

    hear: Callable[[StreamNews], None] | None = None
    name: str = "prices"

    def state(self) -> StreamState:
        return StreamState(True, 0.0)

    async def run(self, hear: Callable[[StreamNews], None]) -> None:
        self.hear = hear
        await asyncio.Event().wait()


async def test_a_mark_at_an_exit_level_is_closed_by_a_turn_ahead_of_its_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.runtime.streams.early_exit.DEADLINE_MS", 60_000)
    taken, done, stream, kinds = Cycle._counted, Cycle.close_early, Told(), list[str]()

    async def counted(self: Cycle, kind: str) -> CycleResult:
        result = await taken(self, kind)
        kinds.append(result.kind)
        return result

    async def closed(self: Cycle, symbols: Sequence[str]) -> CycleResult | None:
        result = await done(self, symbols)
        kinds.append(result.kind if result is not None else "nothing to close")
        return result

    monkeypatch.setattr(Cycle, "_counted", counted)
    monkeypatch.setattr(Cycle, "close_early", closed)
    async with long_before_the_rise(tmp_path) as held:
        held.app.streams = (stream,)
        kinds.clear()
        task, stop = serve(held.app, held.stage)
        await until(lambda: bool(kinds) and stream.hear is not None, 60)
        held.rise()
        mark = (await held.app.venue.fetch_quotes([AAVE]))[AAVE].mark
        assert stream.hear is not None
        stream.hear(StreamNews(held.app.clock.now_ms(), AAVE, mark))
        await until(lambda: len(kinds) > 2, 60)
        stop.set()
        await task
        assert kinds[:3] == ["cycle", "early_exit", "guard"]
        assert held.size == SIZE / 2


@pytest.mark.slow
async def test_the_flag_file_cancels_and_latches_until_somebody_resumes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a turn may take longer than the switch waits for one that hangs; none hangs here.
    monkeypatch.setattr("bot.runtime.cycle.TURN_GRACE_SECONDS", 30.0)
    exchange, directory = stage.embedded.exchange, stage.settings.state_directory
    flag = FlagFile(directory)
    async with stage.app() as app:
        task, stop = serve(app, stage)
        await until(lambda: bool(exchange.open_orders(ACCOUNT)), 20)
        flag.record(KillLevel.CANCEL_ALL, "test")
        await until(lambda: not exchange.open_orders(ACCOUNT) and not app.journal.reader.load_working())
        await until(lambda: app.journal.reader.load_latch().level is KillLevel.CANCEL_ALL)
        sent = stage.writes()
        await app.cycle.run()
        await app.cycle.guard()
        assert stage.writes() == sent, "nothing is sent after the switch"
        stop.set()
        assert await task == 0
    flag.remove()
    async with stage.app() as app:
        assert app.kill.level() is KillLevel.CANCEL_ALL, "the latch outlives flag file and process"
        stage.embedded.clock.skip(3_600_000)
        await app.cycle.run()
        assert stage.writes() == sent
        task, stop = serve(app, stage)
        asked = ResumeFile(directory)
        asked.record(ResumeRequest("the cause is understood"))
        await until(lambda: not asked.path.exists())
        assert app.kill.level() is KillLevel.OFF
        assert app.journal.reader.load_latch().level is KillLevel.OFF
        stop.set()
        await task
        await stage.rotate(app)
        assert stage.writes() > sent, "it trades again"
        await stage.check_books(app)


async def test_a_flag_that_still_stands_refuses_a_resume(stage: Stage) -> None:
    flag, asked = FlagFile(stage.settings.state_directory), ResumeFile(stage.settings.state_directory)
    async with stage.app() as app:
        flag.record(KillLevel.CANCEL, "test")
        task, stop = serve(app, stage)
        await until(lambda: app.journal.reader.load_latch().level is KillLevel.CANCEL)
        asked.record(ResumeRequest("too early"))
        await until(lambda: not asked.path.exists())
        assert app.kill.level() is KillLevel.CANCEL
        assert stage.writes() == 0
        stop.set()
        await task


class Cover:
    """After every execution at the exchange: by how much the shorts exceed the spot of the sector they hedge."""

    def __init__(self, stage: Stage, hedges: dict[str, str]) -> None:
        exchange = stage.embedded.exchange
        self._sectors, self._hedges = stage.settings.universe, hedges
        self._prices = {symbol: exchange.quote(symbol).mid for symbol in exchange.instruments}
        self._held = {asset: balance.total for asset, balance in exchange.balances(ACCOUNT).items()}
        self._short = {position.symbol: -position.size for position in exchange.positions(ACCOUNT)}
        self.moments: list[Decimal] = []
        exchange.listeners.append(self._on_event)

    def _on_event(self, event: Any) -> None:
        trade = event.trade
        if trade is None:
            return
        change = trade.size * trade.side.sign
        if ":" in trade.symbol:
            self._short[trade.symbol] = self._short.get(trade.symbol, Decimal(0)) - change
        else:
            asset = trade.symbol.partition("/")[0]
            self._held[asset] = self._held.get(asset, Decimal(0)) + change
        self.moments.append(self._naked())

    def _naked(self) -> Decimal:
        worst = Decimal(0)
        for sector in self._sectors.sectors:
            spot = sum(
                (
                    self._held.get(token, Decimal(0)) * self._prices[f"{token}/USDT"] * weights.get(sector, Decimal(0))
                    for token, weights in self._sectors.tokens.items()
                    if f"{token}/USDT" in self._prices
                ),
                Decimal(0),
            )
            short = sum(
                (
                    max(size, Decimal(0)) * self._prices[s]
                    for s, size in self._short.items()
                    if self._hedges.get(s) == sector
                ),
                Decimal(0),
            )
            worst = max(worst, short - spot)
        return worst


@dataclass
class Flattened:
    """What a flatten from the middle of a rotation has left, and all it went through."""

    exchange: Exchange
    moments: list[Decimal]
    words: list[str]


@pytest.fixture(scope="module")
def flattened(tmp_path_factory: pytest.TempPathFactory) -> Flattened:
    return asyncio.run(_flatten(tmp_path_factory.mktemp("flatten")))


async def _flatten(directory: Path) -> Flattened:
    """Rounds until two in a row have moved nothing."""
    async with staged(directory, "playbook.constants.flatten_slice=0.5") as stage, stage.app() as app:
        for _ in range(3):
            await stage.turn(app)
        result = stage.results[-1]
        assert result.truth.account.positions, "there is a hedge to get out of"
        hedges = dict(result.decision.memory.hedges)
        assert hedges
        cover, idle = Cover(stage, hedges), 0
        app.kill.engage(KillLevel.FLATTEN)
        for _ in range(80):
            result = await app.cycle.guard()
            idle = 0 if result.has_acted else idle + 1
            if idle == 2:
                break
            stage.embedded.clock.skip(61_000)
        await stage.check_books(app)
        return Flattened(stage.embedded.exchange, cover.moments, [note.words for note in notes_of(result)])


def test_flatten_closes_every_position(flattened: Flattened) -> None:
    assert flattened.exchange.positions(ACCOUNT) == ()
    assert flattened.exchange.open_orders(ACCOUNT) == ()


def test_flatten_sells_every_token_that_can_be_sold(flattened: Flattened) -> None:
    exchange, left = flattened.exchange, dict[str, Decimal]()
    for asset, balance in exchange.balances(ACCOUNT).items():
        symbol = f"{asset}/USDT"
        if asset != "USDT" and balance.total > 0:
            value = balance.total * exchange.quote(symbol).bid
            if value >= Decimal("1.1") * exchange.instruments[symbol].notional_min:
                left[asset] = value
    assert not left, (left, flattened.words)


def test_flatten_leaves_no_short_over_less_spot_at_any_moment(flattened: Flattened) -> None:
    naked = [moment for moment in flattened.moments if moment > 0]
    assert flattened.moments
    assert not naked, f"{len(naked)} of {len(flattened.moments)} moments, the worst by {max(naked):.2f} quote"


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    small = [word for assignment in FEW for word in ("--set", assignment)]
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--environment", "sim", *small, *arguments],
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_health(process: subprocess.Popen[str], path: Path) -> dict[str, Any]:
    """The health file as it is once a first cycle is done."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(path.read_text())
            if "cycle" in found:
                return found
        time.sleep(0.1)
    raise AssertionError("no cycle within 30 s")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A trading daemon of its own process that has done a cycle; `tmp_path/var` is its state."""
    process = start(tmp_path, "--set", "mode=trade")
    try:
        assert wait_for_health(process, tmp_path / "var" / "health.json")["pid"] == process.pid
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_daemon_that_is_told_to_stop_ends_well_within_seconds(daemon: subprocess.Popen[str], tmp_path: Path) -> None:
    daemon.send_signal(signal.SIGTERM)
    output, _ = daemon.communicate(timeout=15)
    assert daemon.returncode == 0, output
    assert "Traceback" not in output
    assert not (tmp_path / "var" / "health.json").exists()
    reader = JournalReader(tmp_path / "var" / "sim-trade" / "journal.db")
    try:
        reader.verify()
        assert not [o for o in reader.load_working() if o.state in (OrderState.SUBMITTING, OrderState.IN_DOUBT)]
    finally:
        reader.close()


@pytest.mark.slow
def test_a_second_daemon_ends_at_once_names_the_first_and_leaves_its_journal_where_it_is(
    daemon: subprocess.Popen[str], tmp_path: Path
) -> None:
    journal = tmp_path / "var" / "sim-trade" / "journal.db"
    inode = journal.stat().st_ino
    second = sectorbot_process("run", "--environment", "sim", "--once", "--set", "mode=trade", cwd=tmp_path)
    said = second.stdout + second.stderr
    assert second.returncode == 1, said
    assert str(daemon.pid) in said
    assert daemon.poll() is None
    assert journal.is_file(), "the second daemon has moved away the journal that the first one writes"
    assert journal.stat().st_ino == inode
