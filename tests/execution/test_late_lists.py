"""Money and trades that the venue lists minutes late, beside a journal that fails, new processes and young baselines.

Whatever comes first: in the end everything is recorded once, told, and nothing is left adjusted or counts as lost. The
fees of a round trip by hand may have been adjusted together with a payment; they pass for rounding afterwards.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.order import Fill
from bot.execution.books import agreed
from bot.execution.foreign import FACT
from bot.execution.reconcile import Reconciler, Truth
from bot.journal.journal import Journal, JournalError
from bot.ports import Payment
from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.worlds import FAST, SYMBOLS, World, approve, open_world

WRITES = ("record_fact", "record_fills", "record_payments", "record_order_event", "record_lock", "record_unlock")
LATER_MS = (0, 0, 20_000, 70_000, 4 * MINUTE_MS, 8 * MINUTE_MS)
PAUSES_MS = (1_000, 5_000, 30_000, MINUTE_MS, 3 * MINUTE_MS, 6 * MINUTE_MS)
FEES = Decimal("0.5")  # of some round trips
AT_REST = 20  # settlements, every six minutes: the history is read again every hour


@dataclass
class LateVenue(ScriptedVenue):
    """Lists each payment and each trade of others from a moment on."""

    listed_ms: dict[str, int] = field(default_factory=dict)

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        paid = await super().fetch_payments(since_ms)
        return tuple(one for one in paid if self.listed_ms[f"payment {one.id}"] <= self.clock_ms)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        fills = await super().fetch_fills(symbol, since_ms)
        return tuple(one for one in fills if self.listed_ms.get(f"trade {one.trade_id}", 0) <= self.clock_ms)

    def pay(self, kind: str, amount: Decimal, later_ms: int) -> None:
        payment = Payment(str(len(self.payments)), kind, "USDT", amount, None, self.clock_ms)
        self.payments.append(payment)
        self.listed_ms[f"payment {payment.id}"] = self.clock_ms + later_ms
        if kind == "funding":
            self.wallet += amount
        else:
            self.balances["USDT"] += amount

    def trade(self, symbol: str, side: Side, size: int, client_id: str | None, later_ms: int) -> None:
        known = len(self.fills)
        self.execute(symbol, side, Decimal(size), client_id=client_id, price=self.price)
        self.listed_ms |= {f"trade {fill.trade_id}": self.clock_ms + later_ms for fill in self.fills[known:]}


class FailingWrites:
    """The journal fails at one of the coming writes, before or after it is done."""

    def __init__(self, journal: Journal, patch: pytest.MonkeyPatch) -> None:
        self.left, self.is_done = -1, False
        for name in WRITES:
            patch.setattr(journal, name, self._failing(getattr(journal, name)))

    def _failing(self, write: Any) -> Any:
        async def failing(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left != -1:
                return await write(*arguments, **named)
            if self.is_done:
                await write(*arguments, **named)
            raise JournalError(Path("j.db"), "the disk is full", "free it")

        return failing


async def act(world: World, venue: LateVenue, chance: random.Random, step: int) -> None:
    what = chance.choices(("pay", "fund", "trade", "own"), (4, 2, 3, 2))[0]
    if what == "pay":
        amount = Decimal(chance.choice([500, -300, 700, -90, 200]))
        venue.pay("deposit" if amount > 0 else "withdrawal", amount, chance.choice(LATER_MS))
    elif what == "fund":
        venue.pay("funding", Decimal(chance.choice(["-0.3", "0.2", "-1"])), chance.choice(LATER_MS[:5]))
    elif what == "trade":
        client_id = chance.choice([None, f"autoclose-{step}"])
        symbol, side = chance.choice(SYMBOLS), chance.choice(list(Side))
        venue.trade(symbol, side, chance.randint(1, 9), client_id, chance.choice(LATER_MS[:5]))
    else:
        symbol, side = chance.choice(SYMBOLS), chance.choice(list(Side))
        await world.executor.act([approve(id=f"i{step}", leg=step + 1, symbol=symbol, side=side)])


async def live(world: World, venue: LateVenue, chance: random.Random, fault: FailingWrites) -> Truth:
    """Everything that happens, and what is known when all is at rest."""
    reconciler = world.reconciler
    for step in range(chance.randint(5, 40)):
        kind = chance.choices(("act", "settle", "fail", "restart"), (10, 6, 3, 1))[0]
        if kind == "act":
            await act(world, venue, chance, step)
        elif kind == "settle":
            await reconciler.settle(SYMBOLS)
        elif kind == "fail":
            fault.left, fault.is_done = chance.randint(0, 6), chance.random() < 0.5
            try:
                await reconciler.settle(SYMBOLS)
            except JournalError:
                kind = chance.choice(("fail", "restart"))
            fault.left = -1
        if kind == "restart":
            reconciler = Reconciler(venue, world.journal, FAST)
        venue.advance(chance.choice(PAUSES_MS))
    venue.advance(max(LATER_MS))
    for _ in range(AT_REST):
        await reconciler.settle(SYMBOLS)
        venue.advance(6 * MINUTE_MS)
    return await reconciler.settle(SYMBOLS)


def not_told(world: World, fills: Sequence[Fill]) -> list[Fill]:
    reader = world.journal.reader
    told = {fact.payload["key"] for fact in reader.load_facts(FACT, 1_000)}
    others = [fill for fill in fills if reader.load_order_by_venue_id(fill.symbol, fill.venue_order_id or "") is None]
    return [fill for fill in others if f"{fill.symbol} {fill.venue_order_id}" not in told]


@pytest.mark.sweep(keep=8)
@pytest.mark.parametrize("seed", range(60))
async def test_what_is_listed_late_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(agreed, "BASELINE_AGE_MS", 20 * MINUTE_MS)
    venue = LateVenue()
    world = await open_world(tmp_path / "j.db", venue)
    fault = FailingWrites(world.journal, monkeypatch)
    await world.reconciler.settle(SYMBOLS)
    venue.advance(2 * MINUTE_MS)
    truth = await live(world, venue, random.Random(seed), fault)
    reader = world.journal.reader
    facts, fills = reader.load_facts("adjustment", 1_000), reader.load_fills(1_000)
    assert (truth.is_agreed, truth.notes) == (True, ())
    for name in ("amount", "lost"):
        left = sum(Decimal(fact.payload.get(name, "0")) for fact in facts)
        assert abs(left) < FEES, name
    assert {payment.id for payment in reader.load_payments(1_000)} == {payment.id for payment in venue.payments}
    assert {fill.trade_id for fill in fills} == {fill.trade_id for fill in venue.fills}
    assert not_told(world, fills) == []
    await world.journal.close()
