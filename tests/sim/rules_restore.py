"""A journal that is older than the account: nothing is opened until an operator has accepted what it does not know."""

from typing import Any

from bot.domain.symbol import is_perp
from bot.execution.another_writer import ACCEPTED, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.journal.reader import JournalReader
from bot.ports import OrderRequest
from bot.simex.engine.types import OrderStatus
from tests.sim.hooks import Rule
from tests.sim.rules_writers import is_entry
from tests.sim.wire import true_order

LOOKED_BACK_MS, PERPS_LOOKED_BACK_MS = 700 * 3_600_000, 160 * 3_600_000
"""Less than `history_hours` and than the week of perps: a life may not begin at once."""
NEVER_THERE = (OrderStatus.REJECTED,)


class NoEntryOnAnOlderJournal(Rule):
    """While the exchange has orders of ours that the journal has lost, and nobody has accepted that, only exits are
    sent. A copy that was taken after an operator accepted an order as unknown has not lost that order. What is further
    back than `history_hours` shows by holdings alone, where the journal is lost altogether. An order that executed
    nothing shows nowhere once the exchange has removed its symbol."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._is_open = False
        self._lost: list[OrderRequest] = []
        self._seq = 0

    def journal_replaced(self) -> None:
        world, checkers = self.world, self.checkers
        self._is_open, self._lost = True, []
        is_copy, now_ms = world.journal_path.exists(), world.now_ms()
        known = accepted_ids(checkers._reader) if is_copy else frozenset()
        for name in sorted(checkers.forgotten - known):
            request = checkers._posted[name]
            order = true_order(world.exchange, request.symbol, name)
            reach_ms = PERPS_LOOKED_BACK_MS if is_perp(request.symbol) else LOOKED_BACK_MS
            since_ms = 0 if is_copy else now_ms - reach_ms
            if order is None or order.status in NEVER_THERE or request.stamp_ms <= since_ms:
                continue
            if world.is_nameless(request):
                continue  # the venue does not say that it was ours
            self._lost.append(request)
        self._seq = checkers._seen_seq

    def on_submit(self, request: OrderRequest) -> None:
        if not self._is_open or not self._lost or not is_entry(request):
            return
        lost = [one.client_id for one in self._lost if self._shows(one)]
        if not lost:
            return
        accepted = self.checkers._reader.load_facts(ACCEPTED, 100)
        if any(fact.seq > self._seq and fact.payload["by"] != "bot" for fact in accepted):
            self._is_open = False
            return
        words = f"{request.client_id} {request.symbol}, and the journal does not know {lost[-1]}"
        self.world.violate("no entry on an older journal", words)

    def _shows(self, request: OrderRequest) -> bool:
        exchange = self.world.exchange
        if exchange.is_listed(request.symbol):
            return True
        order = true_order(exchange, request.symbol, request.client_id)
        return order is not None and order.filled_size > 0


def accepted_ids(reader: JournalReader) -> frozenset[str]:
    """Ids of orders that a journal names as unknown to it, and that an operator has accepted by that journal."""
    signed = [fact.seq for fact in reader.load_facts(ACCEPTED, 100) if fact.payload["by"] != "bot"]
    found = [fact for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS) for fact in reader.load_facts(kind, 1_000)]
    return frozenset(fact.payload["client_id"] for fact in found if fact.seq < max(signed, default=0))


RULES = (NoEntryOnAnOlderJournal,)
