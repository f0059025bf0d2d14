"""Commands through the stand-in of the Bot API: who may, what happens, what the journal keeps, what Telegram may do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bot.domain.states import KillLevel
from bot.journal.journal import Journal
from bot.operate.telegram.service import COMMAND, OLD_SECONDS, make_telegram
from bot.runtime.health.health_file import Health
from bot.runtime.kill.switch import FlagFile, KillSwitch
from bot.runtime.settings.model import SettingsProblem, load_settings
from bot.runtime.settings.operate.telegram import TelegramSettings, TelegramTiming
from tests.conftest import BREACHES, NetworkForbiddenError
from tests.operate.telegram.bot_api import TOKEN, BotApi, serving

QUICK = TelegramTiming(
    poll_seconds=1,
    slack_seconds=2,
    retry_seconds=0.02,
    retry_max_seconds=0.1,
    conflict_seconds=0.05,
    refused_seconds=0.05,
)
ALLOWED = 42


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with serving() as made:
        yield made


@asynccontextmanager
async def commanded(api: BotApi, directory: Path, token: str = TOKEN) -> AsyncIterator[Any]:
    """The service beside a kill switch that watches the files, as in a daemon, over a journal of its own."""
    assignments = (f'state_directory="{directory}"', f'journal.path="{directory}/journal.db"')
    telegram = TelegramSettings(token=SecretStr(token), users=(ALLOWED,), api_url=api.url, timing=QUICK)
    settings = load_settings(assignments=assignments).model_copy(update={"telegram": telegram})
    journal = await Journal.open(settings.journal_path, account="main", now_ms=lambda: time.time_ns() // 1_000_000)
    kill = KillSwitch(FlagFile(directory), configured=lambda: KillLevel.OFF)
    health = Health(directory / "health.json", "dry-run", "testnet")

    async def latch(level: KillLevel, by: str, reason: str) -> None:
        await journal.record_latch(level, by=by, reason=reason)

    async def on_rise(level: KillLevel) -> None:
        health.write(kill=level.value)

    async def on_resume() -> None:
        health.write(kill="off")

    kill.attach(latched=lambda: journal.reader.load_latch().level, latch=latch)
    health.write(kill="off")
    app = SimpleNamespace(journal=journal, kill=kill)
    bot: Any = SimpleNamespace(app=app, settings=settings, health=health)
    tasks = [asyncio.create_task(make_telegram(bot).run()), asyncio.create_task(kill.watch(on_rise, on_resume))]
    try:
        yield bot
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kill.stop()
        await journal.close()


async def until(what: Callable[[], object], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - a server and a thread change it
            await asyncio.sleep(0.02)


async def said(api: BotApi, text: str, **fields: Any) -> str:
    """Send a command; the answer to it."""
    before = len(api.sent)
    api.say(text, **fields)
    await until(lambda: len(api.sent) > before)
    return str(api.sent[-1]["text"])


def code_in(answer: str) -> str:
    return answer.rpartition("/confirm ")[2].strip()


async def test_pause_and_resume_go_through_the_switch_with_a_code_and_the_journal_says_who(
    api: BotApi, tmp_path: Path
) -> None:
    async with commanded(api, tmp_path) as bot:
        assert "say why" in await said(api, "/pause")
        answer = await said(api, "/pause the news")
        assert bot.app.kill.level() is KillLevel.OFF, "not before the code"
        assert "has taken level pause: the news" in await said(api, f"/confirm {code_in(answer)}")
        latch = bot.app.journal.reader.load_latch()
        assert (latch.level, latch.by, latch.reason) == (KillLevel.PAUSE, "telegram 42 (ann)", "the news")
        answer = await said(api, "/resume it is over")
        assert "has resumed (the switch was at pause)" in await said(api, code_in(answer))
        latch = bot.app.journal.reader.load_latch()
        assert (latch.level, latch.by, latch.reason) == (KillLevel.OFF, "telegram 42 (ann)", "it is over")
        facts = [fact.payload for fact in reversed(bot.app.journal.reader.load_facts(COMMAND))]
    assert [(f["user"], f["name"], f["command"], f["outcome"]) for f in facts] == [
        (42, "ann", "pause", "no reason"),
        (42, "ann", "pause", "asked for a code"),
        (42, "ann", "confirm", "pause: pause asked"),
        (42, "ann", "resume", "asked for a code"),
        (42, "ann", "confirm", "resume: was pause"),
    ]
    assert not any(fact["text"].isdigit() for fact in facts), "no code in the journal"


async def test_flatten_asks_for_the_level_that_the_command_line_asks_for(api: BotApi, tmp_path: Path) -> None:
    async with commanded(api, tmp_path) as bot:
        answer = await said(api, "/flatten sell")
        assert "that is not the code" in await said(
            api, "/confirm 000000" if code_in(answer) != "000000" else "/confirm 1"
        )
        assert bot.app.kill.level() is KillLevel.OFF
        await said(api, f"/confirm {code_in(await said(api, '/flatten sell'))}")
        assert bot.app.kill.level() is KillLevel.FLATTEN


async def test_strangers_groups_and_forwards_are_ignored_and_counted(api: BotApi, tmp_path: Path) -> None:
    origin = {"type": "hidden_user", "date": int(time.time()), "sender_user_name": "x"}
    with capture_logs() as logs:
        async with commanded(api, tmp_path) as bot:
            api.say("/flatten now", user=666)
            api.say("/flatten now", user=666)
            api.say("/flatten now", chat="group")
            api.say("/flatten now", forward_origin=origin)
            assert "/status" in await said(api, "/help")
            assert len(api.sent) == 1
            assert bot.health.last["telegram"] == {"problem": "", "strangers": 4}
            assert [f.payload["user"] for f in bot.app.journal.reader.load_facts(COMMAND)] == [ALLOWED]
            assert bot.app.kill.level() is KillLevel.OFF
    assert [line["user"] for line in logs if line["event"] == "telegram_stranger"] == [666, 42]


async def test_reading_commands_answer_from_the_journal(api: BotApi, tmp_path: Path) -> None:
    async with commanded(api, tmp_path):
        status = await said(api, "/status")
        assert "kill switch" in status
        assert "running: process" in status
        assert "no cycle has been recorded yet" in await said(api, "/positions")
        assert "no cycle has been recorded yet" in await said(api, "/why")
        assert "no profit and loss yet" in await said(api, "/pnl")
        assert "nothing was traded" in await said(api, "/history")
        assert "/flatten REASON" in await said(api, "/nonsense")


async def test_a_restart_serves_no_message_again_and_old_ones_are_refused(api: BotApi, tmp_path: Path) -> None:
    async with commanded(api, tmp_path) as bot:
        answer = await said(api, "/pause news")
        first = bot.app.journal.reader.load_facts(COMMAND)[0].payload["update_id"]
    api.say(f"/confirm {code_in(answer)}", age=OLD_SECONDS + 10)
    api.say("/confirm 123456")
    async with commanded(api, tmp_path) as bot:
        await until(lambda: len(api.sent) >= 3)
        assert int(api.polls[-1].get("offset", 0)) > first
        facts = bot.app.journal.reader.load_facts(COMMAND)
    assert [fact.payload["outcome"] for fact in facts][:2] == [
        "refused: nothing waits for a code; send the command again",
        "too old",
    ]
    assert [message["text"] for message in api.sent].count(answer) == 1


async def test_a_long_poll_waits_and_confirms_by_offset(api: BotApi, tmp_path: Path) -> None:
    async with commanded(api, tmp_path):
        update = api.say("/help")
        await until(lambda: any(int(poll.get("offset", 0)) == update + 1 for poll in api.polls))
        count = len(api.polls)
        await asyncio.sleep(0.5)
        assert len(api.polls) == count, "it waits in one request"
        assert json.loads(api.polls[0]["allowed_updates"]) == ["message"]


@pytest.mark.parametrize(
    ("method", "status", "parameters", "why"),
    [
        ("getUpdates", 429, {"retry_after": 1}, "Telegram asks to wait"),
        ("getUpdates", 409, {}, "another program polls with this token; stop it"),
        ("getUpdates", 502, {}, "Telegram cannot be reached (NetworkError)"),
        ("getMe", 500, {}, "Telegram cannot be reached (NetworkError)"),
        ("getMe", 401, {}, "Telegram refuses telegram.token"),
    ],
)
async def test_what_telegram_refuses_is_said_and_tried_again(
    api: BotApi, tmp_path: Path, method: str, status: int, parameters: dict[str, Any], why: str
) -> None:
    api.fail(method, status, **parameters)
    with capture_logs() as logs:
        async with commanded(api, tmp_path):
            assert "/status" in await said(api, "/help")
    assert [line["why"] for line in logs if line["event"] == "telegram"] == [why, "answers"]


async def test_two_pollers_conflict_and_it_goes_on_when_the_other_ends(api: BotApi, tmp_path: Path) -> None:
    api.waiting = 1
    async with commanded(api, tmp_path):
        await until(lambda: api.conflicts >= 2)
        api.waiting = 0
        assert "/status" in await said(api, "/help")


async def test_an_answer_that_is_refused_once_is_sent_again(api: BotApi, tmp_path: Path) -> None:
    api.fail("sendMessage", 429, retry_after=1)
    api.fail("sendMessage", 502)
    async with commanded(api, tmp_path):
        assert "/status" in await said(api, "/help")


async def test_a_wrong_token_is_never_printed(api: BotApi, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "123456789:AAE-another-wrong-secret-5512"
    with capture_logs() as logs:
        async with commanded(api, tmp_path, wrong) as bot:
            await until(lambda: bot.health.last.get("telegram"))
            assert bot.health.last["telegram"]["problem"] == "Telegram refuses telegram.token"
    assert wrong not in str(logs) + caplog.text


def test_a_token_without_users_is_a_problem(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTORBOT__TELEGRAM__TOKEN", TOKEN)
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    assert "telegram.users: is empty, so nobody could command the bot" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert TOKEN in load_settings(assignments=("telegram.users=[42]",)).secret_values()


async def test_httpx_cannot_leave_this_machine_in_a_test() -> None:
    before = len(BREACHES)
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises((NetworkForbiddenError, ExceptionGroup)):
            await client.get("http://203.0.113.1/")
    assert len(BREACHES) > before
    del BREACHES[before:]
