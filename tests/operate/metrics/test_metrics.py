"""The figures of a bot after a turn: as the journal and the account say, on a port or in a file."""

import asyncio
import re
import socket
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from bot.domain.money import ZERO
from bot.domain.states import OrderState
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.operate.metrics import service as service_module
from bot.operate.metrics.figures import MetricSet, only
from bot.operate.metrics.order_times import OrderTimes
from bot.operate.metrics.service import make_metrics
from bot.operate.metrics.taking import take_profit, take_rest, take_turn
from bot.report.profit.periods import load_profit
from bot.risk import Limits
from bot.runtime.cycle import CycleResult
from bot.runtime.health.health_file import Health
from bot.runtime.services.service import RunningBot
from bot.runtime.settings.model import SettingsProblem, load_settings
from bot.runtime.settings.operate.metrics import MetricsSettings
from bot.runtime.watch.retry_after import HoldWatch
from bot.runtime.wiring import App
from tests.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def values(figures: MetricSet) -> dict[str, float]:
    """Every sample, by name and labels as Prometheus writes them."""
    found = {}
    for metric in figures.registry.collect():
        for sample in metric.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def taken(app: App, result: CycleResult, health: Health) -> dict[str, float]:
    figures, reader = MetricSet(), JournalReader(app.journal.path)
    take_turn(figures, result)
    try:
        take_rest(figures, reader, health, limits=app.cycle.parts.limits, result=result, now_ms=app.clock.now_ms())
    finally:
        reader.close()
    return values(figures)


async def test_after_a_turn_the_figures_are_those_of_account_journal_and_gate(stage: Stage, tmp_path: Path) -> None:
    health = Health(tmp_path / "health.json", "trade", "sim")
    health.expect("cycle", 60)
    health.last["held_seconds"] = {"perp": 7}
    async with stage.app() as app:
        for _ in range(6):
            result = await stage.turn(app)
            if result.outcomes:
                break
            stage.embedded.clock.skip(4 * 3_600_000)
        found, reader, portfolio = taken(app, result, health), app.journal.reader, result.portfolio
        assert found["sectorbot_equity_quote"] == pytest.approx(float(portfolio.equity))
        assert found["sectorbot_cash_quote"] == pytest.approx(float(portfolio.account.cash))
        sleeves = sum(value for name, value in found.items() if name.startswith("sectorbot_sleeve_quote"))
        parts = sum((s.spot + s.futures for s in portfolio.sectors.values()), ZERO)
        assert sleeves == pytest.approx(float(parts))
        states = reader.count_orders_by_state()
        assert {s: found[f'sectorbot_orders{{state="{s.value}"}}'] for s in OrderState} == {
            s: states.get(s, 0) for s in OrderState
        }
        assert sum(states.values()) > 0, "the turn has sent orders"
        sent = sum(v for name, v in found.items() if name.startswith("sectorbot_outcomes_total"))
        assert sent == len(result.outcomes)
        assert found["sectorbot_turnover_today_quote"] == pytest.approx(float(reader.load_turnover(0)))
        used = {name for name in found if name.startswith("sectorbot_limit_used_ratio")}
        limits = {re.findall('limit="(.*)"', name)[0] for name in used}
        assert len(limits) >= 15
        assert limits <= set(Limits.model_fields)
        gross = found['sectorbot_limit_used_ratio{limit="gross_max"}']
        assert 0.3 < gross <= 1.01, "the account is invested, within the limit"
        assert found['sectorbot_throttle_held_seconds{part="perp"}'] == 7
        assert found["sectorbot_books_agreed"] == 1
        assert found['sectorbot_part_late{part="cycle"}'] == 0
        assert found["sectorbot_journal_bytes"] > 10_000
        assert found['sectorbot_turn_seconds_count{kind="cycle"}'] == 1


