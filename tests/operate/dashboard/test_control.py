"""Actions from the page and from the API: confirmed, by somebody who may, written down with his name, and taken by a
kill switch that listens as the daemon's does."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from bot.domain.states import KillLevel
from bot.journal.reader import JournalReader
from bot.operate.dashboard.access.passwords import hash_token
from bot.operate.dashboard.access.visitors import ACTIONS_PER_MINUTE
from bot.operate.dashboard.source import BotSource, make_source
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.switch import KillSwitch
from tests.operate.dashboard.conftest import dashboard, pretend_daemon, settings_of
from tests.operate.dashboard.test_access import account, log_in

MakeSource = Callable[..., BotSource]
TOKEN = "sb_a-token-of-a-test"
API_ACCOUNT = account(token_hash=hash_token(TOKEN))
READER = account("rita", "viewer", token_hash=hash_token(TOKEN + "2"))
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def listening(state: Path) -> Iterator[KillSwitch]:
    """A kill switch that watches the directory, and a health file that says its level."""
    switch = KillSwitch(FlagFile(state), configured=lambda: KillLevel.OFF)
    stop = threading.Event()

    def report() -> None:
        while not stop.wait(0.05):
            pretend_daemon(state, kill=switch.level().value)

    pretend_daemon(state)
    thread = threading.Thread(target=report)
    switch.start()
    thread.start()
    try:
        yield switch
    finally:
        stop.set()
        thread.join()
        switch.stop()


def field(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None, text
    return found[1]


async def asked(client: TestClient[Any, Any], what: str, reason: str = "a test") -> tuple[int, str]:
    page = await (await client.get("/control")).text()
    values = {"what": what, "reason": reason, "csrf": field(page, "csrf")}
    answer = await client.post("/control", data=values)
    return answer.status, await answer.text()


async def confirmed(client: TestClient[Any, Any], page: str, **more: str) -> tuple[int, str]:
    values = {"csrf": field(page, "csrf"), "seal": field(page, "seal")} | more
    answer = await client.post("/control/confirm", data=values)
    return answer.status, await answer.text()


@pytest.mark.parametrize("level", ["pause", "reduce-only", "cancel"])
async def test_a_level_is_asked_for_confirmed_and_taken(level: str, source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of(account())) as client:
        assert await log_in(client) == 303
        with listening(state) as switch:
            status, page = await asked(client, level, "going to\nbed")
            assert status == 200
            assert FlagFile(state).load() is KillLevel.OFF, "nothing happens before it is confirmed"
            status, page = await confirmed(client, page)
            assert status == 200
            assert "Done." in page
            assert switch.level().value == level
    assert FlagFile(state).load_message() == ("going to bed", "anna (dashboard)")


async def test_flatten_is_typed(source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of()) as client:
        with listening(state) as switch:
            _, page = await asked(client, "flatten")
            assert (await confirmed(client, page, word="flat"))[0] == 400
            assert switch.level() is KillLevel.OFF
            _, page = await asked(client, "flatten")
            assert "Done." in (await confirmed(client, page, word="Flatten"))[1]
            assert switch.level() is KillLevel.FLATTEN


async def test_a_confirmation_counts_once_and_for_its_visitor_only(source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of()) as client, dashboard(source_of()) as other:
        pretend_daemon(state)
        _, page = await asked(client, "pause")
        seal = field(page, "seal")
        theirs = await (await other.get("/control")).text()
        values = {"csrf": field(theirs, "csrf"), "seal": seal}
        assert (await other.post("/control/confirm", data=values)).status == 409
        altered = seal.replace(b"pause".hex(), b"cance".hex())
        assert altered != seal
        assert (await confirmed(client, page.replace(seal, altered)))[0] == 409
        assert FlagFile(state).load() is KillLevel.OFF
        with listening(state):
            assert (await confirmed(client, page))[0] == 200
            assert (await confirmed(client, page))[0] == 409


async def test_without_a_reason_a_level_or_the_token_of_the_form_nothing_is_asked(
    source_of: MakeSource, state: Path
) -> None:
    async with dashboard(source_of()) as client:
        assert (await asked(client, "pause", " \n "))[0] == 400
        assert (await asked(client, "off"))[0] == 400
        assert (await client.post("/control", data={"what": "pause", "reason": "x", "csrf": "0"})).status == 403
        assert (await client.post("/control/confirm", data={"csrf": "0", "seal": "0"})).status == 403
    assert FlagFile(state).load() is KillLevel.OFF


async def test_a_reader_may_look_and_not_act(source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of(READER)) as client:
        assert await log_in(client, "rita") == 303
        page = await (await client.get("/control")).text()
        assert "You may look, not act" in page
        values = {"what": "pause", "reason": "x", "csrf": field(page, "csrf")}
        assert (await client.post("/control", data=values)).status == 403
        answer = await client.post(
            "/api/v1/halt",
            json={"level": "pause", "reason": "x"},
            headers={"Authorization": f"Bearer {TOKEN}2"},
        )
        assert answer.status == 403
    assert FlagFile(state).load() is KillLevel.OFF


async def test_a_bot_that_moves_money_is_not_acted_on_without_an_account(state: Path) -> None:
    settings = settings_of(state, "environment=testnet", "mode=dry-run")
    async with dashboard(make_source(settings)) as client:
        page = await (await client.get("/control")).text()
        answer = await client.post("/api/v1/halt", json={"level": "pause", "reason": "x"})
    assert "You may look, not act" in page
    assert answer.status == 403


async def test_resume_releases_the_switch_in_the_journal(source_of: MakeSource, state: Path) -> None:
    FlagFile(state).record(KillLevel.PAUSE, "before", "somebody")
    async with dashboard(source_of(account())) as client:
        assert await log_in(client) == 303
        _, page = await asked(client, "resume", "all is well")
        status, page = await confirmed(client, page)
    assert status == 200
    assert "the kill switch is off" in page
    assert FlagFile(state).load() is KillLevel.OFF
    reader = JournalReader(state / "journal.db")
    try:
        latch = reader.load_latch()
    finally:
        reader.close()
    assert (latch.level, latch.by, latch.reason) == (KillLevel.OFF, "anna (dashboard)", "all is well")


async def test_no_daemon_is_no_success(source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of()) as client:
        _, page = await asked(client, "pause")
        _, page = await confirmed(client, page)
    assert "Not confirmed." in page
    assert "no daemon runs" in page
    assert FlagFile(state).load() is KillLevel.PAUSE, "a daemon that starts obeys it"


async def test_the_api_acts_with_a_token(source_of: MakeSource, state: Path) -> None:
    async with dashboard(source_of(API_ACCOUNT)) as client:
        body = {"level": "reduce-only", "reason": "by a script"}
        assert (await client.post("/api/v1/halt", json=body)).status == 401
        wrong = {"Authorization": f"Bearer {TOKEN}x"}
        assert (await client.post("/api/v1/halt", json=body, headers=wrong)).status == 401
        text = await client.post("/api/v1/halt", data='{"level": "pause", "reason": "x"}', headers=BEARER)
        assert text.status == 415
        for bad in ({"level": "reduce-only"}, {"level": "everything", "reason": "x"}):
            assert (await client.post("/api/v1/halt", json=bad, headers=BEARER)).status == 400
        assert (await client.post("/api/v1/halt", json=["x"], headers=BEARER)).status == 400
        assert FlagFile(state).load() is KillLevel.OFF
        with listening(state) as switch:
            answer = await client.post("/api/v1/halt", json=body, headers=BEARER)
            document = await answer.json()
            assert (answer.status, document["is_done"], document["level"]) == (200, True, "reduce-only")
            assert switch.level() is KillLevel.REDUCE_ONLY
    assert FlagFile(state).load_message() == ("by a script", "anna (API)")


async def test_actions_are_rate_limited(source_of: MakeSource, monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    async with dashboard(source_of(API_ACCOUNT)) as client:
        body = {"level": "pause", "reason": "x"}
        found = [
            (await client.post("/api/v1/halt", json=body, headers=BEARER)).status for _ in range(ACTIONS_PER_MINUTE + 1)
        ]
    assert found == [*[202] * ACTIONS_PER_MINUTE, 429]
