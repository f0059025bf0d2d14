"""Macro series: stablecoins over a loopback server, the operator's files, several sources as one."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro
from bot.feeds import daily_series
from bot.feeds.daily_series import DailyRules
from bot.feeds.macro import JoinedMacro, SeriesFile, SeriesFiles, SeriesProblem, read_series
from bot.feeds.snapshot import Observer
from bot.feeds.stablecoins import DefiLlamaStablecoins, parse_supply
from bot.ports import Unavailable
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from tests.feeds.static_sources import StaticMacro
from tests.feeds.test_snapshot import QUICK, WANTED, Market, venue

D = Decimal
TODAY = 1_700_006_400_000 - 1_700_006_400_000 % DAY_MS
# As `/stablecoincharts/all` answers: dates are text, every peg is told apart, native and in dollars.
YESTERDAY, START = TODAY // 1000 - 86_400, TODAY // 1000
RECORDED = f"""[
 {{"date":"{YESTERDAY}","totalCirculating":{{"peggedUSD":124000000000.5,"peggedEUR":280000000}},
  "totalUnreleased":{{"peggedUSD":0}},"totalCirculatingUSD":{{"peggedUSD":123900000000.25,"peggedEUR":300000000}},
  "totalMintedUSD":{{"peggedUSD":124100000000}},"totalBridgedToUSD":{{"peggedUSD":8000000000}}}},
 {{"date":"{START}","totalCirculating":{{"peggedUSD":125000000000,"peggedEUR":280000000}},
  "totalUnreleased":{{"peggedUSD":0}},"totalCirculatingUSD":{{"peggedUSD":124900000000,"peggedEUR":301000000}},
  "totalMintedUSD":{{"peggedUSD":125100000000}},"totalBridgedToUSD":{{"peggedUSD":8000000000}}}}
]"""


@dataclass
class Llama:
    body: str = RECORDED
    status: int = 200
    asked: list[str] = field(default_factory=list)
    now_ms: int = TODAY + 3_600_000
    base_url: str = ""
    session: aiohttp.ClientSession | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(status=self.status, text=self.body)

    def source(self, **rules: Any) -> DefiLlamaStablecoins:
        def session() -> aiohttp.ClientSession:
            assert self.session is not None
            return self.session

        return DefiLlamaStablecoins(session, lambda: self.now_ms, base_url=self.base_url, rules=DailyRules(**rules))


@pytest.fixture
async def llama() -> AsyncIterator[Llama]:
    world = Llama()
    app = web.Application()
    app.router.add_get("/{rest:.*}", world.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    world.base_url = f"http://{host}:{port}"
    world.session = aiohttp.ClientSession()
    yield world
    await world.session.close()
    await runner.cleanup()


async def test_stablecoins_are_every_peg_in_dollars_by_day(llama: Llama) -> None:
    found = await llama.source().fetch_macro("stablecoins")
    assert found.at_ms == (TODAY - DAY_MS, TODAY)
    assert found.values == (D("124200000000.25"), D("125201000000"))
    assert (found.name, found.unit) == ("stablecoins", "USD")
    assert llama.asked == ["/stablecoincharts/all"]


async def test_stablecoins_are_kept_for_an_hour_and_survive_a_failure_until_they_are_old(llama: Llama) -> None:
    source = llama.source()
    first = await source.fetch_macro("stablecoins")
    llama.status = 503
    assert await source.fetch_macro("stablecoins") == first
    assert len(llama.asked) == 1
    llama.now_ms += 3_600_000
    assert await source.fetch_macro("stablecoins") == first
    assert len(llama.asked) == 2
    llama.now_ms = TODAY + 2 * DAY_MS + 1
    with pytest.raises(Unavailable, match="status 503"):
        await source.fetch_macro("stablecoins")


async def test_an_answer_without_an_end_is_read_up_to_its_limit(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_series, "BODY_BYTES_MAX", 100)
    with pytest.raises(Unavailable, match="the answer is longer than 100 bytes"):
        await llama.source().fetch_macro("stablecoins")


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        '{"date": 1}',
        '[{"date": "1"}]',
        '[{"date": "1", "totalCirculatingUSD": 5}]',
        '[{"date": "1", "totalCirculatingUSD": {"peggedUSD": NaN}}]',
        '[{"date": "1", "totalCirculatingUSD": {}}]',
        '[{"date": "soon", "totalCirculatingUSD": {"peggedUSD": 5}}]',
    ],
)
async def test_an_answer_that_is_no_series_is_unavailable(llama: Llama, body: str) -> None:
    llama.body = body
    with pytest.raises(Unavailable, match="stablecoins: "):
        await llama.source().fetch_macro("stablecoins")


def test_only_the_newest_days_of_stablecoins_are_kept() -> None:
    rows = [{"date": str(day * 86_400), "totalCirculatingUSD": {"peggedUSD": day}} for day in range(1, 9)]
    assert parse_supply(json.dumps(rows), 2, TODAY).values == {7 * DAY_MS: 7, 8 * DAY_MS: 8}


def write(folder: Path, *rows: str, head: str = "date,value") -> Path:
    path = folder / "rates.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_date_counts_from_its_end_and_a_time_from_then(tmp_path: Path) -> None:
    path = write(tmp_path, "# by hand", "2026-01-01, 4.25", "", "2026-02-03T12:00:00+01:00,-0.5", head="date, value")
    assert read_series(path) == (
        (1_767_312_000_000, D("4.25")),  # 2026-01-02T00:00Z
        (1_770_116_400_000, D("-0.5")),  # 2026-02-03T11:00Z
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("2026-01-01,4,5",), ":2: a date and a value are needed, not 3 cells"),
        (("soon,4",), ":2: 'soon' is no date"),
        (("2026-01-01,four",), ":2: 'four' is no number"),
        (("2026-01-01,NaN",), ":2: 'NaN' is no number"),
        (("2026-01-01T00:00:00,4",), "has no time zone"),
        ((), "there is no value in it"),
        (("2026-01-02,4", "2026-01-02,5"), ":3: 2026-01-02 is not after the date before it"),
    ],
)
def test_a_bad_file_is_one_clear_error_with_its_line(tmp_path: Path, rows: tuple[str, ...], words: str) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(SeriesProblem, match=str(path)) as caught:
        read_series(path)
    assert words in str(caught.value)
    with pytest.raises(SettingsProblem) as refused:
        load_settings((), (f"macro.rates_file={path}",))
    assert len(refused.value.problems) == 1
    assert "macro.rates_file" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("head", ["day,value", "date;value", ""])
def test_the_first_line_names_the_columns(tmp_path: Path, head: str) -> None:
    with pytest.raises(SeriesProblem, match="the first line must be date,value"):
        read_series(write(tmp_path, "2026-01-01,4", head=head))


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsProblem, match=r"none\.csv: No such file"):
        load_settings((), (f"macro.usage_file={tmp_path / 'none.csv'}",))


def files(path: Path, now: list[int], age_max_days: int = 45) -> SeriesFiles:
    return SeriesFiles({"rates": SeriesFile(path, "fed funds", "percent", age_max_days * DAY_MS)}, lambda: now[0])


async def test_a_file_tells_what_was_known_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path, now = write(tmp_path, "2026-01-01,4.25", "2026-01-31,4.00"), [1_767_312_000_000 + DAY_MS]
    source = files(path, now)
    assert (await source.fetch_macro("rates")).values == (D("4.25"),)
    now[0] += 40 * DAY_MS
    found = await source.fetch_macro("rates")
    assert (found.title, found.unit, found.values) == ("fed funds", "percent", (D("4.25"), D("4.00")))
    write(tmp_path, "2026-01-01,4.25", "2026-01-31,4.00", "2026-02-05,3.75")
    assert (await source.fetch_macro("rates")).values[-1] == D("3.75")


async def test_a_file_that_spoils_or_grows_old_is_unavailable_with_its_reason(tmp_path: Path) -> None:
    path, now = write(tmp_path, "2026-01-01,4.25"), [1_767_312_000_000]
    source = files(path, now)
    now[0] -= 1
    with pytest.raises(Unavailable, match="lies in the future"):
        await source.fetch_macro("rates")
    now[0] += 1 + 46 * DAY_MS
    with pytest.raises(Unavailable, match="the newest value is 46 days old"):
        await source.fetch_macro("rates")
    write(tmp_path, "nonsense")
    os.utime(path, (1, 1))
    with pytest.raises(Unavailable, match=":2: a date and a value"):
        await source.fetch_macro("rates")
    path.unlink()
    with pytest.raises(Unavailable, match="No such file"):
        await source.fetch_macro("rates")


async def test_a_look_holds_what_was_set_up_and_names_what_failed(tmp_path: Path) -> None:
    told = StaticMacro((Macro("stablecoins", "supply", "USD", (1,), (D(5),)),))
    source = JoinedMacro([told, files(tmp_path / "none.csv", [1])])
    assert source.names == ("stablecoins", "rates")
    observer = Observer(venue(Market()), WANTED, macro=source, deadlines=QUICK)
    seen = await observer.observe()
    assert set(seen.macro) == {"stablecoins"}
    assert seen.has_asked("macro rates")
    assert not seen.has_asked("macro usage")
    guarded = await observer.observe(with_history=False)
    assert (guarded.macro, guarded.has_asked("macro rates")) == ({}, False), "a guard has no use for them"


@pytest.mark.parametrize(
    "text",
    [
        "observation_date,DGS10\n2026-11-10,4.25\n2026-11-11,.\n2026-11-12,\n2026-11-13,4.5\n",
        "DATE,DGS10\n2026-11-10,4.25\n2026-11-13,4.5\n",
        "\ufeffdate,value\r\n2026-11-10,4.25\r\n2026-11-13,4.5\r\n",
        '"date", "value"\n"2026-11-10", "4.25"\n"2026-11-13", "4.5"\n',
    ],
)
def test_a_file_of_fred_or_of_a_spreadsheet_is_read_as_it_comes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_bytes(text.encode())
    assert [str(value) for _, value in read_series(path)] == ["4.25", "4.5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date;value\n2026-11-10;4,25\n", r"rates\.csv:1: .*separated by a comma"),
        ("day,price\n2026-11-10,4.25\n", r"rates\.csv:1: the first line must be date,value, or observation_date"),
        ("observation_date,DGS10\n2026-11-10,n/a\n", r"rates\.csv:2: 'n/a' is no number"),
    ],
)
def test_another_shape_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(SeriesProblem, match=words):
        read_series(path)


@pytest.mark.parametrize(
    "text",
    [
        "Timestamp,Date,TVL\n1794355200000,2026-11-11,4250000000.5\n1794441600000,2026-11-12,4500000000\n",
        "Timestamp,Date,Uniswap TVL,Volume\n1794355200,11/11/2026,4250000000.5,7\n1794441600,12/11/2026,4500000000,\n",
        '\ufeff"Date","Timestamp","TVL"\r\n"2026-11-11","1794355200","4250000000.5"\r\n'
        '"2026-11-12","1794441600","4500000000"\r\n',
        "Timestamp,Date,Aave TVL\n1794268800000,2026-11-10,\n1794355200000,2026-11-11,4250000000.5\n"
        "1794441600000,2026-11-12,9\n1794486896000,2026-11-12,4500000000\n",
        "x,Date,Lido\n1794355200000,2026-11-11,4250000000.5\n1794441600000,2026-11-12,4500000000\n",
        "Timestamp,TVL\n1794355200,4250000000.5\n1794441600,4500000000\n",
    ],
    ids=["milliseconds", "seconds", "quoted", "two of one day", "without a table", "without a date"],
)
def test_a_chart_of_defillama_is_read_as_it_comes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tvl.csv"
    path.write_bytes(text.encode())
    assert read_series(path) == (
        (1_794_441_600_000, D("4250000000.5")),  # 2026-11-12T00:00Z: the end of its day
        (1_794_528_000_000, D("4500000000")),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Timestamp,Date,Fees,Volume\n1794355200,2026-11-11,1,2\n", ":1: has the series Fees, Volume; keep"),
        (
            "Timestamp,Date,TVL\n1794355200,2026-11-12,1\n",
            ":2: 2026-11-12 is not the day of 1794355200, which is 2026-",
        ),
        ("Timestamp,Date,TVL\n1794355200000000,2026-11-11,1\n", ":2: '1794355200000000' is no time in milliseconds or"),
        ("Timestamp,Date,TVL\n2026-11-11,2026-11-11,1\n", ":2: '2026-11-11' is no number"),
        ("Timestamp,Date,TVL\n1794355200,11.11.2026,1\n", ":2: '11.11.2026' is no date"),
        ("Timestamp,Date,TVL\n1794355200,2026-11-11,4.2b\n", ":2: '4.2b' is no number"),
        ("Timestamp,Date,TVL\n1794355200,2026-11-11,4,2\n", ":2: 3 cells are needed, not 4 cells"),
        (
            "Timestamp,Date,TVL\n1794441600,2026-11-12,1\n1794355200,2026-11-11,1\n",
            ":3: 1794355200 is not after the date before it",
        ),
        ("Timestamp,Date,TVL\n", ": there is no value in it"),
        ("Timestamp,Date,TVL\n1e999999,2026-11-11,1\n", ":2: '1e999999' is larger than any amount"),
        ("Timestamp,Date,TVL\n1e20,2026-11-11,1\n", ":2: '1e20' is no time in milliseconds or"),
        ("Timestamp,Date,TVL\n1794355200,2026-11-11,1e999999\n", ":2: '1e999999' is larger than any amount"),
        ('Timestamp,Date,TVL\n"' + "9" * 200_000 + '",2026-11-11,1\n', ":2: cannot be read as comma-separated values"),
    ],
)
def test_a_chart_of_defillama_with_a_wrong_cell_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "tvl.csv"
    path.write_text(text)
    with pytest.raises(SeriesProblem) as caught:
        read_series(path)
    assert str(path) + words in str(caught.value)
