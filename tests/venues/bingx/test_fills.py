"""Fills of perps, from rows that have the fields and the values of the documented sample."""

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.venues.bingx import parse

D = Decimal
AT_MS = 1_702_731_516_000  # 20:58:36 of UTC+8; the sample's request is stamped some seconds later
ROW: dict[str, Any] = {
    "filledTm": "2023-12-16T20:58:36Z",
    "volume": "4.10",
    "price": "3.1088",
    "amount": "12.7492",
    "commission": "-0.0025",
    "currency": "USDT",
    "orderId": "1736007768311123456",
    "tradeId": "241512",
    "filledTime": "2023-12-16T20:58:36.000+0800",
    "symbol": "WLD-USDT",
    "role": "maker",
    "side": "buy",
    "positionSide": "short",
}


def read(row: dict[str, Any]) -> Any:
    return parse.perp_fill(row, venue="bingx", symbol="WLD/USDT:USDT", side=Side.BUY, quote="USDT")


def test_the_time_of_a_fill_is_the_one_that_names_its_zone() -> None:
    assert read(ROW).at_ms == AT_MS
    assert read({**ROW, "filledTime": "2023-12-16T20:58:36.125+0800"}).at_ms == AT_MS + 125
    assert read({**ROW, "filledTime": ""}).at_ms == AT_MS + 8 * HOUR_MS  # the Z is believed where nothing is beside it


def test_a_fill_of_the_future_is_a_defect() -> None:
    false_zone = read({**ROW, "filledTime": ""})
    with pytest.raises(ValueError, match="the zone of its time"):
        parse.past_fill(false_zone, AT_MS + 5_000)
    assert parse.past_fill(read(ROW), AT_MS - 2_000).at_ms == AT_MS  # clocks differ by seconds
