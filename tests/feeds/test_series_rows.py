"""Texts of series: recorded shapes of public sources, and texts that no series can be made of."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import DAY_MS
from bot.feeds.series.rows import ROWS_MAX, SeriesColumns, SeriesTextError, read_rows

D = Decimal
JAN_1 = 1_767_225_600_000  # 2026-01-01
NOON = JAN_1 + DAY_MS // 2
PLAIN = SeriesColumns()


def days(*values: str, first_ms: int = JAN_1) -> tuple[tuple[int, Decimal], ...]:
    """Values from the end of each day on."""
    return tuple((first_ms + (n + 1) * DAY_MS, D(value)) for n, value in enumerate(values))


# Shapes as the sources answer: a plain table, FRED, DefiLlama's charts of fees (seconds), CoinGecko (milliseconds),
# alternative.me (newest first, numbers as text), an object keyed by day.
RECORDED = {
    "plain": ("date,value\n2026-01-01,5\n2026-01-02,6.5\n", PLAIN, days("5", "6.5")),
    "FRED": (
        "observation_date,DFF\n2026-01-01,3.64\n2026-01-02,.\n2026-01-03,3.63\n",
        SeriesColumns("observation_date", "DFF"),
        (*days("3.64"), *days("3.63", first_ms=JAN_1 + 2 * DAY_MS)),
    ),
    "DefiLlama": (
        '{"totalDataChart":[[1767225600,51234567],[1767312000,49876543.21]],"protocols":[],"total24h":1}',
        SeriesColumns("0", "1", "totalDataChart"),
        days("51234567", "49876543.21"),
    ),
    "CoinGecko": (
        '{"prices":[[1767225600000,88000.1],[1767268800000,88100]],"total_volumes":[]}',
        SeriesColumns("0", "1", "prices"),
        ((NOON, D("88100")), (JAN_1 + DAY_MS, D("88000.1"))),
    ),
    "alternative.me": (
        '{"name":"Fear and Greed Index","data":[{"value":"20","value_classification":"Extreme Fear",'
        '"timestamp":"1767312000"},{"value":"23","value_classification":"Extreme Fear","timestamp":"1767225600"}]}',
        SeriesColumns("timestamp", "value", "data"),
        days("23", "20"),
    ),
    "nested": (
        '[{"day":"2026-01-01","metrics":{"developers":{"all":8000}}}]',
        SeriesColumns("day", "metrics.developers.all"),
        days("8000"),
    ),
    "keyed by day": ('{"2026-01-02":6,"2026-01-01":5}', SeriesColumns("0", "1"), days("5", "6")),
    "times with a zone": (
        "date,value\n2026-01-01T12:00:00Z,1\n2026-01-02T00:00:00+00:00,2\n",
        PLAIN,
        ((NOON, D(1)), (JAN_1 + 2 * DAY_MS, D(2))),
    ),
    "byte order mark, comments, Windows lines": (
        "\ufeff# developers\r\ndate , value\r\n2026-01-01, 5\r\n\r\n",
        PLAIN,
        days("5"),
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_text_is_read_as_its_source_writes_it(name: str) -> None:
    text, columns, expected = RECORDED[name]
    found = read_rows(text, columns)
    assert found.rows == expected
    assert found.left_out is None


HOSTILE = {
    "nothing": ("", PLAIN, "is empty"),
    "a web page": ("\n <!DOCTYPE html><html><body>502</body></html>", PLAIN, "is a web page"),
    "broken JSON": ('[{"date":"2026-01-01","value":', PLAIN, "is no JSON"),
    "JSON without end": ("[" * 100_000, PLAIN, "is no JSON"),
    "an error in JSON": ('{"error":"rate limit"}', SeriesColumns(rows="data"), "rows = 'data': there is no 'data'"),
    "no list": ('{"data":5}', SeriesColumns(rows="data"), "there is no list"),
    "another column": ("date,price\n2026-01-01,5\n", PLAIN, "column = 'value': there is no such column"),
    "no time column": ("day,value\n2026-01-01,5\n", PLAIN, "time = 'date': there is no such column; the columns are"),
    "columns twice": ("date,value,value\n2026-01-01,5,6\n", PLAIN, "several columns are called so"),
    "semicolons": ("date;value\n2026-01-01;5,5\n", PLAIN, "columns are separated by a comma"),
    "words": ("date,value\n2026-01-01,many\n", PLAIN, "line 2: value = 'many' is no number; write it like"),
    "NaN": ("date,value\n2026-01-01,NaN\n", PLAIN, "line 2: value = 'NaN' is no number"),
    "NaN in JSON": ('[{"date":"2026-01-01","value":NaN}]', PLAIN, "row 1: value = 'NaN' is no number"),
    "infinity": ('[{"date":"2026-01-01","value":-Infinity}]', PLAIN, "row 1: value = '-Infinity' is no number"),
    "true": ('[{"date":"2026-01-01","value":true}]', PLAIN, "row 1: value = 'True' is no number"),
    "too large": ("date,value\n2026-01-01,1e999999\n", PLAIN, "larger than any amount"),
    "ten thousand digits": (f"date,value\n2026-01-01,{'9' * 10_000}\n", PLAIN, "larger than any amount"),
    "microseconds": ('[{"date":1767225600000000,"value":1}]', PLAIN, "row 1: time = '1767225600000000' is no time"),
    "days since 1970": ('[{"date":20454,"value":1}]', PLAIN, "in seconds or milliseconds"),
    "a time without zone": ("date,value\n2026-01-01T10:00:00,5\n", PLAIN, "has no time zone; add Z"),
    "the date of a spreadsheet": ("date,value\n01/02/2026,5\n", PLAIN, "time = '01/02/2026' is no time"),
    "year 0001": ("date,value\n0001-01-01,5\n", PLAIN, "is not between 2009 and 2100"),
    "no key in rows": ('[{"day":"2026-01-01","value":1}]', PLAIN, "row 1: time = \"there is no 'date' in it"),
    "only gaps": ("date,value\n2026-01-01,\n2026-01-02,.\n", PLAIN, "has no row with a value"),
    "a cell over lines": ('date,value\n"2026-01-01\n",5\n', PLAIN, "in one line"),
    "most rows bad": ("date,value\n2026-01-01,5\nx,6\ny,7\n", PLAIN, "line 3: time = 'x' is no time"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_without_a_series_is_one_error_that_says_where_and_why(name: str) -> None:
    text, columns, expected = HOSTILE[name]
    with pytest.raises(SeriesTextError) as error:
        read_rows(text, columns)
    assert expected in str(error.value)
    assert len(str(error.value)) < 400


def test_too_many_rows_are_refused() -> None:
    text = "date,value\n" + "2026-01-01,1\n" * ROWS_MAX
    with pytest.raises(SeriesTextError, match=f"more than {ROWS_MAX}"):
        read_rows(text, PLAIN)
    with pytest.raises(SeriesTextError, match=f"more than {ROWS_MAX}"):
        read_rows(json.dumps([[1_767_225_600, 1]] * (ROWS_MAX + 1)), SeriesColumns("0", "1"))


def test_a_bad_row_spoils_itself_only() -> None:
    found = read_rows("date,value\n2026-01-01,5\n2026-01-02,x\n2026-01-03,7\n", PLAIN)
    assert found.rows == (*days("5"), *days("7", first_ms=JAN_1 + 2 * DAY_MS))
    assert (
        found.left_out == "1 of its rows left out or replaced: line 3: value = 'x' is no number; write it like 1234.5"
    )


def test_of_two_values_of_one_time_the_later_row_counts_and_is_said() -> None:
    found = read_rows("date,value\n2026-01-01,5\n2026-01-01,6\n2026-01-02,7\n", PLAIN)
    assert found.rows == days("6", "7")
    assert "line 3: time = 2026-01-01 is given twice" in (found.left_out or "")
    assert read_rows("date,value\n2026-01-01,5\n2026-01-01,5\n", PLAIN).left_out is None


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_gives_rows_or_that_error(text: str) -> None:
    for columns in (PLAIN, SeriesColumns("0", "1", "a.b"), SeriesColumns("0", "1")):
        try:
            found = read_rows(text, columns)
        except SeriesTextError:
            continue
        assert all(value.is_finite() for _, value in found.rows)


BEYOND = {
    "the last date": "date,value\n2026-01-01,5\n9999-12-31,6\n2026-01-03,7\n",
    "the last instant": "date,value\n2026-01-01,5\n9999-12-31T23:59:59-23:59,6\n2026-01-03,7\n",
    "the first instant": "date,value\n2026-01-01,5\n0001-01-01T00:00:00+23:59,6\n2026-01-03,7\n",
    "an exponent of JSON": '[{"date":"2026-01-01","value":5},{"date":"2026-01-02","value":1e99999999999999999999},'
    '{"date":"2026-01-03","value":7}]',
    "a time of JSON": '[{"date":"2026-01-01","value":5},{"date":1e99999999999999999999,"value":6},'
    '{"date":"2026-01-03","value":7}]',
    "too small": "date,value\n2026-01-01,5\n2026-01-02,1e-999999\n2026-01-03,7\n",
    "too small in JSON": '[{"date":"2026-01-01","value":5},{"date":"2026-01-02","value":1e-999999},'
    '{"date":"2026-01-03","value":7}]',
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_row_beyond_what_dates_and_decimals_hold_spoils_itself_only(name: str) -> None:
    found = read_rows(BEYOND[name], PLAIN)
    assert found.rows == (*days("5"), *days("7", first_ms=JAN_1 + 2 * DAY_MS))
    assert (found.left_out or "").startswith("1 of its rows left out or replaced: ")
