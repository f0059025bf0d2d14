"""A whole rotation over the wire while things go wrong: every order exactly once, and the books agree at the end.

Settings, wiring, cycle, executor, journal and unmodified ccxt are the real ones; the exchange is simex over loopback.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.order_ids import is_ours
from bot.domain.states import KillLevel, OrderState
from bot.journal.journal import JournalBusy
from bot.lab.demo.scenarios import SIM_START, packaged_config
from bot.ports import SetupFailed, Unavailable
from bot.runtime import cycle
from bot.runtime.cycle import CycleResult
from bot.runtime.settings.model import Settings, Sources
from bot.runtime.simulator.embedded import ACCOUNT, Embedded, embed, tokens_of
from bot.runtime.wiring import App
from bot.simex.engine.types import ExchangeEvent
from bot.simex.faults import Fault, FaultRule
from bot.simex.signing import ApiKey
from tests.client_ids import leg_of
from tests.stage import FEW, build_on, market_of

ROUNDS = 40
SPOT_ORDER, PERP_ORDER = "/api/v3/order", "/fapi/v1/order"
QUICK = (
    "execution.timing.poll_interval_ms=20",
    "execution.timing.not_found_interval_ms=20",
    "execution.timing.mismatch_interval_ms=20",
    "execution.timing.post_deadline_ms=2000",
    # The exchange is this very process: on a busy machine its answers and prices are late, which is not what is tested.
    "execution.timing.read_deadline_ms=120000",
    "risk.price_age_max_ms=600000",
)


@dataclass
class World:
    """One exchange and the directory of one bot; the App over them may come and go."""

    settings: Settings
    embedded: Embedded
    results: list[CycleResult] = field(default_factory=list)

    async def rotate(self, app: App) -> None:
        """Cycles until the campaign is done, time skipped whenever nothing moves."""
        for _ in range(ROUNDS):
            result = await app.cycle.run()
            self.results.append(result)
            campaign = result.decision.campaign
            if campaign is not None and campaign.is_over and not result.decision.intents:
                return
            if not result.has_acted:
                self.embedded.clock.skip(HOUR_MS)
        pytest.fail(f"the rotation did not finish within {ROUNDS} cycles")

    def filled_at_the_exchange(self) -> Counter[str]:
        """Filled orders of ours by what they are for: the client id without epoch, slice and attempt."""
        exchange = self.embedded.exchange
        orders = [order for symbol in exchange.instruments for order in exchange.orders(ACCOUNT, symbol)]
        ours = [o for o in orders if is_ours(o.client_id, "demo") and o.filled_size > 0]
        return Counter(leg_of(order.client_id) for order in ours)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    assignments = (*FEW, *QUICK, "environment=sim", "mode=trade", "venue.account=demo", f'state_directory="{tmp_path}"')
    settings = Sources(files=(packaged_config() / "golden.toml",), assignments=assignments).load()
    start_ms = int(SIM_START.timestamp() * 1000)
    embedded = await embed(settings, market_of(tokens_of(settings), start_ms), start_ms)
    yield World(settings, embedded)
    await embedded.stop()


async def finish(world: World, app: App) -> None:
    """The promise: the rotation ends, every leg was filled once, journal and exchange agree, nothing is in doubt."""
    world.embedded.server.faults.disarm()
    await world.rotate(app)
    truth = await app.cycle.settle()
    assert truth.is_agreed
    assert not [order for order in truth.working if order.state in (OrderState.IN_DOUBT, OrderState.SUBMITTING)]
    assert abs(world.results[-1].portfolio.sectors["defi"].spot - 48_000) < 300
    assert abs(world.results[-1].portfolio.sectors["infra"].spot - 35_000) < 300
    world.embedded.exchange.audit()
    known = {order.client_id for order in app.journal.reader.load_orders(10_000)}
    exchange = world.embedded.exchange
    sent = {o.client_id for s in exchange.instruments for o in exchange.orders(ACCOUNT, s)}
    assert sent <= known, "the exchange has no order that the journal does not know"
    app.journal.reader.verify()


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(after_engine_drop=True),
        Fault(reset=True),
        Fault(before_engine_drop=True),
        Fault(html=True),
        Fault(empty=True),
        Fault(truncate=20),
        Fault(reply_status=503, reply_body="Service Unavailable."),
        Fault(reply_status=504, reply_body=""),
        Fault(reply_status=408, reply_body='{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
    ],
    ids=["reply-lost", "reset", "request-lost", "html", "empty", "truncated", "503", "504", "408"],
)
async def test_a_doubt_in_every_phase_is_settled_and_nothing_is_sent_twice(world: World, fault: Fault) -> None:
    for path in (SPOT_ORDER, PERP_ORDER):
        world.embedded.server.faults.add(FaultRule(fault, "POST", path, times=3))
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        for _ in range(6):
            result = await app.cycle.run()
            world.results.append(result)
            if any(o.state is OrderState.IN_DOUBT for o in result.truth.working):
                world.embedded.clock.skip(15_000)
        assert world.embedded.server.faults.hits
        await finish(world, app)
    finally:
        await app.close()
    assert max(world.filled_at_the_exchange().values()) <= 3, "an intent is filled by few slices, never by copies"


class Crash(Exception):
    """The process ends here, as far as the bot can tell."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
