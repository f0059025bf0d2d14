"""A round of requests that takes longer than prices may be old: they are asked again, and it is decided by these."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.codec import encode
from bot.domain.market import Quote
from bot.domain.order import Intent, Purpose
from bot.domain.reason import Note, Reason
from bot.execution.reconcile import Reconciler, Truth
from bot.risk import Refused, needs_fresh_price
from bot.runtime.cycle import CycleResult
from bot.runtime.turn import TurnPlan, record_of, repeat
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.risk import worlds
from tests.runtime.test_turn import plans
from tests.stage import Stage, staged

__all__ = ["plans"]
PRICES = "/fapi/v1/ticker/bookTicker"
SLOW_MS = 20_000
TURNS = 6
NOTE = Note(Reason.VENUE_UNAVAILABLE, "said by both")


@dataclass
class Round:
    """Turns in which the first answer with prices takes `slow_ms`, and later ones fail where `is_dark`. `asked` counts
    the questions about prices of the latest turn."""

    stage: Stage
    slow_ms: int = SLOW_MS
    is_dark: bool = False
    asked: int = 0

    async def turn_with_orders(self, app: App) -> CycleResult:
        """The first turn after the start that wants to trade."""
        await self.stage.turn(app)  # reads the account's past as well
        for _ in range(TURNS):
            result = await self.turn(app)
            if any(needs_fresh_price(verdict.intent) for verdict in result.verdicts):
                return result
        pytest.fail(f"nothing was wanted in {TURNS} turns")

    async def turn(self, app: App) -> CycleResult:
        original, self.asked = self.stage.embedded.server.respond, 0

        def answer(request: WireRequest) -> WireReply | None:
            if request.path != PRICES:
                return None
            self.asked += 1
            if self.asked > 1:
                return WireReply(503, {"code": -1, "msg": "down"}) if self.is_dark else None
            reply = original(request)
            self.stage.embedded.clock.skip(self.slow_ms)
            return reply

        with self.stage.answering(answer):
            return await self.stage.turn(app)


@pytest.fixture
async def rounds(tmp_path: Path) -> AsyncIterator[Round]:
    async with staged(tmp_path) as stage:
        yield Round(stage)


async def test_a_slow_round_is_decided_traded_and_recorded_by_prices_of_now(
    rounds: Round, plans: list[TurnPlan]
) -> None:
    async with rounds.stage.app() as app:
        result = await rounds.turn_with_orders(app)
        assert rounds.asked == 2
        assert [verdict.note for verdict in result.verdicts if isinstance(verdict, Refused)] == []
        assert any(outcome.filled_size > 0 for outcome in result.outcomes)
        record, numbers = app.journal.reader.load_cycle(result.number), app.cycle.parts.numbers
        limit_ms = app.settings.risk.price_age_max_ms
        await rounds.stage.check_books(app)
    assert record is not None
    inputs = record.inputs
    assert inputs.risk is not None
    judged_ms = inputs.risk.now_ms
    assert judged_ms - inputs.snapshot.at_ms >= SLOW_MS > limit_ms
    assert max(judged_ms - quote.at_ms for quote in inputs.snapshot.quotes.values()) < limit_ms
    assert encode(inputs) == encode(plans[-1].inputs), "what is judged is what is recorded"
    assert encode(record_of(repeat(inputs, numbers), record.number, record.config_digest)) == encode(record)


async def test_prices_that_do_not_come_again_stay_old_and_nothing_is_sent_by_them(rounds: Round) -> None:
    rounds.is_dark = True
    async with rounds.stage.app() as app:
        result = await rounds.turn_with_orders(app)
    assert rounds.asked > 1
    wanting = [verdict for verdict in result.verdicts if needs_fresh_price(verdict.intent)]
    assert {verdict.note.reason for verdict in wanting if isinstance(verdict, Refused)} == {Reason.PRICE_STALE}
    assert all(isinstance(verdict, Refused) for verdict in wanting)
    said = {missing.what for missing in result.snapshot.missing if missing.why.startswith("asked again: ")}
    assert said >= {f"part of quote {verdict.intent.symbol}" for verdict in wanting}


async def test_prices_of_a_quick_round_are_asked_once(rounds: Round) -> None:
    rounds.slow_ms = 0
    async with rounds.stage.app() as app:
        await rounds.turn_with_orders(app)
    assert rounds.asked == 1


@pytest.mark.parametrize("kind", ["cycle", "guard"])
async def test_a_cycle_asks_again_for_prices_that_came_too_late(rounds: Round, kind: str) -> None:
    """Without them spot is worth nothing, and nothing can be traded."""
    async with rounds.stage.app() as app:
        before = await rounds.stage.turn(app)
        ask, asked = app.cycle.parts.venue.fetch_quotes, []

        async def late(symbols: Sequence[str]) -> Mapping[str, Quote]:
            asked.append(symbols)
            if len(asked) == 1:
                raise TimeoutError
            return await ask(symbols)

        app.cycle.parts.venue.fetch_quotes = late  # type: ignore[method-assign]
        result = await (app.cycle.run() if kind == "cycle" else app.cycle.guard())
    if kind == "guard":
        assert len(asked) == 1, "its exits do not wait"
        return
    assert len(asked) == 2
    assert result.snapshot.quotes.keys() == before.snapshot.quotes.keys()
    assert abs(result.portfolio.equity / before.portfolio.equity - 1) < Decimal("0.01")
    assert [missing for missing in result.snapshot.missing if "quote" in missing.what] == []


async def test_a_slow_round_in_which_nothing_is_wanted_asks_no_more(rounds: Round) -> None:
    async with rounds.stage.app() as app:
        await rounds.stage.rotate(app)
        result = await rounds.turn(app)
    assert result.verdicts == ()
    assert rounds.asked == 1


async def test_a_cycle_whose_settling_was_slow_settles_once_more_and_keeps_both_notes(
    rounds: Round, plans: list[TurnPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the first one is, which reads the account's past."""
    settle, asked = Reconciler.settle, []

    async def slow(self: Reconciler, symbols: Sequence[str]) -> Truth:
        truth = await settle(self, symbols)
        asked.append(truth.account.at_ms)
        if len(asked) == 1:
            rounds.stage.embedded.clock.skip(60_000)
        note = Note(Reason.VENUE_UNAVAILABLE, f"of settlement {len(asked)}", "", {"n": "1"})
        return replace(truth, notes=(*truth.notes, NOTE, note))

    async with rounds.stage.app() as app:
        await rounds.stage.turn(app)  # moves the margin of the first hedge
        monkeypatch.setattr(Reconciler, "settle", slow)
        result = await app.cycle.plan()
        assert [verdict.note for verdict in result.verdicts if isinstance(verdict, Refused)] == []
        assert result.verdicts
        assert len(asked) == 2
        assert result.truth.account.at_ms == asked[1]
        assert [note.words for note in result.truth.notes] == ["said by both", "of settlement 1", "of settlement 2"]
        asked.clear()
        await app.cycle.guard()
        assert plans[-1].inputs.account.at_ms == asked[0], "an exit does not wait for it"


@pytest.mark.parametrize(
    ("intent", "needed"),
    [
        (worlds.sell(), True),
        (worlds.buy(), True),
        (worlds.hedge(), True),
        (worlds.tactical(), True),
        (worlds.release(), False),
        (worlds.sell(purpose=Purpose.FLATTEN), False),
        (worlds.release(purpose=Purpose.EXIT), False),
    ],
    ids=["sale", "purchase", "hedge", "long", "release", "flatten", "exit"],
)
def test_what_only_reduces_a_perp_or_flattens_needs_no_fresh_price(intent: Intent, needed: bool) -> None:
    assert needs_fresh_price(intent) is needed
