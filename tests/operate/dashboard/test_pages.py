"""The pages over a journal: what they show is what the reading commands say, and nothing of a request is trusted."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.states import KillLevel
from bot.journal.journal import Journal
from bot.journal.record import CycleRecord
from bot.operate.dashboard.source import BotSource, make_source
from bot.report import queries
from bot.report.format import money, percent
from tests.operate.dashboard.conftest import dashboard, pretend_daemon, settings_of

MakeSource = Callable[..., BotSource]
PAGES = ("/", "/why", "/campaigns", "/orders", "/history?since=all", "/configuration", "/log")


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_answers_with_the_headers_of_a_locked_page(path: str, source_of: MakeSource) -> None:
    async with dashboard(source_of()) as client:
        answer = await client.get(path)
        text = await answer.text()
    assert answer.status == 200, text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert " style=" not in text
    assert " onclick=" not in text
    assert text.count("<script") == text.count('<script src="/static/app.js')


async def test_now_shows_what_status_and_positions_say(source_of: MakeSource) -> None:
    source = source_of()
    with source.view() as view:
        status, _ = queries.status(view)
        holds = queries.positions(view)
        stops = {o.symbol: o.trigger_price for o in view.reader.load_working() if o.trigger_price is not None}
    async with dashboard(source) as client:
        text = await (await client.get("/")).text()
    assert money(status["equity_quote"]) in text
    assert "The bot does not run." in text
    assert status["profit"], "the rotation has valued the account"
    for period in status["profit"].values():
        assert money(period["net_quote"]) in text
        assert money(period["fees_quote"]) in text
    for row in holds["sleeves"]:
        assert money(row["value_quote"]) in text
    for row in holds["holdings"]:
        assert money(row["value_quote"]) in text
    held = [row for row in holds["positions"] if row["symbol"] in stops]
    assert held, "the rotation ends with a tactical long and its stop"
    for row in held:
        mark = float(row["mark"])
        assert percent(str(round(abs(mark - float(stops[row["symbol"]])) / mark, 6))) in text
        assert percent(row["liquidation_distance"]) in text


async def test_a_missing_price_is_never_an_equity(source_of: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = queries.last_kept

    def blinded(reader: Any) -> CycleRecord | None:
        record = kept(reader)
        assert record is not None
        quotes = {symbol: one for symbol, one in record.snapshot.quotes.items() if symbol != "AAVE/USDT"}
        return replace(record, inputs=replace(record.inputs, snapshot=replace(record.snapshot, quotes=quotes)))

    monkeypatch.setattr(queries, "last_kept", blinded)
    async with dashboard(source_of()) as client:
        text = await (await client.get("/")).text()
    assert "no price of AAVE" in text
    assert ">not known<" in text
    assert "needs the equity of 00:00 UTC and of now" in text


async def test_the_switch_and_a_late_part_are_said_first(source_of: MakeSource, state: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    late = {"guard": {"at_ms": now_ms - 90_000, "late_after_ms": 60_000}}
    named = "cash of USDT is 500 less"
    pretend_daemon(state, kill="reduce-only", parts=late, problem="mismatch", differences=[named])
    async with dashboard(source_of()) as client:
        text = await (await client.get("/")).text()
    assert "reduce-only is in force." in text
    assert "guard (silent for 90 s)" in text
    assert f"Journal and account differ, entries stopped:</strong> {named}" in text


async def test_orders_are_filtered_and_each_has_its_executions(source_of: MakeSource) -> None:
    source = source_of()
    with source.view() as view:
        orders = view.reader.load_orders(1_000)
    filled = next(order for order in orders if order.state.value == "filled")
    absent = next(name for name in ("rejected", "in doubt") if name.replace(" ", "_") not in {o.state for o in orders})
    async with dashboard(source) as client:
        every = await (await client.get("/orders")).text()
        some = await (await client.get("/orders", params={"text": filled.client_id})).text()
        none = await (await client.get("/orders", params={"state": absent})).text()
        one = await (await client.get(f"/orders/{filled.client_id}")).text()
        unknown = await client.get("/orders/nobody<script>")
        said = await unknown.text()
    assert every.count(f"/orders/{filled.client_id}") == 1
    assert some.count("<tr>") == 2  # the head and the order
    assert "None of these." in none
    assert "Executions" in one
    assert "taker" in one
    assert unknown.status == 404
    assert "nobody&lt;script&gt;" in said


async def test_campaigns_show_each_leg_with_what_was_executed(source_of: MakeSource) -> None:
    source = source_of()
    with source.view() as view:
        campaign = view.reader.load_memory().campaign
        orders = view.reader.load_orders(1_000, 1)
    assert campaign is not None
    async with dashboard(source) as client:
        text = await (await client.get("/campaigns")).text()
    assert f"Rotation {campaign.number}" in text
    for tranche in campaign.tranches:
        assert f"Tranche {tranche.index}" in text
        for leg in tranche.legs:
            assert money(leg.quote_value) in text
    for order in orders:
        assert order.filled_quote == 0 or order.client_id in text


async def test_history_draws_equity_and_names_its_values(source_of: MakeSource) -> None:
    async with dashboard(source_of()) as client:
        text = await (await client.get("/history?since=all")).text()
        wrong = await client.get("/history?since=yesterday")
        said = await wrong.text()
    assert text.count("<svg") == 4, "two charts, each for a desk and for a phone"
    assert "data-points" in text
    assert "Values of the chart" in text
    assert wrong.status == 404
    assert "give a span" in said


async def test_configuration_names_the_origin_of_each_value_and_no_secret(
    source_of: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = "K" * 40, "S" * 40
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", key)
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", secret)
    async with dashboard(source_of("cadence.cycle_seconds=77")) as client:
        text = await (await client.get("/configuration")).text()
    changed = text.split("Changed settings</caption>")[1].split("</table>")[0]
    assert '<code>cadence.cycle_seconds</code></th><td class="text"><code>77.0</code></td><td>--set</td>' in changed
    assert "config/default.toml:" in text
    assert "environment SECTORBOT__VENUE__API_KEY" in text
    assert key not in text
    assert secret not in text


async def test_a_journal_by_itself_is_shown_with_its_own_clock_and_settings(state: Path) -> None:
    source = make_source(settings_of(state), state / "journal.db")
    async with dashboard(source) as client:
        now = await (await client.get("/")).text()
        configuration = await (await client.get("/configuration")).text()
    assert "The bot does not run." not in now
    assert "A journal is shown; no daemon is asked." in now
    assert "journal, configuration" in configuration
    assert " d " not in now.split("Prices and account as cycle")[1].split("ago")[0]


async def test_no_journal_and_a_replaced_journal(tmp_path: Path, rotation: Path) -> None:
    state = tmp_path / "later"
    state.mkdir()
    source = make_source(settings_of(state))
    async with dashboard(source) as client:
        absent = await client.get("/")
        said = await absent.text()
        shutil.copy(rotation / "journal.db", state / "journal.db")
        first = source.stamp()
        present = await client.get("/")
        shutil.copy(rotation / "journal.db", state / "other.db")
        (state / "other.db").replace(state / "journal.db")
        assert source.stamp() != first
    assert absent.status == 503
    assert "there is no journal yet" in said
    assert present.status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200),
        ("[::1]:8420", 200),
        ("localhost:8420", 200),
        ("bot.example:8420", 200),
        ("evil.example:8420", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
async def test_only_own_names_are_answered(host: str, status: int, source_of: MakeSource) -> None:
    async with dashboard(source_of('dashboard.names=["Bot.example"]')) as client:
        answer = await client.get("/log", headers={"Host": host})
    assert answer.status == status


@pytest.mark.parametrize("query", ["/why?cycle=x", "/why?cycle=0", "/log?before=-1", "/why?cycle=9999999999999999999"])
async def test_numbers_of_a_query_are_checked(query: str, source_of: MakeSource) -> None:
    async with dashboard(source_of()) as client:
        answer = await client.get(query)
    assert answer.status == 400


async def test_an_unknown_cycle_is_a_sentence(source_of: MakeSource) -> None:
    async with dashboard(source_of()) as client:
        answer = await client.get("/why?cycle=4711")
        text = await answer.text()
    assert answer.status == 404
    assert "there is no cycle 4711" in text


async def test_the_live_channel_says_that_something_is_new(
    source_of: MakeSource, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.operate.dashboard.live.LOOK_SECONDS", 0.05)
    async with dashboard(source_of()) as client:
        stream = await client.get("/live")
        assert stream.headers["Content-Type"] == "text/event-stream"
        hello = await stream.content.readuntil(b"\n\n")
        journal = await Journal.open(state / "journal.db", account="demo", now_ms=lambda: time.time_ns() // 1_000_000)
        try:
            await journal.record_latch(KillLevel.PAUSE, by="somebody", reason="a test")
        finally:
            await journal.close()
        pretend_daemon(state, kill="pause")
        change = await stream.content.readuntil(b"\n\n")
        stream.close()
        page = await (await client.get("/", headers={"X-Refresh": "1"})).text()
    assert hello.startswith(b"event: hello")
    assert change.startswith(b"event: change")
    told = [json.loads(event.split(b"data: ")[1]) for event in (hello, change)]
    assert [each["clock"] for each in told] == ["wall", "wall"]
    assert [each["bot"] for each in told] == ["stopped", "running"]
    assert "pause is in force." in page
    assert "by somebody" in page


async def test_only_so_many_streams_are_open_at_once(source_of: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.operate.dashboard.live.STREAMS_MAX", 1)
    async with dashboard(source_of()) as client:
        stream = await client.get("/live")
        refused = await client.get("/live")
        stream.close()
    assert (stream.status, refused.status) == (200, 503)
