"""The report page: everything is on it, and nothing comes from elsewhere."""

import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from bot.lab.backtest.attribution import Contribution
from bot.lab.backtest.benchmarks import NAMES, Tally
from bot.lab.backtest.page import page_of
from bot.lab.backtest.record import DailyRow, Record, Rotation, StanceChange, csv_of, document_of
from bot.report.charts import Chart, stacked

START_MS, DAY = 1_704_067_200_000, 86_400_000
VOID = {"meta", "br", "line", "rect", "polyline", "polygon", "i"}
D = Decimal


def record_of(days: int) -> Record:
    record = Record(
        START_MS,
        START_MS + (days - 1) * DAY,
        "USDT",
        D(1000),
        1,
        "abc",
        "BTC/USDT",
        {"decide_hours": 24, "guard_hours": 1},
    )
    for day in range(days):
        equity = D(1000 + (day % 7) * 10 - day)
        sleeves = {"defi.spot": equity / 2, "defi.futures": D(10), "cash": equity / 2 - 10}
        record.moments.append(
            DailyRow(START_MS + day * DAY, equity, sleeves, D(5), D(0), D(day), dict.fromkeys(NAMES, equity + 1))
        )
        record.hours.append((START_MS + day * DAY, float(equity)))
    middle_ms = START_MS + days // 2 * DAY
    record.turns = [
        StanceChange(START_MS, "neutral", "neutral", D(0)),
        StanceChange(middle_ms, "euphoria", "into_defi", D("0.6")),
    ]
    record.rotations = {
        1: Rotation(
            1, "neutral", "into_defi", "euphoria", middle_ms, D(1000), "done", middle_ms + DAY, D(900), 2, 9, D(77)
        )
    }
    record.parts = {"spot <b>defi</b>": Contribution(price_quote=D(5), trades=3)}
    record.tallies = {name: Tally() for name in NAMES}
    expected = {"quote": "-3.25", "yield_annual": "-0.11", "hours": "36.0"}
    record.legs = [
        {
            "at_ms": middle_ms,
            "id": "1.1.1",
            "purpose": "hedge",
            "symbol": "UNI<i>",
            "side": "sell",
            "notional_quote": "5000",
            "expected": expected,
            "actual_quote": "-4.75",
        },
        {
            "at_ms": middle_ms,
            "id": "1.1.8",
            "purpose": "tactical",
            "symbol": "AAVE",
            "side": "buy",
            "notional_quote": "900",
            "expected": None,
            "actual_quote": "0",
        },
    ]
    return record


class Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in VOID:
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    record = record_of(70)
    return page_of(record, document_of(record))


def test_the_page_is_whole_and_asks_for_nothing(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert not [tag for tag in parser.open if tag not in VOID]
    assert not {"script", "link", "img", "iframe"} & set(parser.seen)
    assert not re.search(r"https?:|url\(|@import|src=", page)
    assert parser.seen.count("svg") == 12, "each chart for a desk and for a phone"


def test_names_from_outside_are_escaped(page: str) -> None:
    assert "spot &lt;b&gt;defi" in page


def test_every_section_and_the_caveat_are_there(page: str) -> None:
    for words in (
        "Equity",
        "Drawdown",
        "Capital by sleeve",
        "Perps",
        "Funding",
        "By year",
        "Rotations",
        "By month",
        "Costs and counts",
        "Where it came from",
        "Figures",
        "Months",
        "Deepest drawdowns",
        "Days by their return",
        "Result by token",
        "Rolling beta",
        "What this does not show",
    ):
        assert words in page
    assert 'class="band band-euphoria"' in page
    assert "neutral → into_defi" in page


def test_the_table_of_equity_has_a_row_a_day() -> None:
    lines = csv_of(record_of(10)).splitlines()
    assert lines[0] == "date,equity,hold,monthly,btc,defi.spot,defi.futures,cash,shorts,longs,funding"
    assert len(lines) == 11
    assert lines[1].startswith("2024-01-01,1000.00,1001.00,")


def test_the_document_counts_changes_and_time_by_condition() -> None:
    document = document_of(record_of(70))
    assert document["condition_changes"] == 1
    assert document["condition_share"] == pytest.approx({"neutral": 35 / 69, "euphoria": 34 / 69})
    assert list(document["months"]) == ["2024-01", "2024-02", "2024-03"]
    months = [found["sectorbot"] for found in document["months"].values()]
    assert (1 + months[0]) * (1 + months[1]) * (1 + months[2]) - 1 == pytest.approx(
        document["figures"]["sectorbot"]["total"]
    )


def test_a_fall_of_one_day_survives_the_thinning_of_years() -> None:
    times = [START_MS + hour * 3_600_000 for hour in range(50_000)]
    values = [100.0] * 50_000
    values[31_337] = 40.0
    drawn = Chart(times[0], times[-1], 0.0, 100.0).line(times, values, "c0").svg("x")
    lowest = max(float(point.split(",")[1]) for point in re.findall(r"points=\"([^\"]+)\"", drawn)[0].split())
    assert lowest == pytest.approx(Chart(0, 1, 0.0, 100.0).y(40.0), abs=0.1)


def test_areas_are_piled_up_to_the_sum() -> None:
    piled = stacked({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert piled["b"] == ([1.0, 2.0], [4.0, 6.0])


def test_a_logarithmic_axis_within_one_decade_still_has_words() -> None:
    drawn = Chart(START_MS, START_MS + 90 * DAY, 26_000.0, 110_000.0, is_log=True).grid().svg("x")
    assert [f"{value}k" in drawn for value in (30, 50, 100)] == [True, True, True]


def test_days_without_entries_are_counted_and_shaded() -> None:
    record = record_of(40)
    record.moments = [replace(m, held_back=("drawdown",)) if 10 <= n < 15 else m for n, m in enumerate(record.moments)]
    document = document_of(record)
    assert document["held_back"] == {"drawdown": {"days": 5, "first": "2024-01-11", "last": "2024-01-15"}}
    drawn = page_of(record, document)
    assert drawn.count('class="band band-held"') == 2
    assert "drawdown: 5 days from 2024-01-11 to 2024-01-15" in drawn
    assert "stopped entries on 5 of 40 days" in drawn
    assert "stopped entries" not in page_of(record_of(40), document_of(record_of(40)))


def test_funding_by_leg_stands_beside_what_was_expected(page: str) -> None:
    section = page[page.index("Funding by leg") :]
    section = section[: section.index("</table>")]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in section.split("<tr>")[2:]]
    assert [(row[1], row[2], row[6]) for row in rows] == [
        ("1.1.1 hedge", "UNI&lt;i&gt;", "1.5"),
        ("1.1.8 tactical", "AAVE", ""),
    ]
    assert rows[0][5].endswith("11.0%")
    assert rows[0][7:] == ["-3.25", "-4.75"]
    assert rows[1][7] == ""
