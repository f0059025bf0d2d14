"""A number that the venue does not say is not zero: what an order has executed, and what a position has lost."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

import bot.venues.bingx.parse as bingx
import bot.venues.bybit.parse as bybit
import bot.venues.mexc.parse as mexc
import bot.venues.weex.parse as weex
from bot.domain.portfolio import Position
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


LOSING: dict[str, tuple[Callable[[Mapping[str, Any]], Position], dict[str, Any], str]] = {
    "bybit": (
        partial(bybit.position, symbol=PERP, is_isolated=True),
        bybit_rows.position(avgPrice="49000", markPrice="50000"),
        "unrealisedPnl",
    ),
    "bingx": (
        partial(bingx.position, symbol=PERP),
        {
            "symbol": "BTC-USDT",
            "positionSide": "SHORT",
            "positionAmt": "0.010",
            "avgPrice": "49000",
            "markPrice": "50000",
            "margin": "90",
            "isolated": True,
        },
        "unrealizedProfit",
    ),
    "weex": (
        partial(weex.position, symbol=PERP, mark=D(50_000)),
        weex_rows.position_row(openValue="490"),
        "unrealizePnl",
    ),
}
"""A short of 0.01 from 49,000 at a mark of 50,000, and the field of its unrealised profit."""


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


@pytest.mark.parametrize("said", [None, "", ...])
@pytest.mark.parametrize("name", LOSING)
def test_a_position_without_its_profit_has_the_one_that_its_prices_make(name: str, said: Any) -> None:
    """A position that loses counted as one without a loss."""
    read, row, field = LOSING[name]
    found = read({key: cell for key, cell in {**row, field: said}.items() if cell is not ...})
    assert (found.size, found.entry_price, found.unrealised_pnl) == (D("-0.010"), D(49_000), D(-10))
    assert read({**row, field: "-9.9"}).unrealised_pnl == D("-9.9")


@pytest.mark.parametrize("name", LOSING)
def test_a_position_with_neither_profit_nor_entry_price_cannot_be_read(name: str) -> None:
    read, row, field = LOSING[name]
    entry = "openValue" if "openValue" in row else "avgPrice"
    with pytest.raises(ValueError, match="without an entry price"):
        read({**row, entry: "0", field: ""})
    with pytest.raises(UNREADABLE):
        read({**row, field: "x"})


def test_margin_that_has_the_profit_in_it_is_read_without_it() -> None:
    read, row, field = LOSING["bingx"]
    assert read({**row, field: "-10"}).margin == read({**row, field: ""}).margin == D(100)
