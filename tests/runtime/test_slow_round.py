"""A round of requests that takes longer than prices may be old: they are asked again, and it is decided by these."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.domain.codec import encode
from bot.domain.market import Quote
from bot.domain.order import Intent, Purpose
from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.domain.symbol import is_perp
from bot.domain.turn.inputs import TurnInputs
from bot.execution.reconcile import Reconciler, Truth
from bot.playbook.market.signal_cache import SignalCache
from bot.ports import Listed, OrderReport, Unavailable
from bot.risk import Approved, Refused, needs_fresh_price
from bot.runtime import cycle as cycle_module
from bot.runtime.cycle import CycleResult
from bot.runtime.daemon import Daemon
from bot.runtime.health.health_file import Health
from bot.runtime.turn import CYCLE, Numbers, Proposal, TurnPlan, propose, record_of, repeat
from bot.runtime.watch.slow_rounds import SETTLEMENTS_MAX, of_both
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.risk import worlds
from tests.runtime.test_turn import plans
from tests.stage import Stage, rotated, staged

__all__ = ["plans"]
PRICES = "/fapi/v1/ticker/bookTicker"
SLOW_MS = 20_000
TURNS = 6
UNI = "UNI/USDT"
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

    async def turn(self, app: App, turn: Callable[[], Awaitable[CycleResult]] | None = None) -> CycleResult:
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
            return await (self.stage.turn(app) if turn is None else turn())


@pytest.fixture
async def rounds(tmp_path: Path) -> AsyncIterator[Round]:
    async with staged(tmp_path) as stage:
        yield Round(stage)


@pytest.fixture
async def later_rounds(tmp_path: Path) -> AsyncIterator[Round]:
    """Of a bot that comes back after its rotation: nothing is wanted any more."""
    async with rotated(tmp_path) as stage:
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


async def test_a_slow_round_in_which_nothing_is_wanted_asks_no_more(later_rounds: Round) -> None:
    async with later_rounds.stage.app() as app:
        await later_rounds.stage.turn(app)  # the first after a start reads the account's past
        result = await later_rounds.turn(app)
    assert result.verdicts == ()
    assert later_rounds.asked == 1


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


@dataclass
class Settlements:
    """Settlements of which the first takes `slow_ms`, and the second fails where `is_lost`; what each has found."""

    stage: Stage
    slow_ms: int = 60_000
    is_lost: bool = False
    found: list[Truth | None] = field(default_factory=list)

    def replace(self, monkeypatch: pytest.MonkeyPatch) -> "Settlements":
        settle = Reconciler.settle

        async def settled(reconciler: Reconciler, symbols: Sequence[str]) -> Truth:
            self.found.append(None)
            if self.is_lost and len(self.found) == 2:
                raise Unavailable("no open orders within 10 ms")
            truth = self.found[-1] = await settle(reconciler, symbols)
            if len(self.found) == 1:
                self.stage.embedded.clock.skip(self.slow_ms)
            return truth

        monkeypatch.setattr(Reconciler, "settle", settled)
        return self


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[Intent]:
    """Intents that every turn wants instead of its own, once there are any."""
    intents: list[Intent] = []

    def proposed(inputs: TurnInputs, numbers: Numbers, cache: SignalCache | None = None) -> Proposal:
        proposal = propose(inputs, numbers, cache)
        changed = replace(proposal.decision, intents=tuple(intents))
        return replace(proposal, decision=changed) if intents else proposal

    monkeypatch.setattr(cycle_module, "propose", proposed)
    return intents


async def test_a_second_settlement_that_fails_leaves_exits_to_the_first(
    rounds: Round, wanted: list[Intent], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rounds.stage.app() as app:
        before = await partly_rotated(rounds.stage, app)
        wanted += hedge_and_exit(before)[::-1]
        settlements = Settlements(rounds.stage, is_lost=True).replace(monkeypatch)
        result = await app.cycle.run()
        exited, hedged = result.verdicts
    assert isinstance(exited, Approved)
    assert [outcome.filled_size > 0 for outcome in result.outcomes] == [True]
    assert isinstance(hedged, Refused)
    assert hedged.note.reason is Reason.BALANCE_STALE
    assert len(settlements.found) == SETTLEMENTS_MAX


async def test_a_second_settlement_that_fails_is_said_and_keeps_the_locks_it_has_written(
    rounds: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rounds.stage.app() as app:
        await rounds.stage.turn(app)
        parts = app.cycle.parts
        settlements = Settlements(rounds.stage, is_lost=True).replace(monkeypatch)
        monkeypatch.setattr(parts.journal.reader, "load_locks", lambda: {UNI: "of the second"})
        truth = await app.cycle._slow_rounds.settle(CYCLE, parts.observer.symbols, parts.limits)
    assert settlements.found[0] is not None
    assert truth.account == settlements.found[0].account
    assert UNI in truth.locked
    assert "could not be settled once more" in truth.notes[-1].words
    assert "no open orders within 10 ms" in truth.notes[-1].words


async def test_a_row_that_the_first_settlement_could_not_read_locks_its_instrument_after_the_second(
    rounds: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one finds the row sound, and what the first one has left out is not in its truth."""
    async with rounds.stage.app() as app:
        await partly_rotated(rounds.stage, app)
        planned = await app.cycle.plan()
        symbol = next(v.intent.symbol for v in planned.verdicts if isinstance(v, Approved) and is_entry(v.intent))
        venue, bad = app.cycle.parts.venue, (symbol, "orders: a row cannot be read")
        fetch = venue.fetch_open_orders
        settlements = Settlements(rounds.stage).replace(monkeypatch)

        async def spoilt(symbols: Sequence[str]) -> Sequence[OrderReport]:
            reports = await fetch(symbols)
            return Listed(reports, [bad]) if len(settlements.found) == 1 else reports

        venue.fetch_open_orders = spoilt  # type: ignore[method-assign]
        result = await app.cycle.plan()
    first, second = settlements.found
    assert first is not None
    assert second is not None
    assert symbol in first.locked - second.locked
    assert any(note.reason is Reason.ROW_UNREADABLE and note.subject == symbol for note in result.truth.notes)
    entries = [v for v in result.verdicts if v.intent.symbol == symbol and is_entry(v.intent)]
    assert entries
    assert {v.note.reason for v in entries if isinstance(v, Refused)} == {Reason.INSTRUMENT_LOCKED}
    assert all(isinstance(verdict, Refused) for verdict in entries)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_two_settlements_agree_only_where_both_do(first: bool, again: bool) -> None:
    account = Account(0, "USDT", {}, Decimal(0), Decimal(0), {})
    one, two = (Truth(account, (), is_agreed, frozenset()) for is_agreed in (first, again))
    assert of_both(one, two).is_agreed is (first and again)