async def test_a_crash_anywhere_leaves_a_rotation_that_the_next_start_finishes(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, crashes = random.Random(seed), 0
    for _ in range(3):
        app = await build_on(world.settings, embedded=world.embedded)
        fuse = dice.randrange(2, 45)
        _arm(app, fuse, monkeypatch)
        try:
            await world.rotate(app)
        except (Crash, ExceptionGroup):
            crashes += 1
        finally:
            monkeypatch.undo()
            await _drop(app)
        world.embedded.clock.skip(60_000)  # each start reads the order history: four in a minute meet the venue's limit
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        await finish(world, app)
    finally:
        await app.close()
    assert crashes


def _arm(app: App, fuse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the fuse-th write to journal or venue raise, before or after it was done, and every later one."""
    left = [fuse]
    for owner, names in (
        (app.journal, ("record_submitting", "record_order_event", "record_fills", "record_cycle")),
        (app.venue, ("submit_order", "cancel_order", "move_cash", "set_leverage")),
    ):
        for name in names:
            original = getattr(owner, name)

            async def fragile(*args: Any, _original: Any = original, **kwargs: Any) -> Any:
                left[0] -= 1
                if left[0] == 0 or left[0] < -1:
                    raise Crash
                answer = await _original(*args, **kwargs)
                if left[0] == -1:
                    raise Crash
                return answer

            monkeypatch.setattr(owner, name, fragile)


async def _drop(app: App) -> None:
    """Let go of the file and the sockets, as the end of a process does."""
    await app.venue.close()
    await app.session.close()
    await app.journal.close()


async def test_an_exchange_that_cannot_be_read_ends_the_cycle_and_not_the_bot(world: World) -> None:
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        await app.cycle.run()
        rule = FaultRule(Fault(reply_status=503, skips_engine=True), "GET", "*", times=None)
        world.embedded.server.faults.add(rule)
        before = app.journal.reader.count_orders(0)
        with pytest.raises(Unavailable):
            await app.cycle.run()
        assert app.journal.reader.count_orders(0) == before
        await finish(world, app)
    finally:
        await app.close()


@pytest.mark.parametrize(
    ("permissions", "words"),
    [(frozenset({"spot"}), "futures"), (frozenset({"spot", "perp", "withdraw"}), "withdraw")],
)
async def test_a_key_that_may_too_little_or_too_much_is_refused_at_the_start(
    world: World, permissions: frozenset[str], words: str
) -> None:
    key = ApiKey("k" * 64, "s" * 64, ACCOUNT, permissions)
    world.embedded.server.keys[key.key] = key  # type: ignore[index]
    world.embedded.key = key
    with pytest.raises(SetupFailed, match=f"(?i){words}"):
        await build_on(world.settings, embedded=world.embedded)


async def test_a_second_bot_on_the_same_journal_is_kept_out(world: World) -> None:
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        with pytest.raises(JournalBusy):
            await build_on(world.settings, embedded=world.embedded)
    finally:
        await app.close()


async def test_a_halted_token_waits_and_the_others_go_on(world: World) -> None:
    world.embedded.exchange.halt("SOL/USDT")
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        for _ in range(4):
            world.results.append(await app.cycle.run())
        sold = {order.symbol for order in app.journal.reader.load_orders(1000) if order.filled_size > 0}
    finally:
        await app.close()
    assert "SOL/USDT" not in sold
    assert {"ETH/USDT", "AVAX/USDT"} <= sold


async def test_after_the_switch_nothing_is_sent_and_flatten_never_leaves_a_naked_short(world: World) -> None:
    app = await build_on(world.settings, embedded=world.embedded)
    exchange, sectors = world.embedded.exchange, world.settings.universe
    naked: list[Decimal] = []

    def watch(event: ExchangeEvent) -> None:
        """At every execution: what is short stands over as much spot of its sector, a lot's worth of price aside."""
        if event.trade is not None:
            spot = sum(
                (
                    balance.total * exchange.quote(f"{token}/USDT").mid * sectors.tokens.get(token, {}).get("infra", 0)
                    for token, balance in exchange.balances(ACCOUNT).items()
                    if token != "USDT"
                ),
                Decimal(0),
            )
            short = sum((-p.size * p.mark for p in exchange.positions(ACCOUNT) if p.size < 0), Decimal(0))
            naked.append(short - spot)

    try:
        for _ in range(3):
            await app.cycle.run()
        assert exchange.position(ACCOUNT, "ETH/USDT:USDT") is not None, "a hedge stands"
        count = app.journal.reader.count_orders(0)
        app.kill.engage(KillLevel.CANCEL)
        await app.cycle.run()
        assert app.journal.reader.count_orders(0) == count
        app.kill.engage(KillLevel.FLATTEN)
        exchange.listeners.append(watch)
        for _ in range(200):
            if not (await app.cycle.guard()).has_acted:
                break
            world.embedded.clock.skip(61_000)
        account = (await app.cycle.settle()).account
    finally:
        await app.close()
    assert naked
    assert max(naked) <= 5
    assert account.positions == {}
    for asset, balance in account.balances.items():
        if asset != "USDT":
            symbol = f"{asset}/USDT"
            worst = exchange.quote(symbol).mid * (1 - world.settings.playbook.constants.flatten_slippage)
            assert balance.total * worst < exchange.instruments[symbol].notional_min * Decimal("1.01"), symbol


async def test_a_turn_that_hangs_does_not_hold_up_the_cancels_of_the_switch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = world.embedded.exchange
    app = await build_on(world.settings, embedded=world.embedded)
    try:
        for _ in range(10):
            await app.cycle.run()
            if exchange.open_orders(ACCOUNT):
                break
        assert exchange.open_orders(ACCOUNT), "the stop of the long rests at the exchange"
        reached = asyncio.Event()

        async def hang() -> None:
            reached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(app.venue, "fetch_account", hang)
        monkeypatch.setattr(cycle, "TURN_GRACE_SECONDS", 0.05)
        turn = asyncio.create_task(app.cycle.run())
        await reached.wait()
        app.kill.engage(KillLevel.CANCEL_ALL)
        assert app.cycle.load_withdrawn(KillLevel.CANCEL_ALL)
        assert await app.cycle.withdraw(KillLevel.CANCEL_ALL) == ()
        assert exchange.open_orders(ACCOUNT) == ()
        with pytest.raises(Unavailable, match="kill switch ended the turn"):
            await turn
        monkeypatch.undo()
        assert (await app.cycle.settle()).is_agreed, "and the bot goes on with what it knows"
    finally:
        await app.close()


async def test_an_unknown_error_of_a_transfer_is_a_doubt_and_not_the_end_of_the_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = await build_on(world.settings, embedded=world.embedded)
    original, calls = app.venue.move_cash, 0

    async def reset_once(amount: Decimal, *, to_perp: bool) -> None:
        nonlocal calls
        calls += 1
        await original(amount, to_perp=to_perp)
        if calls == 1:
            raise ConnectionResetError("the wire went away after the request had arrived")

    monkeypatch.setattr(app.venue, "move_cash", reset_once)
    monkeypatch.setattr(app.venue, "quiet_period_ms", 10)
    try:
        await finish(world, app)
        doubts = app.journal.reader.load_facts("transfer_in_doubt", 10)
    finally:
        await app.close()
    assert calls >= 1
    assert len(doubts) == 1
    assert "went away" in doubts[0].payload["why"]


async def test_a_transfer_whose_reply_never_comes_is_a_doubt_and_does_not_hold_the_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = world.settings.execution
    execution = rules.model_copy(update={"timing": replace(rules.timing, post_deadline_ms=1_000)})
    world.settings = world.settings.model_copy(update={"execution": execution})
    app = await build_on(world.settings, embedded=world.embedded)
    original, calls = app.venue.move_cash, 0

    async def silent_once(amount: Decimal, *, to_perp: bool) -> None:
        nonlocal calls
        calls += 1
        await original(amount, to_perp=to_perp)
        if calls == 1:
            await asyncio.Event().wait()

    monkeypatch.setattr(app.venue, "move_cash", silent_once)
    monkeypatch.setattr(app.venue, "quiet_period_ms", 10)
    try:
        await asyncio.wait_for(finish(world, app), 60)
        doubts = app.journal.reader.load_facts("transfer_in_doubt", 10)
        done = app.journal.reader.load_facts("transfer_done", 10)
    finally:
        await app.close()
    assert len(doubts) == 1
    assert doubts[0].payload["amount"] not in {fact.payload["amount"] for fact in done}, "and nothing moves twice"
