"""What an order has executed is read or unknown: none is nothing where the venue does not say it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

import bot.venues.bingx.parse as bingx
import bot.venues.bybit.parse as bybit
import bot.venues.mexc.parse as mexc
import bot.venues.weex.parse as weex
from bot.ports import OrderReport, ReportState
from bot.venues.ccxt.rows import UNREADABLE
from tests.venues.bingx import canned as bingx_rows
from tests.venues.bybit import test_reads as bybit_rows
from tests.venues.bybit.canned import PERP, SPOT
from tests.venues.mexc import canned as mexc_rows
from tests.venues.weex import canned as weex_rows

Read = Callable[[Mapping[str, Any]], OrderReport]
D = Decimal
CANCELLED: dict[str, tuple[Read, dict[str, Any], str, Any]] = {
    "bybit": (
        partial(bybit.order_report, symbol=SPOT),
        bybit_rows.order_row(orderStatus="PartiallyFilledCanceled"),
        "cumExecQty",
        "0.004",
    ),
    "bingx": (
        partial(bingx.order_report, symbol=PERP),
        bingx_rows.stop_row(1, status="CANCELLED"),
        "executedQty",
        "0.004",
    ),
    "mexc spot": (
        partial(mexc.spot_report, symbol=SPOT),
        mexc_rows.spot_row(status="PARTIALLY_CANCELED"),
        "executedQty",
        "0.004",
    ),
    "mexc perp": (
        partial(mexc.perp_report, symbol=PERP, contract=D("0.0001")),
        mexc_rows.perp_row(state=4),
        "dealVol",
        40,
    ),
    "weex": (
        partial(weex.order_report, symbol=PERP),
        weex_rows.perp_row(1, status="CANCELED"),
        "executedQty",
        "0.004",
    ),
}


@pytest.mark.parametrize("said", [None, "", "x", [], ...])
@pytest.mark.parametrize("name", CANCELLED)
def test_an_order_that_ended_without_a_readable_executed_size_has_not_ended_unfilled(name: str, said: Any) -> None:
    """It counted as cancelled without an execution, so that its fills were not asked for."""
    read, row, field, executed = CANCELLED[name]
    with pytest.raises(UNREADABLE):
        read({key: cell for key, cell in {**row, field: said}.items() if cell is not ...})
    report = read({**row, field: executed})
    assert (report.state, report.filled_size) == (ReportState.CANCELED, D("0.004"))
    assert read({**row, field: 0}).filled_size == 0
