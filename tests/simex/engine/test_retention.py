"""An exchange that runs for long keeps so many ended orders, trades and statement rows, and no more."""

from pathlib import Path

from bot.simex.engine.rules import DuplicateScope, Rules
from bot.simex.store import Store
from tests.simex.engine.floor import BUY, PERP, SELL, SPOT, exchange, limit, market

MOST = 5
KEPT = Rules(records_max=MOST)


def test_the_oldest_ended_orders_are_forgotten_and_open_ones_are_not() -> None:
    venue = exchange(rules=KEPT)
    resting = venue.place("a", limit(SPOT, BUY, "10", "5", client_id="resting"))
    placed = [venue.place("a", market(SPOT, BUY, "1", client_id=f"m{number}")) for number in range(3 * MOST)]
    known = venue.orders("a", SPOT)
    assert [order.id for order in known] == [resting.id, *(order.id for order in placed[-MOST:])]
    assert venue.order("a", SPOT, client_id="m0") is None
    assert venue.order("a", SPOT, client_id="m14") is not None
    assert len(venue.trades("a", SPOT)) < 2 * MOST
    assert venue.trades("a", SPOT)[-1].order_id == placed[-1].id
    venue.audit()


def test_memory_is_flat_however_many_orders_there_are() -> None:
    venue = exchange(rules=KEPT)
    for number in range(20 * MOST):
        venue.place("a", market(PERP, BUY if number % 2 else SELL, "1"))
    account = venue._state.account("a")
    assert sum(map(len, account.orders.values())) == len(account.ids) == MOST
    assert max(len(account.trades[PERP]), len(account.income)) < 2 * MOST
    assert venue.wallet("a").balance < 10_000
    venue.audit()


def test_an_id_that_may_never_be_used_again_is_remembered() -> None:
    venue = exchange(rules=Rules(records_max=MOST, duplicate_scope=DuplicateScope.NEVER))
    for number in range(2 * MOST):
        venue.place("a", market(SPOT, BUY, "1", client_id=f"m{number}"))
    assert (SPOT, "m0") in venue._state.account("a").ids


def test_what_is_forgotten_leaves_the_file_too(tmp_path: Path) -> None:
    venue, store = exchange(rules=KEPT), Store(tmp_path / "exchange.db")
    for _ in range(4 * MOST):
        venue.place("a", market(SPOT, BUY, "1"))
        store.save(venue.rows())
    rows = store.load()
    assert sum(key[0] == "order" for key in rows) == MOST
    assert sum(key[0] == "trade" for key in rows) < 2 * MOST
    store.close()
    again = exchange(rules=KEPT)
    again._state.accounts.clear()
    again.restore(rows)
    assert again.orders("a", SPOT) == venue.orders("a", SPOT)
    assert again.balances("a") == venue.balances("a")
    again.audit()
