"""What no rotation opens, through the whole bot: the short of a downtrend, with targets, stop and a killed process; the
long of a stance that stands already."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.market import Tvl
from bot.domain.money import ZERO
from bot.domain.order import OrderType, Purpose
from bot.domain.reason import Reason
from bot.journal.journal import JournalReader
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.simulator.embedded import ACCOUNT, ANCHORS, embed, tokens_of
from bot.runtime.wiring import App
from tests.simex.scripted_market import ScriptedMarket
from tests.stage import Stage, golden, notes_of

START_MS = int(SIM_START.timestamp() * 1000)
AAVE = "AAVE/USDT:USDT"
FALLING = ((1, 1.0), (2, 0.915), (3, 0.915), (4, 0.84), (5, 0.84), (6, 0.75), (7, 0.75), (8, 0.82), (200, 0.82))
RISING = ((1, 1.0), (2, 1.09), (200, 1.09))
BEGINS_HOURS = 100  # by then the sales of the downtrend are made
CHANGES = (
    "playbook.regime.override=downtrend",
    "playbook.short.is_on=true",
    "playbook.rotation.tranche_interval_minutes=60",
    "playbook.tactical.leverage=3",
)


class Market(ScriptedMarket):
    """One that nobody has locked any value in, without macro series."""

    macro_names: tuple[str, ...] = ()

    def tvl(self, name: str, since_ms: int, until_ms: int) -> Tvl:
        return Tvl(name, (since_ms, until_ms), (Decimal(1), Decimal(1)))


@asynccontextmanager
async def downtrend(
    directory: Path, moves: tuple[tuple[float, float], ...], changes: tuple[str, ...] = CHANGES
) -> AsyncIterator[Stage]:
    """Everything stands still, and `BEGINS_HOURS` after the start the perp of AAVE moves: (hours later, multiple)."""
    settings = golden(directory, *changes)
    tokens = tokens_of(settings)
    first = START_MS - 151 * 24 * HOUR_MS
    prices = {token: float(ANCHORS.get(token, Decimal(10))) for token in tokens}
    points = {f"{token}/USDT": [(first, price), (START_MS + 400 * HOUR_MS, price)] for token, price in prices.items()}
    begins = START_MS + BEGINS_HOURS * HOUR_MS
    moved = [(begins + round(hours * HOUR_MS), prices["AAVE"] * part) for hours, part in moves]
    points["AAVE/USDT"] = [(first, prices["AAVE"]), (begins, prices["AAVE"]), *moved]
    market = Market(points, perps=[f"{token}/USDT:USDT" for token in tokens])
    embedded = await embed(settings, market, START_MS)
    try:
        yield Stage(settings, embedded)
    finally:
        await embedded.stop()


def short_of(stage: Stage) -> Decimal:
    """Contracts short of AAVE at the exchange."""
    return sum((-p.size for p in stage.embedded.exchange.positions(ACCOUNT) if p.symbol == AAVE), ZERO)


async def open_short(stage: Stage, app: App) -> Decimal:
    """Turns until the short stands with its stop at the exchange."""
    for _ in range(80):
        result = await stage.turn(app)
        stops = [o for o in stage.embedded.exchange.open_orders(ACCOUNT, AAVE) if o.type is OrderType.STOP]
        if short_of(stage) and stops and not result.has_acted:
            return short_of(stage)
        if not result.has_acted:
            stage.embedded.clock.skip(HOUR_MS // 4)
    pytest.fail(f"no short was opened: {[note.words for note in notes_of(stage.results[-1])]}")


async def until(stage: Stage, app: App, hours: float) -> set[Reason]:
    """Turns until so many hours after the market began to move; every reason that was said."""
    said: set[Reason] = set()
    now_ms = stage.embedded.exchange.now_ms
    stage.embedded.clock.skip(max(0, START_MS + int((BEGINS_HOURS + hours) * HOUR_MS) - now_ms))
    for _ in range(6):
        result = await stage.turn(app)
        said |= {note.reason for note in notes_of(result)}
        if not result.has_acted:
            break
    return said


def purposes(reader: JournalReader) -> set[Purpose]:
    return {order.purpose for order in reader.load_orders(10_000) if order.filled_size}


async def test_a_short_takes_its_targets_trails_and_ends_flat(tmp_path: Path) -> None:
    async with downtrend(tmp_path, FALLING) as stage, stage.app() as app:
        whole = await open_short(stage, app)
        assert AAVE not in app.journal.reader.load_memory().hedges
        parts = []
        for hours in (2.5, 4.5, 6.5):
            await until(stage, app, hours)
            parts.append(short_of(stage) / whole)
        assert [round(part, 1) for part in parts] == [Decimal("0.6"), Decimal("0.3"), Decimal("0.3")]
        await until(stage, app, 9)
        assert short_of(stage) == 0
        assert not stage.embedded.exchange.open_orders(ACCOUNT, AAVE)
        before = len(stage.orders())
        await until(stage, app, 30)
        assert len(stage.orders()) == before, "this downtrend has had its short"
        assert Purpose.TACTICAL_SHORT in purposes(app.journal.reader)
        await stage.check_books(app)


async def test_a_rise_is_stopped_by_the_order_that_rests_at_the_exchange(tmp_path: Path) -> None:
    async with downtrend(tmp_path, RISING) as stage:
        async with stage.app() as app:
            await open_short(stage, app)
        stage.embedded.clock.skip(START_MS + (BEGINS_HOURS + 3) * HOUR_MS - stage.embedded.exchange.now_ms)
        async with stage.app() as app:
            result = await stage.turn(app)
            assert short_of(stage) == 0, "the bot was away: the exchange has closed it"
            assert Reason.EXIT_STOP in {note.reason for note in notes_of(result)}
            await stage.check_books(app)


class Killed(BaseException):
    """The process ends here, as far as the bot can tell."""


@pytest.mark.parametrize("is_sent", [False, True], ids=["before the wire", "after the wire"])
async def test_a_bot_killed_while_it_shorts_goes_on_and_the_short_has_its_exits(tmp_path: Path, is_sent: bool) -> None:
    async with downtrend(tmp_path, FALLING) as stage:
        app = await stage.build()
        venue: Any = app.venue
        submit = venue.submit_order

        async def fatal(request: Any) -> Any:
            is_short = request.symbol == AAVE and not request.reduce_only
            if is_short and is_sent:
                await submit(request)
            if is_short:
                raise Killed
            return await submit(request)

        venue.submit_order = fatal
        with pytest.raises((Killed, BaseExceptionGroup)):
            await open_short(stage, app)
        await app.venue.close()
        await app.session.close()
        await app.journal.close()
        stage.embedded.clock.skip(15_000)
        async with stage.app() as again:
            whole = await open_short(stage, again)
            (held,) = again.journal.reader.load_memory().exits
            assert (held.purpose, held.size_entered) == (Purpose.TACTICAL_SHORT, whole)
            orders = again.journal.reader.load_orders(10_000)
            entered = sum((o.filled_size for o in orders if o.purpose is Purpose.TACTICAL_SHORT), ZERO)
            assert entered == whole, "opened once"
            await stage.check_books(again)


async def test_a_stance_that_stands_takes_its_long_when_it_is_allowed_and_ends_it_with_itself(tmp_path: Path) -> None:
    """Allowed after a restart, because a test has no other way to let a breakout come later than its rotation."""
    base = ("playbook.regime.override=breakout", "playbook.rotation.tranche_interval_minutes=60")
    first, later = (*base, "playbook.tactical.is_on=false"), (*base, "playbook.tactical.leverage=3")
    async with downtrend(tmp_path, ((1, 1.0), (200, 1.0)), first) as stage:
        async with stage.app() as app:
            await stage.rotate(app)
            assert not app.journal.reader.load_memory().exits
        stage.settings = golden(tmp_path, *later)
        spot = stage.embedded.exchange.balances(ACCOUNT)
        async with stage.app() as app:
            for _ in range(4):
                await stage.turn(app)
            (held,) = app.journal.reader.load_memory().exits
            (position,) = stage.embedded.exchange.positions(ACCOUNT)
            assert (held.symbol, held.size_entered, held.campaign) == (position.symbol, position.size, 0)
            stops = stage.embedded.exchange.open_orders(ACCOUNT, held.symbol)
            assert [order.size for order in stops if order.type is OrderType.STOP] == [position.size]
            assert stage.embedded.exchange.balances(ACCOUNT) == spot, "nothing was sold or moved for it"
            await stage.check_books(app)
        stage.settings = golden(tmp_path, *later, "playbook.regime.override=uncertainty")
        async with stage.app() as app:
            for _ in range(3):
                await stage.turn(app)
            assert Purpose.TACTICAL not in {held.purpose for held in app.journal.reader.load_memory().exits}
            assert all(p.size < 0 for p in stage.embedded.exchange.positions(ACCOUNT)), "only hedges are left"
            await stage.check_books(app)
