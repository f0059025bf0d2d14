"""The service that serves commands sent to a Telegram bot.

It asks Telegram for messages by long polling, so nothing listens on this machine. A message counts only if a user of
the allow list has sent it in a private chat. Every command is journaled with its sender before the answer leaves; after
a restart no message is served again.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from telegram import Bot, Message, Update
from telegram.error import Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from bot.journal.journal import JournalError
from bot.journal.reader import JournalReader
from bot.operate.telegram.commander import Commander, read_command
from bot.runtime.cycle import CycleResult
from bot.runtime.services.service import RunningBot

COMMAND = "telegram_command"
TEXT_MAX = 4_000
OLD_SECONDS = 300.0
STRANGERS_NAMED = 20
T = TypeVar("T")
_log = structlog.get_logger("sectorbot.telegram")
os.environ.setdefault("PTB_TIMEDELTA", "true")  # else the package warns about its own whole seconds
for _name in ("httpx", "httpcore", "telegram"):  # their lines quote addresses, which hold the token
    logging.getLogger(_name).propagate = False


def make_telegram(bot: RunningBot) -> "TelegramService":
    """The service for the bot of the settings."""
    return TelegramService(bot, Commander(bot.settings))


@dataclass(slots=True)
class _Strangers:
    """Senders who are not allowed: how many messages they have sent, and who they are, as far as there is room."""

    count: int = 0
    ids: set[int] = field(default_factory=set)


class TelegramService:
    """Polls, serves, answers."""

    name = "telegram"

    def __init__(self, running: RunningBot, commander: Commander) -> None:
        self._running, self._commander = running, commander
        self._settings = running.settings.telegram
        self._strangers = _Strangers()
        self._offset = 0
        self._problem = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        timing, token = self._settings.timing, self._settings.token
        if token is None:
            return
        self._offset = await asyncio.to_thread(self._load_offset)
        wait = timing.poll_seconds + timing.slack_seconds
        bot = Bot(
            token.get_secret_value(),
            base_url=f"{self._settings.api_url}/bot",
            base_file_url=f"{self._settings.api_url}/file/bot",
            request=HTTPXRequest(read_timeout=timing.slack_seconds, connect_timeout=timing.slack_seconds),
            get_updates_request=HTTPXRequest(read_timeout=wait, connect_timeout=timing.slack_seconds),
        )
        try:
            await self._patiently(bot.initialize)
            while True:
                updates = await self._patiently(lambda: self._poll(bot))
                for update in updates:
                    await self._serve(bot, update)
                    self._offset = update.update_id + 1
        finally:
            with contextlib.suppress(TelegramError):
                await bot.shutdown()

    def on_turn(self, result: CycleResult) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing is left."""

    def _load_offset(self) -> int:
        reader = JournalReader(self._running.app.journal.path)
        try:
            facts = reader.load_facts(COMMAND, 1)
        finally:
            reader.close()
        return int(facts[0].payload["update_id"]) + 1 if facts else 0

    async def _poll(self, bot: Bot) -> tuple[Update, ...]:
        result = await bot.get_updates(
            offset=self._offset,
            timeout=timedelta(seconds=self._settings.timing.poll_seconds),
            allowed_updates=["message"],
        )
        self._say("")
        return result

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, however long Telegram does not give one. Only the kind of a failure is logged: its text may
        quote the token."""
        failures = 0
        while True:
            try:
                return await ask()
            except TelegramError as error:
                failures += 1
                seconds, why = self._wait_after(error, failures)
                self._say(why)
            await asyncio.sleep(seconds)

    def _wait_after(self, error: TelegramError, failures: int) -> tuple[float, str]:
        timing = self._settings.timing
        if isinstance(error, RetryAfter):
            return _seconds_of(error), "Telegram asks to wait"
        if isinstance(error, InvalidToken | Forbidden):
            return timing.refused_seconds, "Telegram refuses telegram.token"
        if isinstance(error, Conflict):
            return timing.conflict_seconds, "another program polls with this token; stop it"
        wait = min(timing.retry_seconds * 2 ** min(failures - 1, 20), timing.retry_max_seconds)
        kind = "Telegram cannot be reached" if isinstance(error, NetworkError) else "Telegram refuses the request"
        return wait, f"{kind} ({type(error).__name__})"

    def _say(self, problem: str) -> None:
        """Once for each change."""
        if problem != self._problem:
            self._problem = problem
            (_log.warning if problem else _log.info)("telegram", why=problem or "answers")
        self._running.health.last["telegram"] = {"problem": problem, "strangers": self._strangers.count}

    async def _serve(self, bot: Bot, update: Update) -> None:
        message = update.message
        user = message.from_user if message is not None else None
        if message is None or user is None:
            return
        if user.id not in self._settings.users or message.chat.type != "private" or message.forward_origin:
            self._count_unknown_user(user.id)
            return
        command, rest = read_command(message.text or "")
        name = user.username or user.first_name
        if time.time() - message.date.timestamp() > OLD_SECONDS:
            text, outcome = "this message is too old; send it again", "too old"
        else:
            reply = await asyncio.to_thread(self._blocking, user.id, name, command, rest)
            text, outcome = reply.text, reply.outcome
        await self._record(update.update_id, user.id, name, command, rest, outcome)
        await self._answer(bot, message, text)

    def _blocking(self, user: int, name: str, command: str, rest: str) -> Any:
        readers: list[JournalReader] = []

        def open_reader() -> JournalReader:
            readers.append(JournalReader(self._running.app.journal.path))
            return readers[0]

        try:
            return self._commander.serve(user, name, command, rest, open_reader)
        finally:
            for reader in readers:
                reader.close()

    def _count_unknown_user(self, user: int) -> None:
        strangers = self._strangers
        strangers.count += 1
        if user not in strangers.ids and len(strangers.ids) < STRANGERS_NAMED:
            strangers.ids.add(user)
            _log.warning("telegram_stranger", user=user, what="ignored; telegram.users does not name this id")
        self._say(self._problem)

    async def _record(self, update: int, user: int, name: str, command: str, rest: str, outcome: str) -> None:
        """Who has asked for what. The switch acts even where the journal cannot be written."""
        said = "" if command == "confirm" else rest
        payload = {"update_id": update, "user": user, "name": name, "command": command, "text": said[:500]}
        _log.info("telegram_command", **payload, outcome=outcome)
        with contextlib.suppress(JournalError):
            await self._running.app.journal.record_fact(COMMAND, {**payload, "outcome": outcome})

    async def _answer(self, bot: Bot, message: Message, text: str) -> None:
        """Send the answer; tried a few times, then it is dropped: the user sees that none has come."""
        timing = self._settings.timing
        for attempt in range(1, timing.answer_attempts + 1):
            try:
                await bot.send_message(message.chat.id, text[:TEXT_MAX])
            except RetryAfter as error:
                await asyncio.sleep(min(_seconds_of(error), timing.retry_max_seconds))
            except (TimedOut, NetworkError):
                await asyncio.sleep(timing.retry_seconds * attempt)
            except TelegramError as error:
                self._say(f"an answer is refused ({type(error).__name__})")
                return
            else:
                return
        self._say("an answer could not be sent")


def _seconds_of(error: RetryAfter) -> float:
    return float(error._retry_after.total_seconds())
