"""The exchange protects itself and takes nothing but what reduces a position: exits go on (Binance USDⓈ-M, -1008)."""

from pathlib import Path

import pytest

from bot.domain.states import KillLevel, OrderState
from bot.runtime.simulator.embedded import ACCOUNT
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.stage import PERP_ORDER, staged

OVERLOADED = WireReply(
    503,
    {
        "code": -1008,
        "msg": "Request throttled by system-level protection. Reduce-only/close-position orders are exempt.",
    },
)
LONG = "UNI/USDT:USDT"


@pytest.mark.slow
async def test_an_overload_that_leaves_entries_in_doubt_does_not_stop_exits(tmp_path: Path) -> None:
    refused: list[str] = []

    def answer(request: WireRequest) -> WireReply | None:
        content = f"{request.query}&{request.body}"
        if request.method != "POST" or request.path != PERP_ORDER or "reduceOnly=true" in content:
            return None
        refused.append(content)
        return OVERLOADED

    async with staged(tmp_path, "risk.order_notional_max_quote=3000") as stage, stage.app() as app:
        exchange = stage.embedded.exchange
        for _ in range(12):
            await stage.turn(app)
            if any(position.symbol == LONG for position in exchange.positions(ACCOUNT)):
                break
        assert {position.size > 0 for position in exchange.positions(ACCOUNT)} == {True, False}, "a long and a hedge"
        with stage.answering(answer):
            result = await stage.turn(app)
            in_doubt = {o.symbol for o in app.journal.reader.load_working() if o.state is OrderState.IN_DOUBT}
            assert refused, "the rest of the long was tried"
            assert result.outcomes
            assert LONG in in_doubt
            held = exchange.position(ACCOUNT, LONG)
            app.kill.engage(KillLevel.FLATTEN)
            await app.cycle.guard()
            left = exchange.position(ACCOUNT, LONG)
            assert held is not None
            assert left is None or left.size < held.size, "the doubt does not hold up the exit"
            for _ in range(60):
                stage.embedded.clock.skip(61_000)
                if not (await app.cycle.guard()).has_acted:
                    break
            assert exchange.positions(ACCOUNT) == ()
        await stage.check_books(app)