@pytest.mark.parametrize("has_exit", [True, False])
async def test_a_guard_that_wants_an_exit_does_not_wait_for_the_prices_of_a_hedge(
    rounds: Round, wanted: list[Intent], has_exit: bool
) -> None:
    async with rounds.stage.app() as app:
        before = await partly_rotated(rounds.stage, app)
        wanted += hedge_and_exit(before)[: 2 if has_exit else 1]
        result = await rounds.turn(app, app.cycle.guard)
    assert rounds.asked == (1 if has_exit else 2)
    reasons = {v.note.reason for v in result.verdicts if isinstance(v, Refused) and needs_fresh_price(v.intent)}
    assert (Reason.PRICE_STALE in reasons) is has_exit


async def test_a_venue_of_a_pair_that_is_dark_is_waited_for_once(later_rounds: Round) -> None:
    """Until one of its prices comes again."""
    async with later_rounds.stage.app() as app:
        await later_rounds.stage.turn(app)  # the first after a start reads the account's past
        venue = app.cycle.parts.venue
        ask, asked, dark = venue.fetch_quotes, list[Sequence[str]](), [True]

        async def half(symbols: Sequence[str]) -> Mapping[str, Quote]:
            asked.append(symbols)
            return {s: quote for s, quote in (await ask(symbols)).items() if is_perp(s) or not dark[0]}

        async def times() -> int:
            asked.clear()
            await app.cycle.run()
            return len([symbols for symbols in asked if len(symbols) > 1])  # of one symbol: the price of a fee

        venue.fetch_quotes = half  # type: ignore[method-assign]
        assert [await times() for _ in range(3)] == [2, 1, 1]
        fresh = await app.cycle.parts.observer.with_fresh_quotes(
            await app.cycle.parts.observer.observe(), without=app.cycle._slow_rounds._dark
        )
        assert fresh.quotes
        assert all(map(is_perp, asked[-1])), "what is old is asked again of the other alone"
        dark[0] = False
        assert await times() == 1
        dark[0] = True
        assert [await times() for _ in range(2)] == [2, 1]


