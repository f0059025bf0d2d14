"""A journal of one whole rotation over six tokens, made once, and dashboards over copies of it."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.atomic_file import write_atomically
from bot.operate.dashboard.server import make_app
from bot.operate.dashboard.source import BotSource, make_source
from bot.runtime.settings.model import Settings
from tests.stage import golden, rotated

PARTS = ("cycle", "guard", "event loop", "switch watch")


@pytest.fixture(scope="session")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a bot that has rotated and has ended. Not to be written to."""
    directory = tmp_path_factory.mktemp("rotation")

    async def rotate() -> None:
        async with rotated(directory):
            pass

    asyncio.run(rotate())
    return directory


@pytest.fixture
def state(rotation: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(rotation, tmp_path / "state"))


def settings_of(state: Path, *changes: str) -> Settings:
    return golden(state, *changes)


def pretend_daemon(state: Path, **fields: Any) -> None:
    """A health file as a daemon writes it, of this process."""
    now_ms = time.time_ns() // 1_000_000
    parts = {name: {"at_ms": now_ms - 1_000, "late_after_ms": 60_000} for name in PARTS}
    content = {
        "pid": os.getpid(),
        "at_ms": now_ms,
        "mode": "trade",
        "environment": "sim",
        "parts": parts,
        "kill": "off",
    }
    write_atomically(state / "health.json", orjson.dumps(content | fields), is_durable=False)


@asynccontextmanager
async def dashboard(*sources: BotSource) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of a dashboard over these bots."""
    async with TestClient(TestServer(make_app(sources, sources[0].settings.dashboard))) as client:
        yield client
    for source in sources:
        source.close()


@pytest.fixture
def source_of(state: Path) -> Callable[..., BotSource]:
    """Makes the bot of the copied state directory with some settings changed."""
    return lambda *changes: make_source(settings_of(state, *changes))
