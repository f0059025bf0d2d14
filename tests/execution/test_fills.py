"""A fill is a fact: it counts once, whenever and however often it is told, whatever else is told about its order."""

import asyncio
import tempfile
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.domain.states import ORDER_TABLE, OrderEvent
from bot.journal.journal import Journal
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import make_order
from tests.profiles import examples

T = TypeVar("T")
NUMBERS = st.integers(min_value=1, max_value=4)


class FillMachine(RuleBasedStateMachine):
    """One order of size 4 and at most four executions of 1, told in any order, by any name, any number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "j.db"
        self.loop = asyncio.new_event_loop()
        self.journal = self.run_now(Journal.open(path, account="main", now_ms=lambda: START_MS, threaded=False))
        self.order = make_order()
        self.run_now(self.journal.record_submitting(self.order))
        self.named: set[int] = set()
        self.unnamed: set[int] = set()
        self.reported = 0
        self.is_id_known = False

    def run_now(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @rule(numbers=st.lists(NUMBERS, max_size=4), by_client_id=st.booleans())
    def tell_fills(self, numbers: list[int], by_client_id: bool) -> None:
        known = self.named | self.unnamed
        client_id = self.order.client_id if by_client_id else None
        new = self.run_now(self.journal.record_fills([make_fill(n, "v1", client_id=client_id) for n in numbers]))
        assert {int(fill.trade_id) for fill in new} == set(numbers) - known
        assert len(new) == len(set(numbers) - known)
        target = self.named if by_client_id else self.unnamed
        target |= set(numbers) - known

    @rule(event=st.sampled_from(OrderEvent), filled=st.integers(min_value=0, max_value=4), with_id=st.booleans())
    def tell_event(self, event: OrderEvent, filled: int, with_id: bool) -> None:
        current = self.journal.reader.load_order(self.order.client_id)
        assert current is not None
        if event not in ORDER_TABLE[current.state]:
            return
        self.run_now(
            self.journal.record_order_event(
                self.order.client_id,
                event,
                venue_id="v1" if with_id else None,
                filled_size=Decimal(filled),
                filled_quote=Decimal(filled) * 10,
            )
        )
        self.is_id_known = self.is_id_known or with_id
        self.reported = max(self.reported, filled)

    @rule()
    @precondition(lambda self: self.named or self.unnamed)
    def rebuild(self) -> None:
        self.run_now(self.journal.rebuild())

    @invariant()
    def the_order_has_executed_what_is_known(self) -> None:
        order = self.journal.reader.load_order(self.order.client_id)
        assert order is not None
        known = len(self.named) + (len(self.unnamed) if self.is_id_known else 0)
        assert order.filled_size == max(known, self.reported)
        assert order.filled_quote == max(known, self.reported) * 10
        assert self.journal.reader.count_fills(0) == len(self.named | self.unnamed)

    def teardown(self) -> None:
        self.journal.reader.verify()
        self.run_now(self.journal.close())
        self.loop.close()
        self.folder.cleanup()


TestFillMachine = FillMachine.TestCase
TestFillMachine.settings = settings(max_examples=examples(25), stateful_step_count=20, deadline=None)
