"""One row of a list cannot be read, over the real wire: a flatten, the exits and the stops go on all the same."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.order import OrderType
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.runtime.simulator.embedded import ACCOUNT
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.stage import Stage, notes_of, staged

SPOT = ("ETH/USDT", "SOL/USDT", "AVAX/USDT", "UNI/USDT", "AAVE/USDT", "LDO/USDT")
# List: its paths, where its rows are, and what is spoiled in the first of them that has it.
LISTS = {
    "positions": (("/fapi/v3/positionRisk",), "", ("entryPrice", "positionAmt")),
    "balances": (("/api/v3/account",), "balances", ("free",)),
    "open orders": (("/api/v3/openOrders", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"), "", ("side",)),
    "order history": (("/api/v3/allOrders", "/fapi/v1/allOrders", "/fapi/v1/allAlgoOrders"), "", ("side",)),
    "executions": (("/api/v3/myTrades", "/fapi/v1/userTrades"), "", ("commission",)),
    "payments": (("/fapi/v1/income",), "", ("income",)),
    "instruments": (("/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"), "symbols", ("filters",)),
    "funding": (("/fapi/v1/premiumIndex",), "", ("lastFundingRate",)),
}
QUICK = ("positions", "balances", "open orders")
CASES = [
    pytest.param(name, field, marks=() if name in QUICK else pytest.mark.slow)
    for name, (_, _, fields) in LISTS.items()
    for field in fields
]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "playbook.constants.flatten_slice=1") as made:
        yield made


def spoil(stage: Stage, name: str, field: str) -> None:
    """From now on the first row of the list that is not of UNI has nothing in this field that can be read."""
    server, (paths, envelope, _) = stage.embedded.server, LISTS[name]
    original = server.respond

    def respond(request: WireRequest) -> WireReply:
        reply = original(request)
        if request.method != "GET" or request.path not in paths or reply.status != 200:
            return reply
        rows = reply.content[envelope] if envelope else reply.content
        if not isinstance(rows, list) or not rows:
            return reply
        names = [row.get("symbol") or row.get("asset") for row in rows]
        index = next((i for i, name in enumerate(names) if name not in ("USDT", "UNI", "UNIUSDT")), None)
        bad = [{**row, field: "?"} if i == index else row for i, row in enumerate(rows)]
        return replace(reply, content={**reply.content, envelope: bad} if envelope else bad)

    server.respond = respond  # type: ignore[method-assign]


def held(stage: Stage) -> set[str]:
    """Instruments of which something is held that the venue would take an order for."""
    exchange = stage.embedded.exchange
    perps = {position.symbol for position in exchange.positions(ACCOUNT) if position.size}
    owned = exchange.balances(ACCOUNT)
    return perps | {
        symbol
        for symbol in SPOT
        if (asset := owned.get(symbol.split("/", 1)[0])) is not None
        and asset.total * exchange.quote(symbol).mid > Decimal(20)
    }


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize(("name", "field"), CASES)
async def test_a_flatten_sells_all_that_can_be_sold_while_one_row_is_bad(stage: Stage, name: str, field: str) -> None:
    async with stage.app() as app:
        for _ in range(6):
            await stage.turn(app)
        before = held(stage)
        assert {symbol for symbol in before if ":" in symbol}
        spoil(stage, name, field)
        app.kill.engage(KillLevel.FLATTEN, "operator")
        for _ in range(12):
            stage.results.append(await app.cycle.guard())
            stage.embedded.clock.skip(61_000)
        left = held(stage)
        assert len(left) <= 1, f"of {before} only the instrument of the bad row may be left"
        if name in ("positions", "balances"):
            assert Reason.ROW_UNREADABLE in {note.reason for turn in stage.results for note in notes_of(turn)}


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize(("name", "field"), CASES)
async def test_a_stop_that_is_gone_is_placed_again_while_another_row_is_bad(
    stage: Stage, name: str, field: str
) -> None:
    perp = "UNI/USDT:USDT"
    async with stage.app() as app:
        for _ in range(6):
            await stage.turn(app)
        await app.cycle.guard()
        stops = stage.embedded.exchange.open_orders(ACCOUNT, perp, is_trigger=True)
        assert stops
        for order in stops:
            stage.embedded.exchange.cancel(ACCOUNT, perp, client_id=order.client_id)
        spoil(stage, name, field)
        for _ in range(3):
            await app.cycle.guard()
            stage.embedded.clock.skip(20_000)
        position = next(p for p in stage.embedded.exchange.positions(ACCOUNT) if p.symbol == perp)
        again = stage.embedded.exchange.open_orders(ACCOUNT, perp, is_trigger=True)
        assert {o.client_id for o in again}.isdisjoint({o.client_id for o in stops})
        assert any(o.type is OrderType.STOP and o.size == abs(position.size) for o in again)
