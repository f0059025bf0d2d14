"""Board, alerts and page know the metrics that exist, and no others. `python -m tests.operate.metrics.test_page` writes
the tables of the page."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from bot.operate.metrics.figures import PREFIX, MetricSet

ROOT = Path(__file__).parents[3]
PAGE, ALERTS = ROOT / "docs" / "metrics.md", ROOT / "deploy" / "prometheus" / "alerts.yml"
TESTS = ROOT / "deploy" / "prometheus" / "alerts.test.yml"
BOARD = ROOT / "deploy" / "grafana" / "sectorbot.json"
SUFFIXES = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
NAME = re.compile(rf"\b{PREFIX}_\w+")


def metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and text of each metric."""
    for found in vars(MetricSet()).values():
        if isinstance(found, MetricWrapperBase):
            (described,) = found.describe()
            yield described.name, described.type, found._labelnames, described.documentation


def exposed() -> set[str]:
    """The names that Prometheus stores."""
    return {name + suffix for name, kind, _, _ in metrics() for suffix in SUFFIXES[kind]}


def metric_table() -> str:
    rows = [f"| `{name}` | {kind} | {', '.join(labels)} | {text} |" for name, kind, labels, text in sorted(metrics())]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def alerts() -> list[dict[str, str]]:
    """The rules, read line by line: each key stands on a line of its own."""
    found: list[dict[str, str]] = []
    for line in ALERTS.read_text().splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if key == "alert":
            found.append({})
        if found and value:
            found[-1][key] = json.loads(value) if value.startswith('"') else value.strip("'")
    return found


def alert_table() -> str:
    rows = [
        f"| `{a['alert']}` | {a['severity']} | {re.sub(r'{{[^}]*}}', '…', a['summary'])} | {a['action']} |"
        for a in alerts()
    ]
    return "\n".join(["| alert | severity | says | what to do |", "|---|---|---|---|", *rows])


def page() -> str:
    """The page with its tables as they should be."""
    text = PAGE.read_text()
    for begin, table in (("| metric | type ", metric_table()), ("| alert | severity ", alert_table())):
        start = text.index(begin)
        text = text[:start] + table + text[text.index("\n\n", start) :]
    return text


def test_the_page_lists_every_metric_and_every_alert() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.operate.metrics.test_page"


def test_every_metric_has_a_unit_or_counts_something_and_says_what_it_is() -> None:
    named = list(metrics())
    assert len(named) >= 40
    assert all(name.startswith(f"{PREFIX}_") and text for name, _, _, text in named)


def test_the_board_asks_for_metrics_that_exist_and_shows_each_of_them() -> None:
    board = json.loads(BOARD.read_text())
    asked = {name for panel in board["panels"] for t in panel["targets"] for name in NAME.findall(t["expr"])}
    asked |= {name for variable in board["templating"]["list"] for name in NAME.findall(str(variable["query"]))}
    assert asked <= exposed()
    shown = {re.sub(r"_(bucket|total|info)$", "", name) for name in asked}
    others = {f"{PREFIX}_{name}" for name in ("turn_number", "refreshed_timestamp_seconds", "problem", "part_late")}
    assert {name for name, _, _, _ in metrics()} - shown <= others | {f"{PREFIX}_unpriced_holdings"}


def test_panels_of_the_board_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(BOARD.read_text())["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


def test_alerts_ask_for_metrics_that_exist_and_say_what_to_do() -> None:
    found = alerts()
    assert len(found) >= 12
    assert len({alert["alert"] for alert in found}) == len(found)
    for alert in found:
        assert set(NAME.findall(alert["expr"])) <= exposed(), alert["alert"]
        assert alert["severity"] in {"warning", "critical"}
        assert len(alert["action"]) > 20


def test_every_alert_has_a_series_on_which_it_fires_and_one_on_which_it_does_not() -> None:
    tests = re.findall(r"^  - name: (\w+) (fires|is silent)$", TESTS.read_text(), re.MULTILINE)
    assert sorted(tests) == sorted((a["alert"], how) for a in alerts() for how in ("fires", "is silent"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is absent; it comes with Debian's prometheus")
@pytest.mark.parametrize(
    "command", [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", TESTS.name]]
)
def test_promtool_accepts(command: list[str]) -> None:
    run = subprocess.run(
        ["promtool", *command], cwd=ALERTS.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE.write_text(page())} characters written to {PAGE.name}\n")
