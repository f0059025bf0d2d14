"""Symbols that are halted, missing or delisted: their legs wait with a note, and the rest goes on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.runtime.simulator.embedded import ACCOUNT
from tests.stage import Stage, golden, notes_of, staged

HELD, LEADER = "SOL/USDT", "UNI/USDT"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def said_about(stage: Stage, name: str) -> list[str]:
    return [n.words for turn in stage.results for n in notes_of(turn) if name in n.words or name in n.subject]


def traded(stage: Stage) -> set[str]:
    return {order.symbol for order in stage.orders() if order.filled_size > 0}


async def test_a_halted_token_is_noted_and_left_alone_while_the_others_rotate(stage: Stage) -> None:
    stage.embedded.exchange.halt(HELD)
    before = stage.embedded.exchange.balances(ACCOUNT)["SOL"].total
    async with stage.app() as app:
        for _ in range(5):
            await stage.turn(app)
        assert stage.embedded.exchange.balances(ACCOUNT)["SOL"].total == before
        assert not [order for order in app.journal.reader.load_orders(1000) if order.symbol == HELD]
        assert said_about(stage, "SOL")
        assert {"ETH/USDT", "AVAX/USDT", LEADER} <= traded(stage)
        await stage.check_books(app)


async def test_a_token_halted_in_the_middle_is_taken_up_again_when_it_trades(stage: Stage) -> None:
    async with stage.app() as app:
        await stage.turn(app)
        stage.embedded.exchange.halt(HELD)
        for _ in range(3):
            await stage.turn(app)
        assert HELD not in traded(stage)
        stage.embedded.exchange.resume(HELD)
        await stage.rotate(app)
        assert HELD in traded(stage)
        await stage.check_books(app)


async def test_a_halted_perp_stops_nothing_but_the_long_that_needs_it(stage: Stage) -> None:
    perp = "UNI/USDT:USDT"
    stage.embedded.exchange.halt(perp)
    async with stage.app() as app:
        for _ in range(7):
            await stage.turn(app)
        result = stage.results[-1]
        assert perp not in traded(stage)
        assert {"ETH/USDT:USDT", "ETH/USDT", LEADER} <= traded(stage)
        assert perp not in result.truth.account.positions
        assert said_about(stage, perp) or "AAVE/USDT:USDT" in traded(stage), (
            "it waits aloud, or the next best one is taken"
        )
        assert result.truth.is_agreed
        await stage.check_books(app)


async def test_a_token_the_exchange_does_not_list_is_noted_and_spoils_nothing(stage: Stage, tmp_path: Path) -> None:
    changed = golden(tmp_path)
    tokens = {**changed.universe.tokens, "GHOST": dict(changed.universe.tokens["LDO"])}
    universe = type(changed.universe).model_validate(changed.universe.model_dump() | {"tokens": tokens})
    stage.settings = changed.model_copy(update={"universe": universe})
    async with stage.app() as app:
        for _ in range(4):
            await stage.turn(app)
        assert said_about(stage, "GHOST")
        assert {"ETH/USDT", LEADER} <= traded(stage)
        await stage.check_books(app)
