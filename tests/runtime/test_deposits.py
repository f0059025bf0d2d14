"""Deposits and withdrawals that the exchange lists: no mismatch, no loss, no profit, whenever they complete."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.campaign import Memory
from bot.domain.instrument import Side
from bot.domain.market import Quote, Snapshot
from bot.domain.order import OrderType
from bot.domain.reason import Reason
from bot.execution.books.unexplained import ADJUSTMENT, FIRST_COMPARED
from bot.journal.journal import Journal
from bot.ports import DEPOSIT, Payment
from bot.runtime import cash_flows
from bot.runtime.cash_flows import count_flows
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.wiring import App
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.types import NewOrder
from bot.simex.faults import Fault
from tests.stage import Stage, golden, notes_of, staged

D = Decimal
LISTS = ("/sapi/v1/capital/deposit/hisrec", "/sapi/v1/capital/withdraw/history")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def look(stage: Stage, app: App) -> tuple[Memory, bool]:
    """(memory, whether entries are held back) after a guard, a little later."""
    stage.embedded.clock.skip(20_000)
    result = await app.cycle.guard()
    app.journal.reader.verify()
    stopped = {Reason.CASH_UNEXPLAINED, Reason.POSITION_MISMATCH} & {note.reason for note in notes_of(result)}
    return app.journal.reader.load_memory(), bool(stopped) or not result.truth.is_agreed


def adjusted(app: App) -> Decimal:
    facts = app.journal.reader.load_facts(ADJUSTMENT, 100)
    return sum((D(f.payload["amount"]) for f in facts if f.payload["key"] == "spot:USDT"), D(0))


@pytest.mark.parametrize("done", [True, False])
async def test_a_listed_withdrawal_is_no_mismatch_and_no_loss(stage: Stage, done: bool) -> None:
    flows = stage.embedded.exchange.flows
    async with stage.app() as app:
        before, _ = await look(stage, app)
        number = flows.begin_withdrawal(ACCOUNT, "USDT", D(4_000), D("1.5"))
        pending, is_stopped = await look(stage, app)
        assert not is_stopped
        assert pending.equity_peak - before.equity_peak == pytest.approx(D("-4001.5"), abs=D(200))
        flows.end(number, done=done)
        after, is_stopped = await look(stage, app)
        assert not is_stopped
        assert after.equity_peak - before.equity_peak == pytest.approx(D("-4001.5") if done else D(0), abs=D(200))
        await stage.check_books(app)


async def test_a_deposit_counts_when_it_is_credited(stage: Stage) -> None:
    flows = stage.embedded.exchange.flows
    async with stage.app() as app:
        before, _ = await look(stage, app)
        number = flows.begin_deposit(ACCOUNT, "USDT", D(7_000))
        pending, is_stopped = await look(stage, app)
        assert not is_stopped
        assert pending.equity_peak - before.equity_peak < 200
        flows.end(number)
        after, is_stopped = await look(stage, app)
        assert not is_stopped
        assert after.equity_peak - before.equity_peak == pytest.approx(D(7_000), abs=D(200))
        assert adjusted(app) == 0
        await stage.check_books(app)


async def test_a_deposit_that_the_list_shows_late_counts_once(stage: Stage) -> None:
    flows = stage.embedded.exchange.flows
    async with stage.app() as app:
        before, _ = await look(stage, app)
        for path in LISTS:
            stage.spoil(Fault(reply_status=503, skips_engine=True), path=path, times=None)
        flows.end(flows.begin_deposit(ACCOUNT, "USDT", D(7_000)))
        await look(stage, app)
        assert adjusted(app) == 7_000
        stage.heal()
        stage.embedded.clock.skip(400_000)  # payments are asked for at least that often
        after, is_stopped = await look(stage, app)
        assert (adjusted(app), is_stopped) == (0, False)
        assert after.equity_peak - before.equity_peak == pytest.approx(D(7_000), abs=D(200))
        await stage.check_books(app)


async def test_cash_that_no_list_explains_stays_a_mismatch(stage: Stage) -> None:
    exchange = stage.embedded.exchange
    async with stage.app() as app:
        await look(stage, app)
        exchange._state.ledger.move("USDT", exchange._state.account(ACCOUNT).spot, DEPOSITS, D(5_000))
        _, is_stopped = await look(stage, app)
        assert is_stopped


async def test_a_token_that_is_withdrawn_needs_no_word_of_an_operator(stage: Stage) -> None:
    async with stage.app() as app:
        await look(stage, app)
        stage.embedded.exchange.flows.begin_withdrawal(ACCOUNT, "ETH", D("0.5"), D("0.001"))
        _, is_stopped = await look(stage, app)
        assert not is_stopped
        await stage.check_books(app)


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_token_that_leaves_or_enters_the_sectors_is_no_loss_and_hides_none(stage: Stage, leaves: bool) -> None:
    """Its holding is as it was: what equity counts differs, and the loss breakers must not see that."""
    whole, without = stage.settings, golden(stage.settings.state_directory, "universe.tokens.LDO=false")
    moved = D(-10_000 if leaves else 10_000)
    stage.settings = whole if leaves else without
    async with stage.app() as app:
        before = (await app.cycle.run()).decision.memory
        await look(stage, app)
    stage.settings = without if leaves else whole
    async with stage.app() as app:
        result = await app.cycle.run()
        assert result.portfolio.equity - before.equity_peak == pytest.approx(moved, abs=D(300))
        assert result.breakers == ()
        for _ in range(3):  # counted once
            after, _ = await look(stage, app)
        assert after.equity_peak - before.equity_peak == pytest.approx(moved, abs=D(300))
        assert after.day_start_equity - before.day_start_equity == pytest.approx(moved, abs=D(300))
    stage.settings = whole if leaves else without
    async with stage.app() as app:
        again, _ = await look(stage, app)
        assert again.equity_peak == pytest.approx(before.equity_peak, abs=D(300)), "there and back"
        assert again.day_start_equity == pytest.approx(before.day_start_equity, abs=D(300)), "there and back"


TRADED = D(4_000)  # of 10,000 LDO that the account holds, at about 1 USDT


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("done", ["bought", "sold", "deposited", "withdrawn"])
async def test_what_is_done_by_hand_while_the_sectors_change_is_counted_once(
    stage: Stage, leaves: bool, done: str
) -> None:
    """Equity stands as far from its peak as before: what was traded is in the cash, what came or went is a flow."""
    whole, without = stage.settings, golden(stage.settings.state_directory, "universe.tokens.LDO=false")
    exchange = stage.embedded.exchange
    stage.settings = whole if leaves else without
    async with stage.app() as app:
        before = (await app.cycle.run()).decision.memory
        exchange.place(ACCOUNT, NewOrder("ETH/USDT", Side.SELL, OrderType.MARKET, D(3)))  # cash for the purchase
        last = await app.cycle.guard()
        missing = last.decision.memory.equity_peak - last.portfolio.equity
    if done in ("bought", "sold"):
        exchange.place(
            ACCOUNT, NewOrder("LDO/USDT", Side.BUY if done == "bought" else Side.SELL, OrderType.MARKET, TRADED)
        )
    elif done == "deposited":
        exchange.flows.end(exchange.flows.begin_deposit(ACCOUNT, "LDO", TRADED))
    else:
        exchange.flows.end(exchange.flows.begin_withdrawal(ACCOUNT, "LDO", TRADED, D("0.001")))
    stage.settings = without if leaves else whole
    async with stage.app() as app:
        result = await app.cycle.run()
        for _ in range(2):
            after, _ = await look(stage, app)
        assert after.equity_peak - result.portfolio.equity == pytest.approx(missing, abs=D(500))
        assert abs(after.day_start_equity - before.day_start_equity - after.equity_peak + before.equity_peak) < D(50)
        assert Reason.DAILY_LOSS not in {note.reason for note in result.breakers}


async def test_a_holding_under_a_former_name_leaves_with_the_token_that_it_counts_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 2, threaded=False)
    account = SimpleNamespace(quote="USDT", balances={"MATIC": SimpleNamespace(total=D(100))})
    portfolio: Any = SimpleNamespace(unpriced=(), unread=(), account=account)
    prices: dict[str, tuple[Decimal | None, str]] = {"MATIC": (D(2), "POL")}
    monkeypatch.setattr(cash_flows, "asset_price", lambda asset, snapshot, sectors: prices[asset])

    def count(memory: Memory, token: str) -> Memory:
        snapshot: Any = None
        sectors: Any = SimpleNamespace(tokens={token: {}})
        return cash_flows.count_universe(memory, journal.reader, snapshot, portfolio, sectors)

    memory = count(Memory(equity_peak=D(1_000), day_start_equity=D(900)), "POL")
    assert (memory.equity_peak, memory.counted) == (D(1_000), {"MATIC": D(2)})
    prices["MATIC"] = (None, "MATIC")
    memory = count(memory, "SOL")
    assert (memory.equity_peak, memory.day_start_equity, memory.uncounted) == (D(800), D(700), {"MATIC": D(100)})
    await journal.close()


@pytest.mark.parametrize(("by", "moved"), [("bot", 0), ("operator", 300)])
async def test_a_first_comparison_moves_neither_peak_nor_opening_equity(tmp_path: Path, by: str, moved: int) -> None:
    """Its amount is all that has moved since the books began, of which equity was marked with most; and none when the
    venue lists the deposit later. What an operator accepts has been held to be missing, or more, until then."""
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 2, threaded=False)
    quote = Quote("SOL/USDT", D(100), D(100), 1)
    snapshot = Snapshot(1, {}, {"SOL/USDT": quote})

    def counted() -> tuple[Decimal, Decimal]:
        memory = count_flows(journal.reader.load_memory(), journal.reader, snapshot, "USDT")
        return memory.equity_peak - 1_000, memory.day_start_equity - 900

    await journal.record_memory(Memory(equity_peak=D(1_000), day_start_equity=D(900)))
    payload = {"key": "spot:SOL", "amount": "3", "by": by, "reason": FIRST_COMPARED}
    await journal.record_fact(ADJUSTMENT, payload)
    assert counted() == (moved, moved)
    number = journal.reader.load_facts(ADJUSTMENT, 1)[0].seq
    await journal.record_payments([Payment("p", DEPOSIT, "SOL", D(3), None, 1)])
    await journal.record_fact(ADJUSTMENT, payload | {"amount": "-3", "by": "bot", "reason": "x", "replaces": number})
    assert counted() == (moved, moved)
    await journal.close()
