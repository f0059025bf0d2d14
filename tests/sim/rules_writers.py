"""Other writers and vanishing cash: what is known of them stops entries, and no large loss passes for a withdrawal."""

from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.execution.another_writer import ACCEPTED, CONFLICT, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.execution.journal_reader import Fact
from bot.ports import OrderRequest
from tests.sim.hooks import Rule

LOSS_MAX = Decimal("0.02")  # of equity: the bound, and what prices move meanwhile


class NoEntryBesideAnotherWriter(Rule):
    """Once the journal knows of another writer, only exits are sent until an operator has accepted it."""

    def on_submit(self, request: OrderRequest) -> None:
        reader = self.checkers._reader
        found = [f.seq for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT) for f in reader.load_facts(kind, 1)]
        accepted = [fact.seq for fact in reader.load_facts(ACCEPTED, 1)]
        if found and max(found) > max(accepted, default=0) and is_entry(request):
            self.world.violate("no entry beside another writer", request.client_id)


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


def is_entry(request: OrderRequest) -> bool:
    """Whether an order adds risk."""
    return not request.reduce_only and (":" in request.symbol or request.side is Side.BUY)


RULES = (NoEntryBesideAnotherWriter, NoLossPassesForAWithdrawal)
