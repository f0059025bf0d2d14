"""What a back-test leaves out changes nothing: document, page, table and every row of the journal are those of a run
that settles in every turn and takes every guard."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from bot.domain.market import Snapshot
from bot.domain.order_ids import NEW_EXCHANGE
from bot.execution.books.agreed import BASELINE, BASELINE_AGE_MS
from bot.execution.books.unexplained import COUNTED
from bot.execution.reconcile import Reconciler, Truth
from bot.execution.rules import ExecutionRules
from bot.lab.backtest.quiet_guard import QuietGuard
from bot.lab.backtest.run import LeanJournal
from bot.lab.backtest.settled_books import EngineReconciler
from bot.runtime.cycle import Cycle, CycleResult
from bot.simex.engine.exchange import Exchange
from bot.simex.market.catalogue import default_instruments
from bot.venues.paper.engine_venue import EngineVenue
from tests.lab.markets import START_MS, H
from tests.lab.test_backtest import market_of, prices_of
from tests.lab.test_kept_answers import all_of
from tests.profiles import PROFILE

D = Decimal
MINUTE_MS = 60_000
SYMBOLS = ("UNI/USDT", "UNI/USDT:USDT")


@pytest.fixture
def settlements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every settlement that is made in full."""
    made: list[int] = []
    settle = Reconciler._settle

    async def counted(self: Any, symbols: Sequence[str]) -> Any:
        made.append(1)
        return await settle(self, symbols)

    monkeypatch.setattr(Reconciler, "_settle", counted)
    return made


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every guard that is taken."""
    taken: list[int] = []
    guard = Cycle.guard

    async def counted(self: Cycle) -> CycleResult:
        taken.append(1)
        return await guard(self)

    monkeypatch.setattr(Cycle, "guard", counted)
    return taken


# All 200 markets take seven minutes of a core: the gate looks at every fifth, pytest by itself at all of them.
@pytest.mark.sweep(keep=8)
@pytest.mark.parametrize("seed", range(100, 300, 1 if PROFILE == "here" else 5))
def test_a_run_that_leaves_out_nothing_is_the_same_to_the_last_row(
    seed: int, tmp_path: Path, settlements: list[int], guards: list[int]
) -> None:
    quick = all_of(tmp_path / "run", seed, 3, least=0, is_lazy=False)
    settled, taken = len(settlements), len(guards)
    thorough = all_of(tmp_path / "run", seed, 3, least=0, is_lazy=False, is_thorough=True)
    assert len(settlements) - settled > 2 * settled, "a slow path that nobody takes proves nothing"
    assert len(guards) - taken > 2 * taken
    for name, value in quick.items():
        assert thorough[name] == value, name


class Stand:
    """An engine with an account, a journal and the back-test's reconciler over them."""

    def __init__(self, folder: Path) -> None:
        market = market_of(prices_of(1), 5)
        self.folder, self.ms = folder, START_MS
        self.exchange = Exchange(
            instruments=default_instruments(("UNI",), {"UNI": D(50)}), market=market, start_ms=START_MS
        )
        self.exchange.create_account("main", spot={"USDT": D(10_000), "UNI": D(10)}, perp=D(10_000))
        self.venue = EngineVenue(self.exchange, self, account="main")

    def now_ms(self) -> int:
        return self.ms

    async def __aenter__(self) -> "Stand":
        self.journal = await LeanJournal.open(
            self.folder / "journal.db",
            account="main",
            now_ms=self.now_ms,
            threaded=False,
            fresh=True,
            token=NEW_EXCHANGE,
        )
        self.reconciler = EngineReconciler(self.venue, self.journal, ExecutionRules())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.journal.close()

    async def settle(self, after_ms: int = 0) -> Any:
        self.ms += after_ms
        return await self.reconciler.settle(SYMBOLS)

    def paid(self) -> list[Decimal]:
        """Payments that the journal has beside the deposit of the start."""
        return [paid.amount for paid in self.journal.reader.load_payments() if paid.amount != D(10_000)]

    def count(self, kind: str) -> int:
        return len(self.journal.reader.load_facts(kind))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_books_that_nothing_has_touched_are_taken_as_settled_at_the_prices_of_now(
    tmp_path: Path, settlements: list[int]
) -> None:
    async def main() -> None:
        async with Stand(tmp_path) as stand:
            first = await stand.settle()
            later = await stand.settle(H)
            assert len(settlements) == 1
            assert (later.account.at_ms, later.is_agreed) == (first.account.at_ms + H, True)
            assert later.account.balances == first.account.balances
            stand.exchange.transfer("main", D(100), to_perp=True)
            moved = await stand.settle(H)
            assert len(settlements) == 2
            assert (moved.account.perp_wallet, moved.is_agreed) == (D(10_100), True)

    run(main())


