"""Sections of the report: drawdowns with recovery, rolling figures, days by return, tokens, rotations, short runs."""

import math
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.lab.backtest.attribution import Ending, attribute, attribute_tokens
from bot.lab.backtest.command import summary_of
from bot.lab.backtest.figures import drawdowns, returns_of
from bot.lab.backtest.page import page_of
from bot.lab.backtest.record import document_of
from bot.lab.tear_sheet.sections import fall_rows, heat_rows, split_rotations, spread_rows
from bot.lab.tear_sheet.spans import Fall, deepest_falls, rolling, spread_of
from bot.simex.engine.types import Income, IncomeKind, SimTrade
from tests.lab.test_page import DAY, START_MS, record_of

EQUITY = st.lists(st.floats(1, 1000), min_size=2, max_size=60)


def test_falls_are_the_deepest_with_the_day_of_their_recovery() -> None:
    equity = [100.0, 90, 100, 120, 60, 80, 130, 127, 126]
    assert deepest_falls(equity) == [
        Fall(-0.5, 3, 4, 6),
        Fall(pytest.approx(-0.1), 0, 1, 2),  # type: ignore[arg-type]
        Fall(pytest.approx(126 / 130 - 1), 6, 8, None),  # type: ignore[arg-type]
    ]
    assert deepest_falls([1, 2, 3]) == []
    assert deepest_falls([2, 2, 2]) == []


@given(EQUITY)
def test_the_deepest_fall_is_the_deepest_drawdown_and_falls_do_not_overlap(equity: list[float]) -> None:
    falls = deepest_falls(equity, count=100)
    assert min([fall.depth for fall in falls], default=0.0) == pytest.approx(min(drawdowns(equity)))
    spans = sorted((fall.peak, len(equity) if fall.recovered is None else fall.recovered) for fall in falls)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(fall.peak < fall.lowest and equity[fall.lowest] < equity[fall.peak] for fall in falls)


@given(EQUITY)
def test_every_day_is_in_one_step(equity: list[float]) -> None:
    assert sum(one.days for one in spread_of(equity)) == len(equity) - 1


def test_rolling_figures_are_those_of_each_window() -> None:
    ours = [100.0]
    market = [50.0]
    for day in range(24):
        ours.append(ours[-1] * (1 + 0.02 * math.sin(day)))
        market.append(market[-1] * (1 + 0.01 * math.sin(day)))
    found = rolling(ours, market, window=12)
    assert found is not None
    assert found.places == tuple(range(12, 25))
    window = returns_of(ours)[3:15]
    mean = sum(window) / 12
    variance = sum((value - mean) ** 2 for value in window) / 12
    assert found.volatility_year[3] == pytest.approx(math.sqrt(variance * 365))
    assert found.returns[3] == pytest.approx(ours[15] / ours[3] - 1)
    assert found.beta == pytest.approx([2.0] * 13)
    assert rolling(ours, market, window=13) is None, (
        "with less than two windows it would be one point and look like a line"
    )


def test_the_heat_map_has_every_month_of_the_document() -> None:
    document = document_of(record_of(70))
    ((year, cells, whole),) = heat_rows(document)
    assert year == "2024"
    assert [cell.value for cell in cells[:3]] == [document["months"][f"2024-0{m}"]["sectorbot"] for m in (1, 2, 3)]
    assert all(cell.value is None for cell in cells[3:])
    assert whole.value == document["years"]["2024"]["sectorbot"]


def test_rotations_without_orders_are_one_sentence() -> None:
    blank = {"orders": 0, "started_ms": START_MS}
    shown, sentence = split_rotations(
        [blank, {"orders": 3, "started_ms": START_MS}, blank | {"started_ms": START_MS + DAY}]
    )
    assert [one["orders"] for one in shown] == [3]
    assert sentence.startswith("2 more rotations, begun between 2024-01-01 and 2024-01-02, sent no order")
    assert split_rotations(shown) == (shown, "")


def trade(number: int, symbol: str, side: Side, size: str, price: str) -> SimTrade:
    amounts = (Decimal(price), Decimal(size), Decimal(price) * Decimal(size), Decimal("0.5"))
    return SimTrade(number, number, "", symbol, side, *amounts, "USDT", is_maker=False, at_ms=number)


def test_tokens_add_up_to_what_sources_add_up_to() -> None:
    trades = [
        trade(1, "UNI/USDT", Side.BUY, "10", "5"),
        trade(2, "UNI/USDT:USDT", Side.SELL, "10", "5.1"),
        trade(3, "ETH/USDT", Side.BUY, "1", "100"),
        trade(4, "UNI/USDT:USDT", Side.BUY, "10", "4.9"),
        trade(5, "UNI/USDT", Side.SELL, "4", "6"),
    ]
    incomes = [Income(1, IncomeKind.FUNDING_FEE, "USDT", Decimal("0.7"), "UNI/USDT:USDT", 3)]
    mids = [row.price for row in trades]
    ending = Ending({}, {"UNI/USDT": Decimal(6), "ETH/USDT": Decimal(90)})
    parts = attribute(trades, mids, incomes, ending, {"UNI/USDT": "defi", "ETH/USDT": "infra"}, "USDT")
    tokens = attribute_tokens(trades, mids, incomes, ending, "USDT")
    assert set(tokens) == {"UNI", "ETH"}
    assert sum(one.net_quote for one in tokens.values()) == sum(one.net_quote for one in parts.values())
    assert tokens["ETH"].net_quote == Decimal("-10.5")
    assert tokens["UNI"].funding_quote == Decimal("0.7")


def test_a_short_run_has_neither_yearly_figures_nor_intervals() -> None:
    record = record_of(19)
    document = document_of(record)
    own = document["figures"]["sectorbot"]
    assert own["total"] == pytest.approx(float(record.moments[-1].equity) / 1000 - 1)
    assert {own[name] for name in ("per_year", "sharpe", "per_year_interval", "drawdown_interval")} == {None}
    assert document["benchmarks"]["hold"]["excess_interval"] is None
    page = page_of(record, document)
    assert "19 days are too short for a figure of a year or an interval" in page
    assert "<span>per year</span>" not in page
    assert "19 days are too short" in summary_of(document)
    assert document_of(record_of(70))["figures"]["sectorbot"]["per_year_interval"] is not None


def test_the_rows_of_a_record_have_its_days() -> None:
    record = record_of(70)
    (first, *_) = fall_rows(record)
    assert first["lowest_ms"] > first["peak_ms"]
    assert sum(one["days"] for one in spread_rows(record)) == 69
    moved = replace(record.moments[-1], equity=Decimal(5000))
    record.moments[-1] = moved
    assert fall_rows(record)[0]["recovered_ms"] == moved.at_ms
