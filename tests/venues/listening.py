"""The streams of a bench at work, for tests of every venue's."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bot.ports import StreamNews
from bot.venues.ccxt.adapter import load_channels
from bot.venues.streams.channel import KeepAlive
from bot.venues.streams.client import StreamClient
from tests.venues.simex_bench import PERP, SPOT, Bench


@dataclass
class Listening:
    """The streams of a bench at work. `heard` is what each has said."""

    clients: dict[str, StreamClient]
    heard: dict[str, list[StreamNews]] = field(default_factory=dict)

    def is_fresh(self, name: str) -> bool:
        return self.clients[name].state().is_fresh


async def until(what: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - what is waited for lies in another task
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(bench: Bench, *names: str, symbols: Sequence[str] = (SPOT, PERP), **keep_alive: Any) -> Any:
    """The named streams, run without pauses between connections. `keep_alive` is changed of what their venue states."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))

    def session() -> Any:
        assert bench.venue._link.session is not None
        return bench.venue._link.session.session  # type: ignore[attr-defined]

    channels = {one.name: one for one in load_channels(bench.venue.id)(bench.venue._link, symbols)}
    for channel in channels.values():
        if keep_alive:
            channel.keep_alive = KeepAlive(**{"ping": channel.keep_alive.ping, **keep_alive})
    made = Listening({name: StreamClient(channels[name], session, sleep=pause) for name in names})
    tasks = []
    for name, client in made.clients.items():
        made.heard[name] = []
        tasks.append(asyncio.create_task(client.run(made.heard[name].append)))
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
