"""Which resting purchases are withdrawn when entries stop: all, or those of a row's own instrument."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.order import Order, TimeInForce
from bot.domain.reason import Note, Reason
from bot.domain.states import OrderState
from bot.runtime.turn import stopped_entries
from tests.execution.worlds import make_order


def resting(number: int, symbol: str) -> Order:
    return make_order(number, symbol=symbol, state=OrderState.OPEN, time_in_force=TimeInForce.GTC)


@pytest.mark.parametrize(
    ("reasons", "is_agreed", "withdrawn"),
    [
        ((), True, ()),
        ((Reason.EQUITY_UNKNOWN,), True, ("UNI/USDT",)),
        ((Reason.EQUITY_UNKNOWN,), False, ("UNI/USDT", "ETH/USDT")),
        ((Reason.EQUITY_UNKNOWN, Reason.DRAWDOWN), True, ("UNI/USDT", "ETH/USDT")),
        ((Reason.DAILY_LOSS,), True, ("UNI/USDT", "ETH/USDT")),
    ],
)
def test_a_row_that_cannot_be_read_withdraws_what_rests_of_its_own_instrument_only(
    reasons: tuple[Reason, ...], is_agreed: bool, withdrawn: tuple[str, ...]
) -> None:
    orders = (resting(1, "UNI/USDT"), resting(2, "ETH/USDT"))
    assert all(order.is_resting_entry for order in orders)
    plan: Any = SimpleNamespace(breakers=tuple(Note(reason, "why") for reason in reasons))
    truth: Any = SimpleNamespace(working=orders, is_agreed=is_agreed, locked=frozenset({"UNI/USDT"}))
    assert tuple(order.symbol for order in stopped_entries(plan, truth)) == withdrawn
