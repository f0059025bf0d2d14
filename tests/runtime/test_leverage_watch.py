"""Case a24: the exchange has another leverage than was set. The guard sets it back or says so, and entries stop."""

from dataclasses import replace
from pathlib import Path

from bot.domain.reason import Reason
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireRequest
from tests.stage import ACCOUNT, Stage, staged

UNI = "UNI/USDT:USDT"
LEVERAGE = "/fapi/v1/leverage"
ONE_TURN_MS = 60_000


def is_asked(request: WireRequest) -> bool:
    return (request.method, request.path) == ("POST", LEVERAGE)


def facts_of(app: App) -> list[str]:
    names = ("leverage_sent", "leverage_done", "leverage_refused", "leverage_in_doubt")
    found = [fact for name in names for fact in app.journal.reader.load_facts(name, limit=100)]
    return [fact.kind for fact in sorted(found, key=lambda fact: fact.seq)]


async def opened(stage: Stage, app: App) -> int:
    """Rotate until the tactical long stands; the leverage it was opened with."""
    await stage.rotate(app)
    result = await app.cycle.guard()
    assert not any(note.reason is Reason.LEVERAGE_DIFFERS for note in (*result.breakers, *result.decision.notes))
    assert result.portfolio.account.positions[UNI].size > 0
    return stage.embedded.exchange.symbol_config(ACCOUNT, UNI).leverage


async def test_a_leverage_that_the_exchange_does_not_lower_stops_entries_and_is_tried_once(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.app() as app:
        was = await opened(stage, app)
        stage.embedded.exchange.set_leverage(ACCOUNT, UNI, 20)
        with stage.answering(lambda _: None) as asked:
            results = [await app.cycle.guard() for _ in range(3)]
        assert sum(is_asked(request) for request in asked) == 1
        assert facts_of(app) == ["leverage_sent", "leverage_refused"]
        for result in results:
            (breaker,) = [note for note in result.breakers if note.reason is Reason.LEVERAGE_DIFFERS]
            assert f"reports leverage 20, {was} was set" in breaker.words
        assert any("not set back" in note.words for note in results[0].notes)


async def test_a_leverage_is_set_back_in_the_same_guard_where_the_exchange_takes_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with stage.app() as app:
            was = await opened(stage, app)
        configs = stage.embedded.exchange._state.account(ACCOUNT).configs
        async with stage.app() as app:
            configs[UNI] = replace(configs[UNI], leverage=was - 1)
            result = await app.cycle.guard()
            assert configs[UNI].leverage == was
            assert facts_of(app) == ["leverage_sent", "leverage_done"]
            assert [note.reason for note in result.breakers] == [Reason.LEVERAGE_DIFFERS]
            assert not (await app.cycle.guard()).breakers

            configs[UNI] = replace(configs[UNI], leverage=was - 1)
            stage.embedded.clock.skip(ONE_TURN_MS)
            await app.cycle.guard()
            assert configs[UNI].leverage == was, "what the exchange confirmed a minute ago is not believed"
