"""Candles and days by the clock of another time zone than UTC."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.simex.dialects.conftest import Bench
from tests.simex.dialects.test_binance_streams import Socket

D = Decimal
SPOT = "UNI/USDT"
UNI = {"symbol": "UNIUSDT"}
DAY_MS, MINUTE_MS = 86_400_000, 60_000
KLINES = ("/api/v3/klines", "/api/v3/uiKlines")
ZONES = [("8", 480), ("05:45", 345), ("-1:00", -60), ("-12:00", -720), ("14:00", 840), ("0", 0), ("9:30", 570)]


@pytest.fixture
def moving(bench: Bench) -> Bench:
    """Three days in which the price is another one every forty minutes."""
    for number in range(108):
        bench.move(SPOT, 10 + number % 7 / 10 - number % 5 / 20, after_ms=40 * MINUTE_MS - 1)
    return bench


def local(at_ms: int, minutes: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(minutes=minutes)


@pytest.mark.parametrize(("zone", "minutes"), ZONES)
@pytest.mark.parametrize("path", KLINES)
def test_a_day_of_a_time_zone_is_made_of_its_own_hours(moving: Bench, path: str, zone: str, minutes: int) -> None:
    days = moving.public(path, **UNI, interval="1d", timeZone=zone, limit=4)
    quarters = moving.public(path, **UNI, interval="15m", limit=1000)
    assert [local(row[0], minutes).strftime("%H:%M") for row in days] == ["00:00"] * 4
    assert [row[6] + 1 for row in days[:-1]] == [row[0] for row in days[1:]], "no hole and no overlap"
    assert days[-1][0] <= moving.clock.now_ms <= days[-1][6]
    for row in days[1:]:
        inside = [part for part in quarters if row[0] <= part[0] <= row[6]]
        assert (row[1], row[4]) == (inside[0][1], inside[-1][4])
        assert (D(row[2]), D(row[3])) == (max(D(part[2]) for part in inside), min(D(part[3]) for part in inside))
        assert float(row[7]) == pytest.approx(sum(float(part[7]) for part in inside))


@pytest.mark.parametrize(("zone", "minutes"), ZONES)
def test_weeks_months_and_hours_begin_by_the_clock_of_the_zone(bench: Bench, zone: str, minutes: int) -> None:
    bench.clock.now_ms += 100 * DAY_MS

    def begins(interval: str) -> list[datetime]:
        rows = bench.public(KLINES[0], **UNI, interval=interval, timeZone=zone, limit=3)
        assert [row[6] + 1 for row in rows[:-1]] == [row[0] for row in rows[1:]]
        assert rows[-1][0] <= bench.clock.now_ms <= rows[-1][6]
        return [local(row[0], minutes) for row in rows]

    assert [(at.weekday(), at.hour, at.minute) for at in begins("1w")] == [(0, 0, 0)] * 3
    assert [(at.day, at.hour, at.minute) for at in begins("1M")] == [(1, 0, 0)] * 3
    assert all(at.hour % 4 == 0 and at.minute == 0 for at in begins("4h"))


def test_start_and_end_stay_those_of_utc(moving: Bench) -> None:
    rows = moving.public(KLINES[0], **UNI, interval="1d", timeZone="8", limit=3)
    times = {"startTime": rows[1][0], "endTime": rows[1][0]}
    assert moving.public(KLINES[0], **UNI, interval="1d", timeZone="8", **times) == [rows[1]]
    times = {"startTime": rows[1][0] + 1, "endTime": rows[2][0] - 1}
    assert moving.public(KLINES[0], **UNI, interval="1d", timeZone="8", **times) == []


@pytest.mark.parametrize("zone", ["14:01", "15", "-12:01", "-13", "5:60", "5:5", "Asia/Tokyo", "1.5", "--1"])
@pytest.mark.parametrize("path", [*KLINES, "/api/v3/ticker/tradingDay"])
def test_a_time_zone_that_is_none_is_refused(bench: Bench, path: str, zone: str) -> None:
    asked = {**UNI, "interval": "1d", "timeZone": zone}
    expected = (-1130, "Data sent for parameter 'timeZone' is not valid.")
    assert bench.no("GET", path, asked, key=None) == expected


def test_futures_do_not_know_time_zones(moving: Bench) -> None:
    """Their candles have no such parameter, so what it says is not read."""
    plain = moving.public("/fapi/v1/klines", **UNI, interval="1d", limit=2)
    assert moving.public("/fapi/v1/klines", **UNI, interval="1d", limit=2, timeZone="8") == plain


@pytest.mark.parametrize(("zone", "minutes"), ZONES)
def test_the_day_of_a_zone_begins_with_its_first_minute(moving: Bench, zone: str, minutes: int) -> None:
    """Zones of half hours began with the next full hour, and left out what was traded before."""
    row = moving.public("/api/v3/ticker/tradingDay", **UNI, timeZone=zone)
    (day,) = moving.public(KLINES[0], **UNI, interval="1d", timeZone=zone, limit=1)
    assert local(row["openTime"], minutes).strftime("%H:%M") == "00:00"
    shown = [row[name] for name in ("openTime", "openPrice", "highPrice", "lowPrice", "closeTime")]
    assert shown == [day[0], day[1], day[2], day[3], day[6]]
    assert float(row["quoteVolume"]) == pytest.approx(float(day[7]))


def test_a_window_begins_with_its_first_minute(moving: Bench) -> None:
    """A window of more than half a day began with the next full hour."""
    row = moving.public("/api/v3/ticker", **UNI, windowSize="1d")
    (minute,) = moving.public(KLINES[0], **UNI, interval="1m", startTime=row["openTime"], limit=1)
    assert (minute[0], minute[1]) == (row["openTime"], row["openPrice"])
    minutes = moving.public(KLINES[0], **UNI, interval="1m", startTime=row["openTime"], limit=1000)
    minutes += moving.public(KLINES[0], **UNI, interval="1m", startTime=minutes[-1][6] + 1, limit=1000)
    assert float(row["quoteVolume"]) == pytest.approx(sum(float(part[7]) for part in minutes))


def test_a_candle_stream_of_the_one_zone_that_streams_have(moving: Bench) -> None:
    socket = Socket(moving, "/ws/uniusdt@kline_1d@+08:00")
    news: list[dict[str, Any]] = socket.news(1000)
    (day,) = moving.public(KLINES[0], **UNI, interval="1d", timeZone="8", limit=1)
    shown = news[-1]["k"]
    assert (shown["t"], shown["T"], shown["o"], shown["h"], shown["l"]) == (day[0], day[6], day[1], day[2], day[3])
    assert shown["i"] == "1d"
    for name in ("uniusdt@kline_1d@+09:00", "uniusdt@depth5@+08:00"):
        assert Socket(moving, f"/ws/{name}").news(2000) == []
    moving_perp = Socket(moving, "/ws/uniusdt@kline_1d@+08:00", host="fstream.binance.com")
    assert moving_perp.news(2000) == []
