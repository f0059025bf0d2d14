"""The table of funding on a narrow terminal: columns are left out, and a row stays a row."""

import io

import pytest
from rich.console import Console

from bot.report.funding import funding_table

EXPECTED = {
    "quote": "-1234.5678",
    "day_quote": "-176.3668",
    "yield_annual": "-0.512345",
    "hours": "168.0",
    "rates": 21,
    "covered_hours": 168,
    "basis_annual": "0.123456",
}
ROW = {"id": "12.2.22", "purpose": "tactical", "symbol": "1000SHIB/USDT:USDT", "side": "sell"}


@pytest.mark.parametrize(("width", "has_basis"), [(80, False), (160, True)])
def test_the_table_of_funding_stays_a_table(width: int, has_basis: bool) -> None:
    row = ROW | {"notional_quote": "1234567.89", "expected": EXPECTED, "actual_quote": "-1300.25"}
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(funding_table([row, row], "USDT"))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    numbers = [line for line in lines if "-1,234.57" in line]
    assert len(numbers) == 2, out.getvalue()
    assert all("1,234,567.89" in line and "-1,300.25" in line for line in numbers)
    assert ("12.35 %" in numbers[0]) is has_basis
