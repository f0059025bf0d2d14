"""Spot at one venue and perps at another, over the wire: one of both in trouble at each phase of a rotation, and a
start while one is dark."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Kind, Side
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.runtime.simulator.embedded import ACCOUNT, PERP_ACCOUNT
from bot.runtime.wiring import App, build
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import SimOrder
from bot.simex.faults import Fault
from tests.stage import ROUNDS, Stage, staged

ONE, OTHER = "binance", "bybit"
PATHS: Mapping[str, tuple[str, ...]] = {ONE: ("/api/*", "/sapi/*", "/fapi/*"), OTHER: ("/v5/*",)}
ACCOUNT_PATHS = frozenset(
    {
        "/api/v3/account",
        "/fapi/v3/account",
        "/fapi/v3/positionRisk",
        "/v5/account/wallet-balance",
        "/v5/position/list",
    }
)
DARK = dict.fromkeys((ONE, OTHER), Fault(before_engine_drop=True))
BANNED = {
    ONE: Fault(reply_status=418, reply_body='{"code":-1003,"msg":"IP banned."}', skips_engine=True),
    OTHER: Fault(reply_status=403, reply_body="403, access too frequent", skips_engine=True),
}
SLOW = dict.fromkeys((ONE, OTHER), Fault(delay_before_ms=40, delay_after_ms=40))
FAULTS: Mapping[str, Mapping[str, Fault]] = {"dark": DARK, "banned": BANNED, "slow": SLOW}
PHASES, TROUBLED_TURNS = 4, 2
CASES = [(trouble, kind, phase) for trouble in (*FAULTS, "lying") for kind in Kind for phase in range(PHASES)]
QUICK = {("dark", Kind.PERP, 1), ("lying", Kind.SPOT, 1), ("lying", Kind.SPOT, 2)}


def cases() -> list[Any]:
    """Every trouble of either half at each phase; spot is at the first venue in every other one."""
    return [
        pytest.param(
            *case,
            number % 2 == 0,
            id="-".join(map(str, case)),
            marks=[] if case in QUICK else [pytest.mark.slow],
        )
        for number, case in enumerate(CASES)
    ]


def settings_of(*, has_spot_at_first: bool) -> tuple[str, str]:
    spot, perp = (ONE, OTHER) if has_spot_at_first else (OTHER, ONE)
    return f"venue.spot.id={spot}", f"venue.perp.id={perp}"


def venue_of(stage: Stage, kind: Kind) -> str:
    return stage.settings.venue.account_of(kind).id


@contextmanager
def lying(stage: Stage, venue: str) -> Iterator[Callable[[], None]]:
    """Once the call that is given is made, the account of a venue goes on saying what it said last before."""
    server, said, is_begun = stage.embedded.server, dict[tuple[str, str], WireReply](), list[bool]()
    original = server.respond

    def respond(request: WireRequest) -> WireReply:
        is_there = request.path.startswith("/v5/") is (venue == OTHER)
        if request.path not in ACCOUNT_PATHS or not is_there:
            return original(request)
        asked = {name: value for name, value in parse_qsl(request.query) if name in ("settleCoin", "symbol")}
        key = request.path, str(asked)
        if not is_begun or key not in said:
            said[key] = original(request)
        return said[key]

    server.respond = respond  # type: ignore[method-assign]
    try:
        yield lambda: is_begun.append(True)
    finally:
        server.respond = original  # type: ignore[method-assign]


def orders(stage: Stage) -> list[SimOrder]:
    exchange = stage.embedded.exchange
    return [o for account in (ACCOUNT, PERP_ACCOUNT) for s in exchange.instruments for o in exchange.orders(account, s)]


def entries(stage: Stage) -> set[str]:
    """Orders that opened something, at either venue."""
    return {
        order.client_id
        for order in orders(stage)
        if (not order.reduce_only if is_perp(order.symbol) else order.side is Side.BUY) and not order.trigger_price
    }


def unhold(app: App) -> None:
    """A ban is over: it is counted in real time, of which none passes here."""
    venue: Any = app.venue
    for half in venue._halves:
        wire = half.venue._link._wire  # None while it has not been opened again: nothing is held there
        for gate in () if wire is None else wire.gates.values():
            gate._held_until = gate._critical_until = 0.0


async def turns(stage: Stage, app: App, count: int) -> None:
    for _ in range(count):
        try:
            result = await stage.turn(app)
            has_acted = result.has_acted
        except Unavailable:
            has_acted = False
        if not has_acted:
            stage.embedded.clock.skip(HOUR_MS)


@pytest.mark.parametrize(("trouble", "kind", "phase", "has_spot_at_first"), cases())
async def test_a_venue_in_trouble_at_any_phase_opens_nothing_and_the_rotation_ends(
    tmp_path: Path, trouble: str, kind: Kind, phase: int, has_spot_at_first: bool
) -> None:
    async with staged(tmp_path, *settings_of(has_spot_at_first=has_spot_at_first)) as stage, stage.app() as app:
        venue = venue_of(stage, kind)
        with lying(stage, venue) as lie:
            await turns(stage, app, phase)
            before = entries(stage)
            campaign = stage.results[-1].decision.campaign if stage.results else None
            assert campaign is None or not campaign.is_over, "there is something left to be done"
            if trouble == "lying":
                lie()
            else:
                for path in PATHS[venue]:
                    stage.spoil(FAULTS[trouble][venue], path=path, times=None)
            await turns(stage, app, TROUBLED_TURNS)
            during = entries(stage) - before
            assert trouble in ("slow", "lying") or not during, "nothing is opened at either venue"
        stage.heal()
        unhold(app)
        stage.embedded.clock.skip(15_000)
        await stage.rotate(app, ROUNDS)
        truth = await app.cycle.settle()
        assert truth.is_agreed, truth.notes
        known = {order.client_id: order for order in app.journal.reader.load_orders(10_000)}
        for order in orders(stage):
            assert known[order.client_id].filled_size == order.filled_size or order.child_id is not None
        sectors = stage.results[-1].portfolio.sectors
        assert abs(sectors["defi"].spot - 48_000) < 600
        assert abs(sectors["infra"].spot - 35_000) < 600
        stage.embedded.exchange.audit()


@pytest.mark.parametrize("dark", list(Kind))
async def test_a_start_while_one_of_two_venues_is_dark_says_it_guards_the_other_and_opens_nothing(
    tmp_path: Path, dark: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.venues.pair.reading.REOPEN_S", 0.0)
    async with staged(tmp_path, *settings_of(has_spot_at_first=True)) as stage:
        async with stage.app() as app:
            await turns(stage, app, 2)
            before = entries(stage)
        for path in PATHS[venue_of(stage, dark)]:
            stage.spoil(DARK[ONE], path=path, times=None)
        role = "spot at binance" if dark is Kind.SPOT else "perps at bybit"
        with capture_logs() as logged:
            app = await stage.build()
        (said,) = [line for line in logged if line["event"] == "started_without_entries"]
        assert role in said["why"]
        try:
            for _ in range(2):
                result = await app.cycle.guard()
                assert not result.truth.is_agreed
                assert any(role in why for why in result.truth.account.unreadable.values())
            positions = result.truth.account.positions
            assert positions, "the journal knows the hedges where the perps are dark"
            read = {symbol for symbol, quote in result.snapshot.quotes.items() if not quote.defect()}
            assert {is_perp(symbol) for symbol in read} == {dark is Kind.SPOT}
            await turns(stage, app, TROUBLED_TURNS)
            assert entries(stage) == before, "nothing is opened at either venue"
            stage.heal()
            unhold(app)
            for _ in range(300):  # it is opened beside a turn
                if not (await app.cycle.guard()).truth.account.unreadable:
                    break
                await asyncio.sleep(0.2)
            stage.embedded.clock.skip(15_000)
            await stage.rotate(app, ROUNDS)
            truth = await app.cycle.settle()
            assert (truth.is_agreed, dict(truth.account.unreadable)) == (True, {})
        finally:
            await app.close()


async def test_what_only_looks_waits_for_both_venues(tmp_path: Path) -> None:
    async with staged(tmp_path, *settings_of(has_spot_at_first=True)) as stage:
        for path in PATHS[OTHER]:
            stage.spoil(DARK[ONE], path=path, times=None)
        with pytest.raises(Unavailable, match="perps at bybit"):
            await build(stage.settings, embedded=stage.embedded, reads_only=True)