async def test_prices_of_which_none_comes_are_asked_again_in_every_cycle(later_rounds: Round) -> None:
    """That is a busy machine, not a dark venue of two."""
    async with later_rounds.stage.app() as app:
        await later_rounds.stage.turn(app)  # the first after a start reads the account's past
        asked: list[Sequence[str]] = []

        async def late(symbols: Sequence[str]) -> Mapping[str, Quote]:
            asked.append(symbols)
            raise Unavailable("no prices")

        app.cycle.parts.venue.fetch_quotes = late  # type: ignore[method-assign]
        for times in (2, 4):
            await app.cycle.run()
            assert len([symbols for symbols in asked if len(symbols) > 1]) >= times


def test_health_lets_a_turn_settle_three_times(tmp_path: Path) -> None:
    daemon, health = Daemon.__new__(Daemon), Health(tmp_path / "health.json", "trade", "sim")
    journal = SimpleNamespace(silent_seconds=lambda: 0.0)
    cadence = SimpleNamespace(guard_seconds=10, cycle_seconds=300, timing=SimpleNamespace(rounds_max=4))
    timing = SimpleNamespace(settle_deadline_ms=90_000)
    parts = {
        "_health": health,
        "_pace": SimpleNamespace(limit_s=30),
        "_app": SimpleNamespace(journal=journal, kill=SimpleNamespace()),
        "_settings": SimpleNamespace(cadence=cadence, execution=SimpleNamespace(timing=timing)),
    }
    for name, part in parts.items():
        setattr(daemon, name, part)
    daemon._expect_parts(None)
    assert health.last["stale_after_ms"] == (3 * 10 + 3 * 90) * 1000
    assert health.parts["guard"].late_after == 30 + 2 * 10 + 3 * 90
    assert health.parts["cycle"].late_after == 2 * 300 + 4 * 3 * 90


async def partly_rotated(stage: Stage, app: App) -> CycleResult:
    """Hedge and sales are done, purchases are next."""
    await stage.turn(app)
    return await stage.turn(app)


def hedge_and_exit(result: CycleResult) -> tuple[Intent, Intent]:
    """More of a hedge that is held, and its end."""
    held = next(p for p in result.truth.account.positions.values() if p.size < 0)
    quote, grid = result.snapshot.quotes[held.symbol], result.snapshot.instruments[held.symbol]
    sale = worlds.hedge(symbol=held.symbol, size=-held.size, worst_price=grid.floor_price(quote.bid))
    out = worlds.release(symbol=held.symbol, size=-held.size, purpose=Purpose.EXIT)
    return sale, replace(out, worst_price=grid.floor_price(quote.ask * Decimal("1.004")))


def is_entry(intent: Intent) -> bool:
    return needs_fresh_price(intent) and intent.purpose in (Purpose.HEDGE, Purpose.INCREASE, Purpose.TACTICAL)


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