async def test_a_port_serves_openmetrics_with_the_cycle_as_exemplar_and_a_file_has_the_same(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "REFRESH_SECONDS", 0.05)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics = MetricsSettings(listen=f"127.0.0.1:{port}", file=tmp_path / "textfile" / "sectorbot.prom")
    settings = stage.settings.model_copy(update={"metrics": metrics})
    async with stage.app() as app:
        service = make_metrics(RunningBot(app, settings, Health(tmp_path / "health.json", "trade", "sim")))
        task = asyncio.create_task(service.run())
        service.on_turn(await stage.turn(app))
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )
        async with asyncio.timeout(10):
            text = ""
            while "sectorbot_equity_quote 9" not in text and "sectorbot_equity_quote 1" not in text:
                await asyncio.sleep(0.1)
                text = (await asyncio.to_thread(_fetch, request)).decode()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert re.search(r'sectorbot_turn_seconds_bucket\{kind="cycle",le="[\d.]+"\} 1\.0 # \{cycle="1"\}', text)
    assert f'config="{settings.digest}"' in text
    written = metrics.file.read_text() if metrics.file else ""
    assert "sectorbot_equity_quote" in written
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(_fetch, request)


def _fetch(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - a loopback address of this test
        body: bytes = answer.read()
        return body


async def test_a_port_that_is_taken_is_an_error_of_the_service_alone(stage: Stage, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        settings = stage.settings.model_copy(update={"metrics": MetricsSettings(listen=listen)})
        async with stage.app() as app:
            service = make_metrics(RunningBot(app, settings, Health(tmp_path / "h.json", "trade", "sim")))
            with pytest.raises(OSError, match="in use"):
                await service.run()


async def test_profit_is_that_of_the_report_and_taken_once_for_each_valuation(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_at: list[int] = []

    def counted(*arguments: Any) -> None:
        taken_at.append(1)
        take_profit(*arguments)

    monkeypatch.setattr(service_module, "take_profit", counted)
    async with stage.app() as app:
        await stage.turn(app)
        service = make_metrics(RunningBot(app, stage.settings, Health(tmp_path / "h.json", "trade", "sim")))
        reader = JournalReader(app.journal.path)
        try:
            for _ in range(3):
                service._refresh(reader)
            profit = load_profit(reader, stage.settings.universe, app.clock.now_ms())
        finally:
            reader.close()
    assert taken_at == [1]
    assert profit.start is not None
    found = values(service.figures)
    assert found['sectorbot_profit_quote{part="net",period="start"}'] == pytest.approx(float(profit.start.total.net))


async def test_without_a_price_equity_is_not_a_number_instead_of_the_last_one(stage: Stage, tmp_path: Path) -> None:
    before = values(MetricSet())
    assert isnan(before["sectorbot_equity_quote"])
    assert isnan(before["sectorbot_books_agreed"]), "nothing has been compared yet"
    async with stage.app() as app:
        result = await stage.turn(app)
        unpriced = replace(result, portfolio=replace(result.portfolio, unpriced=("XYZ",)))
        found = taken(app, unpriced, Health(tmp_path / "health.json", "trade", "sim"))
    for name in ("equity_quote", "book_quote", "drawdown_ratio", "profit_today_quote"):
        assert isnan(found[f"sectorbot_{name}"]), name
    assert found["sectorbot_unpriced_holdings"] == 1


def test_a_label_that_is_gone_is_not_shown_any_more() -> None:
    figures = MetricSet()
    only(figures.position, {"A": 1.0, "B": 2.0})
    only(figures.position, {"B": 3.0})
    shown = {name: value for name, value in values(figures).items() if name.startswith("sectorbot_position_quote")}
    assert shown == {'sectorbot_position_quote{symbol="B"}': 3.0}


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":9464"])
def test_an_address_that_is_none_is_a_problem(workplace: Path, listen: str) -> None:
    with pytest.raises(SettingsProblem, match=r"metrics\.listen: .* is no address and port"):
        load_settings(assignments=(f'metrics.listen="{listen}"',))


def test_metrics_are_off_unless_an_address_or_a_file_is_named(workplace: Path) -> None:
    assert not load_settings().metrics.is_on
    found: Any = load_settings(assignments=('metrics.listen="[::1]:9464"',)).metrics
    assert (found.is_on, found.address) == (True, ("::1", 9464))


async def test_orders_are_timed_from_their_record_to_the_first_answer(stage: Stage) -> None:
    async with stage.app() as app:
        figures, reader = MetricSet(), JournalReader(app.journal.path)
        times = OrderTimes(after_seq=0)
        try:
            for _ in range(6):
                result = await stage.turn(app)
                if result.outcomes:
                    break
                stage.embedded.clock.skip(4 * 3_600_000)
            times.take(figures, reader)
            first = values(figures)
            times.take(figures, reader)
            assert values(figures) == first, "an order is counted once"
            events = reader.load_events(1_000)
        finally:
            reader.close()
    sent = {e.payload["order"]["client_id"]: e.at_ms for e in events if e.kind == "order_submitting"}
    answers = [e for e in events if e.kind == "order_event" and e.payload["before"] == "submitting"]
    counts = {name: value for name, value in first.items() if name.startswith("sectorbot_order_seconds_count")}
    assert sum(counts.values()) == len(answers) > 0
    waited = sum(event.at_ms - sent[event.payload["client_id"]] for event in answers) / 1000
    total = sum(value for name, value in first.items() if name.startswith("sectorbot_order_seconds_sum"))
    assert total == pytest.approx(waited)
    exemplars = [
        s.exemplar for m in figures.registry.collect() for s in m.samples if s.name == "sectorbot_order_seconds_bucket"
    ]
    assert {"cycle": str(result.number)} in [exemplar.labels for exemplar in exemplars if exemplar]


def answered(*steps: tuple[str, dict[str, Any]]) -> dict[str, float]:
    """Figures after events a second apart."""

    class Reader:
        def load_events(self, limit: int, after: int, kinds: object) -> tuple[Any, ...]:
            rows = [Fact(seq, seq * 1000, kind, payload) for seq, (kind, payload) in enumerate(steps, 1)]
            return tuple(row for row in rows if row.seq > after)

    figures, reader = MetricSet(), Reader()
    OrderTimes(0).take(figures, reader)  # type: ignore[arg-type]
    return values(figures)


def test_an_order_whose_answer_was_lost_counts_until_the_venue_has_answered() -> None:
    order = {"order": {"client_id": "a", "symbol": "UNI/USDT:USDT"}}
    found = answered(
        ("cycle", {"number": 7}),
        ("order_submitting", order),
        ("order_event", {"client_id": "a", "event": "lost", "before": "submitting"}),
        ("order_event", {"client_id": "a", "event": "seen_open", "before": "in_doubt"}),
        ("order_event", {"client_id": "a", "event": "filled", "before": "open"}),
    )
    assert found['sectorbot_order_seconds_sum{market="perp"}'] == 2
    assert found['sectorbot_order_seconds_count{market="perp"}'] == 1


async def test_the_request_budget_that_is_used_is_that_of_the_fullest_limit(stage: Stage, tmp_path: Path) -> None:
    async with stage.app() as app:
        await stage.turn(app)
        gates = app.venue._link.wire.gates  # type: ignore[attr-defined]
        used = HoldWatch(app.venue).used()
        assert set(used) == set(gates)
        for market, gate in gates.items():
            assert used[market] == pytest.approx(max(used / limit for used, limit in gate.loads().values()), abs=0.02)
        assert max(used.values()) > 0
        health = Health(tmp_path / "health.json", "trade", "sim")
        health.last["requests_used"] = used
        found = taken(app, await stage.turn(app), health)
    assert found[f'sectorbot_requests_used_ratio{{part="{next(iter(used))}"}}'] == next(iter(used.values()))