@pytest.mark.parametrize("after_ms", [0, MINUTE_MS])
def test_a_change_too_small_to_differ_is_still_asked_about_when_payments_are_due(
    after_ms: int, tmp_path: Path, settlements: list[int]
) -> None:
    """Payments are asked for every five minutes: a settlement between says nothing about one that has just come, nor
    does one in the same millisecond, as after what a turn has sent."""

    async def main() -> None:
        async with Stand(tmp_path) as stand:
            await stand.settle()
            stand.exchange.transfer("main", D("0.01"), to_perp=True)
            await stand.settle(after_ms)
            assert (len(settlements), stand.paid()) == (2, [])
            await stand.settle(10 * MINUTE_MS)
            assert len(settlements) == 3
            assert stand.paid() == [D("0.01")]
            await stand.settle(10 * MINUTE_MS)
            assert len(settlements) == 3

    run(main())


def test_books_begin_afresh_once_a_day_although_nothing_has_changed(tmp_path: Path, settlements: list[int]) -> None:
    async def main() -> None:
        async with Stand(tmp_path) as stand:
            await stand.settle()
            await stand.settle(BASELINE_AGE_MS - 1)
            assert (len(settlements), stand.count(BASELINE)) == (1, 1)
            await stand.settle(1)
            assert (len(settlements), stand.count(BASELINE)) == (2, 2)

    run(main())


async def unlock(journal: LeanJournal) -> None:
    await journal.record_unlock("UNI/USDT", "a test")


async def count_a_trade(journal: LeanJournal) -> None:
    await journal.record_fact(COUNTED, {"symbol": "UNI/USDT", "trade_id": "7"})


@pytest.mark.parametrize("happen", [unlock, count_a_trade])
def test_an_event_of_the_journal_is_a_change_too(happen: Any, tmp_path: Path, settlements: list[int]) -> None:
    async def main() -> None:
        async with Stand(tmp_path) as stand:
            await stand.settle()
            await happen(stand.journal)
            await stand.settle(H)
            assert len(settlements) == 2

    run(main())


class Decider:
    """Stands for the cycle: a guard over whatever is shown to it would do nothing."""

    def __init__(self) -> None:
        self.shown: list[Snapshot] = []

    async def look(self, snapshot: Snapshot, truth: Truth) -> Any:
        self.shown.append(snapshot)
        return snapshot


async def seen_by(stand: Stand) -> Any:
    """The turn before, as far as a look needs it."""
    instruments = await stand.venue.fetch_instruments()
    quotes = await stand.venue.fetch_quotes(tuple(instruments))
    funding = await stand.venue.fetch_funding(("UNI/USDT:USDT",))
    await stand.reconciler.settle(tuple(instruments))
    return SimpleNamespace(snapshot=Snapshot(stand.ms, instruments, quotes, funding=funding))


@pytest.mark.parametrize(("hours", "is_taken"), [(1, False), (7, False), (8, True)])
def test_a_guard_is_taken_where_the_next_funding_is_another_one(hours: int, is_taken: bool, tmp_path: Path) -> None:
    """A look at it becomes part of the past that later decisions read, also of perps that are not held."""

    async def main() -> None:
        async with Stand(tmp_path) as stand:
            quiet = QuietGuard(decider := Decider(), stand.venue, stand.reconciler)  # type: ignore[arg-type]
            last = await seen_by(stand)
            stand.ms += hours * H
            assert (await quiet.look(last) is None) is is_taken
            assert [seen.at_ms for seen in decider.shown] == ([] if is_taken else [stand.ms])

    run(main())


def test_a_guard_is_taken_where_another_instrument_trades_than_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with Stand(tmp_path) as stand:
            quiet = QuietGuard(Decider(), stand.venue, stand.reconciler)  # type: ignore[arg-type]
            last = await seen_by(stand)
            quotes = {symbol: quote for symbol, quote in last.snapshot.quotes.items() if symbol != "UNI/USDT"}
            stand.ms += H
            assert await quiet.look(last) is not None
            last.snapshot = replace(last.snapshot, quotes=quotes)
            assert await quiet.look(last) is None

    run(main())


def test_a_guard_is_taken_where_the_account_has_changed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Stand(tmp_path) as stand:
            quiet = QuietGuard(Decider(), stand.venue, stand.reconciler)  # type: ignore[arg-type]
            last = await seen_by(stand)
            stand.exchange.transfer("main", D(1), to_perp=True)
            stand.ms += H
            assert await quiet.look(last) is None

    run(main())
