"""Other writers and vanishing cash: what is known of them stops entries, and no large loss passes for a withdrawal."""

import sqlite3
from collections.abc import Set
from contextlib import closing
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import FOREIGN, Purpose
from bot.execution.another_writer import ACCEPTED, CONFLICT, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.execution.history_check import PAUSE_MS
from bot.journal.facts import Fact
from bot.ports import OrderRequest
from bot.simex.engine.types import EventKind, ExchangeEvent
from tests.client_ids import leg_of
from tests.sim.hooks import Rule
from tests.sim.market import START_MS
from tests.sim.wire import ACCOUNT, LAG_MAX_MS
from tests.sim.worlds_writers import IdUsedAgain

LAG_SECONDS = 2 * LAG_MAX_MS / 1000
CLOCK_MS = 120_000  # by which the machine's clock may be off
LOSS_MAX = Decimal("0.02")  # of equity: the bound, and what prices move meanwhile


class NoEntryBesideAnotherWriter(Rule):
    """Once the journal knows of another writer, only a flatten and exits of what an order of the journal has opened are
    sent, until an operator has accepted it."""

    def on_submit(self, request: OrderRequest) -> None:
        reader = self.checkers._reader
        found = [f.seq for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT) for f in reader.load_facts(kind, 1)]
        accepted = [fact.seq for fact in reader.load_facts(ACCEPTED, 1)]
        if not found or max(found) <= max(accepted, default=0):
            return
        if is_entry(request):
            self.world.violate("no entry beside another writer", request.client_id)
        order = reader.load_order(request.client_id)
        if order is not None and order.purpose is Purpose.EXIT and not self._has_opened(request.symbol):
            self.world.violate("no exit of what another writer may hold", request.client_id)

    def _has_opened(self, symbol: str) -> bool:
        with closing(sqlite3.connect(self.world.file_in_use())) as database:
            query = "SELECT filled_size FROM orders WHERE symbol = ? AND reduce_only = 0 AND intent_id <> ?"
            return any(Decimal(filled) > 0 for (filled,) in database.execute(query, (symbol, FOREIGN)))


class OneLiveOrderOfALeg(Rule):
    """Of one leg one order that the journal knows is live at the exchange, whichever life and journal has sent it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sent: set[str] = set()

    def on_submit(self, request: OrderRequest) -> None:
        self._sent.add(request.client_id)

    def on_event(self, event: ExchangeEvent) -> None:
        placed = event.order
        if event.kind is not EventKind.ORDER_PLACED or placed is None or placed.client_id not in self._sent:
            return
        for other in self.world.exchange.open_orders(ACCOUNT):
            is_of_leg = other.client_id in self._sent and leg_of(other.client_id) == leg_of(placed.client_id)
            if not is_of_leg or other.client_id == placed.client_id:
                continue
            if self.checkers._reader.load_order(other.client_id) is not None:
                self.world.violate("one live order of a leg", f"{other.client_id} and {placed.client_id}")


class NoLossPassesForAWithdrawal(Rule):
    """The bot itself never adjusts away more cash than the bound allows."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._adjusted = ZERO

    def on_journal(self, event: Fact) -> None:
        is_cash = event.kind == "adjustment" and event.payload["key"] in ("wallet", "spot:USDT")
        if is_cash and event.payload["by"] == "bot":
            self._adjusted += Decimal(event.payload["amount"])

    def after_turn(self, life: Any, kind: str, result: Any) -> None:
        if -self._adjusted > LOSS_MAX * self.checkers._equity():
            self.world.violate("no loss passes for a withdrawal", f"{self._adjusted} USDT were adjusted by the bot")
        self._adjusted = ZERO


class ExecutionsUnderKnownIdsAreNoticed(Rule):
    """A turn in which the books agree has written down what others executed under ids that the journal knows, and at
    the end nothing of that is overlooked.

    What others have undone since shows by no holding. It must be known after a pause, as after a start; a bot that runs
    reads it within the hour. Of a symbol that the exchange has removed nothing can be asked any more."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._began = 0.0
        self._undone: set[str] = set()
        self._watched: float | None = None  # when a turn of this process ended with a result

    def at_start_of_life(self, life: Any) -> None:
        self._watched = None

    def on_event(self, event: ExchangeEvent) -> None:
        trade = event.trade
        if trade is None or trade.client_id in self.checkers._posted:
            return
        for name in self._used():
            ours = self.checkers._posted[name]
            if ours.symbol == trade.symbol and ours.side is not trade.side:
                self._undone.add(name)

    def before_turn(self, life: Any, kind: str) -> None:
        self._began = self.world.loop.time()

    def after_turn(self, life: Any, kind: str, result: Any) -> None:
        if result is None:
            return
        has_paused = self._watched is None or self._began - self._watched > (PAUSE_MS + CLOCK_MS) / 1000
        self._watched = self.world.loop.time()
        if result.truth.is_agreed and not result.truth.locked:
            self._judge("the books agree", frozenset() if has_paused else self._undone)

    def at_end(self, life: Any, truth: Any) -> None:
        self._began = self.world.loop.time()
        self._judge("all is over", frozenset())

    def _used(self) -> dict[str, float]:
        return next(one for one in self.world.hooks.disturbances if isinstance(one, IdUsedAgain)).used

    def _judge(self, when: str, hidden: Set[str]) -> None:
        used = self._used()
        is_listed, posted = self.world.exchange.is_listed, self.checkers._posted
        due = [
            name
            for name, at in used.items()
            if self._began > at + LAG_SECONDS and name not in hidden and is_listed(posted[name].symbol)
        ]
        if not due:
            return
        reader, kinds = self.checkers._reader, (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT)
        noticed = {fact.payload["client_id"] for kind in kinds for fact in reader.load_facts(kind, 1_000)}
        accepted = [fact.at_ms for fact in reader.load_facts("adjustment", 1_000) if fact.payload["by"] != "bot"]
        accepted += [fact.at_ms for fact in reader.load_facts(ACCEPTED, 1_000)]
        for name in due:
            # An operator who accepts the account accepts what was executed before, noticed or not.
            is_accepted = any(at_ms > START_MS + 1_000 * used[name] - CLOCK_MS for at_ms in accepted)
            if name not in noticed and name not in self.checkers.forgotten and not is_accepted:
                self.world.violate("an execution under a known id is noticed", f"{name}, {when}")
            del used[name]


def is_entry(request: OrderRequest) -> bool:
    """Whether an order adds risk."""
    return not request.reduce_only and (":" in request.symbol or request.side is Side.BUY)


RULES = (NoEntryBesideAnotherWriter, OneLiveOrderOfALeg, NoLossPassesForAWithdrawal, ExecutionsUnderKnownIdsAreNoticed)
