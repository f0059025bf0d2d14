"""What two rules on orders leave out, each beside its neighbour that they find."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Order, OrderType, Purpose, TimeInForce
from bot.domain.order_ids import ClientOrderId
from bot.domain.states import KillLevel, OrderState
from bot.execution.books.agreed import BASELINE
from tests.sim.checkers import Checkers
from tests.sim.ending import _check_fills
from tests.sim.world import ACCOUNT

SYMBOL, BEGAN_MS = "LDO/USDT", 1_000
CLIENT_ID = ClientOrderId(ACCOUNT, 1, 1, 1, 0, 0).text
ENTRY = Order(
    CLIENT_ID,
    "1.1.1",
    Purpose.INCREASE,
    "defi",
    SYMBOL,
    Side.BUY,
    Decimal(3),
    Decimal(10),
    OrderType.LIMIT,
    TimeInForce.GTC,
    False,
    OrderState.OPEN,
    1,
    1_000,
)


@pytest.mark.parametrize(
    ("at_ms", "is_known", "is_found"),
    [(BEGAN_MS, False, False), (BEGAN_MS + 1, False, True), (BEGAN_MS, True, True)],
)
def test_an_execution_of_before_the_books_of_an_unknown_order_need_not_be_written(
    at_ms: int, is_known: bool, is_found: bool
) -> None:
    """The journal was lost after another bot had traded: the account of its beginning has what that bot bought."""
    found: list[str] = []
    trade = SimpleNamespace(id=2, symbol=SYMBOL, order_id=4, at_ms=at_ms, client_id=CLIENT_ID)
    world: Any = SimpleNamespace(
        exchange=SimpleNamespace(instruments={SYMBOL: None}, trades=lambda account, symbol, limit: [trade]),
        used_again=set(),
        violate=lambda rule, words: found.append(rule),
    )
    reader = SimpleNamespace(
        load_facts=lambda kind, limit: [SimpleNamespace(payload={"origin_ms": BEGAN_MS})] if kind == BASELINE else [],
        load_fills=lambda limit: (),
        load_order=lambda client_id: ENTRY if is_known else None,
    )
    life: Any = SimpleNamespace(app=SimpleNamespace(journal=SimpleNamespace(reader=reader)))
    _check_fills(world, life, ())
    assert found == ["every fill is written"] * is_found


@pytest.mark.parametrize(
    ("is_substituted", "reduce_only", "is_found"), [(True, False, False), (False, False, True), (True, True, True)]
)
def test_a_cancel_before_its_record_is_of_an_entry_that_the_level_withdraws(
    monkeypatch: pytest.MonkeyPatch, is_substituted: bool, reduce_only: bool, is_found: bool
) -> None:
    """While a journal is locked at least `reduce-only` is in force, also after a level was lifted."""
    found: list[str] = []
    reader = SimpleNamespace(
        load_order=lambda client_id: replace(ENTRY, reduce_only=reduce_only),
        load_latch=lambda: SimpleNamespace(reason="looked at"),
    )
    monkeypatch.setattr(Checkers, "_reader", reader)
    journal = SimpleNamespace(is_substituted=is_substituted)
    app = SimpleNamespace(journal=journal, kill=SimpleNamespace(level=lambda: KillLevel.OFF))
    checkers: Any = object.__new__(Checkers)
    checkers.level = KillLevel.OFF
    checkers._world = SimpleNamespace(
        life=SimpleNamespace(app=app), violate=lambda rule, words: found.append(rule), note=lambda words: None
    )
    checkers._on_cancel(CLIENT_ID)
    assert found == ["written before it is sent"] * is_found
