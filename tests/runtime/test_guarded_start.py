"""A start that the account checks refuse guards and opens nothing where a level is in force or something is held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose, is_reducing
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.ports import AccountRefused, ChecksUnanswered, SetupFailed
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.start.guarded import left_open, open_venue
from bot.runtime.wiring import build, listen
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.worlds import approve_stop, open_world
from tests.runtime.test_account_watch import FOUND, RIGHTS
from tests.runtime.test_switch import ACCOUNT, serve, stops, until
from tests.stage import QUIET_MS, Stage, rotated, staged

DARK: tuple[int, Any] = (503, {"code": -1, "msg": "Service unavailable"})
PORTFOLIO = {"enableWithdrawals": False, "enableFutures": True, "enablePortfolioMarginTrading": True}
WRONG: dict[str, tuple[str, int, Any]] = {
    "multi-assets": ("/fapi/v1/multiAssetsMargin", 200, {"multiAssetsMargin": True}),
    "hedge mode": ("/fapi/v1/positionSide/dual", 200, {"dualSidePosition": True}),
    "withdrawals": (RIGHTS, 200, FOUND[RIGHTS][0]),
    "portfolio margin": (RIGHTS, 200, PORTFOLIO),
    "unanswered": (RIGHTS, 200, {}),
    "dark": (RIGHTS, *DARK),
}


def answer(path: str, status: int, content: Any) -> Any:
    def chosen(asked: WireRequest) -> WireReply | None:
        return WireReply(status, content) if asked.path == path and asked.method == "GET" else None

    return chosen


@asynccontextmanager
async def traded(directory: Path) -> AsyncIterator[Stage]:
    """A bot that has rotated and has ended; its stops rest."""
    async with rotated(directory) as stage:
        assert stops(stage)
        stage.embedded.clock.skip(QUIET_MS)
        yield stage


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_refused_start_flattens_when_that_level_is_in_force(tmp_path: Path, wrong: str) -> None:
    async with traded(tmp_path) as stage:
        FlagFile(stage.settings.state_directory).record(KillLevel.FLATTEN, "fire", "anna")
        switch = listen(stage.settings)
        with stage.answering(answer(*WRONG[wrong])), capture_logs() as said:
            app = await build(stage.settings, embedded=stage.embedded, switch=switch)
            try:
                task, stop = serve(app, stage)
                await until(lambda: not stops(stage) and not stage.embedded.exchange.positions(ACCOUNT), 60)
                stop.set()
                assert await asyncio.wait_for(task, 30) == 0
                assert app.journal.reader.load_latch().level is KillLevel.FLATTEN
                stage.embedded.clock.skip(QUIET_MS)
                await stage.check_books(app)
            finally:
                await app.close()
        assert any(line["event"] == "started_without_entries" for line in said)


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_refused_start_with_positions_keeps_their_exits_and_opens_nothing(tmp_path: Path, wrong: str) -> None:
    async with traded(tmp_path) as stage:
        known, resting = {order.client_id for order in stage.orders()}, stops(stage)
        path, status, content = WRONG[wrong]
        with stage.answering(answer(path, status, content)):
            async with stage.app() as app:
                for client_id in resting:  # somebody withdraws a stop: the exits go on and place it again
                    order = next(o for o in stage.embedded.exchange.open_orders(ACCOUNT) if o.client_id == client_id)
                    stage.embedded.exchange.cancel_all(ACCOUNT, order.symbol, is_trigger=True)
                stage.embedded.clock.skip(60_000)
                for _ in range(3):
                    result = await stage.turn(app)
                    assert [note.reason for note in result.breakers] == [Reason.ACCOUNT_SETTING]
                assert len(stops(stage)) == len(resting)
                sent = [o for o in app.journal.reader.load_orders(1_000) if o.client_id not in known]
                assert sent
                assert all(is_reducing(order) or order.purpose is Purpose.EXIT for order in sent)
        stage.embedded.clock.skip(HOUR_MS)
        async with stage.app() as app:  # set right: as any other start
            assert (await stage.turn(app)).breakers == ()


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_refused_start_with_nothing_to_look_after_ends(tmp_path: Path, wrong: str) -> None:
    path, status, content = WRONG[wrong]
    refused = ChecksUnanswered if wrong in ("unanswered", "dark") else AccountRefused
    async with staged(tmp_path) as stage:
        with stage.answering(answer(path, status, content)), pytest.raises(refused):
            await stage.build()
        assert left_open(stage.settings) == ""
        assert stage.writes() == 0


async def test_a_key_that_is_refused_cannot_act_and_the_refusal_names_what_stays(tmp_path: Path) -> None:
    async with traded(tmp_path) as stage:
        FlagFile(stage.settings.state_directory).record(KillLevel.FLATTEN, "fire", "anna")
        sent = stage.writes()
        refusal = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
        with stage.answering(answer("/fapi/v3/account", 401, refusal)), pytest.raises(SetupFailed) as caught:
            await build(stage.settings, embedded=stage.embedded, switch=listen(stage.settings))
        assert not isinstance(caught.value, AccountRefused)
        words = left_open(stage.settings)
        assert words.startswith("left at the venue as it is: ")
        assert "positions (" in words
        assert "working orders (" in words
        assert stage.writes() == sent


async def test_a_venue_is_told_which_orders_rest_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the simulator (heavy seed 1350644): at a venue without client ids of stops, the switch that is thrown
    before the first turn could withdraw none of an earlier process until a turn had settled."""
    world = await open_world(tmp_path / "j.db", ScriptedVenue())
    world.venue.submits.append("rest")
    (resting,) = await world.executor.act([approve_stop()])
    told = list[str]()

    async def refused() -> None:
        raise AccountRefused("hedge mode")

    monkeypatch.setattr(world.venue, "open", refused)
    monkeypatch.setattr(
        world.venue, "recall_stops", lambda orders: told.extend(order.client_id for order in orders), raising=False
    )
    settings: Any = SimpleNamespace(mode="trade")
    await open_venue(world.venue, settings, world.journal.reader, KillLevel.CANCEL_ALL)
    assert tuple(told) == resting.client_ids
    await world.journal.close()
