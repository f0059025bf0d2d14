"""What the rule on closes beside a stop asks for, on a venue that is only described."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Order, OrderType, TimeInForce
from bot.domain.states import KillLevel, OrderState
from bot.ports import OrderRequest
from tests.execution.worlds import make_order
from tests.sim.rules_closes import PartsAreClosedBesideAStop

PERP = "AAVE/USDT:USDT"
HELD = Decimal("-1.4")


def request(client_id: str, order_type: OrderType) -> OrderRequest:
    """A purchase of 1 that only reduces."""
    trigger = Decimal(300) if order_type.is_trigger else None
    price = None if order_type.is_trigger else Decimal(210)
    in_force = TimeInForce.GTC if trigger else TimeInForce.IOC
    return OrderRequest(client_id, PERP, Side.BUY, Decimal(1), order_type, in_force, 0, 5_000, price, trigger, True)


def judged(step: str, size_min: str) -> list[str]:
    """What is violated where a stop of 1 is withdrawn, and 1 of a short of 1.4 is bought back."""
    found: list[str] = []
    instrument = SimpleNamespace(size_step=Decimal(step), size_min=Decimal(size_min))
    exchange = SimpleNamespace(
        instruments={PERP: instrument},
        positions=lambda account: [],
        open_orders=lambda account, symbol, is_trigger: [],
        _state=SimpleNamespace(account=lambda name: SimpleNamespace(size_of=lambda symbol: HELD)),
    )
    orders: dict[str, Order] = {
        "stop": make_order(client_id="stop", symbol=PERP, state=OrderState.CANCELED),
        "close": make_order(client_id="close", symbol=PERP),
    }
    reader = SimpleNamespace(load_order=orders.get, load_orders_of_intent=lambda intent_id: ())
    life = SimpleNamespace(app=SimpleNamespace(kill=SimpleNamespace(level=lambda: KillLevel.OFF)))
    world: Any = SimpleNamespace(life=life, exchange=exchange, violate=lambda rule, words: found.append(rule))
    checkers: Any = SimpleNamespace(_posted={"stop": request("stop", OrderType.STOP)}, _reader=reader)
    rule = PartsAreClosedBesideAStop(world, checkers)
    rule.on_cancel("stop")
    rule.on_submit(request("close", OrderType.LIMIT))
    return found


@pytest.mark.parametrize(
    ("step", "size_min", "is_due"),
    [("0.1", "0.1", True), ("0.1", "0.5", False), ("1", "1", False), ("0.4", "0.4", True)],
)
def test_a_rest_needs_a_stop_where_the_exchange_takes_an_order_of_it(step: str, size_min: str, is_due: bool) -> None:
    """Heavy seed 1350435: a grid of 1 had replaced one of 0.1, and no order of the 0.4 that were left was possible."""
    assert judged(step, size_min) == (["a part is closed beside the stop of the rest"] if is_due else [])
