"""Series from files and addresses: what is kept, what is missing, and that nothing ends a turn."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.feeds.macro import JoinedMacro
from bot.feeds.series import address as series_address
from bot.feeds.series import source as series_source
from bot.feeds.series.address import AddressReader
from bot.feeds.series.rows import SeriesColumns
from bot.feeds.series.source import ConfiguredSeries, SeriesSpec
from bot.feeds.snapshot import Observer
from bot.ports import Unavailable
from tests.feeds.test_snapshot import QUICK, WANTED, Market, venue

D = Decimal
JAN_1 = 1_767_225_600_000
NOW = JAN_1 + 3 * DAY_MS
TABLE = "date,value\n2026-01-01,5\n2026-01-02,6\n"


def long_json(kind: str) -> str:
    """Rows of many numbers, near the longest text that is read."""
    number = "123456789012" if kind == "int" else "1234567.89012"
    rest = ",".join([number] * 50)
    rows = ",".join(f"[{JAN_1 - 20_000 * HOUR_MS + HOUR_MS * at},{at}.5,{rest}]" for at in range(19_999))
    text = f'{{"rows":[{rows}]}}'
    assert 0.75 * series_source.TEXT_BYTES_MAX < len(text) < series_source.TEXT_BYTES_MAX
    return text


def spec(source: str, **changes: Any) -> SeriesSpec:
    made = SeriesSpec(source, SeriesColumns(), "developers", "people", 7 * DAY_MS, 15 * 60_000)
    return replace(made, **changes)


@dataclass
class Site:
    """An address that answers as it is told to."""

    body: bytes = TABLE.encode()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    asked: list[str] = field(default_factory=list)
    now_ms: int = NOW
    address: str = ""
    session: aiohttp.ClientSession | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if self.delay_seconds:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(100):
                await response.write(b"# slow\n")
                await asyncio.sleep(self.delay_seconds)
            return response
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def reader(self, timeout_seconds: float = 5) -> AddressReader:
        def session() -> aiohttp.ClientSession:
            assert self.session is not None
            return self.session

        return AddressReader(session, timeout_seconds=timeout_seconds)

    def series(self, timeout_seconds: float = 5, **changes: Any) -> ConfiguredSeries:
        one = spec(self.address, **changes)
        return ConfiguredSeries({"developers": one}, lambda: self.now_ms, self.reader(timeout_seconds))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.address = f"http://{host}:{port}/dev.csv?key=abc"
    made.session = aiohttp.ClientSession()
    yield made
    await made.session.close()
    await runner.cleanup()


async def test_an_address_is_read_once_an_hour(site: Site) -> None:
    series = site.series()
    found = await series.fetch_macro("developers")
    assert (found.name, found.title, found.unit) == ("developers", "developers", "people")
    assert found.values == (D(5), D(6))
    assert found.at_ms == (JAN_1 + DAY_MS, JAN_1 + 2 * DAY_MS)
    assert await series.fetch_macro("developers") == found
    assert len(site.asked) == 1
    site.now_ms += HOUR_MS
    await series.fetch_macro("developers")
    assert len(site.asked) == 2


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a login page": ({"body": b"<html>log in</html>"}, "is a web page"),
    "no such page": ({"status": 404}, "answers with status 404"),
    "too many requests": ({"status": 429}, "answers with status 429"),
    "another host": (
        {"status": 302, "headers": {"Location": "https://elsewhere.example/x?key=abc"}},
        "redirects to https://elsewhere.example/x; give that address if you trust it",
    ),
    "another encoding": ({"body": "date,value\n2026-01-01,5 €".encode("utf-16")}, "is not UTF-8"),
    "all in the future": ({"body": b"date,value\n2031-01-01,5\n"}, "every value lies in the future"),
    "old": ({"body": b"date,value\n2025-01-01,5\n"}, "days old, age_max_days = 7; update it, or raise series.dev"),
    "broken gzip": ({"body": b"no gzip", "headers": {"Content-Encoding": "gzip"}}, "it is asked again later"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_an_address_answers_wrongly_is_one_reason(site: Site, name: str) -> None:
    changes, why = BAD[name]
    for key, value in changes.items():
        setattr(site, key, value)
    with pytest.raises(Unavailable) as error:
        await site.series().fetch_macro("developers")
    message = str(error.value)
    assert message.startswith(f"series.developers: {site.address.partition('?')[0]}: ")
    assert why in message
    assert "key=abc" not in message, "a query may hold a key"


async def test_a_huge_answer_ends_at_the_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_address, "TEXT_BYTES_MAX", 100_000)
    for body, headers in (
        (b"9" * 5_000_000, {}),
        (gzip.compress(b"9" * 50_000_000), {"Content-Encoding": "gzip"}),
    ):
        site.body, site.headers = body, headers
        with pytest.raises(Unavailable, match="is longer than 100000 bytes; ask for less"):
            await site.series().fetch_macro("developers")


async def test_a_slow_address_is_given_up_and_not_asked_again_before_its_pause(site: Site) -> None:
    site.delay_seconds = 0.05
    series = site.series(timeout_seconds=0.1)
    for _ in range(3):
        with pytest.raises(Unavailable, match="no complete answer"):
            await series.fetch_macro("developers")
    assert len(site.asked) == 1
    site.now_ms += 15 * 60_000
    site.delay_seconds = 0
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))


async def test_an_answer_that_the_turn_cancels_has_its_pause_too(site: Site) -> None:
    site.delay_seconds = 0.05
    series = site.series()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(series.fetch_macro("developers"), 0.1)
    with pytest.raises(Unavailable, match="has not been read yet"):
        await series.fetch_macro("developers")
    assert len(site.asked) == 1


async def test_former_values_count_until_they_are_old_and_that_is_said(site: Site) -> None:
    series = site.series()
    first = await series.fetch_macro("developers")
    site.now_ms += HOUR_MS
    site.status = 503
    assert await series.fetch_macro("developers") == first
    assert "former values are used" in series.notes["developers"]
    assert "status 503" in series.notes["developers"]
    site.now_ms = JAN_1 + 10 * DAY_MS
    with pytest.raises(Unavailable, match=r"8 days old.*last attempt.*status 503"):
        await series.fetch_macro("developers")


async def test_an_address_that_nobody_listens_at(site: Site) -> None:
    unheard = ConfiguredSeries({"x": spec("http://127.0.0.1:1/x")}, lambda: NOW, site.reader())
    with pytest.raises(Unavailable, match=r"series\.x: http://127\.0\.0\.1:1/x: cannot be reached"):
        await unheard.fetch_macro("x")


async def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "dev.csv"
    file.write_text(TABLE)
    series = ConfiguredSeries({"developers": spec(str(file))}, lambda: NOW)
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))
    file.write_text(TABLE + "2026-01-03,7\n")
    assert (await series.fetch_macro("developers")).values == (D(5), D(6), D(7))
    file.write_text("date,val")
    assert (await series.fetch_macro("developers")).values == (D(5), D(6), D(7)), "half written"
    assert "column = 'value'" in series.notes["developers"]
    file.write_text(TABLE + "2026-01-03,8\n")
    assert (await series.fetch_macro("developers")).values == (D(5), D(6), D(8))
    assert series.notes == {}


@pytest.mark.parametrize("kind", ["absent", "folder", "huge", "binary"])
async def test_a_file_that_cannot_be_used_is_one_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / "dev.csv"
    if kind == "folder":
        file.mkdir()
    elif kind == "huge":
        monkeypatch.setattr(series_source, "TEXT_BYTES_MAX", 10)
        file.write_text(TABLE)
    elif kind == "binary":
        file.write_bytes(b"date,value\n\xff\xfe")
    series = ConfiguredSeries({"developers": spec(str(file))}, lambda: NOW)
    with pytest.raises(Unavailable, match=f"series.developers: {file}: ") as error:
        await series.fetch_macro("developers")
    expected = {"absent": "No such file", "folder": "is no file", "huge": "more than 10", "binary": "is not UTF-8"}
    assert expected[kind] in str(error.value)


async def test_rows_of_the_future_are_not_there_before_their_time(tmp_path: Path) -> None:
    file = tmp_path / "dev.csv"
    file.write_text(TABLE + "2026-01-03,7\n2026-01-09,9\n")
    now = [JAN_1 + 2 * DAY_MS]
    series = ConfiguredSeries({"developers": spec(str(file))}, lambda: now[0])
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))
    now[0] += DAY_MS - 1
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))
    now[0] += 1
    assert (await series.fetch_macro("developers")).values == (D(5), D(6), D(7))


async def test_a_value_is_known_when_it_is_published(tmp_path: Path) -> None:
    file = tmp_path / "dev.csv"
    file.write_text(TABLE)
    series = ConfiguredSeries({"developers": spec(str(file), delay_ms=DAY_MS)}, lambda: JAN_1 + 2 * DAY_MS)
    found = await series.fetch_macro("developers")
    assert (found.at_ms, found.values) == ((JAN_1 + 2 * DAY_MS,), (D(5),))


async def test_without_a_network_an_address_is_not_set_up(tmp_path: Path) -> None:
    series = ConfiguredSeries({"a": spec("https://example.org/x"), "b": spec(str(tmp_path / "b.csv"))}, lambda: NOW)
    assert series.names == ("b",)


async def test_a_bad_series_costs_a_snapshot_nothing_else(site: Site) -> None:
    site.body = b"<html></html>"
    world = venue(Market())
    observer = Observer(world, WANTED, macro=JoinedMacro([site.series()]), deadlines=QUICK)
    snapshot = await observer.observe()
    assert snapshot.macro == {}
    assert [one.why for one in snapshot.missing if one.what == "macro developers"] == [
        f"series.developers: {site.address.partition('?')[0]}: is a web page (HTML), neither CSV nor JSON; give the "
        "address or file of the data itself"
    ]
    assert snapshot.quotes


async def test_the_day_that_runs_does_not_count_later_as_a_whole_day(site: Site) -> None:
    site.body, site.now_ms = b"date,value\n2026-01-02,5\n2026-01-03,6\n2026-01-04,1\n", NOW + HOUR_MS
    series = site.series()
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))
    site.status, site.now_ms = 500, NOW + DAY_MS + HOUR_MS
    assert (await series.fetch_macro("developers")).values == (D(5), D(6))
    site.status, site.body = 200, b"date,value\n2026-01-03,6\n2026-01-04,7\n"
    site.now_ms += HOUR_MS
    assert (await series.fetch_macro("developers")).values == (D(6), D(7))


async def test_a_file_that_comes_back_unchanged_is_said_no_more_to_be_away(tmp_path: Path) -> None:
    path, away = tmp_path / "a.csv", tmp_path / "away.csv"
    path.write_text(TABLE)
    series = ConfiguredSeries({"a": spec(str(path))}, lambda: NOW)
    await series.fetch_macro("a")
    path.rename(away)
    assert (await series.fetch_macro("a")).values == (D(5), D(6))
    assert series.notes["a"].startswith("former values are used: ")
    away.rename(path)
    await series.fetch_macro("a")
    assert series.notes == {}


@pytest.mark.parametrize("row", ["9999-12-31,6", "2026-01-02,1e-999999", "2026-01-02,1e99999999999999999999"])
async def test_no_row_of_a_file_ends_a_look(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"date,value\n{row}\n")
    series = ConfiguredSeries({"a": spec(str(path))}, lambda: NOW)
    snapshot = await Observer(venue(Market()), WANTED, macro=series, deadlines=QUICK).observe()
    assert snapshot.macro == {}
    assert [one.what for one in snapshot.missing if "macro" in one.what] == ["macro a"]


LONG = SeriesColumns("0", "1", "rows")


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("place", ["address", "file"])
async def test_the_event_loop_goes_on_while_a_long_text_is_parsed(tmp_path: Path, kind: str, place: str) -> None:
    """Counted is what ran in between: a text that is parsed in the loop lets nothing run."""
    text, turns = long_json(kind), 0

    async def fetch(source: str) -> str:
        return text

    async def beat() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    path = tmp_path / "long.json"
    path.write_text(text, encoding="utf-8")
    source = "https://example.org/long" if place == "address" else str(path)
    series = ConfiguredSeries({"developers": spec(source, columns=LONG)}, lambda: NOW, fetch)
    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    found = await series.fetch_macro("developers")
    beating.cancel()
    assert len(found.values) == series_source.KEPT_MAX
    assert turns > 20


async def test_a_file_whose_reading_was_cut_off_is_read_by_the_next_turn(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text(long_json("int"), encoding="utf-8")
    series = ConfiguredSeries({"developers": spec(str(path), columns=LONG)}, lambda: NOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await series.fetch_macro("developers")
    assert len((await series.fetch_macro("developers")).values) == series_source.KEPT_MAX
